/**
 * Logins. It implements the `Authenticator` that the receiver declares: SASL mechanisms (RFC 4422) over a file of
 * users, Dovecot, OAuth 2.0 tokens and client certificates.
 *
 * PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677, 9266), OAUTHBEARER (RFC 7628),
 * XOAUTH2, EXTERNAL. Mechanisms with a password are offered under TLS only. A file of users holds argon2id hashes,
 * SCRAM verifiers and the hashes of application passwords, never a password.
 *
 * Invariants: an unknown user and a wrong password have the same reply after the same work; guessing becomes slower
 * for a name at an address, and no user waits for the errors of others (decision 0017); one password is hashed at a
 * time, so that the spool keeps its threads.
 *
 * Windows (POP before SMTP): a user who has just logged in to a mailbox may relay from the same address for a while,
 * under his own name. A window is durable before it counts, and a disk that takes no writes opens none.
 *
 * On failure: unreadable users, and a Dovecot or an issuer of tokens that is silent, lies or sends nonsense, are 454,
 * never a grant and never a 5yz.
 */

/** Types of the `Authenticator`, for callers other than SMTP. */
export type { ClientFacts, Identity, SaslExchange, SaslStep, TlsFacts } from '../receiver/index.ts';
export {
  type AuthenticatorOptions,
  createAuthenticator,
  type Identities,
  type VerifyPassword,
} from './authenticator.ts';
export { windowCommands } from './commands.ts';
export { Dovecot } from './dovecot.ts';
export { type IdentityEvents, identityEvents } from './events.ts';
export type { IdentityOfCertificate } from './external.ts';
export { hashPassword } from './hash-gate.ts';
export { createIdentities, type IdentitySources } from './identities.ts';
export { isSameName, nameKey } from './name.ts';
export { createTokenJudge, type JudgeToken } from './oauth-token.ts';
export {
  type DovecotOptions,
  type DovecotPlace,
  defaultWindows,
  type OAuthOptions,
  type WindowOptions,
} from './options.ts';
export { createWindowControl, PopBeforeSmtp, proxiesOf, windowTable } from './pop-before-smtp.ts';
export { type Attempt, type Attempter, Throttle } from './throttle.ts';
export { Users } from './users.ts';
export {
  type DevicePassword,
  editUsers,
  parseUsers,
  scramValue,
  type User,
  type UserList,
  UsersFileError,
} from './users-file.ts';
export { makeDevicePassword, makeScramVerifier, preparePassword, type ScramVerifier } from './verifier.ts';
export {
  type AddressFacts,
  type MailboxLogin,
  type WindowItem,
  type WindowOutcome,
  type WindowParts,
  Windows,
  windowLimit,
} from './windows.ts';
export { decodeWindow, type StoredWindow } from './windows-row.ts';

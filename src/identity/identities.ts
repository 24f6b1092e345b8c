/** All sources of identities under one configuration. */
import { type Clock, isLoopback, type Log } from '../base/index.ts';
import type { Pattern } from '../mail/index.ts';
import { createAuthenticator, type Identities } from './authenticator.ts';
import { Dovecot } from './dovecot.ts';
import type { IdentityEvents } from './events.ts';
import { createTokenJudge } from './oauth-token.ts';
import type { DovecotOptions, OAuthOptions } from './options.ts';
import type { Throttle } from './throttle.ts';
import { Users } from './users.ts';

/** The sources of identities under one configuration. */
export interface IdentitySources {
  readonly identities: Identities;
  /** Closes connections of its back ends. */
  close(): void;
}

/** The part of the configuration that defines users. */
export interface IdentityConfig {
  readonly users?: {
    /** The path of a file of users. */
    readonly file?: string;
    readonly dovecot?: DovecotOptions;
    readonly oauth?: OAuthOptions;
    readonly plaintext: 'never' | 'loopback';
  };
  readonly relay: {
    readonly certificates: readonly {
      readonly fingerprint: string;
      readonly name: string;
      readonly senders?: readonly Pattern[];
    }[];
    readonly clientAuthorities: readonly string[];
  };
}

const anySender: readonly Pattern[] = [{ kind: 'any' }];

/** Makes the authenticator that a configuration asks for; without users it knows certificates only. */
export function createIdentities(
  { users, relay }: IdentityConfig,
  {
    throttle,
    clock,
    log,
  }: { readonly throttle: Throttle; readonly clock: Clock; readonly log: Log<IdentityEvents> },
): IdentitySources {
  const dovecot = users?.dovecot && new Dovecot(users.dovecot, { clock, log });
  const listed = new Map(relay.certificates.map((entry) => [entry.fingerprint, entry]));
  const isTrusting = relay.clientAuthorities.length > 0;
  // Its mechanisms beyond passwords are known once it has greeted.
  void dovecot?.prepare();
  const identities = createAuthenticator({
    users: users?.file === undefined ? undefined : new Users(users.file, { clock, log }),
    dovecot,
    judgeToken: users?.oauth && createTokenJudge(users.oauth),
    identityOfCertificate({ fingerprint, isTrusted, names, subject }) {
      const entry = listed.get(fingerprint);
      const name = entry?.name ?? (isTrusting && isTrusted ? (names[0] ?? subject) : undefined);
      return name === undefined
        ? undefined
        : { name, mechanism: 'EXTERNAL', senders: entry?.senders ?? anySender };
    },
    // A client behind a proxy is not on this machine, whatever its address there.
    allowPlaintext: ({ address, isVouchedFor, isStandIn }) =>
      users?.plaintext === 'loopback' && isLoopback(address) && !isVouchedFor && !isStandIn,
    throttle,
    clock,
    log,
  });
  return { identities, close: () => dovecot?.[Symbol.dispose]() };
}

/** Asks whether an earlier login still holds. */
import type { ClientFacts, Identity } from '../receiver/index.ts';
import { type Dovecot, dovecotCredential } from './dovecot.ts';
import type { IdentityOfCertificate } from './external.ts';
import { nameKey } from './name.ts';
import { identityOfToken, tokenCredential } from './oauth.ts';
import type { JudgeToken } from './oauth-token.ts';
import { identityOf } from './password.ts';
import type { Users } from './users.ts';
import type { User } from './users-file.ts';

/** The sources of identities in force now. */
export interface RenewalSources {
  readonly users?: Users | undefined;
  readonly dovecot?: Dovecot | undefined;
  readonly judgeToken?: JudgeToken | undefined;
  readonly identityOfCertificate: IdentityOfCertificate;
}

type Renewed = Identity | undefined | 'unavailable';

/** The identity today of a client that logged in earlier (`Authenticator.renew`). */
export function createRenewal({ users, dovecot, judgeToken, identityOfCertificate }: RenewalSources) {
  const byCredential = (identity: Identity): Renewed => {
    switch (identity.credential) {
      case tokenCredential:
        return judgeToken && unchanged(identity, identityByToken(users, identity.name, identity.mechanism));
      case dovecotCredential:
        return dovecot && identity;
      default:
        return users && ofFile(users, identity);
    }
  };
  return {
    renew(identity: Identity, client: Pick<ClientFacts, 'tls'>): Renewed {
      if (identity.mechanism !== 'EXTERNAL') return byCredential(identity);
      const certificate = client.tls?.certificate;
      const now = certificate && identityOfCertificate(certificate);
      return now?.name === identity.name ? now : undefined;
    },
    /** Whether the credential of a login is still valid for a user. */
    holds(name: string, credential: string): boolean {
      if (credential === tokenCredential || credential === dovecotCredential)
        return typeof byCredential({ name, credential, mechanism: '', senders: [] }) === 'object';
      const user = users?.find(name);
      if (user === undefined || user === 'unavailable' || user.isDisabled) return false;
      const { password, scram } = user.credentials;
      return [password, scram, ...user.devices.map((device) => device.credential)].includes(credential);
    },
  };
}

/** The identity of a token: the user of the file where there is one, else the name in the token. */
export function identityByToken(users: Users | undefined, name: string, mechanism: string): Renewed {
  const user = users?.find(name);
  if (user === 'unavailable') return user;
  if (user === undefined) return identityOfToken(name, mechanism);
  return user.isDisabled ? undefined : identityOf(user, mechanism, tokenCredential);
}

function ofFile(users: Users, identity: Identity): Renewed {
  const user = users.find(identity.name);
  if (user === undefined || user === 'unavailable') return user;
  const shown = shownNow(user, identity);
  if (user.isDisabled || shown === undefined) return undefined;
  return unchanged(identity, identityOf(user, identity.mechanism, shown));
}

/** The credential shown at the login, where the user still has it. */
function shownNow({ devices, credentials }: User, { device, credential }: Identity) {
  if (device !== undefined)
    return devices.find((each) => each.device === device && each.credential === credential);
  const isOwn = credential !== undefined && [credentials.password, credentials.scram].includes(credential);
  return isOwn ? credential : undefined;
}

/** The one from before where it is the same: a session that goes on needs nothing new. */
function unchanged(before: Identity, now: Renewed): Renewed {
  if (now === undefined || now === 'unavailable') return now;
  const isSame = now.senders === before.senders && nameKey(now.name) === nameKey(before.name);
  return isSame ? before : now;
}

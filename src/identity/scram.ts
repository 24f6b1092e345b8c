/** The mechanisms SCRAM-SHA-256 and SCRAM-SHA-256-PLUS. */
import { randomBytes } from 'node:crypto';
import type { ClientFacts } from '../receiver/index.ts';
import { decodeText, lossyText, type Mechanism } from './mechanism.ts';
import { isSameName, nameKey } from './name.ts';
import { identityOf } from './password.ts';
import { garbled, notNow, wrong } from './replies.ts';
import type { Users } from './users.ts';
import { hmac, isProof, type ScramVerifier, scramIterations } from './verifier.ts';

const nothing = Buffer.alloc(0);

/** The first message of a client (RFC 5802 §7), parsed. */
export interface ClientFirst {
  readonly header: string;
  /** `p=` and its type, `y` or `n`. */
  readonly binding: { readonly flag: 'p'; readonly type: string } | { readonly flag: 'y' | 'n' };
  readonly authorization: string;
  readonly name: string;
  readonly nonce: string;
  /** The message without its header. */
  readonly bare: string;
}

/** Parses the first message; `undefined` when it is none. */
export function parseClientFirst(text: string): ClientFirst | undefined {
  const match =
    /^((?:p=([A-Za-z0-9.-]+)|([yn])),(?:a=([^,]*))?,)(n=([^,]*),r=([!-+\--~]+)(?:,[A-Za-z]=[^,]*)*)$/.exec(
      text,
    );
  if (match === null) return undefined;
  const [, header = '', type, flag, authorization, bare = '', name = '', nonce = ''] = match;
  const decoded = decodeName(name);
  const acting = decodeName(authorization ?? '');
  if (decoded === undefined || decoded === '' || acting === undefined || nonce.length > 256) return undefined;
  const binding =
    type === undefined ? ({ flag: flag === 'y' ? 'y' : 'n' } as const) : ({ flag: 'p', type } as const);
  return { header, binding, authorization: acting, name: decoded, nonce, bare };
}

/** RFC 5802 §5.1: `=2C` is a comma, `=3D` an equals sign, and `=` means nothing else. */
function decodeName(text: string): string | undefined {
  if (/=(?!2C|3D)/.test(text) || text.includes('\0')) return undefined;
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

/** The last message of a client, parsed. */
export interface ClientFinal {
  readonly binding: Buffer;
  readonly nonce: string;
  readonly proof: Buffer;
  readonly withoutProof: string;
}

export function parseClientFinal(text: string): ClientFinal | undefined {
  const base64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';
  const match = new RegExp(`^(c=(${base64}),r=([!-+\\--~]+)(?:,[A-Za-oq-z]=[^,]*)*),p=(${base64})$`).exec(
    text,
  );
  if (match === null) return undefined;
  const [, withoutProof = '', binding = '', nonce = '', proof = ''] = match;
  return {
    binding: Buffer.from(binding, 'base64'),
    nonce,
    proof: Buffer.from(proof, 'base64'),
    withoutProof,
  };
}

export interface ScramOptions {
  readonly users: Users;
  /** `-PLUS`: the exchange is bound to the TLS session (RFC 5802 §6, RFC 9266). */
  readonly isPlus: boolean;
}

/** SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): the password itself never comes here. */
export function scram({ users, isPlus }: ScramOptions): Mechanism {
  const mechanism = isPlus ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256';
  return async function* exchange({ client, throttle, signal }, given) {
    const octets = given ?? (yield nothing);
    const first = parseClientFirst(lossyText(octets));
    if (first === undefined) return garbled('not a first message of SCRAM');
    if (decodeText(octets) === undefined) return wrong('a name that is not UTF-8');
    const bound = bindingOf(first, client, isPlus);
    if (typeof bound === 'string') return wrong(bound);
    if (first.authorization !== '' && !isSameName(first.authorization, first.name))
      return wrong('another authorization identity');
    const list = users.list();
    const user = users.find(first.name);
    if (list === undefined || user === 'unavailable') return notNow('the users cannot be read');
    const verifier = user?.scram ?? nobodys(first.name, list.secret);
    const nonce = first.nonce + randomBytes(18).toString('base64');
    const serverFirst = `r=${nonce},s=${verifier.salt.toString('base64')},i=${verifier.iterations}`;
    const last = parseClientFinal(decodeText(yield Buffer.from(serverFirst)) ?? '');
    if (last === undefined) return garbled('not a last message of SCRAM');
    // Steps before this judge nothing, so a client that falls silent takes no turn.
    const attempt = await throttle.enter({ address: client.address, name: first.name, signal });
    if (attempt === 'busy') return notNow('too many attempts wait');
    using judged = attempt;
    const message = `${first.bare},${serverFirst},${last.withoutProof}`;
    const isRight = isProof(verifier, message, last.proof);
    const expected = Buffer.concat([Buffer.from(first.header), bound]);
    if (
      !isRight ||
      user?.scram === undefined ||
      user.isDisabled ||
      last.nonce !== nonce ||
      !last.binding.equals(expected)
    ) {
      judged.failed();
      return wrong(
        becauseOf({ isRight, isKnown: user !== undefined, isBound: last.binding.equals(expected) }),
      );
    }
    judged.succeeded();
    yield Buffer.from(`v=${hmac(verifier.serverKey, message).toString('base64')}`);
    return { kind: 'success', identity: identityOf(user, mechanism, user.credentials.scram) };
  };
}

function becauseOf(found: {
  readonly isRight: boolean;
  readonly isKnown: boolean;
  readonly isBound: boolean;
}): string {
  if (!found.isKnown) return 'no such user';
  if (!found.isBound) return 'bound to another TLS session';
  return found.isRight ? 'disabled, or another nonce' : 'wrong password';
}

/**
 * The octets to which the exchange is bound. A client that thinks we cannot bind (`y`), although we offered it, was
 * deceived by somebody in between (RFC 5802 §6).
 */
function bindingOf({ binding }: ClientFirst, { tls }: ClientFacts, isPlus: boolean): Buffer | string {
  const exporter = tls?.channelBinding?.('tls-exporter');
  if (isPlus) {
    if (binding.flag !== 'p') return 'SCRAM-SHA-256-PLUS without a channel binding';
    const type = binding.type;
    if (type !== 'tls-exporter' && type !== 'tls-server-end-point') return 'an unknown channel binding';
    return tls?.channelBinding?.(type) ?? 'a channel binding that is not there';
  }
  if (binding.flag === 'p') return 'a channel binding without SCRAM-SHA-256-PLUS';
  if (binding.flag === 'y' && exporter !== undefined)
    return 'somebody hid SCRAM-SHA-256-PLUS from the client';
  return nothing;
}

/** A verifier for an unknown user, or one without a password: always the same salt, and no password fits. */
function nobodys(name: string, secret: Buffer | undefined): ScramVerifier {
  const salt = hmac(secret ?? processSecret, `salt ${nameKey(name)}`).subarray(0, 16);
  return {
    iterations: scramIterations,
    salt,
    storedKey: hmac(processSecret, name),
    serverKey: processSecret,
  };
}

const processSecret = randomBytes(32);

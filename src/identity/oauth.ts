/** The mechanisms OAUTHBEARER and XOAUTH2. */
import { ownPattern } from '../mail/index.ts';
import type { Identity } from '../receiver/index.ts';
import { type ExchangeParts, lossyText, type Mechanism } from './mechanism.ts';
import { isSameName } from './name.ts';
import type { JudgeToken } from './oauth-token.ts';
import { garbled, notNow, wrong } from './replies.ts';

const nothing = Buffer.alloc(0);
/** RFC 7628 §3.2.2. */
const refusal = Buffer.from(JSON.stringify({ status: 'invalid_token' }));

/** The client's credentials: a token, and the user name that it gives. */
export interface Bearer {
  readonly name: string | undefined;
  readonly token: string;
}

const separator = '\x01';

/** OAUTHBEARER (RFC 7628 §3.1): a GS2 header, then pairs that end in ^A, then ^A. */
export function parseOAuthBearer(text: string): Bearer | undefined {
  const [header = '', ...pairs] = text.split(separator);
  const match = /^[ny],(?:a=([^,]*))?,$/.exec(header);
  return match === null
    ? undefined
    : bearerOf(pairs, match[1]?.replaceAll('=2C', ',').replaceAll('=3D', '='));
}

/** XOAUTH2, as Google and Microsoft have it. */
export function parseXoauth2(text: string): Bearer | undefined {
  const [header = '', ...pairs] = text.split(separator);
  return header.startsWith('user=') ? bearerOf(pairs, header.slice(5)) : undefined;
}

function bearerOf(pairs: readonly string[], name: string | undefined): Bearer | undefined {
  const isWhole = pairs.length > 2 && pairs.at(-1) === '' && pairs.at(-2) === '';
  const found = pairs.filter((pair) => /^auth=/i.test(pair));
  const token = /^auth=Bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(found[0] ?? '')?.[1];
  return token === undefined || found.length > 1 || !isWhole ? undefined : { name: name || undefined, token };
}

export interface OAuthMechanismOptions {
  readonly mechanism: 'OAUTHBEARER' | 'XOAUTH2';
  readonly judge: JudgeToken;
  /** The identity known for a name besides the token; `undefined`: it sends as the address that the name is. */
  readonly identityOf: (name: string, mechanism: string) => Identity | undefined | 'unavailable';
}

/** OAUTHBEARER and XOAUTH2. A refused token gets an error challenge first, which the client has to answer. */
export function oauth({ mechanism, judge, identityOf }: OAuthMechanismOptions): Mechanism {
  const parse = mechanism === 'OAUTHBEARER' ? parseOAuthBearer : parseXoauth2;
  return async function* exchange(parts, first) {
    const octets = first ?? (yield nothing);
    const bearer = parse(lossyText(octets));
    if (bearer === undefined) return garbled(`not a ${mechanism} message`);
    const verdict = await judgeInTurn(judge, bearer, parts);
    if (verdict === 'busy') return notNow('too many attempts wait');
    if (verdict.kind === 'unavailable') return notNow(`the issuer of tokens: ${verdict.because}`);
    const because = verdict.kind === 'invalid' ? `token: ${verdict.because}` : faultOf(bearer, verdict.name);
    if (verdict.kind === 'invalid' || because !== undefined) {
      yield refusal;
      return wrong(because ?? 'token');
    }
    const identity = identityOf(verdict.name, mechanism);
    if (identity === 'unavailable') return notNow('the users cannot be read');
    return identity === undefined
      ? wrong('a token of somebody who may not send')
      : { kind: 'success', identity };
  };
}

/**
 * A token that the issuer has signed was not guessed: one that has merely expired, or is meant for another audience,
 * is not counted. The others have a count of their own, so that no password waits for them.
 */
async function judgeInTurn(judge: JudgeToken, { name = '', token }: Bearer, parts: ExchangeParts) {
  const { client, throttle, signal } = parts;
  const attempter = { address: client.address, name: `token of ${name}`, secret: token, signal };
  const attempt = await throttle.enter(attempter);
  if (attempt === 'busy') return attempt;
  using judged = attempt;
  const verdict = await judge(token);
  if (verdict.kind === 'valid') judged.succeeded();
  else if (verdict.kind === 'invalid' && !verdict.isSigned) judged.failed();
  return verdict;
}

function faultOf({ name }: Bearer, proven: string): string | undefined {
  return name === undefined || isSameName(name, proven) ? undefined : 'the token of somebody else';
}

/**
 * The credential of all users that came with a token: it holds as long as tokens are accepted at all, and the user is
 * not disabled.
 */
export const tokenCredential = 'token';

/** A user who is known by a token alone. */
export function identityOfToken(name: string, mechanism: string): Identity | undefined {
  const own = ownPattern(name);
  return own && { name, mechanism, senders: [own], credential: tokenCredential };
}

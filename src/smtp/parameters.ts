/** Decodes the parameters of MAIL and RCPT. */
import { isUtf8 } from 'node:buffer';
import {
  type Body,
  type Notify,
  type OriginalRecipient,
  parseMailbox,
  type Recipient,
  type Reply,
  type ReversePath,
  reply,
} from '../mail/index.ts';
import type { Parameters } from './command.ts';
import type { Extensions } from './extensions.ts';
import { decodeUtf8Xtext, decodeXtext, encodeUtf8Xtext, encodeXtext } from './xtext.ts';

/** The parameters of MAIL, decoded. Absent ones have the defaults of the RFCs. */
export interface MailParameters {
  /** SIZE= (RFC 1870): octets, as the client believes. */
  readonly size?: number;
  readonly body: Body;
  readonly smtputf8: boolean;
  readonly ret?: 'full' | 'hdrs';
  readonly envid?: string;
  /** AUTH= (RFC 4954 §5): the original sender; `null` is `<>`, a sender without authentication. */
  readonly auth?: ReversePath;
}

/** The parameters of RCPT, decoded: they go into the envelope as they are. */
export type RcptParameters = Pick<Recipient, 'notify' | 'originalRecipient'>;

/** Decoded parameters, or the reply that refuses the command. */
export type Decoded<T> =
  | { readonly kind: 'decoded'; readonly parameters: T }
  | { readonly kind: 'refused'; readonly reply: Reply };

const unknown = reply(555, '5.4', 'a parameter is not known or not offered here');
const badSize = reply(501, '5.4', 'bad value of SIZE');
const tooBig = reply(552, '3.4', 'message too big');
const badBody = reply(501, '5.4', 'bad value of BODY');
const badSmtputf8 = reply(501, '5.4', 'SMTPUTF8 takes no value');
const badRet = reply(501, '5.4', 'bad value of RET');
const badEnvid = reply(501, '5.4', 'bad value of ENVID');
const badAuth = reply(501, '5.4', 'bad value of AUTH');
const badNotify = reply(501, '5.4', 'bad value of NOTIFY');
const badOrcpt = reply(501, '5.4', 'bad value of ORCPT');

/** RFC 3461 §5.4, without the keyword. */
const maxEnvidOctets = 100;
const maxOrcptOctets = 500;

type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** One parameter: whether it is offered, and how its value gets into the result (a reply refuses it). */
interface Decoder<T> {
  readonly isOffered: (offer: Extensions) => boolean;
  readonly decode: (into: Draft<T>, value: string | undefined, offer: Extensions) => Reply | undefined;
}

const mailDecoders: ReadonlyMap<string, Decoder<MailParameters>> = new Map<string, Decoder<MailParameters>>([
  ['SIZE', { isOffered: (offer) => offer.size !== undefined, decode: decodeSize }],
  ['BODY', { isOffered: (offer) => offer.eightBitMime || offer.binaryMime, decode: decodeBody }],
  ['SMTPUTF8', { isOffered: (offer) => offer.smtputf8, decode: decodeSmtputf8 }],
  ['RET', { isOffered: (offer) => offer.dsn, decode: decodeRet }],
  ['ENVID', { isOffered: (offer) => offer.dsn, decode: decodeEnvid }],
  // Parsed for every client (RFC 4954 §5); whether it is believed is decided elsewhere.
  ['AUTH', { isOffered: (offer) => offer.auth.length > 0, decode: decodeAuth }],
]);

const rcptDecoders: ReadonlyMap<string, Decoder<RcptParameters>> = new Map<string, Decoder<RcptParameters>>([
  ['NOTIFY', { isOffered: (offer) => offer.dsn, decode: decodeNotify }],
  ['ORCPT', { isOffered: (offer) => offer.dsn, decode: decodeOrcpt }],
]);

const noMailParameters: Decoded<MailParameters> = {
  kind: 'decoded',
  parameters: { body: '7bit', smtputf8: false },
};
const noRcptParameters: Decoded<RcptParameters> = { kind: 'decoded', parameters: {} };

/** Decodes the parameters of MAIL that `offer` allows. A SIZE above the offered one is refused with 552. */
export function decodeMailParameters(parameters: Parameters, offer: Extensions): Decoded<MailParameters> {
  if (parameters.size === 0) return noMailParameters;
  const draft: Draft<MailParameters> = { body: '7bit', smtputf8: false };
  return decodeAll(parameters, offer, { draft, decoders: mailDecoders });
}

/** Decodes the parameters of RCPT that `offer` allows. */
export function decodeRcptParameters(parameters: Parameters, offer: Extensions): Decoded<RcptParameters> {
  if (parameters.size === 0) return noRcptParameters;
  return decodeAll(parameters, offer, { draft: {}, decoders: rcptDecoders });
}

function decodeAll<T>(
  parameters: Parameters,
  offer: Extensions,
  into: { readonly draft: Draft<T>; readonly decoders: ReadonlyMap<string, Decoder<T>> },
): Decoded<T> {
  for (const [keyword, value] of parameters) {
    const decoder = into.decoders.get(keyword);
    if (decoder === undefined || !decoder.isOffered(offer)) return { kind: 'refused', reply: unknown };
    const refusal = decoder.decode(into.draft, value, offer);
    if (refusal !== undefined) return { kind: 'refused', reply: refusal };
  }
  return { kind: 'decoded', parameters: into.draft };
}

function decodeSize(
  into: Draft<MailParameters>,
  value: string | undefined,
  offer: Extensions,
): Reply | undefined {
  if (value === undefined || !/^\d{1,20}$/.test(value)) return badSize;
  into.size = Math.min(Number(value), Number.MAX_SAFE_INTEGER);
  return offer.size !== undefined && offer.size > 0 && into.size > offer.size ? tooBig : undefined;
}

function decodeBody(
  into: Draft<MailParameters>,
  value: string | undefined,
  offer: Extensions,
): Reply | undefined {
  switch (value?.toUpperCase()) {
    case '7BIT':
      into.body = '7bit';
      return undefined;
    case '8BITMIME':
      into.body = '8bitmime';
      return offer.eightBitMime ? undefined : unknown;
    case 'BINARYMIME':
      into.body = 'binarymime';
      return offer.binaryMime ? undefined : unknown;
    default:
      return badBody;
  }
}

function decodeSmtputf8(into: Draft<MailParameters>, value: string | undefined): Reply | undefined {
  into.smtputf8 = true;
  return value === undefined ? undefined : badSmtputf8;
}

function decodeRet(into: Draft<MailParameters>, value: string | undefined): Reply | undefined {
  const ret = value?.toLowerCase();
  if (ret !== 'full' && ret !== 'hdrs') return badRet;
  into.ret = ret;
  return undefined;
}

function decodeEnvid(into: Draft<MailParameters>, value: string | undefined): Reply | undefined {
  const text = value === undefined || value.length > maxEnvidOctets ? undefined : decodeXtext(value);
  const envid = text === undefined ? undefined : parseEnvid(text);
  if (envid === undefined) return badEnvid;
  into.envid = envid;
  return undefined;
}

/** An envelope id that is not in xtext: 1 to 100 printable characters of ASCII (RFC 3461 §4.4). */
export function parseEnvid(text: string): string | undefined {
  return text.length <= maxEnvidOctets && isPrintable(text) ? text : undefined;
}

function decodeAuth(into: Draft<MailParameters>, value: string | undefined): Reply | undefined {
  const text = value === undefined ? undefined : decodeXtext(value);
  if (text === undefined) return badAuth;
  const auth = text === '<>' ? null : parseMailbox(text.replace(/^<(.*)>$/, '$1'), { smtputf8: false });
  if (auth === undefined) return badAuth;
  into.auth = auth;
  return undefined;
}

function decodeNotify(into: Draft<RcptParameters>, value: string | undefined): Reply | undefined {
  const words = value?.toLowerCase().split(',') ?? [];
  if (words.length === 1 && words[0] === 'never') {
    into.notify = 'never';
    return undefined;
  }
  const isEvent = (word: string) => word === 'success' || word === 'failure' || word === 'delay';
  const events = words.filter(isEvent);
  if (events.length === 0 || events.length < words.length) return badNotify;
  into.notify = [...new Set(events)];
  return undefined;
}

function decodeOrcpt(into: Draft<RcptParameters>, value: string | undefined): Reply | undefined {
  const original = value === undefined ? undefined : decodeOriginalRecipient(value);
  if (original === undefined) return badOrcpt;
  into.originalRecipient = original;
  return undefined;
}

/** Decodes the value of ORCPT (RFC 3461 §4.2, RFC 6533 §3 for the type `utf-8`). */
export function decodeOriginalRecipient(value: string): OriginalRecipient | undefined {
  if (value.length > maxOrcptOctets) return undefined;
  const semicolon = value.indexOf(';');
  const type = value.slice(0, Math.max(0, semicolon)).toLowerCase();
  const rest = value.slice(semicolon + 1);
  const address = type === 'utf-8' ? decodeUtf8Xtext(rest) : utf8Text(decodeXtext(rest));
  return address === undefined ? undefined : parseOriginalRecipient({ type, address });
}

/**
 * An original recipient that is not in xtext: its type an atom, its address printable. Characters beyond ASCII have
 * the type `utf-8`, whatever the text says (RFC 6533 §3). `undefined` if ORCPT cannot express it.
 */
export function parseOriginalRecipient(text: OriginalRecipient): OriginalRecipient | undefined {
  const { address } = text;
  const type = text.type.toLowerCase();
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(type)) return undefined;
  if (isPrintable(address)) return { type, address };
  const isWide = /^[ -~\u00a0-\u{10ffff}]+$/u.test(address) && address.isWellFormed();
  return isWide && !/[\u2028\u2029]/.test(address) ? { type: 'utf-8', address } : undefined;
}

/** Octets of UTF-8 under another type, as Postfix sends them: `rfc822;+CE+B4@example.org`. */
function utf8Text(octets: string | undefined): string | undefined {
  if (octets === undefined) return undefined;
  const raw = Buffer.from(octets, 'latin1');
  return isUtf8(raw) ? raw.toString('utf8') : undefined;
}

/**
 * Encodes the value of ORCPT so that it needs no SMTPUTF8 on the way. `undefined` for an invalid one, or one that is
 * too long for a command.
 */
export function encodeOriginalRecipient(original: OriginalRecipient): string | undefined {
  const parsed = parseOriginalRecipient(original);
  if (parsed === undefined) return undefined;
  const encode = parsed.type === 'utf-8' ? encodeUtf8Xtext : encodeXtext;
  const value = `${parsed.type};${encode(parsed.address)}`;
  return value.length <= maxOrcptOctets ? value : undefined;
}

/** The value of NOTIFY. */
export function formatNotify(notify: Notify): string {
  return notify === 'never' ? 'NEVER' : notify.join(',').toUpperCase();
}

/** Printable ASCII and spaces, as a DSN can carry them (RFC 3461 §4.2, §4.4). */
function isPrintable(text: string): boolean {
  return /^[ -~]+$/.test(text);
}

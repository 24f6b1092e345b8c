/** The fields of message/delivery-status. */
import { canonicalIp, embeddedIpv4, isPrivate, type Slices } from '../base/index.ts';
import { enhancedStatus, formatDate, formatReplyText, isAscii, replyClass } from '../mail/index.ts';
import type { ReportedRecipient } from './decide.ts';
import { peerText, visible, wrap } from './text.ts';

/** The longest value that fits into a line with its name, in characters (RFC 5322 §2.1.1). */
const maxValue = 950;
/** The passes over a peer's text, which is searched for several kinds of characters. */
const looksPerOctet = 10;

/** The values of the fields about the whole message (RFC 3464 §2.2). */
export interface MessageFields {
  readonly hostname: string;
  readonly queueId: string;
  readonly arrivedAt: number;
  /** In UTF-8. */
  readonly global: boolean;
  readonly envid?: string;
  readonly willRetryUntil?: number;
}

/**
 * The body of message/delivery-status, or of message/global-delivery-status when it is `global`
 * (RFC 3464 §2.1, RFC 6533 §3). Lines end with CRLF; each group of fields ends with an empty line. All of it is
 * ASCII unless it is global.
 */
export async function statusPart(
  message: MessageFields,
  recipients: readonly ReportedRecipient[],
  slices: Slices,
): Promise<string> {
  const groups = [groupOf(messageFields(message))];
  for (const recipient of recipients) {
    const group = groupOf(recipientFields(recipient, message));
    groups.push(group);
    const others = slices.spend(group.length * looksPerOctet);
    if (others !== undefined) await others;
  }
  return groups.join('\r\n');
}

function groupOf(fields: readonly string[]): string {
  return `${fields.join('\r\n')}\r\n`;
}

function messageFields(message: MessageFields): string[] {
  const { global } = message;
  // A name that is no domain name must not be called one (RFC 3461 §6.3 b).
  const nameType = message.hostname.includes('.') ? 'dns' : 'x-local-hostname';
  return [
    `Reporting-MTA: ${nameType}; ${message.hostname}`,
    ...field('Original-Envelope-Id', message.envid && kept(message.envid, global)),
    `X-Posthouse-Queue-Id: ${message.queueId}`,
    `Arrival-Date: ${formatDate(message.arrivedAt)}`,
  ];
}

function recipientFields(reported: ReportedRecipient, message: MessageFields): string[] {
  const { global } = message;
  const { recipient, action, at } = reported;
  const original = recipient.originalRecipient;
  const until = action === 'delayed' ? message.willRetryUntil : undefined;
  return [
    ...field('Original-Recipient', original && typedAddress(original.type, original.address, global)),
    `Final-Recipient: ${typedAddress('rfc822', recipient.address.text, global)}`,
    `Action: ${action}`,
    `Status: ${statusCode(reported)}`,
    ...field('Remote-MTA', remoteMta(reported.relay)),
    ...diagnostic(reported, global),
    ...field('Last-Attempt-Date', at === undefined ? undefined : formatDate(at)),
    ...field('Will-Retry-Until', until === undefined ? undefined : formatDate(until)),
  ];
}

/** A field, unless its value is longer than a line can be: then no address is better than half of one. */
function field(name: string, value: string | undefined): string[] {
  return value === undefined || value === '' || value.length > maxValue ? [] : [`${name}: ${value}`];
}

/**
 * An address with its type. Above ASCII the type is `utf-8`, and in a report that must be ASCII the
 * address is written as utf-8-addr-xtext (RFC 6533 §3).
 */
function typedAddress(type: string, address: string, global: boolean): string {
  const safeType = /^[A-Za-z0-9-]{1,40}$/.test(type) ? type : 'unknown';
  if (safeType.toLowerCase() !== 'utf-8' && isAscii(address)) return `${safeType}; ${kept(address, false)}`;
  const utf8Type = safeType === 'rfc822' ? 'utf-8' : safeType;
  return `${utf8Type}; ${global ? kept(address, true) : xtext(kept(address, true))}`;
}

function xtext(address: string): string {
  return Array.from(address, (char) =>
    isAscii(char) && char !== '\\' ? char : `\\x{${(char.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`,
  ).join('');
}

/** Values that must come back as they were sent, as far as that is safe. */
function kept(text: string, unicode: boolean): string {
  return visible(text.slice(0, 512), { unicode });
}

/** The class digit follows the action, where a reply of another class would contradict it. */
export function statusCode({ action, reply }: ReportedRecipient): string {
  const detail = /^\d{1,3}\.\d{1,3}$/.test(reply.detail ?? '') ? (reply.detail ?? '') : '0.0';
  const status = enhancedStatus({ ...reply, detail });
  if (action === 'failed') return replyClass(reply) === 4 || replyClass(reply) === 5 ? status : '5.0.0';
  return `${action === 'delayed' ? 4 : 2}.${detail}`;
}

/**
 * The diagnostic of the transport; a success needs none (RFC 3464 §2.3.6, RFC 3461 §6.3 i). In a report that must be
 * ASCII its other characters are written as those of addresses are.
 */
function diagnostic({ action, reply, relay }: ReportedRecipient, global: boolean): string[] {
  if (action === 'delivered' || action === 'expanded') return [];
  const said = peerText(formatReplyText(reply), { unicode: true });
  const lines = wrap(`${relay === undefined ? 'X-Posthouse' : 'smtp'}; ${said}`, 60);
  const [first = '', ...more] = global || isAscii(said) ? lines : lines.map(xtext);
  return [`Diagnostic-Code: ${first}`, ...more.map((line) => `  ${line}`)];
}

/**
 * The next hop as a public name, without brackets and port. `undefined` for hosts of a private network and local
 * sockets: the inside of a site is not the sender's business.
 */
export function publicRelay(relay: string | undefined): string | undefined {
  const name = /^\[?([A-Za-z0-9._:-]{1,255}?)\]?(?:\[[^\]]*\])?(?::\d{1,5})?$/.exec(relay ?? '')?.[1];
  if (name === undefined) return undefined;
  const ip = canonicalIp(name);
  if (ip !== undefined) return [ip, ...embeddedIpv4(ip)].some(isPrivate) ? undefined : ip;
  const isName = /^(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*\.?$/i.test(name);
  const isInternal = /\.(?:local|internal|lan|intranet|localdomain|localhost|home\.arpa)\.?$/i.test(name);
  return isName && !isInternal ? name.toLowerCase() : undefined;
}

function remoteMta(relay: string | undefined): string | undefined {
  const name = publicRelay(relay);
  if (name === undefined) return undefined;
  return canonicalIp(name) === undefined ? `dns; ${name}` : `dns; [${name}]`;
}

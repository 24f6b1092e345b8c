/** Reads a DSN of another server, tolerantly. */
import type { DsnAction } from './decide.ts';

/** The report of a received DSN about one recipient. */
export interface ParsedRecipient {
  /** Without its type; empty when the field is missing or empty. */
  readonly finalRecipient: string;
  readonly originalRecipient?: string;
  /** `undefined` for a word that RFC 3464 does not know. */
  readonly action: DsnAction | undefined;
  /** `5.1.1`; `undefined` when there is no such thing in the field. */
  readonly status?: string;
  /** Without its type. */
  readonly diagnostic?: string;
  readonly remoteMta?: string;
}

/** The readable parts of a DSN. */
export interface ParsedDsn {
  readonly envid?: string;
  readonly reportingMta?: string;
  readonly recipients: readonly ParsedRecipient[];
}

/** More groups than an envelope has recipients are not read. */
const maxRecipients = 10_000;

/**
 * Reads a DSN (RFC 3464, RFC 6533), tolerantly: bare LF, odd case, missing types, an encoded or unlabelled
 * status part are all read. `undefined` when there is no status part with a recipient in it. Never throws.
 */
export function parseDsn(octets: Buffer): ParsedDsn | undefined {
  const text = octets.toString('latin1').replaceAll('\r\n', '\n');
  const part = statusPartOf(text);
  const [first = new Map<string, string>(), ...rest] = fieldGroups(
    Buffer.from(part, 'latin1').toString('utf8'),
  );
  // Some systems forget the empty line after the fields of the message.
  const groups = first.has('final-recipient') ? [first, ...rest] : rest;
  const recipients = groups
    .filter((group) => group.has('final-recipient') || group.has('action'))
    .slice(0, maxRecipients)
    .map(readRecipient);
  if (recipients.length === 0) return undefined;
  return {
    ...optional('envid', first.get('original-envelope-id')),
    ...optional('reportingMta', untyped(first.get('reporting-mta'))),
    recipients,
  };
}

/** The decoded status part, or the text from the first line that only such a part has. */
function statusPartOf(text: string): string {
  const label = /^content-type:[ \t]*(?:\n[ \t]+)?message\/(?:global-)?delivery-status\b/im.exec(text);
  if (label === null) {
    const start = text.search(/^(?:reporting-mta|final-recipient):/im);
    return start < 0 ? '' : untilBoundary(text.slice(start));
  }
  const headStart = text.lastIndexOf('\n--', label.index) + 1;
  const bodyStart = text.indexOf('\n\n', label.index);
  if (bodyStart < 0) return '';
  const head = text.slice(headStart, bodyStart);
  return decode(untilBoundary(text.slice(bodyStart + 2)), head);
}

/** No field line begins with two hyphens, so any line that does is a boundary. */
function untilBoundary(text: string): string {
  const end = text.search(/^--/m);
  return end < 0 ? text : text.slice(0, end);
}

function decode(body: string, head: string): string {
  switch (/^content-transfer-encoding:[ \t]*([\w-]+)/im.exec(head)?.[1]?.toLowerCase()) {
    case 'base64':
      return Buffer.from(body, 'base64').toString('latin1').replaceAll('\r\n', '\n');
    case 'quoted-printable':
      return body
        .replace(/=[ \t]*\n/g, '')
        .replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
        .replaceAll('\r\n', '\n');
    default:
      return body;
  }
}

/** Groups of fields between empty lines; names in lower case, continuation lines joined. */
function fieldGroups(text: string): Map<string, string>[] {
  const groups: Map<string, string>[] = [];
  for (const block of text.split(/\n[ \t]*\n+/)) {
    const fields = new Map<string, string>();
    for (const line of block.replace(/\n[ \t]+/g, ' ').split('\n')) {
      const colon = line.indexOf(':');
      const name = line.slice(0, Math.max(colon, 0)).trim().toLowerCase();
      if (name !== '' && !fields.has(name)) fields.set(name, line.slice(colon + 1).trim());
    }
    if (fields.size > 0) groups.push(fields);
  }
  return groups;
}

function readRecipient(fields: ReadonlyMap<string, string>): ParsedRecipient {
  return {
    finalRecipient: address(fields.get('final-recipient')) ?? '',
    action: actions.get(/^[a-z]+/i.exec(fields.get('action') ?? '')?.[0].toLowerCase() ?? ''),
    ...optional('originalRecipient', address(fields.get('original-recipient'))),
    ...optional('status', /\b[245]\.\d{1,3}\.\d{1,3}\b/.exec(fields.get('status') ?? '')?.[0]),
    ...optional('diagnostic', untyped(fields.get('diagnostic-code'))),
    ...optional('remoteMta', untyped(fields.get('remote-mta'))),
  };
}

const actions: ReadonlyMap<string, DsnAction> = new Map(
  (['failed', 'delayed', 'delivered', 'relayed', 'expanded'] as const).map((action) => [action, action]),
);

function untyped(value: string | undefined): string | undefined {
  return value?.replace(/^[\w-]{1,40}[ \t]*;[ \t]*/, '');
}

function address(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const bare = (untyped(value) ?? '').replace(/^<(.*)>$/, '$1');
  if (!/^utf-8\s*;/i.test(value)) return bare;
  return bare.replace(/\\x\{([0-9A-F]{1,6})\}/gi, (written, hex: string) => {
    const code = Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : written;
  });
}

function optional<Key extends string>(key: Key, value: string | undefined): { readonly [K in Key]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]: string });
}

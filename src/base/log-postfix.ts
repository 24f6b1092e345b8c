/** Renders log lines as Postfix writes them. */
import { hostname } from 'node:os';

import type { LogFields } from './event-table.ts';
import type { LogRecord } from './log-pretty.ts';
import { fieldText, harmlessText, keyValue } from './log-text.ts';

/** Who the lines say that they come from; the machine and this process unless given. */
export interface PostfixOptions {
  readonly host?: string;
  readonly pid?: number;
}

/** A line without its head: the program after `postfix/`, and the text after the colon. */
type Part = readonly [program: string, text: string];

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * Lines as Postfix writes them to syslog, so that what reads its logs (pflogsumm, fail2ban, qshape-like
 * scripts) reads ours. A fact that Postfix spreads over several programs becomes several lines; what has
 * no counterpart is `posthouse[pid]: event key=value …`, which those readers skip.
 */
export function renderPostfix(options: PostfixOptions = {}): (record: LogRecord) => readonly string[] {
  const host = harmlessText(options.host ?? hostname().split('.')[0] ?? 'localhost');
  const pid = options.pid ?? process.pid;
  return (record) => {
    const head = `${syslogTime(record.at)} ${host} `;
    const parts = table[record.event]?.(record.fields);
    if (parts === undefined) return [`${head}posthouse[${pid}]: ${general(record)}\n`];
    return parts.map(([program, text]) => `${head}postfix/${program}[${pid}]: ${text}\n`);
  };
}

const table: Readonly<Record<string, (fields: LogFields) => readonly Part[]>> = {
  'session-opened': (f) => [['smtpd', `connect from ${client(f)}`]],
  'session-closed': (f) => [['smtpd', `disconnect from ${client(f)}`]],
  tls: (f) => [['smtpd', tlsText(f)]],
  'auth-failed': (f) => [
    [
      'smtpd',
      `warning: ${client(f)}: SASL ${word(f.mechanism)} authentication failed: ${fieldText(f.because)}`,
    ],
  ],
  refused: (f) => [['smtpd', refusedText(f)]],
  accepted: acceptedLines,
  delivered: (f) => [[transport(f), attemptText(f, 'sent')]],
  deferred: (f) => [[transport(f), attemptText(f, 'deferred')]],
  bounced: (f) => [[transport(f), attemptText(f, 'bounced')]],
  expired: (f) => [['qmgr', `${id(f)}: from=${path(f.from)}, status=expired, returned to sender`]],
  held: (f) => [['postsuper', `${id(f)}: placed on hold`]],
  released: (f) => [['postsuper', `${id(f)}: released from hold`]],
  removed: (f) => [['qmgr', `${id(f)}: removed`]],
  'bounce-sent': (f) => [
    [
      'bounce',
      `${word(f.about)}: sender ${bounceKinds[word(f.kind)] ?? 'non-delivery'} notification: ${id(f)}`,
    ],
  ],
};

/** What Postfix calls a notification; any other kind is one of non-delivery. */
const bounceKinds: Readonly<Record<string, string>> = { delayed: 'delay', expanded: 'delivery status' };

function refusedText(f: LogFields): string {
  const address = f.to === undefined ? f.from : f.to;
  const command = word(f.stage ?? (f.to === undefined ? 'mail' : 'rcpt')).toUpperCase();
  const { code, dsn, text } = splitReply(f.reply, '5');
  const about = text.includes('<') ? text : `${path(address)}: ${text}`;
  const to = f.to === undefined ? '' : ` to=${path(f.to)}`;
  const end = `from=${path(f.from)}${to} proto=${word(f.protocol ?? 'ESMTP')} helo=${path(f.helo)}`;
  return `NOQUEUE: reject: ${command} from ${client(f)}: ${code} ${dsn} ${about}; ${end}`;
}

function acceptedLines(f: LogFields): readonly Part[] {
  const user =
    f.user === undefined ? '' : `, sasl_method=${word(f.mechanism)}, sasl_username=${word(f.user)}`;
  const lines: Part[] =
    f.ground === 'local'
      ? [['pickup', `${id(f)}: uid=${word(f.user)} from=${path(f.from)}`]]
      : [['smtpd', `${id(f)}: client=${client(f)}${user}`]];
  if (f.messageId !== undefined) lines.push(['cleanup', `${id(f)}: message-id=${path(f.messageId)}`]);
  const count = fieldText(f.recipients ?? 1);
  lines.push([
    'qmgr',
    `${id(f)}: from=${path(f.from)}, size=${fieldText(f.size)}, nrcpt=${count} (queue active)`,
  ]);
  return lines;
}

function attemptText(f: LogFields, status: string): string {
  const { dsn } = splitReply(f.reply, { sent: '2', deferred: '4', bounced: '5' }[status] ?? '2');
  const total = seconds(f.delayMs);
  const delays = Array.isArray(f.delaysMs) ? f.delaysMs.map(seconds).join('/') : `0/0/0/${total}`;
  const relay = fieldText(f.relay).replace(/[\s<>(),;="\\]/g, '?') || 'none';
  const reply = fieldText(f.reply);
  return `${id(f)}: to=${path(f.to)}, relay=${relay}, delay=${total}, delays=${delays}, dsn=${dsn}, status=${status} (${reply})`;
}

function tlsText(f: LogFields): string {
  const cipher = fieldText(f.cipher);
  const trust = f.trusted === true ? 'Trusted' : 'Anonymous';
  return `${trust} TLS connection established from ${client(f)}: ${word(f.version)} with cipher ${cipher}`;
}

function general({ level, event, fields }: LogRecord): string {
  const severity = { info: '', warn: 'warning: ', error: 'error: ' }[level];
  const texts = Object.entries(fields).filter(([, value]) => value !== undefined);
  return `${severity}${[event, ...texts.map(([key, value]) => keyValue(key, value))].join(' ')}`;
}

/** Names come from reverse DNS, so only what a host name may have is shown: `[` would mislead fail2ban. */
function client(f: LogFields): string {
  const name = fieldText(f.name);
  const address = fieldText(f.client).replace(/[^0-9A-Za-z.:%]/g, '');
  return `${/^[A-Za-z0-9._-]+$/.test(name) ? name : 'unknown'}[${address || 'unknown'}]`;
}

function transport(f: LogFields): string {
  return f.transport === undefined ? 'smtp' : word(f.transport);
}

/**
 * A text between angle brackets, once: message ids come with their own. What could end it before its end, or look like
 * a field behind it, is a question mark, as Postfix writes what it does not print.
 */
function path(value: unknown): string {
  const text = fieldText(value);
  const inner = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text;
  return `<${inner.replace(/[<>\s]/g, '?')}>`;
}

function id(f: LogFields): string {
  return word(f.queueId);
}

/** One word without spaces, brackets or the signs between fields. */
function word(value: unknown): string {
  return fieldText(value).replace(/[\s[\]<>():;,="\\]/g, '_') || 'unknown';
}

/** Splits `550 5.7.1 text`; a missing enhanced status is made from the first digit. */
function splitReply(value: unknown, classDigit: string): { code: string; dsn: string; text: string } {
  const found = /^(\d{3})(?:[ -](\d\.\d{1,3}\.\d{1,3}))?(?: (.*))?$/.exec(fieldText(value));
  if (found === null) return { code: `${classDigit}50`, dsn: `${classDigit}.0.0`, text: fieldText(value) };
  const [, code = '', dsn = `${code[0]}.0.0`, text = ''] = found;
  return { code, dsn, text };
}

/** Seconds with two significant digits, as Postfix prints delays: `0.05`, `1.2`, `130`. */
function seconds(ms: unknown): string {
  const value = typeof ms === 'number' && ms > 0 ? ms / 1000 : 0;
  const digits = value >= 10 ? 0 : value >= 1 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

function syslogTime(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = String(at.getDate()).padStart(2, ' ');
  return `${months[at.getMonth()]} ${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

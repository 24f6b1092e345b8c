/** Renders log lines as Postfix writes them. */
import { hostname } from 'node:os';
import { fieldText, harmlessText, keyValue, type LogRecord, type RenderRecord } from '../base/index.ts';
import type { RelayEvents } from './events.ts';

/** The host and the process in the lines. Default: this machine and this process. */
export interface PostfixOptions {
  readonly host?: string;
  readonly pid?: number;
}

/** A line without its head: the program after `postfix/`, and the text after the colon. */
type Part = readonly [program: string, text: string];

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A client. Postfix has a name for each; most of our events have none. */
interface Client {
  readonly client: string;
  readonly name?: string | undefined;
}

/** One recipient at the end of an attempt. */
interface Attempt {
  readonly queueId: string;
  readonly to?: string | undefined;
  readonly relay?: string | undefined;
  readonly reply: string;
  readonly delayMs: number;
  /** The time of each step, which Postfix has: before the queue, in the queue, connecting, transfer. */
  readonly delaysMs?: readonly number[];
  readonly transport?: string;
}

/** A refusal. One without a reply is not of an SMTP session. */
interface Refusal extends Client {
  readonly reply?: string;
  readonly stage?: string;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly helo?: string | undefined;
  readonly protocol?: string;
}

/** Accepted mail: of a client, or of a local user. */
interface Accepted {
  readonly queueId: string;
  readonly ground: string;
  readonly from: string;
  readonly size: number;
  readonly recipients: number;
  readonly client?: string;
  readonly user?: string;
  readonly mechanism?: string;
  readonly messageId?: string | undefined;
}

type FieldsOf<N extends RelayEvents['event']> = Extract<RelayEvents, { readonly event: N }>['fields'];

/** Lines as Postfix writes them; undefined for a fact that Postfix has no line for. */
type Lines = readonly Part[] | undefined;

/** The events that Postfix has lines for, with the fields that they are declared with. */
const table = {
  'session-closed': (f) => [['smtpd', `disconnect from ${client(f)}`]],
  'auth-failed': (f) => [
    [
      'smtpd',
      `warning: ${client(f)}: SASL ${word(f.mechanism)} authentication failed: ${fieldText(f.because)}`,
    ],
  ],
  refused: refusedLines,
  accepted: acceptedLines,
  delivered: (f) => [[transport(f), attemptText(f, 'sent')]],
  deferred: (f) => [[transport(f), attemptText(f, 'deferred')]],
  bounced: (f) => [[transport(f), attemptText(f, 'bounced')]],
  expired: (f) => [['qmgr', `${word(f.queueId)}: from=${path(f.from)}, status=expired, returned to sender`]],
  held: (f) => [['postsuper', `${word(f.queueId)}: placed on hold`]],
  released: (f) => [['postsuper', `${word(f.queueId)}: released from hold`]],
  removed: (f) => [['qmgr', `${word(f.queueId)}: removed`]],
  'bounce-sent': (f) => [
    [
      'bounce',
      `${word(f.about)}: sender ${bounceKinds[f.kind] ?? 'non-delivery'} notification: ${word(f.queueId)}`,
    ],
  ],
} satisfies { readonly [N in RelayEvents['event']]?: (fields: FieldsOf<N>) => Lines };

// The compiler has checked the fields of each event where it is logged, and here against their declaration.
const byName = table as Readonly<Record<string, ((fields: never) => Lines) | undefined>>;

/**
 * Lines as Postfix writes them to syslog, so that programs that read its logs (pflogsumm, fail2ban, qshape-like
 * scripts) read ours. A fact that Postfix spreads over several programs becomes several lines; any other event is
 * `posthouse[pid]: event key=value …`, which those readers skip.
 */
export function renderPostfix(options: PostfixOptions = {}): RenderRecord {
  const host = harmlessText(options.host ?? hostname().split('.')[0] ?? 'localhost');
  const pid = options.pid ?? process.pid;
  return (record) => {
    const head = `${syslogTime(record.at)} ${host} `;
    const parts = byName[record.event]?.(record.fields as never);
    if (parts === undefined) return [`${head}posthouse[${pid}]: ${general(record)}\n`];
    return parts.map(([program, text]) => `${head}postfix/${program}[${pid}]: ${text}\n`);
  };
}

/** The notifications that Postfix distinguishes; any other one is of non-delivery. */
const bounceKinds: Readonly<Record<string, string>> = { delayed: 'delay', expanded: 'delivery status' };

function refusedLines(f: Refusal): Lines {
  if (f.reply === undefined) return undefined;
  const address = f.to === undefined ? f.from : f.to;
  const command = word(f.stage ?? (f.to === undefined ? 'mail' : 'rcpt')).toUpperCase();
  const { code, dsn, text } = splitReply(f.reply, '5');
  const about = text.includes('<') ? text : `${path(address)}: ${text}`;
  const to = f.to === undefined ? '' : ` to=${path(f.to)}`;
  const end = `from=${path(f.from)}${to} proto=${word(f.protocol ?? 'ESMTP')} helo=${path(f.helo)}`;
  return [['smtpd', `NOQUEUE: reject: ${command} from ${client(f)}: ${code} ${dsn} ${about}; ${end}`]];
}

function acceptedLines(f: Accepted): Lines {
  const id = word(f.queueId);
  const user =
    f.user === undefined ? '' : `, sasl_method=${word(f.mechanism)}, sasl_username=${word(f.user)}`;
  const begin: Part =
    f.ground === 'local'
      ? ['pickup', `${id}: uid=${word(f.user)} from=${path(f.from)}`]
      : ['smtpd', `${id}: client=${client(f)}${user}`];
  const messageId: readonly Part[] =
    f.messageId === undefined ? [] : [['cleanup', `${id}: message-id=${path(f.messageId)}`]];
  const size = `size=${fieldText(f.size)}, nrcpt=${fieldText(f.recipients)}`;
  return [begin, ...messageId, ['qmgr', `${id}: from=${path(f.from)}, ${size} (queue active)`]];
}

function attemptText(f: Attempt, status: 'sent' | 'deferred' | 'bounced'): string {
  const { dsn } = splitReply(f.reply, { sent: '2', deferred: '4', bounced: '5' }[status]);
  const total = seconds(f.delayMs);
  const delays = f.delaysMs === undefined ? `0/0/0/${total}` : f.delaysMs.map(seconds).join('/');
  const relay = fieldText(f.relay).replace(/[\s<>(),;="\\]/g, '?') || 'none';
  const reply = fieldText(f.reply);
  return `${word(f.queueId)}: to=${path(f.to)}, relay=${relay}, delay=${total}, delays=${delays}, dsn=${dsn}, status=${status} (${reply})`;
}

function general({ level, event, fields }: LogRecord): string {
  const severity = { info: '', warn: 'warning: ', error: 'error: ' }[level];
  const texts = Object.entries(fields).filter(([, value]) => value !== undefined);
  return `${severity}${[event, ...texts.map(([key, value]) => keyValue(key, value))].join(' ')}`;
}

/** Names come from reverse DNS, so only those of the characters of host names are shown: `[` would mislead fail2ban. */
function client(f: Partial<Client>): string {
  const name = fieldText(f.name);
  const address = fieldText(f.client).replace(/[^0-9A-Za-z.:%]/g, '');
  return `${/^[A-Za-z0-9._-]+$/.test(name) ? name : 'unknown'}[${address || 'unknown'}]`;
}

function transport(f: Attempt): string {
  return f.transport === undefined ? 'smtp' : word(f.transport);
}

/**
 * A text between angle brackets, once: message ids come with their own. A character that could end it early, or look
 * like a field behind it, is a question mark, as Postfix writes unprintable ones.
 */
function path(value: string | undefined): string {
  const text = fieldText(value);
  const inner = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text;
  return `<${inner.replace(/[<>\s]/g, '?')}>`;
}

/** One word without spaces, brackets or the signs between fields. */
function word(value: string | undefined): string {
  return fieldText(value).replace(/[\s[\]<>():;,="\\]/g, '_') || 'unknown';
}

/** Splits `550 5.7.1 text`; a missing enhanced status is made from the first digit. */
function splitReply(value: string, classDigit: string): { code: string; dsn: string; text: string } {
  const found = /^(\d{3})(?:[ -](\d\.\d{1,3}\.\d{1,3}))?(?: (.*))?$/.exec(fieldText(value));
  if (found === null) return { code: `${classDigit}50`, dsn: `${classDigit}.0.0`, text: fieldText(value) };
  const [, code = '', dsn = `${code[0]}.0.0`, text = ''] = found;
  return { code, dsn, text };
}

/** Seconds with two significant digits, as Postfix prints delays: `0.05`, `1.2`, `130`. */
function seconds(ms: number): string {
  const value = ms > 0 ? ms / 1000 : 0;
  const digits = value >= 10 ? 0 : value >= 1 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

function syslogTime(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = String(at.getDate()).padStart(2, ' ');
  return `${months[at.getMonth()]} ${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

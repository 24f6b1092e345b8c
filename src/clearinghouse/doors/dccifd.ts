/** The door for clients of dccifd (DCC), as SpamAssassin and rspamd speak it. */
import { canonicalIp } from '../../base/index.ts';
import { ClearinghouseBusy, type Source, type Verdict } from '../ask.ts';
import { trimmedEnd } from '../content/spans.ts';
import type { Door, DoorOptions, Visitor } from './door.ts';
import { maxCount } from './rspamd.ts';
import { openMessageDoor } from './tcp.ts';

/** The lines of a request before its message. */
export interface DccRequest {
  readonly options: ReadonlySet<string>;
  readonly client?: string;
  readonly sender: string;
  /** A thousand at most. */
  readonly recipients: readonly string[];
  /** Lines of recipients, with one answer for each; none is a question only. */
  readonly answers: number;
  readonly message: Buffer;
}

const known = new Set(
  'header cksums body spam query log grey-off no-grey grey-query no-reject rcvd-nxt rcvd-next'.split(' '),
);
/** Recipients that are counted; each is answered all the same. */
const maxRecipients = 1000;
const maxHeadOctets = 256 * 1024;

/**
 * Parses a request of the dccifd protocol as SpamAssassin and the rspamd modules send it: options, client, HELO,
 * sender, recipients up to an empty line, the message up to the end. Undefined for anything else, which gets no
 * answer.
 */
export function parseDccRequest(octets: Buffer): DccRequest | undefined {
  const lines: string[] = [];
  let at = 0;
  const next = (): string | undefined => {
    const end = octets.indexOf(10, at);
    if (end < 0 || end > maxHeadOctets) return undefined;
    const line = trimmedEnd(octets.toString('latin1', at, end), '\r');
    at = end + 1;
    return line;
  };
  let answers = 0;
  for (let line = next(); ; line = next()) {
    if (line === undefined) return undefined;
    if (lines.length >= 4 && line === '') break;
    if (lines.length >= 4) answers++;
    if (lines.length < 4 + maxRecipients) lines.push(line);
  }
  const [optionLine = '', clientLine = '', , sender = '', ...recipients] = lines;
  const options = new Set(
    optionLine
      .toLowerCase()
      .split(/[ \t]+/)
      .filter((word) => word !== ''),
  );
  if ([...options].some((word) => !known.has(word))) return undefined;
  const client = canonicalIp(clientLine.split('\r')[0]?.trim() ?? '');
  return {
    options,
    sender,
    recipients: recipients.map((recipient) => recipient.split('\r')[0] ?? ''),
    answers,
    message: octets.subarray(at),
    ...(client !== undefined && client !== '0.0.0.0' && { client }),
  };
}

/** Opens the door that clients of dccifd come to. `brand` is ours, in the name of the header. */
export function openDccifd(options: DoorOptions, brand = 'posthouse'): Promise<Door> {
  return openMessageDoor(options, async (octets, visitor, current) => {
    const request = parseDccRequest(octets);
    if (request === undefined) return undefined;
    try {
      return answerOf(request, await verdictOf(request, current, visitor), brand);
    } catch (error) {
      if (!(error instanceof ClearinghouseBusy)) throw error;
      return `T\n${'T'.repeat(request.answers)}\n\n`;
    }
  });
}

function verdictOf(
  { options: asked, client, sender, recipients, message }: DccRequest,
  { name, clearinghouse }: DoorOptions,
  { address, isKnown }: Visitor,
): Promise<Verdict> {
  // SpamAssassin writes "unknown" if it knows no recipient.
  const named = recipients.filter((recipient) => recipient.includes('@'));
  const source: Source = {
    reporter: `${name}:${address}`,
    isKnown,
    recipients: named,
    targets: recipients.length,
    sender,
    ...(client !== undefined && { client }),
  };
  const subject = { kind: 'message' as const, octets: message };
  if (asked.has('spam')) return clearinghouse.report(subject, source);
  return clearinghouse.check(subject, source, { counts: !asked.has('query') && recipients.length > 0 });
}

function answerOf(
  { options, answers, message }: DccRequest,
  verdict: Verdict,
  brand: string,
): string | Buffer | undefined {
  const isRejected = verdict.isBulk && verdict.isReported && !verdict.isAllowed && !options.has('no-reject');
  // Rejecting is for the client to decide by the counts: dccifd does it only where it is configured to.
  const action = isRejected && options.has('body') ? 'R' : 'A';
  const head = `${action}\n${action.repeat(answers)}\n`;
  const header = metricsHeader(verdict, brand);
  if (options.has('body')) {
    const body = bodyWith(message, header);
    return body && Buffer.concat([Buffer.from(head), body]);
  }
  if (options.has('cksums')) return `${head}${header}\n${checksumTable(verdict)}\n`;
  return options.has('header') ? `${head}${header}\n\n` : head;
}

/** `X-DCC-…-Metrics`, folded by a line feed and one tab; clients read the part behind the semicolon. */
function metricsHeader(verdict: Verdict, brand: string): string {
  const { isAllowed, isBulk, exact } = verdict;
  if (isAllowed) return `X-DCC-${brand}-Metrics: ${brand} 1; whitelist`;
  const count = countWord(verdict);
  const words = [
    isBulk ? 'bulk ' : '',
    `Body=${isBulk ? count : Math.max(exact, 1)}`,
    ` Fuz1=${count}`,
    ` Fuz2=${count}`,
  ];
  return `X-DCC-${brand}-Metrics: ${brand} 1; ${words.join('')}`;
}

/** Clients act on `many` by default: bulk that was reported as well, or is very large. */
function countWord({ count, isBulk, isReported }: Verdict): string {
  return isBulk && (isReported || count >= 1000) ? 'many' : String(Math.min(maxCount, count));
}

function checksumTable(verdict: Verdict): string {
  const row = (name: string, sum: string, count: string) =>
    `${name.padStart(25)}: ${sum.padEnd(35)} ${count.padStart(7)}\n`;
  const count = countWord(verdict);
  const sum = (verdict.cluster ?? '').padEnd(35, '0').slice(0, 35);
  return `${'reported: 1'.padStart(39)}               checksum  server\n${row('Body', sum, count)}${row('Fuz1', sum, count)}${row('Fuz2', sum, count)}`;
}

/** No message has a longer header. */
const maxHeaderOctets = 256 * 1024;

/**
 * The message with the header below its others; headers of that name that came with it go. Only its header is looked
 * at, for the relay waits meanwhile; undefined where that has no end.
 */
export function bodyWith(message: Buffer, header: string): Buffer | undefined {
  const beginning = message.toString('latin1', 0, maxHeaderOctets);
  const end = /\r?\n\r?\n/.exec(beginning);
  if (end === null && message.length > maxHeaderOctets) return undefined;
  const head = end === null ? beginning : beginning.slice(0, end.index);
  const rest = message.subarray(head.length);
  const lineEnd = beginning.includes('\r\n') ? '\r\n' : '\n';
  let isForged = false;
  const kept = head.split('\n').filter((line) => {
    isForged = /^X-DCC-[^\s:]*-Metrics:/i.test(line) || (isForged && /^[ \t]/.test(line));
    return !isForged;
  });
  const fields = trimmedEnd(kept.join('\n'), '\r\n');
  return Buffer.concat([Buffer.from(`${fields}${fields === '' ? '' : lineEnd}${header}`, 'latin1'), rest]);
}

/** The door for clients of Pyzor, over UDP. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Clearinghouse, ClearinghouseBusy, type LegacyKey, type Source, type Verdict } from '../ask.ts';
import { emptyPyzor } from '../keys/pyzor.ts';
import type { Door, DoorOptions, Visitor } from './door.ts';
import { pyzorCounts } from './rspamd.ts';
import { openUdpDoor } from './udp.ts';

/** The accounts and the keys that sign their requests (as in `pyzord.passwd`): name → key in hexadecimal digits. */
export interface PyzorOptions extends DoorOptions {
  readonly accounts: ReadonlyMap<string, string>;
}

const maxOctets = 8192;
const maxDigests = 20;
const clockSkewSeconds = 300;
const anonymous = 'anonymous';
/** Operations that need no account. */
const open = new Set(['ping', 'pong', 'check', 'info', 'report']);
const known = new Set([...open, 'whitelist']);

/** Opens the door that clients of Pyzor come to: one datagram each way (Pyzor 1.0, protocol 2.1). */
export function openPyzor(options: PyzorOptions): Promise<Door<PyzorOptions>> {
  return openUdpDoor(options, async (datagram, visitor, current) => {
    const request = parseRequest(datagram);
    if (request === undefined) return undefined;
    const reply = await answer(request, current, visitor);
    return Buffer.from(formatReply(reply, request.fields.get('thread')));
  });
}

interface PyzorRequest {
  readonly fields: ReadonlyMap<string, string>;
  readonly digests: readonly string[];
  /** The signed octets: the text without its signature. */
  readonly signed: string;
}

interface PyzorReply {
  readonly code: number;
  readonly diag: string;
  readonly more?: readonly (readonly [name: string, value: string | number])[];
}

/** Parses a request. Undefined if it is malformed: it gets no answer, since its thread is unknown. */
export function parseRequest(datagram: Buffer): PyzorRequest | undefined {
  if (datagram.length > maxOctets) return undefined;
  const text = datagram.toString('utf8').replaceAll('\r', '').replace(/\n\n+/g, '\n');
  const fields = new Map<string, string>();
  const digests: string[] = [];
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const match = /^([A-Za-z-]{1,20}): ?(.*)$/.exec(line);
    if (match === null) return undefined;
    const [, name = '', value = ''] = match;
    const key = name.toLowerCase();
    if (key === 'op-digest') digests.push(value.trim().toLowerCase());
    if (key !== 'sig') lines.push(line);
    fields.set(key, value.trim());
  }
  if (!/^\d{1,9}$/.test(fields.get('thread') ?? '')) return undefined;
  return { fields, digests, signed: lines.join('\n') };
}

async function answer(request: PyzorRequest, options: PyzorOptions, visitor: Visitor): Promise<PyzorReply> {
  const { fields, digests } = request;
  const op = fields.get('op')?.toLowerCase() ?? '';
  if (!/^2(?:\.|$)/.test(fields.get('pv') ?? '')) return { code: 505, diag: 'Version Not Supported' };
  const user = fields.get('user') ?? anonymous;
  const isAnonymous = user === anonymous || user === '';
  if (!isAnonymous && !isSigned(request, user, options)) return { code: 401, diag: 'Unauthorized' };
  if (!known.has(op)) return { code: 501, diag: 'Not implemented' };
  if (isAnonymous && !open.has(op)) return { code: 403, diag: 'Forbidden' };
  if (op === 'ping') return { code: 200, diag: 'OK' };
  if (op === 'pong')
    return {
      code: 200,
      diag: 'OK',
      more: [
        ['Count', 2_147_483_647],
        ['WL-Count', 0],
      ],
    };
  const isWrong =
    digests.length === 0 ||
    digests.length > maxDigests ||
    digests.some((digest) => !/^[0-9a-f]{40}$/.test(digest));
  if (isWrong) return { code: 400, diag: 'Bad Request' };
  const source: Source = {
    reporter: isAnonymous ? `${options.name}:${visitor.address}` : `${options.name}:${user}`,
    isKnown: !isAnonymous || visitor.isKnown,
    recipients: [],
    client: visitor.address,
  };
  try {
    return await carryOut(op, digests, { clearinghouse: options.clearinghouse, source });
  } catch (error) {
    if (!(error instanceof ClearinghouseBusy)) throw error;
    return { code: 503, diag: 'Service unavailable' };
  }
}

async function carryOut(
  op: string,
  digests: readonly string[],
  { clearinghouse, source }: { readonly clearinghouse: Clearinghouse; readonly source: Source },
): Promise<PyzorReply> {
  // The digest of an empty message belongs to no message.
  const keys = digests
    .filter((digest) => digest !== emptyPyzor)
    .map((value): LegacyKey => ({ scheme: 'pyzor', value }));
  if (op === 'report' || op === 'whitelist') {
    for (const key of keys) {
      const subject = { kind: 'keys' as const, keys: [key] };
      if (op === 'report') await clearinghouse.report(subject, source);
      else await clearinghouse.revoke(subject, source);
    }
    return { code: 200, diag: 'OK' };
  }
  const verdict =
    keys.length === 0
      ? undefined
      : await clearinghouse.check({ kind: 'keys', keys }, source, { counts: false });
  const counts = verdict === undefined ? { count: 0, good: 0 } : keyCounts(verdict);
  const both = [
    ['Count', counts.count],
    ['WL-Count', counts.good],
  ] as const;
  if (op !== 'info') return { code: 200, diag: 'OK', more: both };
  const at = (ms: number | undefined) =>
    ms === undefined || counts.count === 0 ? -1 : Math.floor(ms / 1000);
  return {
    code: 200,
    diag: 'OK',
    more: [
      ['Entered', at(verdict?.firstSeen)],
      ['Updated', at(verdict?.lastSeen)],
      ['WL-Entered', counts.good > 0 ? at(verdict?.lastSeen) : -1],
      ['WL-Updated', counts.good > 0 ? at(verdict?.lastSeen) : -1],
      ...both,
    ],
  };
}

/** Reports count where there is no bulk yet, as they do with Pyzor. */
function keyCounts(verdict: Verdict): { readonly count: number; readonly good: number } {
  const { count, good } = pyzorCounts(verdict);
  return { count: verdict.isAllowed ? 0 : Math.max(count, Math.ceil(verdict.reported)), good };
}

/** Sig: SHA-1 over the text, the time and the key of the user. */
function isSigned(
  { fields, signed }: PyzorRequest,
  user: string,
  { accounts, clock }: PyzorOptions,
): boolean {
  const key = accounts.get(user);
  const time = fields.get('time') ?? '';
  if (key === undefined || !/^\d{1,12}$/.test(time)) return false;
  if (Math.abs(clock.now() / 1000 - Number(time)) > clockSkewSeconds) return false;
  const sha1 = (...parts: readonly (string | Buffer)[]) => {
    const hash = createHash('sha1');
    for (const part of parts) hash.update(part);
    return hash;
  };
  const secret = sha1(`${user}:${key.toLowerCase()}`).digest('hex');
  const wanted = sha1(sha1(signed.trim()).digest(), `:${time}:${secret}`).digest('hex');
  const given = Buffer.from((fields.get('sig') ?? '').toLowerCase());
  return given.length === wanted.length && timingSafeEqual(given, Buffer.from(wanted));
}

/** In this order, for clients look for it: the thread is never the first line. */
function formatReply({ code, diag, more = [] }: PyzorReply, thread = '0'): string {
  const fields = [['Code', code], ['Diag', diag], ['PV', '2.1'], ['Thread', thread], ...more];
  return `${fields.map(([name, value]) => `${name}: ${value}\n`).join('')}\n`;
}

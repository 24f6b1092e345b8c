/** Verifies the DKIM signatures of listed domains. */
import { Readable } from 'node:stream';
import { Slices } from '../base/index.ts';
import type { Resolver } from '../dns/index.ts';
import { headerEnd, headerFields } from '../mail/index.ts';

/** The number of verifications at once; beyond it no message counts as signed. */
const maxConcurrent = 20;

/** The number of signatures of one message whose keys are looked up: an honest one has one or two of a domain. */
const maxKeys = 5;
const lf = 10;
const pieceOctets = 64 * 1024;

/** How far a header is looked through for signatures. */
const lookedThroughOctets = 256 * 1024;
/**
 * The verification scans the header again and again in this thread. A header that is larger, without the signatures of
 * other domains, does not count as signed.
 */
const maxHeader = { octets: 64 * 1024, lines: 1000 } as const;

/** Whether a message is signed by one of these domains, or one below them (DKIM, RFC 6376). Never rejects. */
export type SignedBy = (octets: Uint8Array, domains: ReadonlySet<string>) => Promise<boolean>;

/**
 * Verifies signatures of the given domains only, so that other messages cost nothing. A signature over a part of the
 * body (`l=`) does not count, for more can be put behind it.
 */
export function createSignedBy(resolver: () => Pick<Resolver, 'lookup'>): SignedBy {
  let underWay = 0;
  return async (octets, domains) => {
    if (underWay >= maxConcurrent) return false;
    const signed = withSignaturesOf(octets, domains);
    if (signed === undefined) return false;
    underWay++;
    try {
      const { dkimVerify } = await import('mailauth/lib/dkim/verify.js');
      const { results } = await dkimVerify(Readable.from(inTurns(signed)), {
        resolver: lookupWith(resolver(), domains),
      });
      return results.some(
        ({ status, signingDomain, canonBodyLengthLimited }) =>
          status.result === 'pass' && canonBodyLengthLimited !== true && isAmong(signingDomain, domains),
      );
    } catch {
      return false;
    } finally {
      underWay--;
    }
  };
}

/**
 * The message with a few of the signatures that claim these domains, and without all others. Undefined if there is
 * none, or if the header is too large.
 */
function withSignaturesOf(
  message: Uint8Array,
  domains: ReadonlySet<string>,
): readonly Uint8Array[] | undefined {
  const start = message.subarray(0, lookedThroughOctets);
  const end = headerEnd(start);
  if (end === start.length && start.length < message.length) return undefined;
  const kept: Uint8Array[] = [];
  let own = 0;
  let at = 0;
  for (const field of headerFields(start, (name) => name.toLowerCase() === 'dkim-signature')) {
    const isOwn = isAmong(/(?:^|;)\s*d\s*=\s*([^;\s]+)/.exec(field.value)?.[1], domains);
    if (isOwn && ++own <= maxKeys) continue;
    kept.push(start.subarray(at, field.start));
    at = field.end;
  }
  const header = Buffer.concat([...kept, start.subarray(at, end)]);
  if (own === 0 || header.length > maxHeader.octets || hasManyLines(header)) return undefined;
  return [header, message.subarray(end)];
}

function hasManyLines(header: Buffer): boolean {
  let lines = 0;
  for (let at = header.indexOf(lf); at >= 0; at = header.indexOf(lf, at + 1)) {
    if (++lines > maxHeader.lines) return true;
  }
  return false;
}

/** The octets in pieces, between which others have their turn. */
async function* inTurns(parts: readonly Uint8Array[]): AsyncGenerator<Buffer> {
  const slices = new Slices({ octets: pieceOctets });
  for (const part of parts) {
    for (let at = 0; at < part.length; at += pieceOctets) {
      const piece = Buffer.from(part.subarray(at, at + pieceOctets));
      yield piece;
      await slices.spend(piece.length);
    }
  }
}

function isAmong(domain: string | undefined, domains: ReadonlySet<string>): boolean {
  for (let name = domain?.toLowerCase() ?? ''; name !== ''; name = name.slice(name.indexOf('.') + 1)) {
    if (domains.has(name)) return true;
    if (!name.includes('.')) return false;
  }
  return false;
}

/** For mailauth: a missing record is an error with the code of node:dns. */
function lookupWith(resolver: Pick<Resolver, 'lookup'>, domains: ReadonlySet<string>) {
  let asked = 0;
  return async (name: string, type: string): Promise<string[][]> => {
    const [, domain] = name.split('._domainkey.');
    if (type !== 'TXT' || !isAmong(domain, domains) || ++asked > maxKeys)
      throw Object.assign(new Error(`"${name}" is not asked for`), { code: 'ENODATA' });
    const result = await resolver.lookup(name, 'TXT');
    if (result.kind === 'found') return result.records.map((texts) => [...texts]);
    throw Object.assign(new Error(`${name}: ${result.kind}`), {
      code: result.kind === 'none' ? 'ENOTFOUND' : 'ETIMEOUT',
    });
  };
}

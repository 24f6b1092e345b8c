/** Sample envelopes and octets. */
import type { Address, Domain, Envelope, Reply, ReversePath } from '../../mail/index.ts';
import type { StoredOctets } from '../spool.ts';

/** Values for the contract suite and the fault tests: an envelope, a reply, octets that are not all alike. */

export interface SampleOptions {
  readonly recipients?: number;
  readonly reversePath?: ReversePath;
  readonly localPart?: string;
  readonly smtputf8?: boolean;
  readonly envid?: string;
  readonly ret?: 'full' | 'hdrs';
}

function sampleAddress(localPart: string): Address {
  const domain = 'example.org' as Domain;
  return { text: `${localPart}@${domain}`, localPart, domain };
}

/** An envelope with `recipients` recipients, by default one. */
export function sampleEnvelope(options: SampleOptions = {}): Envelope {
  const { recipients = 1, reversePath = sampleAddress('sender'), localPart = 'user', ...more } = options;
  return {
    reversePath,
    recipients: Array.from({ length: recipients }, (_, i) => ({
      address: sampleAddress(`${localPart}${i}`),
      ...(i === 0 && { notify: ['success', 'failure'] as const }),
      ...(i === 1 && { originalRecipient: { type: 'rfc822', address: 'alias@example.net' } }),
    })),
    body: '8bitmime',
    smtputf8: false,
    content: { size: 100, hasEightBit: true, hasLeadingDot: false, endsWithCrlf: true, isBinary: false },
    origin: {
      client: '192.0.2.7',
      helo: 'client.example',
      listener: 'mx',
      ground: 'recipient',
      session: 's1',
    },
    receivedAt: Date.UTC(2026, 0, 1),
    ...more,
  };
}

export function sampleReply(code: number, detail: string): Reply {
  return { code, detail, lines: ['sample'] };
}

/** `size` octets in which every stretch of a few is different. */
export function patternOctets(size: number): Buffer {
  const octets = Buffer.allocUnsafe(size);
  for (let at = 0; at + 4 <= size; at += 4) octets.writeUInt32LE(Math.imul(at + size, 0x9e3779b1) >>> 0, at);
  octets.fill(size & 0xff, size - (size % 4));
  return octets;
}

/** Everything that `chunks` gives, in one buffer; throws when there are no octets. */
export async function allOctets(stored: StoredOctets | undefined, from = 0): Promise<Buffer> {
  if (stored === undefined) throw new Error('no octets are stored');
  const pieces: Buffer[] = [];
  for await (const piece of stored.chunks(from)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Values that the tests of this folder share. */
import { type Address, type Domain, type Envelope, parseQueueId, type QueueId } from '../mail/index.ts';
import type { DsnInput } from './build.ts';
import type { ReportedRecipient } from './decide.ts';

/** Values that the tests of this folder share. */
export const at = Date.UTC(2026, 2, 4, 5, 6, 7);

export function queueId(text: string): QueueId {
  const id = parseQueueId(text);
  if (id === undefined) throw new TypeError(`no queue id: '${text}'`);
  return id;
}

export function address(text: string): Address {
  const cut = text.lastIndexOf('@');
  return { text, localPart: text.slice(0, cut), domain: text.slice(cut + 1).toLowerCase() as Domain };
}

export function envelope(parts: Partial<Envelope> = {}): Envelope {
  return {
    reversePath: address('alice@example.org'),
    recipients: [{ address: address('bob@example.com') }],
    body: '7bit',
    smtputf8: false,
    content: { size: 0, hasEightBit: false, hasLeadingDot: false, endsWithCrlf: true, isBinary: false },
    origin: { client: '192.0.2.1', helo: 'pc', listener: 'mx', ground: 'network', session: 's' },
    receivedAt: at - 60_000,
    ...parts,
  };
}

export function failed(text = 'bob@example.com'): ReportedRecipient {
  return {
    recipient: { address: address(text) },
    action: 'failed',
    reply: { code: 550, detail: '1.1', lines: ['No such user here'] },
    relay: 'mx.example.com[192.0.2.25]:25',
    at,
  };
}

export const header = Buffer.from(
  'From: Alice <alice@example.org>\r\nTo: bob@example.com\r\nSubject: Lunch\r\nMessage-ID: <1@example.org>\r\n',
);
export const full = Buffer.concat([header, Buffer.from('\r\nAt noon?\r\n.\r\n')]);

export function input(parts: Partial<DsnInput> = {}): DsnInput {
  return {
    kind: 'notify',
    to: address('alice@example.org'),
    recipients: [failed()],
    envelope: envelope(),
    original: { header, full },
    originalId: queueId('06BXYZ0000000001'),
    id: queueId('06BXYZ0000000002'),
    hostname: 'relay.example.net',
    now: at + 1000,
    ...parts,
  };
}

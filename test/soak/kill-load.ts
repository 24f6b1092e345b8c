/** The load of a soak: clients that send until their connection breaks. */
import { connect, type Socket } from 'node:net';
import type { Ledger } from './kill-ledger.ts';

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A message of the load. */
interface Mail {
  readonly marker: string;
  readonly to: readonly string[];
  readonly content: string;
}

/** Addresses that the sink defers a few times begin so. */
export const laterPrefix = 'later-';
/** The domains of the two sinks: messages to both have two lanes. */
export const domains = ['one.test', 'two.test'] as const;

let serial = 0;

function compose(random: () => number): Mail {
  const marker = `mark-${process.pid}-${serial++}`;
  const count = random() < 0.7 ? 1 : 2 + Math.floor(random() * 4);
  const isSplit = count > 1 && random() < 0.4;
  const to = Array.from({ length: count }, (_, i) => {
    const isLater = i === 1 && random() < 0.5;
    return `${isLater ? laterPrefix : ''}${marker}-${i}@${domains[isSplit && i % 2 === 1 ? 1 : 0]}`;
  });
  const line = `${'x'.repeat(70)}\r\n`;
  const kind = random();
  // The last are kept in files: the spool keeps up to 128 KiB in its store.
  const octets =
    kind < 0.85 ? random() * 3000 : kind < 0.94 ? random() * 90_000 : 135_000 + random() * 200_000;
  const body = line.repeat(Math.ceil(octets / line.length));
  return { marker, to, content: `Message-ID: <${marker}@load.test>\r\n\r\n${body}end of ${marker}\r\n` };
}

/** One client: sends message after message over one connection until that breaks or `signal` aborts. */
export async function sendUntilBroken(
  port: number,
  parts: { readonly ledger: Ledger; readonly random: () => number; readonly signal: AbortSignal },
): Promise<void> {
  const { ledger, random, signal } = parts;
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  signal.addEventListener('abort', () => socket.destroy());
  const replies = repliesOf(socket);
  const command = async (text: string): Promise<number> => {
    socket.write(text);
    return (await replies.next()).value ?? 0;
  };
  if ((await replies.next()).value !== 220 || (await command('EHLO load.test\r\n')) !== 250) return;
  while (!signal.aborted) {
    const mail = compose(random);
    if ((await command('MAIL FROM:<sender@load.test>\r\n')) !== 250) return;
    for (const to of mail.to) if ((await command(`RCPT TO:<${to}>\r\n`)) !== 250) return;
    if ((await command('DATA\r\n')) !== 354) return;
    const code = await command(`${mail.content}.\r\n`);
    if (code === 250) ledger.acknowledged(mail.marker, mail.to);
    else if (code === 0) ledger.inDoubt(mail.marker);
    if (code === 0) return;
  }
}

/** The codes of the replies, until the connection ends. */
async function* repliesOf(socket: Socket): AsyncGenerator<number, undefined> {
  let text = '';
  let isOver = false;
  let wake = () => {};
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    wake();
  });
  socket.on('close', () => {
    isOver = true;
    wake();
  });
  for (;;) {
    const end = text.indexOf('\r\n');
    if (end >= 0) {
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      if (line[3] !== '-') yield Number(line.slice(0, 3));
    } else if (isOver) return undefined;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
}

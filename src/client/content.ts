/** Writes the content of a message by DATA or BDAT. */
import { DotStuffer } from '../smtp/index.ts';
import type { OutgoingMessage } from './message.ts';
import { lacksLineEnd } from './requirements.ts';
import type { Wire } from './wire.ts';

const lineEnd = Buffer.from('\r\n');
const nothing = Buffer.alloc(0);

/** How content is framed: by DATA with stuffed dots and a final one, or by BDAT as it is. */
export type Framing = 'dots' | 'octets';

/** Writes a message that is in memory, to its end: one write where the wire is corked. */
export function writeWhole(wire: Wire, message: OutgoingMessage, options: WholeOptions): void {
  const framer = framerOf(message, options.framing);
  try {
    const content = framer.write(options.whole);
    const end = framer.end();
    wire.write(message.prefix ?? nothing);
    wire.write(content);
    wire.write(end);
  } catch (cause) {
    wire.fail('content', 'the message has a bare CR or LF', { cause });
  }
}

/** The parts that `writeWhole` needs besides the message. */
export interface WholeOptions {
  readonly whole: Buffer;
  readonly framing: Framing;
}

/**
 * Writes a message that comes in pieces, no faster than the network takes it: at most a piece or two are in
 * memory. False when it stopped before the end, because the wire ended or the server answered early. The last piece
 * waits until the end of the message was seen: a server that has all that BDAT announced may answer at once, and
 * a message of a wrong length must not look complete.
 */
export async function writePieces(
  wire: Wire,
  message: OutgoingMessage,
  options: { readonly framing: Framing; readonly blockMs: number },
): Promise<boolean> {
  const framer = framerOf(message, options.framing);
  let size = 0;
  let waiting = message.prefix ?? nothing;
  try {
    for await (const piece of message.octets.chunks()) {
      size += piece.length;
      if (size > message.octets.size) break;
      if (!wire.isWaiting) return false;
      wire.enter('content', options.blockMs);
      wire.write(waiting);
      waiting = framer.write(piece);
      await wire.drained();
    }
    if (size !== message.octets.size) throw new RangeError(`${size} of ${message.octets.size} octets came`);
    const end = framer.end();
    if (!wire.isWaiting) return false;
    wire.write(waiting);
    wire.write(end);
    return true;
  } catch (cause) {
    wire.fail('content', 'the message could not be read to its end', { cause });
    return false;
  }
}

/** The framing of a message's octets on the wire. May throw, before anything harmful is written. */
interface Framer {
  write(piece: Buffer): Buffer;
  end(): Buffer;
}

function framerOf(message: OutgoingMessage, framing: Framing): Framer {
  if (framing === 'dots') return new DotStuffer(message.content);
  return lacksLineEnd(message) ? completing : unchanged;
}

const unchanged: Framer = { write: (piece) => piece, end: () => nothing };
const completing: Framer = { write: (piece) => piece, end: () => lineEnd };

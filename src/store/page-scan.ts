/** Finds intact records in every page, without the trees. */
import { claimedBytes, type FoundFrame, findFrame, readFrame } from './frame.ts';
import { type PageFile, pageFlag, pageHeaderBytes } from './page-file.ts';
import { leafValues } from './page-walk.ts';

/** A frame that lies in the file, whether or not a tree leads to it. */
export interface ScannedFrame extends FoundFrame {
  /** The transaction that wrote its page: of two frames with one key, the later one counts. */
  readonly transaction: number;
}

const maxFrameBytes = 64 * 2 ** 20;

/**
 * Finds intact frames without the help of a tree, by reading every page. It finds removed records as well:
 * LMDB does not erase what it frees. Frames are taken from where a page says that its values are and from nowhere
 * else, because the octets of a message may be anything, also what looks like a frame. Still, where pages were
 * overwritten in part, a sender can have made up what is found here: it is evidence, and never to be acted on unseen.
 */
export function* scanFrames(file: PageFile): Generator<ScannedFrame> {
  const pages = Math.floor(file.fileBytes / file.pageBytes);
  for (let number = 2; number < pages; number++) {
    const page = file.page(number);
    if (page.readBigUInt64LE(0) !== BigInt(number)) continue;
    const flags = page.readUInt16LE(18);
    const transaction = Number(page.readBigUInt64LE(8));
    if ((flags & pageFlag.leaf) !== 0) {
      for (const frame of framesIn(page)) yield { ...frame, transaction };
    } else if ((flags & pageFlag.overflow) !== 0) {
      const frame = overflowFrame(file, page, number);
      if (frame === undefined) continue;
      yield { ...frame, transaction };
      // The other pages of a whole value have no headers: their octets are part of it.
      number += Math.ceil((pageHeaderBytes + frame.bytes) / file.pageBytes) - 1;
    }
  }
}

function* framesIn(page: Buffer): Generator<FoundFrame> {
  for (const value of leafValues(page)) {
    const frame = readFrame(value, 0);
    if (frame?.bytes === value.length) yield frame;
  }
}

/** A value on pages of its own begins right after the header of the first one and has no headers inside. */
function overflowFrame(file: PageFile, page: Buffer, number: number): FoundFrame | undefined {
  const bytes =
    findFrame(page, pageHeaderBytes) === pageHeaderBytes ? claimedBytes(page, pageHeaderBytes) : 0;
  const at = number * file.pageBytes + pageHeaderBytes;
  if (bytes === undefined || bytes === 0 || bytes > maxFrameBytes || at + bytes > file.fileBytes)
    return undefined;
  return readFrame(file.read(at, bytes), 0);
}

/** A notice without most of the enclosed message, for a server that limits sizes. */
import { Slices } from '../base/index.ts';
import { findField, headerEnd, headerFields, splitMultipart } from '../mail/index.ts';

/** Of the header of the original this much is kept: enough to know the message by. */
const maxKeptBytes = 2000;
/** A notice that would get only little shorter stays as it is, and ends as other mail does. */
const worthwhileBytes = 1000;

/** The fields by which a person recognises the message. */
const telling = new Set(['from', 'to', 'subject', 'date', 'message-id']);

/**
 * A notice of `buildDsn` whose original is reduced to the fields by which a person recognises it. `undefined` when
 * there is nothing to leave out, so that a notice is made shorter once at most.
 */
export async function shortenDsn(octets: Buffer, slices = new Slices()): Promise<Buffer | undefined> {
  const start = headerEnd(octets) + 2;
  const boundary = /boundary="([^"]+)"/.exec(findField(octets, 'content-type') ?? '')?.[1];
  if (boundary === undefined) return undefined;
  const out: Buffer[] = [octets.subarray(0, start)];
  let parts = 0;
  for await (const { kind, octets: piece } of splitMultipart(octets.subarray(start), boundary, slices)) {
    if (kind !== 'part') out.push(piece);
    else out.push(++parts === 3 ? shortened(piece) : piece);
  }
  const shorter = Buffer.concat(out);
  return parts === 3 && shorter.length + worthwhileBytes <= octets.length ? shorter : undefined;
}

/** The third part with the rest of the original's header; empty if that is encoded. */
function shortened(part: Buffer): Buffer {
  const isPlain = findField(part, 'content-transfer-encoding') === '7bit';
  const inner = isPlain ? part.subarray(headerEnd(part) + 2) : Buffer.alloc(0);
  const kept: Buffer[] = [];
  let size = 0;
  for (const { start, end } of headerFields(inner, (name) => telling.has(name.toLowerCase()))) {
    size += end - start;
    if (size > maxKeptBytes) break;
    kept.push(inner.subarray(start, end));
  }
  return Buffer.concat([
    Buffer.from('Content-Type: text/rfc822-headers\r\nContent-Description: Header of the message\r\n\r\n'),
    ...kept,
  ]);
}

/** Dot-stuffing in one call, for tests. */
import type { ContentFacts } from '../mail/index.ts';
import { DotStuffer } from './dot-stuffing.ts';

/** Everything to send after 354 for the given pieces, in pieces, with the end of data. */
export function* stuff(chunks: Iterable<Buffer>, facts?: ContentFacts): Generator<Buffer> {
  const stuffer = new DotStuffer(facts);
  for (const chunk of chunks) yield stuffer.write(chunk);
  yield stuffer.end();
}

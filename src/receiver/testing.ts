/** Lets content pass as the session does, for tests of the completion and the refusal of headers. */
import type { Reply } from '../mail/index.ts';
import { type FieldEdit, type Header, Incoming, maxWithheldTogether, Room } from '../message/index.ts';
import { complete, type Submission } from './completion.ts';

/** The octets below the trace field, or the reply instead of them. */
export type Passed = { readonly octets: Buffer; readonly size: number } | Reply;

/** The content in pieces of this length, as it goes on after this judgement of its header. */
export function pass(
  content: Buffer,
  judge: (header: Header) => readonly FieldEdit[] | Reply,
  piece = content.length,
): Passed {
  const written: Buffer[] = [];
  let refusal: Reply | undefined;
  const incoming = new Incoming({
    sink: { write: (octets) => void written.push(Buffer.from(octets)) },
    trace: '',
    room: new Room(maxWithheldTogether),
    withholds: false,
    onHeader: (header) => {
      const judged = judge(header);
      if (!('code' in judged)) return { kind: 'keep', edits: judged };
      refusal = judged;
      return { kind: 'drop' };
    },
  });
  for (let at = 0; at < content.length; at += Math.max(1, piece))
    void incoming.write(Buffer.from(content.subarray(at, at + Math.max(1, piece))));
  void incoming.end();
  const facts = { size: content.length, hasEightBit: false, hasLeadingDot: false };
  const { size } = incoming.facts({ ...facts, endsWithCrlf: true, isBinary: false });
  return refusal ?? { octets: Buffer.concat(written), size };
}

/** A header without its empty line, completed, or why it may not go on. */
export function completed(header: Buffer, submission: Omit<Submission, 'id'>): Buffer | Reply {
  const content = Buffer.concat([header, Buffer.from('\r\n')]);
  const passed = pass(content, (read) => complete(read, { ...submission, id: 'id' }));
  return 'code' in passed ? passed : passed.octets.subarray(0, -2);
}

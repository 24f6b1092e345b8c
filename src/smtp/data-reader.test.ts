import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ContentFault, type ContentLimits, DataReader, DotStuffer } from './index.ts';
import { stuff } from './testing.ts';

const octets = (text: string) => Buffer.from(text, 'latin1');

interface Read {
  /** Octets used with the end of data; -1 when there was none. */
  readonly used: number;
  readonly content: string;
  readonly fault: ContentFault | undefined;
  readonly facts: DataReader['facts'];
}

/** Reads the chunks as a session would, up to the end of data. */
function readAll(chunks: readonly Buffer[], limits: Partial<ContentLimits> = {}): Read {
  const reader = new DataReader({ maxOctets: 1_000_000, ...limits });
  const parts: string[] = [];
  let before = 0;
  for (const chunk of chunks) {
    const end = reader.read(chunk, 0, (slice) => parts.push(slice.toString('latin1')));
    const done = { content: parts.join(''), fault: reader.fault, facts: reader.facts };
    if (end >= 0) return { used: before + end, ...done };
    before += chunk.length;
  }
  return { used: -1, content: parts.join(''), fault: reader.fault, facts: reader.facts };
}

const read = (text: string, limits?: Partial<ContentLimits>) => readAll([octets(text)], limits);

/** The text as one chunk, in all pairs of chunks, and one octet at a time. */
function* everySplit(text: string): Generator<Buffer[]> {
  const all = octets(text);
  yield [all];
  for (let at = 1; at < all.length; at++) yield [all.subarray(0, at), all.subarray(at)];
  yield Array.from(all, (_, at) => all.subarray(at, at + 1));
}

test('a message of nothing but dots goes on in as many pieces as it came in', () => {
  const reader = new DataReader({ maxOctets: 1_000_000 });
  const chunk = octets('..\r\n'.repeat(16_000));
  let pieces = 0;
  for (let i = 0; i < 3; i++) {
    reader.read(chunk, 0, (piece) => {
      pieces++;
      assert.equal(piece.toString('latin1'), '.\r\n'.repeat(16_000));
    });
  }
  assert.equal(pieces, 3);
});

test('CRLF.CRLF ends the data, and what follows is not touched', () => {
  const table: readonly (readonly [string, string])[] = [
    ['a\r\n.\r\nQUIT\r\n', 'a\r\n'],
    ['.\r\n', ''],
    ['\r\n.\r\n', '\r\n'],
    ['a\r\n\r\n.\r\n.\r\n', 'a\r\n\r\n'],
    ['..\r\n.\r\n', '.\r\n'],
    ['...\r\n.\r\n', '..\r\n'],
    ['.a\r\n.\r\n', 'a\r\n'],
    ['a.\r\n.b.\r\n.\r\n', 'a.\r\nb.\r\n'],
    ['\x0b\x0c\x85\r\n.\r\n', '\x0b\x0c\x85\r\n'],
  ];
  for (const [text, content] of table) {
    for (const chunks of everySplit(text)) {
      const result = readAll(chunks);
      assert.equal(result.used, endOf(text));
      assert.equal(result.content, content, JSON.stringify(text));
      assert.equal(result.fault, undefined);
      assert.equal(result.facts.size, content.length);
    }
  }
});

/** The end of the data by its definition: the first CRLF.CRLF, where the start of the data is a line start. */
function endOf(text: string): number {
  return `\r\n${text}`.indexOf('\r\n.\r\n') + 3;
}

test('an end of data that never comes is not found', () => {
  for (const text of ['', '.', '.\r', '\r\n', '\r\n.', '\r\n.\r', 'a\r\n..\r\n', '.\n', '.\r\r\n']) {
    for (const chunks of everySplit(text)) assert.equal(readAll(chunks).used, -1, JSON.stringify(text));
  }
});

/** Relay checklist: sequences that some program takes for an end of data, or passes on as one. */
const smuggled: readonly (readonly [string, ContentFault])[] = [
  ['\n.\n', 'bare-lf'],
  ['\n.\r', 'bare-lf'],
  ['\r.\n', 'bare-cr'],
  ['\r.\r', 'bare-cr'],
  ['\n.\r\n', 'bare-lf'],
  ['\r.\r\n', 'bare-cr'],
  ['\r\n.\n', 'bare-lf'],
  ['\r\n.\r', 'bare-cr'],
  ['\r\n\0.\r\n', 'nul'],
  ['\r\n.\0\r\n', 'nul'],
  ['\r\n.\r\r\n', 'bare-cr'],
  ['\r\r\n.\r\r\n', 'bare-cr'],
  ['\r\n..\n', 'bare-lf'],
  ['\n..\r\n', 'bare-lf'],
  ['\r\n\r.\r\n', 'bare-cr'],
  ['\r\n.\n\r\n', 'bare-lf'],
];

test('no smuggled end of data is one: all up to the real end is one refused message, at every split', () => {
  const inner = 'MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhello\r\n';
  for (const [vector, fault] of smuggled) {
    for (const place of ['Subject: x', 'Subject: x\r\n\r\nbody', '']) {
      const message = `${place}${vector}${inner}.\r\n`;
      for (const chunks of everySplit(`${message}QUIT\r\n`)) {
        const result = readAll(chunks);
        assert.equal(result.used, message.length, JSON.stringify(vector));
        assert.equal(result.fault, fault, JSON.stringify(vector));
      }
    }
  }
});

test('the vectors stay faults behind the size limit, where the content is thrown away', () => {
  for (const [vector] of smuggled) {
    const message = `${'x'.repeat(100)}${vector}MAIL FROM:<a@b>\r\n.\r\n`;
    for (const chunks of everySplit(message)) {
      const result = readAll(chunks, { maxOctets: 50 });
      assert.equal(result.used, message.length);
      assert.equal(result.fault, 'too-big');
    }
  }
});

test('after a fault nothing more is emitted', () => {
  assert.equal(read('good\r\nbad\nmore\r\n.\r\n').content, '');
  const result = readAll([octets('good\r\n'), octets('bad\nmore\r\n'), octets('more\r\n.\r\n')]);
  assert.equal(result.content, 'good\r\n');
});

test('the first fault is the one that is reported', () => {
  const table: readonly (readonly [string, ContentFault])[] = [
    ['a\nb\rc\0\r\n.\r\n', 'bare-lf'],
    ['a\rb\nc\r\n.\r\n', 'bare-cr'],
    ['a\0b\nc\r\n.\r\n', 'nul'],
    [`${'x'.repeat(21)}\r\nb\nc\r\n.\r\n`, 'line-too-long'],
    [`${'x'.repeat(31)}\n\r\n.\r\n`, 'too-big'],
    [`${'x'.repeat(15)}\r\n${'x'.repeat(15)}\nb\r\n.\r\n`, 'too-big'],
  ];
  for (const [text, fault] of table) {
    for (const chunks of everySplit(text)) {
      const result = readAll(chunks, { maxOctets: 30, maxLineOctets: 20 });
      assert.equal(result.fault, fault, JSON.stringify(text));
    }
  }
});

test('the size limit counts the message, not the dots that were stuffed', () => {
  assert.equal(read('..a\r\n.\r\n', { maxOctets: 4 }).fault, undefined);
  assert.equal(read('..ab\r\n.\r\n', { maxOctets: 4 }).fault, 'too-big');
  assert.equal(read('abcd\r\n.\r\n', { maxOctets: 5 }).fault, 'too-big');
});

test('a line limit counts the line without its CRLF, and there is none by default', () => {
  const line = 'x'.repeat(998);
  assert.equal(read(`${line}\r\n.\r\n`, { maxLineOctets: 998 }).fault, undefined);
  assert.equal(read(`.${line}\r\n.\r\n`, { maxLineOctets: 998 }).fault, undefined);
  assert.equal(read(`x${line}\r\n.\r\n`, { maxLineOctets: 998 }).fault, 'line-too-long');
  assert.equal(read(`${'x'.repeat(100_000)}\r\n.\r\n`).fault, undefined);
});

test('NUL passes when it is allowed', () => {
  const result = read('a\0b\r\n.\r\n', { allowNul: true });
  assert.equal(result.fault, undefined);
  assert.equal(result.content, 'a\0b\r\n');
});

test('the facts of the content are exact', () => {
  assert.deepEqual(read('.\r\n').facts, {
    size: 0,
    hasEightBit: false,
    hasLeadingDot: false,
    endsWithCrlf: true,
    isBinary: false,
  });
  for (const chunks of everySplit('a\r\n..b\r\n.\r\n'))
    assert.equal(readAll(chunks).facts.hasLeadingDot, true);
  for (const chunks of everySplit('a.\r\n.b\r\n.\r\n'))
    assert.equal(readAll(chunks).facts.hasLeadingDot, false);
  assert.equal(read('a\x80\r\n.\r\n').facts.hasEightBit, true);
  assert.equal(read('a\x7f\r\n.\r\n').facts.hasEightBit, false);
});

test('a chunk without dots at a line start is emitted as it is, without a copy', () => {
  const chunk = octets('one\r\ntwo\r\n');
  const emitted: Buffer[] = [];
  new DataReader({ maxOctets: 100 }).read(chunk, 0, (slice) => emitted.push(slice));
  assert.deepEqual(emitted, [chunk]);
  assert.equal(emitted[0], chunk);
});

test('messages behind each other in one chunk are read from where the last one ended', () => {
  const chunk = octets('DATA\r\n.a\r\n.\r\nDATA\r\n..b\r\n.\r\nQUIT\r\n');
  const contents: string[] = [];
  const facts: boolean[] = [];
  let at = 6;
  for (let i = 0; i < 2; i++) {
    const reader = new DataReader({ maxOctets: 10, maxLineOctets: 2 });
    at = reader.read(chunk, at, (slice) => contents.push(slice.toString()));
    assert.equal(reader.fault, undefined);
    facts.push(reader.facts.hasLeadingDot);
    if (i === 0) at += 6;
  }
  assert.equal(contents.join('|'), 'a\r\n|.b\r\n');
  assert.deepEqual(facts, [false, true]);
  assert.equal(chunk.subarray(at).toString(), 'QUIT\r\n');
});

const nasty = fc
  .array(fc.constantFrom('\r\n', '\r', '\n', '.', '\r\n.', '\r\n.\r\n', '\0', 'a', '\x80', 'text'), {
    maxLength: 30,
  })
  .map((pieces) => pieces.join(''));

/** Cuts the octets at the given fractions of their length. */
function cut(all: Buffer, fractions: readonly number[]): Buffer[] {
  const places = [...new Set(fractions.map((fraction) => Math.floor(fraction * all.length)))].sort(
    (a, b) => a - b,
  );
  const chunks: Buffer[] = [];
  let from = 0;
  for (const at of [...places, all.length]) {
    chunks.push(all.subarray(from, at));
    from = at;
  }
  return chunks;
}

const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 });

test('the result does not depend on where the chunks end', () => {
  fc.assert(
    fc.property(nasty, fractions, fc.integer({ min: 0, max: 40 }), (text, places, maxOctets) => {
      const limits = { maxOctets, maxLineOctets: 10 };
      const whole = read(text, limits);
      const cutUp = readAll(cut(octets(text), places), limits);
      assert.equal(cutUp.used, whole.used);
      assert.equal(cutUp.fault, whole.fault);
      if (whole.fault === undefined) assert.deepEqual(cutUp, whole);
    }),
    { numRuns: 2000 },
  );
});

test('the end that is found is the first CRLF.CRLF of the stream', () => {
  fc.assert(
    fc.property(nasty, (text) => {
      const end = `\r\n${text}`.indexOf('\r\n.\r\n');
      assert.equal(read(text).used, end < 0 ? -1 : end + 3);
    }),
    { numRuns: 2000 },
  );
});

test('what the client writes is read as exactly one message with the same octets, for every chunking', () => {
  const line = fc.stringMatching(/^[.a\0\x80 ]{0,6}$/);
  const message = fc
    .array(line, { maxLength: 8 })
    .map((lines) => lines.map((text) => `${text}\r\n`).join(''));
  fc.assert(
    fc.property(message, fractions, fractions, (text, writes, reads) => {
      const wire = Buffer.concat([...stuff(cut(octets(text), writes)), octets('QUIT\r\n')]);
      const result = readAll(cut(wire, reads), { allowNul: true });
      assert.equal(result.used, wire.length - 'QUIT\r\n'.length);
      assert.equal(result.content, text);
      assert.equal(result.fault, undefined);
      // With the facts of the first reading it goes out the same way again.
      const again = Buffer.concat([...stuff([octets(text)], result.facts), octets('QUIT\r\n')]);
      assert.deepEqual(again, wire);
    }),
    { numRuns: 1000 },
  );
});

test('content without a last CRLF gets one, and an empty message gets none', () => {
  const wire = (text: string) => Buffer.concat([...stuff([octets(text)])]).toString('latin1');
  assert.equal(wire(''), '.\r\n');
  assert.equal(wire('a'), 'a\r\n.\r\n');
  assert.equal(wire('a\r\n'), 'a\r\n.\r\n');
  assert.equal(wire('.'), '..\r\n.\r\n');
  assert.equal(wire('.\r\n..\r\n'), '..\r\n...\r\n.\r\n');
});

test('the client refuses to write a bare CR or LF, at every split', () => {
  const table: readonly (readonly [string, string])[] = [
    ['a\nb', 'bare-lf'],
    ['\n', 'bare-lf'],
    ['a\rb', 'bare-cr'],
    ['a\r', 'bare-cr'],
    ['\r\r\n', 'bare-cr'],
    ['\r\n.\r', 'bare-cr'],
    ['\r\n\n', 'bare-lf'],
  ];
  for (const [text, code] of table) {
    for (const chunks of everySplit(text)) {
      assert.throws(() => [...stuff(chunks)], { name: 'LineEndError', code }, JSON.stringify(text));
    }
  }
});

test('content that the facts call clean goes out as it is', () => {
  const chunk = octets('one\r\n');
  const facts = { size: 5, hasEightBit: false, hasLeadingDot: false, endsWithCrlf: true, isBinary: false };
  assert.equal(new DotStuffer(facts).write(chunk), chunk);
  assert.equal(new DotStuffer(facts).end().toString(), '.\r\n');
  assert.equal(new DotStuffer({ ...facts, endsWithCrlf: false }).end().toString(), '\r\n.\r\n');
  const dotted = new DotStuffer({ ...facts, hasLeadingDot: true });
  assert.equal(dotted.write(octets('.\r\n')).toString(), '..\r\n');
  assert.throws(() => new DotStuffer({ ...facts, isBinary: true }).write(octets('\n')), { code: 'bare-lf' });
});

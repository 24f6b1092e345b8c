import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Slices } from '../base/index.ts';
import { CountedSlices } from '../base/testing.ts';
import { downgrade } from './downgrade.ts';
import { encodeBase64, encodeQuotedPrintable, isSevenBit } from './transfer-encoding.ts';

/** Converts text (UTF-8); lines of the argument end in LF for reading. */
async function convert(text: string): Promise<string | undefined> {
  const converted = await downgrade(Buffer.from(text.replaceAll('\n', '\r\n')));
  return converted && Buffer.concat(converted.pieces).toString().replaceAll('\r\n', '\n');
}

function decodeQuotedPrintable(text: string): Buffer {
  const plain = text.replace(/=\r\n/g, '');
  return Buffer.from(
    plain.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}

test('text becomes quoted-printable with its other header fields untouched', async () => {
  assert.equal(
    await convert(
      'MIME-Version: 1.0\nContent-Type: text/plain;\n charset=utf-8\nContent-Transfer-Encoding: 8bit\nX: y\n\na plain caf\u00e9 in a long line\n',
    ),
    'MIME-Version: 1.0\nContent-Type: text/plain;\n charset=utf-8\nX: y\nContent-Transfer-Encoding: quoted-printable\n\na plain caf=C3=A9 in a long line\n',
  );
});

test('text that is mostly not ASCII, and what is no text, becomes base64', async () => {
  const greek = '\u03ba\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1\n';
  const out = (await convert(`MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n${greek}`)) ?? '';
  assert.match(out, /Content-Transfer-Encoding: base64\n\n/);
  const encoded = out.split('\n\n')[1] ?? '';
  assert.equal(Buffer.from(encoded, 'base64').toString(), greek.replace('\n', '\r\n'));
  assert.match(
    (await convert('MIME-Version: 1.0\nContent-Type: application/x\n\nmostly plain but not text \u00e9\n')) ??
      '',
    /base64/,
  );
});

test('of a multipart only the parts that need it are converted', async () => {
  const before = `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b 1"

preamble
--b 1
Content-Type: text/plain

untouched = as it is
--b 1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

one caf\u00e9 in this line
--b 1--
epilogue
`;
  const after = before
    .replace('boundary="b 1"\n', 'boundary="b 1"\nContent-Transfer-Encoding: 7bit\n')
    .replace('8bit', 'quoted-printable')
    .replace('\u00e9', '=C3=A9');
  assert.equal(await convert(before), after);
});

test('nested multiparts and attached messages are converted inside', async () => {
  const inner =
    'Subject: inner\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\na na\u00efve line of text\n';
  const out = await convert(`MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=out
Content-Transfer-Encoding: 8bit

--out
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

${inner}
--out
Content-Type: multipart/alternative; boundary=in

--in

plain
--in
Content-Type: image/png
Content-Transfer-Encoding: binary

\u00ff\u00fe
--in--
--out--
`);
  assert.ok(out);
  assert.equal(out.match(/Content-Transfer-Encoding: 7bit/g)?.length, 3);
  assert.match(
    out,
    /Subject: inner\nMIME-Version: 1\.0\n.*\nContent-Transfer-Encoding: quoted-printable\n\na na=C3=AFve line of text\n/,
  );
  assert.match(out, /Content-Transfer-Encoding: base64\n\nw7\/Dvg==\n--in--/);
});

test('a message without MIME is marked as of unknown charset', async () => {
  assert.equal(
    await convert('Subject: x\n\nan old caf\u00e9 message\n'),
    'Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: quoted-printable\n\nan old caf=C3=A9 message\n',
  );
});

test('eight bits in preamble and epilogue are replaced', async () => {
  const out = await convert(
    'Content-Type: multipart/mixed; boundary=b\n\npr\u00e9\n--b\n\nx\n--b--\n\u00e9pi\n',
  );
  assert.match(out ?? '', /pr\?\?\n--b\n\nx\n--b--\n\?\?pi\n$/);
});

test('what must not be converted is not', async () => {
  const body = '\n--b\n\ncaf\u00e9\n--b--\n';
  for (const [why, text] of [
    ['signed', `Content-Type: multipart/signed; boundary=b\n${body}`],
    ['encrypted', `Content-Type: multipart/encrypted; boundary=b\n${body}`],
    ['no boundary', `Content-Type: multipart/mixed\n${body}`],
    ['fragment', 'Content-Type: message/partial; id=1\n\ncaf\u00e9\n'],
    ['encoded already', 'Content-Transfer-Encoding: base64\n\ncaf\u00e9\n'],
    ['unknown encoding', 'Content-Transfer-Encoding: x-uuencode\n\ncaf\u00e9\n'],
    ['header', 'Subject: caf\u00e9\n\nx\n'],
    ['header of a part', 'Content-Type: multipart/mixed; boundary=b\n\n--b\nX: \u00e9\n\nx\n--b--\n'],
  ] as const) {
    assert.equal(await convert(text), undefined, why);
  }
});

test('nesting and parts without end are not followed', async () => {
  let deep = 'caf\u00e9';
  for (let i = 0; i < 30; i++) deep = `Content-Type: message/rfc822\n\n${deep}`;
  assert.equal(await convert(deep), undefined);
  const many = '--b\n\n\u00e9\n'.repeat(1100);
  assert.equal(await convert(`Content-Type: multipart/mixed; boundary=b\n\n${many}--b--\n`), undefined);
});

test('whatever comes out is 7-bit with true facts, whatever goes in', async () => {
  const line = fc.oneof(
    fc.constantFrom(
      '--b',
      '--b--',
      '--c',
      '',
      '.',
      'Content-Type: multipart/mixed; boundary=b',
      'MIME-Version: 1.0',
    ),
    fc.constantFrom(
      'Content-Type: multipart/alternative; boundary=c',
      'Content-Type: message/rfc822',
      'x\0y\rz\n',
    ),
    fc.string({ unit: 'binary', maxLength: 20 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 25 }),
      fc.integer({ min: 1, max: 60 }),
      async (lines, size) => {
        const message = Buffer.from(lines.join('\r\n'));
        const result = await downgrade(message);
        const inSlices = await downgrade(message, new Slices({ octets: size, turn: async () => {} }));
        assert.equal(inSlices === undefined, result === undefined);
        if (result === undefined || inSlices === undefined) return;
        const octets = Buffer.concat(result.pieces);
        // Base64 has its line ends where slices end, too.
        const joined = Buffer.concat(inSlices.pieces);
        assert.deepEqual(joined, octets);
        assert.ok(isSevenBit(octets));
        assert.equal(result.content.size, octets.length);
        assert.equal(result.content.endsWithCrlf, octets.subarray(-2).toString() === '\r\n');
        assert.equal(
          result.content.hasLeadingDot,
          /^\./m.test(octets.toString('latin1').replaceAll('\r\n', '\n')),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('quoted-printable decodes to what it was, in lines of at most 76', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
      const encoded = encodeQuotedPrintable(Buffer.from(octets)).toString('latin1');
      assert.ok(encoded.split('\r\n').every((line) => line.length <= 76 && !/[ \t]$/.test(line)));
      assert.deepEqual(decodeQuotedPrintable(encoded), Buffer.from(octets));
    }),
    { numRuns: 500 },
  );
});

test('base64 decodes to what it was, in lines of at most 76', () => {
  for (const length of [0, 1, 56, 57, 58, 114, 1000]) {
    const octets = Buffer.alloc(length, 0xe9);
    const encoded = encodeBase64(octets).toString();
    assert.ok(encoded.split('\r\n').every((line) => line.length <= 76));
    assert.deepEqual(Buffer.from(encoded, 'base64'), octets);
  }
});

test('a line of 998 octets is 7-bit and one of 999 is not', () => {
  assert.equal(isSevenBit(Buffer.from(`${'x'.repeat(998)}\r\n`)), true);
  assert.equal(isSevenBit(Buffer.from(`${'x'.repeat(999)}\r\n`)), false);
  assert.equal(isSevenBit(Buffer.from('x'.repeat(999))), false);
  for (const bad of ['\n', '\r', 'a\rb', '\0', '\u00e9']) assert.equal(isSevenBit(Buffer.from(bad)), false);
});

test('a body behind an empty line of LF alone keeps its first octet', async () => {
  const converted = await downgrade(Buffer.from('A: b\r\nContent-Type: image/x\r\n\n\xe9'));
  assert.match(Buffer.concat(converted?.pieces ?? []).toString(), /base64\r\n\r\nw6k=\r\n$/);
});

const size = 200_000;
const eightBit = 'caf\u00e9\r\n';
const hostile: readonly (readonly [name: string, message: string])[] = [
  ['millions of header fields', `${'A:\r\n'.repeat(size / 4)}\r\n${eightBit}`],
  ['one header field of very many lines', `A:\r\n${' \r\n'.repeat(size / 3)}\r\n${eightBit}`],
  ['a Content-Type of very many lines', `Content-Type:\r\n${' \r\n'.repeat(size / 3)}\r\n${eightBit}`],
  [
    'a boundary of dashes over a body of dashes',
    `Content-Type: multipart/mixed; boundary="${'-'.repeat(198)}"\r\n\r\n${'-'.repeat(size)}${eightBit}`,
  ],
  [
    'a boundary of dashes over lines of dashes',
    `Content-Type: multipart/mixed; boundary="${'-'.repeat(60)}"\r\n\r\n${`${'-'.repeat(61)}\r\n`.repeat(size / 63)}${eightBit}`,
  ],
  [
    'a delimiter with very many blanks',
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b${' '.repeat(size)}\r\n${eightBit}--b--\r\n`,
  ],
  ['nothing but line ends of LF', `Content-Type: image/x\r\n\r\n${'\n'.repeat(size)}`],
  ['a multipart with nothing but LF', `Content-Type: multipart/x; boundary=b\r\n\r\n${'\n'.repeat(size)}`],
  [
    'multiparts in multiparts, each around all of the rest',
    `${Array.from(
      { length: 19 },
      (_, i) => `Content-Type: multipart/mixed; boundary=b${i}x\r\n\r\n--b${i}x\r\n`,
    ).join('')}\r\n${'--b\r\n'.repeat(size / 5)}${eightBit}`,
  ],
  [
    'messages in messages',
    `${'Content-Type: message/rfc822\r\n\r\n'.repeat(19)}\r\n${'x\r\n'.repeat(size / 3)}${eightBit}`,
  ],
  [
    'a preamble of eight bits',
    `Content-Type: multipart/x; boundary=b\r\n\r\n${'\u00e9'.repeat(size / 2)}\r\n--b\r\n\r\n`,
  ],
  ['text of eight bits', `\r\n${'\u00e9'.repeat(size / 2)}`],
  ['text with few of them', `\r\n${'caf\u00e9 is a word of four letters '.repeat(size / 34)}`],
];

for (const [name, message] of hostile) {
  test(`${name}: each octet is looked at a few times, and a slice at once`, async () => {
    const slices = new CountedSlices(4096);
    const octets = Buffer.from(message);
    await downgrade(octets, slices);
    // At most 20 multiparts are inside each other, and each is searched for its own delimiter.
    const times = name.startsWith('multiparts in multiparts') ? 24 : 9;
    assert.ok(
      slices.all <= times * octets.length + 100_000,
      `${slices.all} steps for ${octets.length} octets`,
    );
    assert.ok(slices.most <= 2 * slices.octets + 1000, `${slices.most} octets in one go`);
  });
}

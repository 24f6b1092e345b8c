import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { downgrade } from './downgrade.ts';
import { encodeBase64, encodeQuotedPrintable, isSevenBit } from './transfer-encoding.ts';

/** Converts text (UTF-8); lines of the argument end in LF for reading. */
function convert(text: string): string | undefined {
  return downgrade(Buffer.from(text.replaceAll('\n', '\r\n')))
    ?.octets.toString()
    .replaceAll('\r\n', '\n');
}

function decodeQuotedPrintable(text: string): Buffer {
  const plain = text.replace(/=\r\n/g, '');
  return Buffer.from(
    plain.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}

test('text becomes quoted-printable with its other header fields untouched', () => {
  assert.equal(
    convert(
      'MIME-Version: 1.0\nContent-Type: text/plain;\n charset=utf-8\nContent-Transfer-Encoding: 8bit\nX: y\n\na plain caf\u00e9 in a long line\n',
    ),
    'MIME-Version: 1.0\nContent-Type: text/plain;\n charset=utf-8\nX: y\nContent-Transfer-Encoding: quoted-printable\n\na plain caf=C3=A9 in a long line\n',
  );
});

test('text that is mostly not ASCII, and what is no text, becomes base64', () => {
  const greek = '\u03ba\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1\n';
  const out = convert(`MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n${greek}`) ?? '';
  assert.match(out, /Content-Transfer-Encoding: base64\n\n/);
  const encoded = out.split('\n\n')[1] ?? '';
  assert.equal(Buffer.from(encoded, 'base64').toString(), greek.replace('\n', '\r\n'));
  assert.match(
    convert('MIME-Version: 1.0\nContent-Type: application/x\n\nmostly plain but not text \u00e9\n') ?? '',
    /base64/,
  );
});

test('of a multipart only the parts that need it are converted', () => {
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
  assert.equal(convert(before), after);
});

test('nested multiparts and attached messages are converted inside', () => {
  const inner =
    'Subject: inner\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\na na\u00efve line of text\n';
  const out = convert(`MIME-Version: 1.0
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

test('a message without MIME is marked as of unknown charset', () => {
  assert.equal(
    convert('Subject: x\n\nan old caf\u00e9 message\n'),
    'Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: quoted-printable\n\nan old caf=C3=A9 message\n',
  );
});

test('eight bits in preamble and epilogue are replaced', () => {
  const out = convert('Content-Type: multipart/mixed; boundary=b\n\npr\u00e9\n--b\n\nx\n--b--\n\u00e9pi\n');
  assert.match(out ?? '', /pr\?\?\n--b\n\nx\n--b--\n\?\?pi\n$/);
});

test('what must not be converted is not', () => {
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
    assert.equal(convert(text), undefined, why);
  }
});

test('nesting and parts without end are not followed', () => {
  let deep = 'caf\u00e9';
  for (let i = 0; i < 30; i++) deep = `Content-Type: message/rfc822\n\n${deep}`;
  assert.equal(convert(deep), undefined);
  const many = '--b\n\n\u00e9\n'.repeat(1100);
  assert.equal(convert(`Content-Type: multipart/mixed; boundary=b\n\n${many}--b--\n`), undefined);
});

test('whatever comes out is 7-bit with true facts, whatever goes in', () => {
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
  fc.assert(
    fc.property(fc.array(line, { maxLength: 25 }), (lines) => {
      const result = downgrade(Buffer.from(lines.join('\r\n')));
      if (result === undefined) return;
      assert.ok(isSevenBit(result.octets));
      assert.equal(result.content.size, result.octets.length);
      assert.equal(result.content.endsWithCrlf, result.octets.subarray(-2).toString() === '\r\n');
      assert.equal(
        result.content.hasLeadingDot,
        /^\./m.test(result.octets.toString('latin1').replaceAll('\r\n', '\n')),
      );
    }),
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

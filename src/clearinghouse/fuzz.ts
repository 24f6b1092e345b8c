/**
 * Fuzz targets of this folder: every parser of input from outside. Each takes any octets and throws if a bound is
 * broken.
 */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { readContent } from './content/read.ts';
import { bodyWith, parseDccRequest } from './doors/dccifd.ts';
import { FuzzyCipher } from './doors/fuzzy-cipher.ts';
import { FuzzyTable } from './doors/fuzzy-table.ts';
import { parseFuzzyCommand } from './doors/fuzzy-wire.ts';
import { parseRequest } from './doors/pyzor.ts';
import { wholeMessage } from './doors/razor-message.ts';
import { parseBatch, parseSis } from './doors/razor-wire.ts';
import { decodeNotes } from './flood/file.ts';
import { decodeHello, FrameReader } from './flood/frames.ts';
import { readOrigin } from './flood/identity.ts';
import { decodeSigned, encodeBody } from './flood/record.ts';
import { decodeEntries } from './journal.ts';
import { legacyKeys } from './keys/keys.ts';

export const fuzzTargets: readonly { readonly name: string; run(input: Uint8Array): void }[] = [
  { name: 'clearinghouse/content', run: checkContent },
  { name: 'clearinghouse/keys', run: (input) => void legacyKeys(input) },
  { name: 'clearinghouse/doors', run: checkDoors },
  { name: 'clearinghouse/fuzzy', run: checkFuzzy },
  { name: 'clearinghouse/flood', run: checkFlood },
];

/** Headers that the first octet chooses from, so that not everything is plain text. */
const openings: readonly string[] = [
  '',
  'Content-Type: text/html\r\n\r\n',
  'Content-Type: text/html; charset=gb18030\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p style="',
  'Content-Transfer-Encoding: base64\r\n\r\n',
  'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n',
  'Content-Type: message/rfc822\r\n\r\n',
  'Subject: =?utf-8?b?',
  '\r\n<html><style>',
];

function checkContent(input: Uint8Array): void {
  const opening = openings[(input[0] ?? 0) % openings.length] ?? '';
  const { words, folded, order, leaves, actions } = readContent(
    Buffer.concat([Buffer.from(opening), input]),
    {
      recipients: ['anna@x.example'],
    },
  );
  assert.equal(words.length, folded.length);
  assert.deepEqual(new Set(order), new Set(words.keys()));
  assert.equal(new Set(words).size, words.length);
  assert.ok(order.length <= 20_000 && leaves.length <= 1000 && actions.length <= 400);
}

const fuzzyCipher = new FuzzyCipher(Buffer.alloc(32, 7));
const fuzzyTable = new FuzzyTable(64, 1000);

function checkFuzzy(input: Uint8Array): void {
  const octets = Buffer.from(input);
  fuzzyCipher.open(Buffer.concat([Buffer.from('rsfe'), fuzzyCipher.publicKey.subarray(0, 8), octets]));
  fuzzyTable.restore(Buffer.concat([Buffer.from('PHFZ'), octets]));
  const command = parseFuzzyCommand(octets);
  if (command === undefined) return;
  if (command.verb === 'write') fuzzyTable.write(command, 1);
  assert.ok((fuzzyTable.find(command, 1)?.probability ?? 1) > 0.5);
  assert.ok(fuzzyTable.size <= 64);
}

function checkDoors(input: Uint8Array): void {
  const octets = Buffer.from(input);
  parseDccRequest(octets);
  parseRequest(octets);
  parseSis(octets.toString('latin1'));
  assert.ok(parseBatch(octets.toString('latin1'), 50).length <= 50);
  wholeMessage(octets);
  bodyWith(octets, 'X-DCC-x-Metrics: x');
  for (const { end } of decodeEntries(octets)) assert.ok(end <= octets.length);
  // With a valid checksum: a file of another version, or of somebody who can write it.
  for (const letter of 'CLTW') {
    const body = Buffer.concat([Buffer.from(letter), octets]);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(body.length, 0);
    head.writeUInt32LE(crc32(body), 4);
    assert.ok([...decodeEntries(Buffer.concat([head, body]))].length <= 1);
  }
}

function checkFlood(input: Uint8Array): void {
  const octets = Buffer.from(input);
  for (const frame of new FrameReader().read(octets)) assert.ok(frame === undefined || frame.type <= 4);
  decodeHello(octets, Buffer.alloc(32));
  readOrigin(octets);
  assert.ok([...decodeNotes(octets)].length <= input.length);
  const signed = decodeSigned(octets);
  if (signed !== undefined) assert.deepEqual(encodeBody(signed.record), signed.body);
}

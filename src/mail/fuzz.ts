/**
 * Fuzz targets of this folder: each takes any octets and throws when an invariant is broken. They check what
 * must hold for all input; what holds for some is in the tests.
 */
import assert from 'node:assert/strict';
import { CountedSlices } from '../base/testing.ts';
import {
  type Address,
  asciiMailbox,
  downgrade,
  formatLocalPart,
  formatReceived,
  headerEnd,
  headerFields,
  isSevenBit,
  parseDomain,
  parseForwardPath,
  parseMailbox,
  parseReversePath,
} from './index.ts';

export const fuzzTargets: readonly { readonly name: string; run(input: Uint8Array): Promise<void> | void }[] =
  [
    { name: 'mail/domain', run: (input) => checkDomain(textOf(input)) },
    { name: 'mail/mailbox', run: (input) => checkMailbox(textOf(input)) },
    { name: 'mail/path', run: (input) => checkPath(textOf(input)) },
    { name: 'mail/header', run: checkHeader },
    { name: 'mail/received', run: checkReceived },
    { name: 'mail/downgrade', run: checkDowngrade },
  ];

/** UTF-8 where it is some, else one character per octet. */
function textOf(input: Uint8Array): string {
  const text = Buffer.from(input).toString('utf8');
  return text.includes('\ufffd') ? Buffer.from(input).toString('latin1') : text;
}

function checkDomain(text: string): void {
  const domain = parseDomain(text);
  if (domain === undefined) return;
  assert.match(domain, /^[a-z0-9.-]{1,255}$|^\[[0-9.]+\]$|^\[IPv6:[0-9a-f:]+\]$/);
  assert.equal(parseDomain(domain), domain, 'the canonical form is its own canonical form');
}

function checkMailbox(text: string): void {
  for (const smtputf8 of [false, true]) {
    const address = parseMailbox(text, { smtputf8 });
    if (address !== undefined) checkAddress(address, text);
  }
}

function checkAddress(address: Address, text: string): void {
  assert.equal(
    address.text,
    asciiMailbox(address) ?? text,
    'only a local part keeps characters beyond ASCII',
  );
  assert.equal(address.localPart, address.localPart.normalize('NFC'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there
  assert.doesNotMatch(address.text, /[\x00-\x1f\x7f-\x9f]/);
  assert.ok(address.text.isWellFormed());
  const again = parseMailbox(`${formatLocalPart(address.localPart)}@${address.domain}`, { smtputf8: true });
  // Quoting may make a local part longer than its limit only when it was quoted sparingly.
  if (again !== undefined) assert.deepEqual({ ...again, text: address.text }, address);
}

function checkPath(text: string): void {
  for (const result of [parseReversePath(text), parseForwardPath(text)]) {
    if (result.kind !== 'path') continue;
    assert.ok(text.endsWith(result.rest));
    assert.ok(result.rest === '' || result.rest.startsWith(' '));
    if (result.path !== null && result.path !== 'postmaster') checkAddress(result.path, result.path.text);
  }
}

function checkHeader(input: Uint8Array): void {
  const end = headerEnd(input);
  let last = 0;
  for (const field of headerFields(input)) {
    assert.ok(field.start >= last && field.end > field.start && field.end <= end);
    last = field.end;
  }
}

function checkReceived(input: Uint8Array): void {
  const text = textOf(input);
  const field = formatReceived({
    helo: text,
    rdns: text,
    client: text,
    by: 'relay.example',
    protocol: 'esmtp',
    isAuthenticated: false,
    smtputf8: false,
    tls: { version: text, cipher: text },
    id: text,
    at: 0,
  });
  assert.match(field, /^Received: (?:[ -~]|\r\n\t)+\r\n$/);
  assert.equal(
    field.split('(').length,
    field.split(')').length,
    'no comment is opened or closed by the client',
  );
  for (const line of field.split('\r\n')) assert.ok(line.length <= 998);
}

/** Headers that lead into every way through a message, before and around random text. */
const beginnings = [
  '',
  'Content-Type: multipart/mixed; boundary=b\r\n\r\n',
  'Content-Type: multipart/mixed; boundary="-"\r\n\r\n---\r\n',
  'Content-Type: message/rfc822\r\n\r\n',
  'Content-Type: text/plain\r\n\r\n',
  'Content-Type: image/x\r\n\r\n',
];

/** A few looks at each octet for each of the 20 multiparts that may be inside each other. */
const looksPerOctet = 30;

/** The output is always 7-bit; the work grows linearly with the message, and is done in slices. */
async function checkDowngrade(input: Uint8Array): Promise<void> {
  const copies = Math.max(1, Math.min(1 + (input[0] ?? 0), Math.floor(30_000 / Math.max(1, input.length))));
  const random = Buffer.concat(Array.from({ length: copies }, () => input));
  for (const beginning of beginnings) {
    const message = Buffer.concat([Buffer.from(beginning.repeat(1 + ((input[1] ?? 0) % 12))), random]);
    const slices = new CountedSlices(1024);
    const converted = await downgrade(message, slices);
    assert.ok(slices.all <= looksPerOctet * (message.length + 2000), `${slices.all} of ${message.length}`);
    assert.ok(slices.most <= 2 * slices.octets + 1000, `${slices.most} at once`);
    if (converted !== undefined) assert.ok(isSevenBit(Buffer.concat(converted.pieces)));
  }
}

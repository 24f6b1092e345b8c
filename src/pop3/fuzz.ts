/**
 * Fuzz targets of this folder: a session in every state, fed with anything. Each takes any octets and throws when
 * an invariant is broken.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryWire, makeMaildir, serverOptions, talk } from './testing.ts';

export const fuzzTargets: readonly {
  readonly name: string;
  run(input: Uint8Array): Promise<void> | void;
}[] = [{ name: 'pop3/session', run: checkSession }];

const login = 'USER anna\r\nPASS sesame\r\n';

/** Lines that bring a session into each of its states. */
const openings: readonly string[] = [
  '',
  'USER anna\r\n',
  'AUTH PLAIN\r\n',
  login,
  `${login}DELE 1\r\n`,
  `${login}RETR 1\r\n`,
  'NOOP\n',
  'x'.repeat(13_000),
];

/** The first octet chooses the state, the second how the rest is cut. The answers do not depend on the cuts. */
async function checkSession(input: Uint8Array): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'posthouse-fuzz-'));
  try {
    const opening = openings[(input[0] ?? 0) % openings.length] ?? '';
    const size = ((input[1] ?? 0) % 40) + 1;
    const rest = Buffer.from(input.subarray(2));
    const pieces: Buffer[] = [];
    for (let at = 0; at < rest.length; at += size) pieces.push(rest.subarray(at, at + size));
    const first = await answers(join(root, 'a'), [opening, ...pieces]);
    const second = await answers(join(root, 'b'), [opening, rest]);
    // Only octets that followed STLS before its reply make a difference, and end the session.
    if (!/STLS/i.test(rest.toString('latin1'))) assert.equal(first, second);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function answers(root: string, sent: readonly (string | Buffer)[]): Promise<string> {
  const path = makeMaildir(join(root, 'anna'), { '1.a.h': 'a: b\n\n.\nc\n', '2.b.h': '\r\r\n.' });
  const { options, log } = serverOptions(root);
  const said = await talk(options, sent, new MemoryWire());
  const bugs = log.lines.filter(({ event }) => event === 'pop3-failed');
  assert.deepEqual(bugs, []);
  assert.match(said, /^(?:[ -~]{0,510}\r\n)*$/, 'every line is one of a reply');
  const isUpdate = said.endsWith('+OK goodbye\r\n');
  const left = readdirSync(join(path, 'cur')).length + readdirSync(join(path, 'new')).length;
  assert.ok(isUpdate || left === 2, 'something was removed without QUIT');
  const again = await talk(options, `${login}QUIT\r\n`);
  assert.match(again, /messages\r\n\+OK goodbye\r\n$/, 'the mailbox is free again');
  return said;
}

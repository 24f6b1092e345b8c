import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { fakeServer, offering, quit } from '../client/testing.ts';
import { fakeIo, ownFolder, run } from './testing.ts';

test('send --server tells what the server said of each recipient', async (t) => {
  const folder = await ownFolder(t);
  await writeFile(join(folder, 'posthouse.yaml'), 'hostname: client.example\n');
  await using server = await fakeServer(`${offering()}
    C: MAIL FROM:<a@example.org>
    S: 250 ok
    C: RCPT TO:<b@xn--bcher-kva.example>
    S: 250 ok
    C: RCPT TO:<c@example.net>
    S: 550 5.1.1 nobody
    C: DATA
    S: 354 go
    C.
    S: 250 2.0.0 queued as X1
    ${quit}`);
  const to = ['--to', 'b@bücher.example', '--to', 'c@example.net'];
  const where = ['--from', 'a@example.org', '--server', `127.0.0.1:${server.port}`];
  const { code, out } = await run(['send', ...to, ...where], fakeIo({ folder }));
  await server.played;
  assert.equal(code, 69);
  const [taken = '', refused = ''] = out.split('\n');
  assert.match(
    taken,
    /^- b@xn--bcher-kva\.example: delivered by 127\.0\.0\.1:\d+ after \d+ ms: 250 2\.0\.0 queued as X1$/,
  );
  assert.equal(refused, '- c@example.net: refused: 550 5.1.1 nobody');
  assert.match(server.contents[0] ?? '', /\r\nTo: b@xn--bcher-kva\.example,\r\n c@example\.net\r\n/);
});

const faults: readonly (readonly [string, string, number, RegExp])[] = [
  ['a port that nobody listens at', '127.0.0.1:1', 69, /^posthouse: cannot send to 127\.0\.0\.1:1: /],
  ['a place that is none', 'x:y:z', 64, /"x:y:z" is not HOST:PORT/],
];
for (const [what, server, expected, because] of faults) {
  test(`send --server to ${what} is ${expected}`, async (t) => {
    const io = fakeIo({ folder: await ownFolder(t) });
    const { code, err } = await run(['send', '--to', 'b@example.net', '--server', server], io);
    assert.equal(code, expected);
    assert.match(err, because);
  });
}

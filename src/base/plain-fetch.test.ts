import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { plainFetch } from './plain-fetch.ts';

async function server(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const http = createServer(answer);
  await once(http.listen(0, '127.0.0.1'), 'listening');
  t.after(() => http.close());
  t.after(() => http.closeAllConnections());
  const address = http.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
}

test('a form is sent and its answer read, and nothing compressed is asked for', async (t) => {
  const url = await server(t, async (request, response) => {
    const { method, headers } = request;
    let body = '';
    for await (const piece of request) body += String(piece);
    response.end(
      JSON.stringify({ method, body, type: headers['content-type'], takes: headers['accept-encoding'] }),
    );
  });
  const response = await plainFetch(url, { method: 'POST', body: new URLSearchParams({ a: 'b c' }) });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), {
    method: 'POST',
    body: 'a=b+c',
    type: 'application/x-www-form-urlencoded;charset=UTF-8',
    takes: 'identity',
  });
});

test('an answer in Brotli, which nobody asked for, reaches no decoder', async (t) => {
  const url = await server(t, (_request, response) => {
    response.setHeader('content-encoding', 'br').end(brotliCompressSync('{"active":true}'));
  });
  await assert.rejects(plainFetch(url), /compressed/);
});

test('an answer without an end is given up', async (t) => {
  const url = await server(t, (_request, response) => {
    const more = () => response.destroyed || response.write('x'.repeat(65_536), () => setImmediate(more));
    more();
  });
  await assert.rejects(plainFetch(url), /no end/);
});

test('a redirection is not followed, and a peer that leaves or is given up on is an error', async (t) => {
  let asked = 0;
  const url = await server(t, (request, response) => {
    asked++;
    if (request.url === '/gone') request.socket.destroy();
    else if (request.url === '/half') response.write('{', () => request.socket.destroy());
    else if (request.url === '/silent') return;
    else response.writeHead(307, { location: '/elsewhere' }).end();
  });
  assert.equal((await plainFetch(url)).status, 307);
  assert.equal(asked, 1);
  await assert.rejects(plainFetch(`${url}gone`));
  await assert.rejects(plainFetch(`${url}half`));
  const given = new AbortController();
  const waiting = plainFetch(`${url}silent`, { signal: given.signal });
  given.abort();
  await assert.rejects(waiting);
});

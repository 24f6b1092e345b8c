import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { defaultDoorLimits } from '../options.ts';
import { openRazor } from './razor.ts';
import { RazorAccounts, razorProof } from './razor-accounts.ts';
import { bench, dial, spam } from './testing.ts';

/** One Razor session: each request and the reply to it. */
async function razorSession(port: number, ...requests: readonly string[]): Promise<string[]> {
  const socket = await dial(port);
  const pieces = socket[Symbol.asyncIterator]();
  const next = async () => String((await pieces.next()).value ?? 'closed');
  const replies = [await next()];
  for (const request of requests) {
    socket.write(request);
    replies.push(await next());
  }
  socket.destroy();
  return replies;
}

test('Razor: the proof, checks in a batch, reports that ask for the whole message', async (t) => {
  assert.equal(razorProof('secret', 'abcdef'), 'xf8RpV08jmkMD9jVlhoy-dp3p0MA');
  assert.equal(razorProof('pw1', '0123456789abcdef0123456789abcdef01234567'), 'Q8n8e-9fHAItl9kGQedxGjJa-QgA');
  const accounts = new RazorAccounts();
  const { door, asked, state } = await bench(t, (options) =>
    openRazor({ ...options, accounts, publicName: 'razor.example.org:2703' }),
  );
  const sig = 'UZFXQQkfY21MYfOpDZJxDxTTQOkA';
  const [greeting, lists, unknown, batch, template, noReport, registered, taken] = await razorSession(
    door.port,
    'a=g&pm=csl\r\n',
    `a=c&e=4&ep4=7542-10&s=${sig}\r\n`,
    `-a=c&e=4&s=${sig}\r\na=c&e=8&s=A1X0JdhQyA0A\r\n.\r\n`,
    `-a=c&e=?&s=?\r\n4,${sig}\r\n8,A1X0JdhQyA0A\r\n.\r\n`,
    `a=r&e=4&s=${sig}\r\n`,
    'a=reg&pass=secret&user=anna\r\n',
    'a=reg&pass=other&user=anna\r\n',
  );
  assert.equal(greeting, 'sn=NCD&srl=5&ep4=7542-10&a=l\r\n');
  assert.match(lists ?? '', /^-csl=razor\.example\.org:2703\r\ncsl=/);
  assert.deepEqual([unknown, batch, template], ['p=0\r\n', '-p=0\r\np=0\r\n.\r\n', '-p=0\r\np=0\r\n.\r\n']);
  assert.deepEqual(
    [noReport, registered, taken],
    ['err=213\r\n', 'pass=secret&res=1&user=anna\r\n', 'err=210\r\n'],
  );
  state.verdict = spam;
  assert.equal((await razorSession(door.port, `a=c&e=4&s=${sig}\r\n`))[1], 'cf=80&ct=0&p=1\r\n');
  const before = asked.length;
  const socket = await dial(door.port);
  const pieces = socket[Symbol.asyncIterator]();
  const ask = async (request: string) => {
    socket.write(request);
    return String((await pieces.next()).value ?? 'closed');
  };
  await pieces.next();
  const challenge =
    /^achal=([0-9a-f]+)/.exec(await ask('a=ai&cn=razor-agents&cv=2.84&user=anna\r\n'))?.[1] ?? '';
  assert.equal(await ask(`a=auth&aresp=${razorProof('wrong', challenge)}\r\n`), 'res=0\r\n');
  assert.equal(
    await ask(`a=auth&aresp=${razorProof('secret', challenge)}\r\n`),
    'err=202\r\n',
    'a challenge is good once',
  );
  const again = /^achal=([0-9a-f]+)/.exec(await ask('a=ai&user=anna\r\n'))?.[1] ?? '';
  assert.equal(await ask(`a=auth&aresp=${razorProof('secret', again)}\r\n`), 'res=1\r\n');
  assert.equal(await ask(`a=r&e=4&s=${sig}\r\n`), 'err=230\r\n');
  assert.equal(
    await ask('-a=r&message=*\r\nSubject: x\n\r\nX-Razor2-Agent: Razor\n\nhello\n.\nend\n\r\n.\r\n'),
    'res=1\r\n',
  );
  const report = asked.at(-1);
  assert.ok(
    report?.subject.kind === 'message' &&
      Buffer.from(report.subject.octets).toString().endsWith('hello\n.\nend\n'),
  );
  assert.equal(report.source.reporter, 'door:anna');
  assert.equal(asked.length, before + 1);
  socket.destroy();
});

test('Razor: rubbish is answered or ended, and nothing comes of it', async (t) => {
  const { door, asked } = await bench(t, (options) =>
    openRazor({ ...options, accounts: new RazorAccounts(), publicName: 'x.y:1' }),
  );
  const replies = await razorSession(
    door.port,
    'rubbish\r\n',
    'a=c&e=9&s=x\r\n',
    'a=ai&user=nobody\r\n',
    'a=auth&aresp=x\r\n',
    'a=revoke&e=4&s=abcdef\r\n',
  );
  assert.deepEqual(replies.slice(1), [
    'err=202\r\n',
    'err=202\r\n',
    'err=213\r\n',
    'err=202\r\n',
    'err=213\r\n',
  ]);
  assert.equal((await razorSession(door.port, 'x'.repeat(200_000)))[1], 'closed');
  assert.equal((await razorSession(door.port, 'a=q\r\n'))[1], 'closed');
  assert.equal(asked.length, 0);
});

test('a line that comes octet by octet is read as it is', async (t) => {
  const { door } = await bench(t, (options) =>
    openRazor({ ...options, accounts: new RazorAccounts(), publicName: 'x.y:1' }),
  );
  const socket = await dial(door.port);
  await once(socket, 'data');
  for (const octet of 'a=c\r\n') {
    socket.write(octet);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /err=|res=/);
  socket.destroy();
});

test('Razor: a batch of nothing is answered', async (t) => {
  const { door } = await bench(t, (options) =>
    openRazor({ ...options, accounts: new RazorAccounts(), publicName: 'x.y:1' }),
  );
  const replies = await razorSession(
    door.port,
    '-\r\n.\r\n',
    '-.\r\n',
    '-a=c&e=?&s=?\r\n.\r\n',
    '-a=c\r\n.\r\na=c\r\n',
  );
  assert.deepEqual(replies.slice(1, 4), ['err=202\r\n', 'err=202\r\n', 'err=202\r\n']);
  assert.match(replies[4] ?? '', /^err=202\r\n/);
});

test('Razor: a command is one request, and one too many ends the connection', async (t) => {
  const { door } = await bench(t, (options) =>
    openRazor({
      ...options,
      limits: { ...defaultDoorLimits, knownPerMinute: 3 },
      accounts: new RazorAccounts(),
      publicName: 'x.y:1',
    }),
  );
  const replies = await razorSession(door.port, 'a=c\r\n', 'a=c\r\n', 'a=c\r\n', 'a=c\r\n');
  assert.deepEqual(replies.slice(1), ['err=202\r\n', 'err=202\r\n', 'err=202\r\n', 'closed']);
  assert.deepEqual(door.counts, { requests: 3, refused: 1, faults: 0 });
});

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SocketPeer } from './support/peer.ts';
import { openRelay, type TestRelay } from './support/relay.ts';

/** An open relay that is abused from many addresses, with a clearinghouse that looks at what it relays. */

const keys = {
  relay: { open: true },
  routes: [{ to: '*', via: 'capture' }],
  listeners: [{ role: 'mx', address: '127.0.0.1:0', proxyProtocolFrom: '127.0.0.1' }],
  clearinghouse: { memory: '32MB', relay: [{ grounds: ['open'], action: 'hold' }] },
};

const words =
  'claim prize winner account lawyer transfer million urgent bank release fund trust offer today'.split(' ');
const campaign = Array.from(
  { length: 90 },
  (_, n) => `${words[(n * n + 3 * n) % words.length]}${n % 4 === 0 ? 's' : ''}`,
);
const noise = (n: number, what: string) =>
  Array.from({ length: 60 }, (_, at) => `${what}${n}q${(at * 7919) % 997}`).join(' ');

/** A copy of the campaign between noise that no other copy has. */
function busted(n: number): string {
  return `${noise(n, 'bla')}\r\n${campaign.slice(0, 45).join(' ')}\r\n${noise(n, 'foo')}\r\n${campaign.slice(45).join(' ')}\r\n`;
}

/** One message from an address of its own. */
async function sendFrom(
  relay: TestRelay,
  address: string,
  mail: { readonly from: string; readonly to: string; readonly text: string },
) {
  await using peer = await SocketPeer.connect(relay.port);
  peer.send(`PROXY TCP4 ${address} 127.0.0.1 50000 25\r\n`);
  await peer.reply();
  await peer.expect(
    ['EHLO client.test', 250],
    [`MAIL FROM:<${mail.from}>`, 250],
    [`RCPT TO:<${mail.to}>`, 250],
    ['DATA', 354],
  );
  const content = `From: ${mail.from}\r\nTo: ${mail.to}\r\nSubject: ${mail.to}\r\n\r\n${mail.text}`;
  return await peer.command(`${content}.`);
}

async function held(relay: TestRelay): Promise<number> {
  let count = 0;
  for await (const _ of relay.control.list({ selector: { match: { held: true } } })) count++;
  return count;
}

/** The octets of what was captured. */
async function captured(relay: TestRelay): Promise<string[]> {
  const { next } = relay;
  if (next instanceof Error) throw next;
  const { folder } = next.capture;
  const names = (await readdir(folder)).filter((name) => name.endsWith('.eml'));
  return Promise.all(names.map((name) => readFile(join(folder, name), 'latin1')));
}

async function start(t: TestContext, more: object = {}) {
  return openRelay(t, { ...keys, ...more });
}

test('five hundred bots with one copy each, all different: fewer than fifty get out, and no ordinary mail is held', async (t) => {
  const relay = await start(t);
  for (let n = 0; n < 500; n++) {
    const bot = `203.0.${100 + Math.floor(n / 250)}.${(n % 250) + 1}`;
    const reply = await sendFrom(relay, bot, {
      from: `a${n}@spam${n}.test`,
      to: `v${n}@victims.test`,
      text: busted(n),
    });
    assert.match(reply, /^250 /, 'from outside nothing is to be seen');
    if (n % 5 === 0) {
      const text = `${noise(n, 'letter').slice(0, 300)}\r\nSee you on day ${n}.\r\n`;
      await sendFrom(relay, `198.51.100.${(n / 5) % 250}`, {
        from: `p${n}@people.test`,
        to: `friend${n}@people.test`,
        text,
      });
    }
  }
  await relay.log.logged('delivered', {}, 100);
  const out = relay.log.lines.filter(
    ({ event, to }) => event === 'delivered' && String(to).includes('@victims.test'),
  ).length;
  t.diagnostic(`${out} of 500 copies went out, ${await held(relay)} are held`);
  assert.ok(out < 50, `${out} copies went out`);
  assert.equal(
    (await held(relay)) + out,
    500,
    'everything else is held: no copy is lost, no ordinary mail is hurt',
  );
  const friends = relay.log.lines.filter(
    ({ event, to }) => event === 'delivered' && String(to).includes('@people.test'),
  );
  assert.equal(friends.length, 100);
});

test('a clearinghouse that looks at nothing holds nothing', async (t) => {
  const relay = await start(t, { clearinghouse: { memory: '32MB' } });
  for (let n = 0; n < 20; n++)
    await sendFrom(relay, `203.0.113.${n + 1}`, {
      from: `a@spam${n}.test`,
      to: `v${n}@victims.test`,
      text: busted(n),
    });
  await relay.log.logged('delivered', {}, 20);
  assert.equal(await held(relay), 0);
});

test('copies get a header with the verdict, a rule of its own has its own threshold, and refusals are replies', async (t) => {
  const relay = await start(t, {
    clearinghouse: {
      memory: '32MB',
      relay: [{ grounds: ['open'], bulk: 5, action: 'refuse' }],
    },
  });
  const replies: string[] = [];
  for (let n = 0; n < 12; n++) {
    replies.push(
      await sendFrom(relay, `203.0.113.${n + 1}`, {
        from: `a@spam${n}.test`,
        to: `v${n}@victims.test`,
        text: busted(n),
      }),
    );
  }
  const taken = replies.filter((reply) => reply.startsWith('250 ')).length;
  assert.ok(taken >= 4 && taken <= 6, replies.join('\n'));
  assert.match(replies.at(-1) ?? '', /^550 5\.7\.1 /);
  await relay.log.logged('delivered', {}, taken);
  const mails = await captured(relay);
  assert.equal(mails.length, taken);
  for (const mail of mails) {
    assert.match(
      mail,
      /^(?:Return-Path: .*\r?\n)?X-Posthouse-Bulk: \S+; no;\r?\n\tcount=\d+ .*\r?\nReceived: /,
    );
    assert.match(mail, /\n\r?\nbla/, 'the message is whole');
  }
});

test('a message that is too long to be withheld is looked at, and arrives octet for octet', async (t) => {
  const relay = await start(t, {
    clearinghouse: { memory: '32MB', relay: [{ grounds: ['open'], bulk: 2, action: 'hold' }] },
  });
  const long = `${campaign.join(' ')}\r\n`.repeat(600);
  for (let n = 0; n < 4; n++) {
    const mail = { from: `a@spam${n}.test`, to: `v${n}@victims.test`, text: `${n}\r\n${long}` };
    assert.match(await sendFrom(relay, `203.0.113.${n + 1}`, mail), /^250 /);
  }
  await relay.log.logged('delivered', {}, 4 - (await held(relay)));
  assert.ok((await held(relay)) >= 2);
  for (const mail of await captured(relay)) {
    assert.doesNotMatch(mail, /X-Posthouse-Bulk/);
    assert.ok(mail.replaceAll('\r\n', '\n').endsWith(long.replaceAll('\r\n', '\n')));
  }
});

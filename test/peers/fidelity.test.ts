/** The octets of a message are not ours to change: below our Received line, all that came in goes out. */
import assert from 'node:assert/strict';
import { type Peers, peerTest, readMaildir, submit, Tap, until } from './support.ts';

interface Sample {
  readonly name: string;
  readonly octets: Buffer;
  readonly from?: string;
  readonly to?: string;
  readonly parameters?: string;
}

const header = 'From: a@client.test\r\nTo: b@peer.test\r\nMessage-ID: <1@client.test>\r\nSubject: sample\r\n';

function sample(name: string, body: string | Buffer): Sample {
  const rest = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
  return { name, octets: Buffer.concat([Buffer.from(`${header}\r\n`), rest]), parameters: 'BODY=8BITMIME' };
}

/** 25 MB of lines in which every octet but CR, LF and NUL turns up. */
function largeBody(): Buffer {
  const line = Buffer.alloc(78, 'x');
  const octets = Array.from({ length: 256 }, (_, octet) => octet).filter(
    (octet) => ![0, 10, 13].includes(octet),
  );
  octets.forEach((octet, i) => {
    line[i % 76] = octet;
  });
  line.write('\r\n', 76);
  return Buffer.concat(Array.from({ length: Math.ceil(25_000_000 / 78) }, () => line));
}

const samples: readonly Sample[] = [
  sample('plain text', 'Hello.\r\n'),
  sample('an empty body', ''),
  { name: 'a header alone', octets: Buffer.from(header) },
  { name: 'a body alone', octets: Buffer.from('\r\nonly a body\r\n') },
  {
    name: 'a header in odd spelling',
    octets: Buffer.from(`subject:no space\r\nX-Folded: a\r\n\tb\r\n  c\r\n${header}\r\nx\r\n`),
  },
  sample('eight-bit octets', Buffer.from([0xe4, 0xf6, 0xfc, 0xff, 0x80, 13, 10])),
  sample('dots in every position', '.\r\n..\r\n...\r\n.a\r\na.\r\n.a.\r\n \t.\r\n\r\n.\r\n.\r\n.x\r\n..\r\n'),
  { name: 'a dot first of all', octets: Buffer.from('.a: b\r\n\r\n.\r\n') },
  sample('blank lines and spaces at the ends', ' \r\n\t\r\n\r\n  x  \r\n\r\n\r\n\r\n'),
  sample('control characters', '\u0001\u0007\u0008\u000b\u000c\u001a\u001b\u007f\r\n'),
  sample('a line of 999 octets', `${'x'.repeat(999)}\r\n`),
  sample(
    'lines of 998, 2,000 and 100,000 octets',
    `${'x'.repeat(998)}\r\n${'y'.repeat(2000)}\r\n${'z'.repeat(100_000)}\r\n`,
  ),
  {
    name: 'internationalised mail',
    from: 'jürgen@bücher.test',
    to: 'δοκιμή@peer.test',
    parameters: 'BODY=8BITMIME SMTPUTF8',
    octets: Buffer.from(
      'From: Jürgen <jürgen@bücher.test>\r\nTo: δοκιμή@peer.test\r\nSubject: Grüße 🐎\r\n\r\nπ\r\n',
    ),
  },
];

/**
 * Short intervals, so that Postfix retries before the test gives up, also when one of its own programs did not start.
 */
const soon = {
  queue_run_delay: '1s',
  minimal_backoff_time: '1s',
  maximal_backoff_time: '2s',
  service_throttle_time: '1s',
};
const roomy = { smtp_line_length_limit: '0', message_size_limit: '60000000', ...soon };

/**
 * Sends a sample and gives what each tap saw of it. Relays keep several connections, so the one that was sent last
 * is not the last that is seen: each goes to a recipient of its own.
 */
async function passThrough(port: number, taps: readonly Tap[], one: Sample): Promise<readonly Buffer[]> {
  const to = one.to ?? `${one.name.replaceAll(/\W/g, '-')}@peer.test`;
  await submit({
    port,
    from: one.from ?? 'a@client.test',
    to: [to],
    octets: one.octets,
    ...(one.parameters === undefined ? {} : { mailParameters: one.parameters }),
  });
  const find = (tap: Tap): Buffer | undefined =>
    tap.transactions().find((seen) => seen.commands.some((line) => line.includes(`<${to}>`)))?.octets;
  return await Promise.all(taps.map((tap, i) => until(`"${one.name}" at tap ${i}`, () => find(tap), 60_000)));
}

/** `left` is what `entered` was, under exactly one new Received field. */
function assertOnlyReceivedAdded(entered: Buffer, left: Buffer, name: string): void {
  assert.equal(
    left.subarray(left.length - entered.length).compare(entered),
    0,
    `${name}: the octets that entered are not the end of what left`,
  );
  const added = left.toString('latin1', 0, left.length - entered.length);
  assert.match(
    added,
    /^Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*$/,
    `${name}: more than a Received field was added`,
  );
}

async function chain(
  peers: Peers,
): Promise<{ readonly port: number; readonly taps: readonly Tap[]; readonly maildir: string }> {
  const { postfix: last, maildir } = await peers.mailbox();
  const after = peers.use(await Tap.start(last.port));
  const posthouse = await peers.posthouse({ routes: [{ to: '*', via: `smtp://127.0.0.1:${after.port}` }] });
  const before = peers.use(await Tap.start(posthouse.port()));
  const first = await peers.postfix({ relayhost: `[127.0.0.1]:${before.port}`, ...roomy });
  return { port: first.port, taps: [before, after], maildir };
}

peerTest(
  'between two Postfixes every kind of message keeps its octets',
  ['root', 'postfix'],
  async (peers) => {
    const { port, taps, maildir } = await chain(peers);
    for (const one of samples) {
      const [entered, left] = await passThrough(port, taps, one);
      assert.ok(entered !== undefined && left !== undefined);
      assertOnlyReceivedAdded(entered, left, one.name);
    }
    await until('all in the Maildir', async () => (await readMaildir(maildir)).length === samples.length);
  },
);

peerTest('25 MB of all octets pass between two Postfixes unchanged', ['root', 'postfix'], async (peers) => {
  const { port, taps } = await chain(peers);
  const [entered, left] = await passThrough(port, taps, sample('25 MB', largeBody()));
  assert.ok(entered !== undefined && left !== undefined && entered.length > 25_000_000);
  assertOnlyReceivedAdded(entered, left, '25 MB');
});

peerTest(
  'in front of a Postfix and behind it the octets that were sent arrive',
  ['root', 'postfix'],
  async (peers) => {
    const sink = await peers.folder('maildir');
    const behind = await peers.posthouse({ routes: [{ to: '*', via: `maildir:${sink}/box` }] });
    const middle = await peers.postfix({ relayhost: `[127.0.0.1]:${behind.port()}`, ...roomy });
    const wire = peers.use(await Tap.start(middle.port));
    const front = await peers.posthouse({ routes: [{ to: '*', via: `smtp://127.0.0.1:${wire.port}` }] });
    for (const one of samples) {
      const [left] = await passThrough(front.port(), [wire], one);
      assert.ok(left !== undefined);
      assertOnlyReceivedAdded(one.octets, left, one.name);
    }
    let files: readonly Buffer[] = [];
    await until('all in the Maildir', async () => {
      files = await readMaildir(`${sink}/box`);
      return files.length >= samples.length;
    });
    assert.equal(files.length, samples.length, 'each once');
    // A Maildir has the line ends of the system. Postfix appends Message-ID, Date and From where it misses them.
    for (const one of samples.filter(({ name }) => name.startsWith('dots') || name.startsWith('eight'))) {
      const body = one.octets.subarray(header.length).toString('latin1').replaceAll('\r\n', '\n');
      assert.ok(
        files.some((file) => file.toString('latin1').endsWith(body)),
        `${one.name} is not in the Maildir`,
      );
    }
  },
);

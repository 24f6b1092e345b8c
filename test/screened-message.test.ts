/** Tests that the checks are asked about header and message at the right time, and that their rulings are carried out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { manualClock, memoryLog } from '../src/base/index.ts';
import { acceptLocal } from '../src/local-mail/index.ts';
import { type Address, type Envelope, parseMailbox, reply } from '../src/mail/index.ts';
import { editEnvelope } from '../src/receiver/edit-envelope.ts';
import type {
  Decision,
  EnvelopeEdit,
  MessageRuling,
  Ruling,
  ScreenedMessage,
  Screening,
} from '../src/receiver/index.ts';
import { MemoryIntake } from './support/intake.ts';
import { MemoryPeer } from './support/peer.ts';

const address = (text: string): Address => parseMailbox(text, { smtputf8: true }) ?? assert.fail(text);
const no = reply(550, '7.1', 'unwanted');
const content = 'Subject: hello\r\nBcc: b\r\n\r\nbody\r\n';

interface Rulings {
  readonly header?: Ruling | Promise<Ruling>;
  readonly message?: MessageRuling | Promise<MessageRuling>;
  readonly beginningOctets?: number;
}

/** The stages answer so, and note what they were asked. */
function screening({ header, message, beginningOctets = 1 }: Rulings) {
  const asked: { header: string[]; message: ScreenedMessage[] } = { header: [], message: [] };
  const stages: Screening = {
    connect: undefined,
    hello: undefined,
    sender: undefined,
    recipient: undefined,
    recipientRefused: undefined,
    header:
      header &&
      ((subject) => {
        asked.header.push(Buffer.from(subject.header).toString());
        return header;
      }),
    message:
      message &&
      ((subject) => {
        asked.message.push(subject);
        return message;
      }),
    beginningOctets: message === undefined ? 0 : beginningOctets,
  };
  return { stages, asked };
}

/** Sends the content in pieces of this length; what was answered, asked and kept. */
async function send(rulings: Rulings, text = content, piece = text.length) {
  const { stages, asked } = screening(rulings);
  await using peer = await MemoryPeer.identified({ settings: { screening: stages } });
  await peer.expect(['MAIL FROM:<s@example.com>', 250], ['RCPT TO:<u@example.org>', 250], ['DATA', 354]);
  for (let at = 0; at < text.length; at += piece) peer.send(text.slice(at, at + piece));
  peer.send('.\r\n');
  const answer = await peer.reply();
  await peer.expect(['NOOP', 250]);
  const events = peer.log.lines.map(({ event }) => event);
  return { answer, asked, events, message: peer.intake.messages[0], open: peer.intake.open };
}

test('a header is asked about once, when it has come, and its refusal is the reply at the end', async () => {
  for (const isLater of [false, true])
    for (const piece of [1, 7, content.length]) {
      const refuse: Ruling = { kind: 'refuse', reply: no, because: 'x' };
      const refused = await send({ header: isLater ? Promise.resolve(refuse) : refuse }, content, piece);
      assert.deepEqual(refused.asked.header, ['Subject: hello\r\nBcc: b\r\n']);
      assert.match(refused.answer, /^550 5\.7\.1 unwanted/);
      assert.deepEqual([refused.message, refused.open], [undefined, 0]);
      const pass = await send(
        { header: isLater ? Promise.resolve({ kind: 'pass' }) : { kind: 'pass' } },
        content,
        piece,
      );
      assert.equal(String(pass.message?.sent), content);
      assert.equal(pass.message?.held, undefined);
    }
});

test('hold keeps the message set aside, and discard keeps nothing and tells nobody', async () => {
  const hold = { kind: 'hold', because: 'odd' } as const;
  const discard = { kind: 'discard', because: 'odd' } as const;
  for (const stage of ['header', 'message'] as const) {
    const held = await send({ [stage]: hold });
    assert.match(held.answer, /^250 2\.0\.0 queued as /);
    assert.equal(held.message?.held, 'odd');
    assert.equal(String(held.message.sent), content);
    const gone = await send({ [stage]: discard });
    assert.match(gone.answer, /^250 2\.0\.0 queued as /);
    assert.deepEqual([gone.message, gone.open], [undefined, 0]);
    assert.ok(gone.events.includes('discarded') && !gone.events.includes('accepted'));
  }
  const { asked } = await send({ header: hold, message: { kind: 'pass' } });
  assert.equal(asked.message[0]?.held, 'odd', 'the later stage knows of it');
});

test('a message is looked at as it came, changed as the ruling says, and its fate is told', async () => {
  const fates: string[] = [];
  const message: MessageRuling = {
    kind: 'pass',
    edits: [
      { kind: 'insert', at: 0, name: 'X-Posthouse-Bulk', value: ' no' },
      { kind: 'remove', name: 'bcc', nth: 1 },
      { kind: 'body', octets: Buffer.from('n\u00e9w\r\n') },
    ],
    settled: (fate) => fates.push(fate),
  };
  for (const isLater of [false, true])
    for (const piece of [1, 9, content.length]) {
      const found = await send({ message: isLater ? Promise.resolve(message) : message }, content, piece);
      const [subject] = found.asked.message;
      assert.equal(Buffer.from(subject?.beginning ?? []).toString(), content);
      assert.equal(subject?.envelope.content.size, content.length);
      const kept = String(found.message?.octets);
      assert.match(kept, /^X-Posthouse-Bulk: no\r\nReceived: .+?\r\nSubject: hello\r\n\r\nn\u00e9w\r\n$/s);
      const { size, hasEightBit } = found.message?.envelope.content ?? assert.fail();
      assert.ok(hasEightBit);
      const below = 'X-Posthouse-Bulk: no\r\nSubject: hello\r\n\r\nn\u00e9w\r\n';
      assert.equal(size, Buffer.byteLength(below), 'all but the trace field');
    }
  assert.deepEqual(fates, Array(6).fill('accepted'));
});

test('a refusal at the end leaves nothing, and its check hears of it', async () => {
  const fates: string[] = [];
  const settled = (fate: string) => fates.push(fate);
  const { answer, message, open } = await send({
    message: { kind: 'refuse', reply: no, because: 'x', settled },
  });
  assert.match(answer, /^550 /);
  assert.deepEqual([message, open, fates], [undefined, 0, ['refused']]);
  await send({ message: { kind: 'discard', because: 'x', settled } });
  await send({ message: { kind: 'hold', because: 'x', settled } });
  assert.deepEqual(fates, ['refused', 'discarded', 'held']);
});

test('a check that looks at no content has nothing withheld for it', async () => {
  const found = await send({ message: { kind: 'pass' }, beginningOctets: 0 });
  assert.equal(found.asked.message[0]?.beginning.length, 0);
  assert.equal(String(found.message?.sent), content);
});

test('a check changes sender and recipients, and adds none that the policy would refuse', async () => {
  const envelopeEdits: EnvelopeEdit[] = [
    { kind: 'sender', reversePath: null },
    { kind: 'add-recipient', address: address('other@example.org') },
    { kind: 'add-recipient', address: address('u@away.test') },
    { kind: 'delete-recipient', address: address('U@example.org') },
  ];
  const { message } = await send({ message: { kind: 'pass', envelopeEdits } });
  assert.equal(message?.envelope.reversePath, null);
  assert.deepEqual(
    message.envelope.recipients.map((each) => each.address.text),
    ['other@example.org'],
  );
  const nobody = await send({ message: { kind: 'pass', envelopeEdits: envelopeEdits.slice(2) } });
  assert.match(nobody.answer, /^250 /);
  assert.equal(nobody.message, undefined, 'without a recipient it is thrown away');
});

test('mail of this machine passes the checks of header and message like any other', async () => {
  const take = async (rulings: Rulings, intake = new MemoryIntake()) => {
    const { stages, asked } = screening(rulings);
    const log = memoryLog();
    const parts = {
      intake,
      log,
      clock: manualClock(),
      screening: () => stages,
      hostname: () => 'relay.test',
      maxMessageBytes: () => 1000,
      isOurs: () => false,
      destinationOf: async (to: Address) =>
        to.domain === 'no.test'
          ? ({ kind: 'refusal', reply: no, because: '' } as const)
          : ({ kind: 'known', to: [to] } as const),
    };
    const outcome = await acceptLocal(parts, {
      reversePath: null,
      recipients: [{ address: address('u@away.test') }],
      user: 'anna',
      octets: (async function* () {
        for (const octet of content) yield Buffer.from(octet);
      })(),
    });
    const events = log.lines.map(({ event }) => event);
    return { outcome, asked, events, message: intake.messages[0], open: intake.open };
  };
  const because = 'odd';
  for (const stage of ['header', 'message'] as const) {
    const refused = await take({ [stage]: { kind: 'refuse', reply: no, because } });
    assert.deepEqual(refused.outcome, { kind: 'refused', reply: no });
    assert.deepEqual([refused.message, refused.open], [undefined, 0]);
    assert.equal((await take({ [stage]: { kind: 'hold', because } })).message?.held, because);
    const gone = await take({ [stage]: { kind: 'discard', because } });
    assert.equal(gone.outcome.kind, 'accepted');
    assert.deepEqual([gone.message, gone.open, gone.events], [undefined, 0, ['discarded']]);
  }
  const added = ['a@there.test', 'b@no.test'].map(address);
  const edited = await take({
    message: {
      kind: 'pass',
      edits: [{ kind: 'remove', name: 'Bcc', nth: 'all' }],
      envelopeEdits: added.map((each) => ({ kind: 'add-recipient', address: each })),
    },
  });
  assert.equal(String(edited.message?.sent), content.replace('Bcc: b\r\n', ''));
  const to = edited.message?.envelope.recipients.map((each) => each.address.text);
  assert.deepEqual(to, ['u@away.test', 'a@there.test']);
  assert.equal(edited.asked.message[0]?.isKnown(), true, 'whoever is on this machine is no stranger');
  const fates: string[] = [];
  const settled = (fate: string) => fates.push(fate);
  const bug: MessageRuling = {
    kind: 'pass',
    edits: [{ kind: 'add', name: 'no name', value: ' x' }],
    settled,
  };
  const intake = new MemoryIntake();
  for (const message of [bug, Promise.resolve(bug)])
    await assert.rejects(take({ message }, intake), RangeError);
  assert.deepEqual([intake.messages.length, intake.open, fates], [0, 0, ['refused', 'refused']]);
});

/** Grants recipients of `ours.test`, relays for a login to `away.test`, and cannot say of `slow.test`. */
function decideOurs(to: Address): Decision {
  const because = 'test';
  if (to.domain === 'ours.test') return { kind: 'grant', ground: 'recipient', because, to: [to] };
  if (to.domain === 'login.test')
    return { kind: 'grant', ground: 'authenticated', identity: 'anna', because, to: [to] };
  const code = to.domain === 'slow.test' ? 451 : 550;
  return { kind: 'refusal', reply: reply(code, '7.1', to.domain), because };
}

test('a recipient that a check adds counts on the ground of its grant, is left out, or defers the message', async () => {
  const origin = { client: '192.0.2.1', ground: 'recipient' };
  const envelope = {
    reversePath: null,
    smtputf8: false,
    recipients: [{ address: address('a@ours.test') }],
    origin,
  } as unknown as Envelope;
  const add = (...to: string[]) =>
    editEnvelope(
      envelope,
      to.map((each) => ({ kind: 'add-recipient', address: address(each) })),
      decideOurs,
    );
  const ours = await add('b@ours.test', 'A@ours.test');
  assert.ok(ours.kind === 'edited');
  assert.deepEqual(ours.envelope.origin, origin);
  assert.equal(ours.envelope.recipients.length, 2, 'who is there already is not added');
  const relayed = await add('x@login.test');
  assert.ok(relayed.kind === 'edited');
  assert.deepEqual(relayed.envelope.origin, { ...origin, ground: 'authenticated', identity: 'anna' });
  const refused = await add('x@away.test', 'b@ours.test');
  assert.ok(refused.kind === 'edited');
  assert.deepEqual(
    refused.leftOut.map(({ to, reply: said }) => [to.text, said.code]),
    [['x@away.test', 550]],
  );
  assert.equal(refused.envelope.recipients.length, 2);
  const undecided = await add('x@slow.test');
  assert.ok(undecided.kind === 'undecided' && undecided.reply.code === 451);
});

test('whatever checks want, every recipient was there before or is granted by the policy', async () => {
  const some = [
    'a@ours.test',
    'b@ours.test',
    'A@ours.test',
    'x@away.test',
    'y@away.test',
    '\u00e9@ours.test',
  ];
  const who = fc.constantFrom(...some).map(address);
  const edit: fc.Arbitrary<EnvelopeEdit> = fc.oneof(
    fc.record({ kind: fc.constant('add-recipient' as const), address: who }),
    fc.record({ kind: fc.constant('delete-recipient' as const), address: who }),
    fc.record({ kind: fc.constant('sender' as const), reversePath: fc.oneof(who, fc.constant(null)) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(who, { maxLength: 3 }),
      fc.array(edit, { maxLength: 8 }),
      async (first, edits) => {
        const recipients = first.map((each) => ({ address: each }));
        const envelope = { reversePath: null, smtputf8: false, recipients } as unknown as Envelope;
        const edited = await editEnvelope(envelope, edits, decideOurs);
        assert.ok(edited.kind === 'edited');
        const after = edited.envelope;
        for (const { address: each } of after.recipients)
          assert.ok(first.includes(each) || each.domain === 'ours.test', each.text);
        const isWide = [after.reversePath, ...after.recipients.map((each) => each.address)].some(
          (each) => each !== null && /[^\0-\x7f]/.test(each.localPart),
        );
        assert.equal(after.smtputf8, isWide);
      },
    ),
  );
});

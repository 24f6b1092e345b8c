import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ControlError } from '../admin/index.ts';
import type { SubmitEvent } from '../local-mail/commands.ts';
import { CliError } from './exit-code.ts';
import { reportFates } from './send-report.ts';
import { fakeIo } from './testing.ts';

/** The lines that a pipe gets for these events. */
async function told(to: readonly string[], events: readonly (SubmitEvent | Error)[]) {
  const io = fakeIo();
  const stream = (async function* () {
    for (const event of events) {
      if (event instanceof Error) throw event;
      yield event;
    }
  })();
  const [code, because] = await reportFates(stream, to, { io, isJson: false }).then(
    (exit) => [exit, ''],
    (error: unknown) => {
      if (!(error instanceof CliError)) throw error;
      return [error.code, error.message];
    },
  );
  return { code, because, lines: io.text.out.trimEnd().split('\n') };
}

const accepted = (recipients: number): SubmitEvent => ({ event: 'accepted', queueId: 'Q1', recipients });
const fate = (
  to: string,
  status: 'delivered' | 'deferred' | 'bounced' | 'expired' | 'held',
  reply: string,
): SubmitEvent => ({ event: 'fate', to, status, relay: 'mx.b', reply });

const stories: readonly {
  readonly what: string;
  readonly to: readonly string[];
  readonly events: readonly (SubmitEvent | Error)[];
  readonly code: number;
  readonly lines: readonly string[];
}[] = [
  {
    what: 'each recipient has a line with its last fate',
    to: ['a@b', 'c@b', 'd@b'],
    events: [
      accepted(3),
      fate('a@b', 'delivered', '250 ok'),
      fate('c@b', 'deferred', '451 later'),
      fate('d@b', 'bounced', '550 no'),
    ],
    code: 69,
    lines: [
      'Q1 a@b: delivered by mx.b: 250 ok',
      'Q1 c@b: deferred by mx.b: 451 later',
      'Q1 d@b: bounced by mx.b: 550 no',
    ],
  },
  {
    what: 'what waits is "try again later"',
    to: ['a@b'],
    events: [accepted(1), fate('a@b', 'held', 'by the operator')],
    code: 75,
    lines: ['Q1 a@b: held by mx.b: by the operator'],
  },
  {
    what: 'the address that an alias stands for is as good as the alias',
    to: ['postmaster@b'],
    events: [accepted(1), fate('keeper@c', 'delivered', '250 ok')],
    code: 0,
    lines: ['Q1 keeper@c: delivered by mx.b: 250 ok'],
  },
  {
    what: 'a recipient that is named twice is waited for once',
    to: ['a@b', 'a@b'],
    events: [accepted(1), fate('a@b', 'delivered', '250 ok')],
    code: 0,
    lines: ['Q1 a@b: delivered by mx.b: 250 ok'],
  },
  {
    what: 'a refusal of the message is told of each recipient, without a queue id',
    to: ['a@b', 'c@b'],
    events: [{ event: 'refused', reply: '452 4.3.1 full' }],
    code: 75,
    lines: ['- a@b: refused: 452 4.3.1 full', '- c@b: refused: 452 4.3.1 full'],
  },
  {
    what: 'a refusal because of one recipient leaves the others unsent',
    to: ['a@b', 'bad@b'],
    events: [{ event: 'refused', to: 'bad@b', reply: '550 5.1.1 unknown' }],
    code: 69,
    lines: ['- bad@b: refused: 550 5.1.1 unknown', '- a@b: not sent'],
  },
  {
    what: 'a server may take some recipients and refuse others',
    to: ['bad@b', 'a@b'],
    events: [{ event: 'refused', to: 'bad@b', reply: '550 no' }, fate('a@b', 'delivered', '250 ok')],
    code: 69,
    lines: ['- bad@b: refused: 550 no', '- a@b: delivered by mx.b: 250 ok'],
  },
  {
    what: 'a relay that stops after it has accepted is not a failure',
    to: ['a@b', 'c@b'],
    events: [accepted(2), fate('a@b', 'delivered', '250 ok'), new ControlError('unavailable', 'gone')],
    code: 75,
    lines: ['Q1 a@b: delivered by mx.b: 250 ok', 'Q1 c@b: pending'],
  },
  {
    what: 'an interrupted wait leaves the message with the relay',
    to: ['a@b'],
    events: [accepted(1)],
    code: 75,
    lines: ['Q1 a@b: pending'],
  },
  {
    what: 'replies of a peer are made harmless',
    to: ['a@b'],
    events: [accepted(1), fate('a@b', 'bounced', '550 \x1b[2J')],
    code: 69,
    lines: ['Q1 a@b: bounced by mx.b: 550 \\u001b[2J'],
  },
];
for (const { what, to, events, code, lines } of stories) {
  test(`send: ${what}`, async () => {
    const found = await told(to, events);
    assert.deepEqual([found.code, found.lines], [code, lines]);
  });
}

test('a wait that ends early says where the message is', async () => {
  const { because } = await told(['a@b'], [accepted(1)]);
  assert.equal(because, 'not every fate is known yet: Q1 is with the relay');
});

test('a relay that goes away before it has accepted is an error', async () => {
  await assert.rejects(told(['a@b'], [new ControlError('unavailable', 'gone')]), { code: 'unavailable' });
});

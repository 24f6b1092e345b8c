import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../base/index.ts';
import { envelope } from '../guard/testing.ts';
import type { IncomingMessage } from '../receiver/index.ts';
import type { BulkJudgement } from './bulk.ts';
import { createIntake, type IntakeParts } from './intake.ts';

/** An intake whose drafts and judge only note what they get. */
function intakeBench(judgement: BulkJudgement, mostWithheld: number) {
  const written = new Map<string, Buffer[]>();
  const looked: number[] = [];
  let serial = 0;
  const spool = {
    begin() {
      const id = String(serial++);
      const pieces: Buffer[] = [];
      written.set(id, pieces);
      return {
        id,
        write: (octets: Uint8Array) => void pieces.push(Buffer.from(octets)),
        [Symbol.asyncDispose]: async () => {},
      };
    },
  };
  const parts = {
    spool,
    queue: { accept: async (draft: { readonly id: string }) => draft.id },
    log: silentLog,
    guard: { judge: () => ({ kind: 'pass' }) },
    bulk: {
      isOn: () => true,
      async judge(_: unknown, octets: Uint8Array) {
        looked.push(octets.length);
        return judgement;
      },
    },
    mostWithheld,
    isDraining: () => false,
  } as unknown as IntakeParts;
  const intake = createIntake(parts);
  const textOf = ({ id }: IncomingMessage) => Buffer.concat(written.get(id) ?? []).toString();
  return { intake, looked, textOf };
}

const letter = envelope({ ground: 'recipient', to: ['anna@relay.test'] });

test('a message that trickles in is looked at and kept whole, with the field before it', async () => {
  const { intake, looked, textOf } = intakeBench({ kind: 'pass', header: 'X: y\r\n' }, 1000);
  const message = intake.begin();
  for (const octet of 'Subject: x\r\n\r\nhello\r\n') await message.write(Buffer.from(octet));
  assert.equal(textOf(message), '', 'nothing goes on before it was looked at');
  assert.equal((await message.commit(letter)).code, 250);
  assert.deepEqual([textOf(message), looked], ['X: y\r\nSubject: x\r\n\r\nhello\r\n', [21]]);
});

test('what is withheld for the clearinghouse is bounded for all sessions together', async () => {
  const { intake, looked, textOf } = intakeBench({ kind: 'pass' }, 1000);
  const first = intake.begin();
  const second = intake.begin();
  const third = intake.begin();
  await first.write(Buffer.alloc(600, 'a'));
  await second.write(Buffer.alloc(300, 'b'));
  await second.write(Buffer.alloc(300, 'b'));
  assert.equal(textOf(second).length, 600, 'beyond the bound it goes on at once');
  assert.equal(textOf(first), '');
  await second.commit(letter);
  await third.write(Buffer.alloc(400, 'c'));
  assert.equal(textOf(third), '', 'there is room again');
  first.discard();
  await third.write(Buffer.alloc(500, 'c'));
  assert.equal(textOf(third), '');
  await third.commit(letter);
  assert.deepEqual([looked, textOf(third).length], [[600, 900], 900]);
});

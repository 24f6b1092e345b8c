import { ControlError, type GuardChange, type GuardChanged, type GuardControl } from '../admin/index.ts';
import type { Clock } from '../base/index.ts';
import { forever, type Guard, parseHoldId, parseSubject, type SubjectKey } from '../guard/index.ts';
import { SpoolError } from '../spool/index.ts';

/** Answers the commands about the guard. */
export function createGuardControl({
  guard,
  clock,
}: {
  readonly guard: Guard;
  readonly clock: Clock;
}): GuardControl {
  return {
    async *guardList() {
      for (const { from: _, removeUntil: __, ...hold } of guard.list()) yield { kind: 'hold', ...hold };
      for (const allowance of guard.allowances()) yield { kind: 'allowance', ...allowance };
    },
    async guardChange(change) {
      try {
        return await carryOut(guard, change, clock);
      } catch (error) {
        if (!(error instanceof SpoolError)) throw error;
        const because = `not all of it could be done; the same command goes on: ${error.message}`;
        throw new ControlError('storage', because, { cause: error });
      }
    },
  };
}

async function carryOut(guard: Guard, change: GuardChange, clock: Clock): Promise<GuardChanged> {
  switch (change.verb) {
    case 'release':
    case 'remove': {
      const id = parseHoldId(change.id);
      const messages = id === undefined ? undefined : await guard[change.verb](id);
      if (messages === undefined) throw new ControlError('not-found', `no hold "${change.id}"`);
      return { messages };
    }
    case 'allow': {
      const subject = subjectOf(change.subject);
      const until = change.forMs === undefined ? forever : Math.min(forever, clock.now() + change.forMs);
      await guard.allow(subject, until);
      return { subject, until };
    }
    case 'disallow': {
      const subject = subjectOf(change.subject);
      if (!(await guard.disallow(subject)))
        throw new ControlError('not-found', `"${subject}" is not allowed`);
      return { subject };
    }
  }
}

function subjectOf(text: string): SubjectKey {
  const subject = parseSubject(text);
  if (subject === undefined) throw new ControlError('bad-request', `no identity and no address: "${text}"`);
  return subject;
}

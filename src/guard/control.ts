/** Answers the commands of the control socket about the guard. */
import { ControlError } from '../admin/index.ts';
import type { Clock } from '../base/index.ts';
import { SpoolError } from '../spool/index.ts';
import { StoreError } from '../store/index.ts';
import type { GuardChange, GuardChanged, GuardControl } from './commands.ts';
import type { Guard } from './guard.ts';
import { forever, parseHoldId } from './hold.ts';
import { parseSubject, type SubjectKey } from './subject.ts';

/** The parts that the commands about the guard need. */
export interface GuardControlParts {
  readonly guard: Guard;
  /** Ends all sessions of the user of this name, and revokes the windows that its logins opened. */
  readonly endSessionsOf: (name: string) => Promise<void>;
  readonly clock: Clock;
}

/** Answers the commands about the guard. */
export function createGuardControl(parts: GuardControlParts): GuardControl {
  const { guard } = parts;
  return {
    async *guardList() {
      for (const { from: _, removeUntil: __, ...hold } of guard.list()) yield { kind: 'hold', ...hold };
      for (const allowance of guard.allowances()) yield { kind: 'allowance', ...allowance };
    },
    async guardChange(change) {
      try {
        return await carryOut(parts, change);
      } catch (error) {
        if (!(error instanceof SpoolError) && !(error instanceof StoreError)) throw error;
        const because = `not all of it could be done; the same command goes on: ${error.message}`;
        throw new ControlError('storage', because, { cause: error });
      }
    },
  };
}

async function carryOut(parts: GuardControlParts, change: GuardChange): Promise<GuardChanged> {
  const { guard, clock } = parts;
  switch (change.verb) {
    case 'release':
    case 'remove': {
      const id = parseHoldId(change.id);
      if (change.verb === 'release' && id !== undefined) await endSessions(parts, id);
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

/**
 * A release must not serve a thief who logged in before the password was changed: all sessions of the user end, and so
 * do windows of its logins.
 */
async function endSessions(parts: GuardControlParts, id: string): Promise<void> {
  const subject = parts.guard.list().find((hold) => hold.id === id)?.subject;
  if (subject === undefined || !subject.startsWith('identity:')) return;
  await parts.endSessionsOf(subject.slice('identity:'.length));
}

function subjectOf(text: string): SubjectKey {
  const subject = parseSubject(text);
  if (subject === undefined) throw new ControlError('bad-request', `no identity and no address: "${text}"`);
  return subject;
}

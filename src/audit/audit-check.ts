/** The audit as a check of mail on its way in: its own messages pass, and no other check counts or reports them. */
import type { Check } from '../receiver/index.ts';
import type { Audits } from './run.ts';

const pass = { kind: 'pass' } as const;
const own = { kind: 'pass', isFinal: true } as const;

/** A message of an audit is no abuse, so it is not to be held or reported. */
export function createAuditCheck(audits: Pick<Audits, 'run'>): Check {
  return {
    name: 'audit',
    message: ({ envelope }) => (audits.run?.takes(envelope) === true ? own : pass),
  };
}

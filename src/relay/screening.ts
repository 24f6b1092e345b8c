/** The checks of a relay, in the order in which they are asked about mail on its way in. */
import { type Audits, createAuditCheck } from '../audit/index.ts';
import type { Clock, Log } from '../base/index.ts';
import { type Clearinghouse, createBulkCheck } from '../clearinghouse/index.ts';
import type { Config } from '../config/index.ts';
import { createGuardCheck, type Guard, subjectOf } from '../guard/index.ts';
import type { Origin } from '../mail/index.ts';
import { type Check, createScreening, type Screening } from '../receiver/index.ts';
import type { RelayEvents } from './events.ts';
import { storageReply } from './intake.ts';

/** The parts that the checks need. */
export interface CheckParts {
  readonly audits: Audits;
  readonly guard: Guard;
  readonly clearinghouse: () => Clearinghouse | undefined;
  readonly clock: Clock;
  readonly log: Log<RelayEvents>;
}

/** Makes the screening of a configuration. */
export function createChecks(parts: CheckParts): (config: Config) => Screening {
  return (config) => createScreening(checksOf(parts, config), parts);
}

/** A new check is one line here. Where nothing in the configuration asks for a check, it is not in the list. */
function checksOf(
  { audits, guard, clearinghouse, log }: CheckParts,
  { clearinghouse: bulk, hostname }: Config,
): readonly Check[] {
  const rules = bulk?.relay ?? [];
  const report = (origin: Origin) => {
    const subject = subjectOf(origin);
    if (subject !== undefined) guard.report(subject, 'bulk');
  };
  return [
    createAuditCheck(audits),
    createGuardCheck({ guard, storageReply, log }),
    ...(rules.length > 0 ? [createBulkCheck({ rules, hostname, clearinghouse, report, log })] : []),
  ];
}

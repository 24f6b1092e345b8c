import type { Clock, Log } from '../base/index.ts';
import type { Clearinghouse, Verdict } from '../clearinghouse/index.ts';
import type { Config } from '../config/index.ts';
import type { Envelope } from '../mail/index.ts';

/** What of a message is looked at: the beginning is enough to know a copy by. */
export const bulkOctets = 128 * 1024;
/** Mail does not wait longer than this for what is only counted. */
const patienceMs = 2000;
const silenceMs = 60_000;

/** What looks at mail on its way in. */
export interface BulkCheck {
  /** Whether anything is to be looked at under the configuration of the moment. */
  readonly isOn: () => boolean;
  /** Why the message is to be held; undefined lets it go. Never rejects. */
  judge(envelope: Envelope, octets: Uint8Array): Promise<string | undefined>;
}

/** What the check works with. */
export interface BulkCheckParts {
  readonly clearinghouse: () => Clearinghouse | undefined;
  readonly config: () => Config;
  /** Mail that is nobody's, such as that of an audit. */
  readonly isExempt: (envelope: Envelope) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Asks the clearinghouse of this relay about mail that is relayed on certain grounds. Anybody's bulk is held where the
 * ground is nobody's name (an open relay, a network); of somebody who is known bulk is a newsletter, and held only
 * when it was reported, too. A clearinghouse that does not answer holds nothing up.
 */
export function createBulkCheck({ clearinghouse, config, isExempt, clock, log }: BulkCheckParts): BulkCheck {
  let saidAt = Number.NEGATIVE_INFINITY;
  const skipped = (because: unknown) => {
    if (clock.now() - saidAt < silenceMs) return;
    saidAt = clock.now();
    log.warn('bulk-check-skipped', { because: because instanceof Error ? because.message : String(because) });
  };
  const grounds = () => config().clearinghouse?.hold ?? [];
  return {
    isOn: () => grounds().length > 0 && clearinghouse() !== undefined,
    async judge(envelope, octets) {
      const { origin, recipients, reversePath } = envelope;
      const asked = clearinghouse();
      if (asked === undefined || isExempt(envelope) || !grounds().some((ground) => ground === origin.ground))
        return undefined;
      const source = {
        reporter: 'relay',
        isKnown: true,
        recipients: recipients.map(({ address }) => address.text),
        client: origin.client,
        sender: reversePath === null ? '' : reversePath.text,
      };
      try {
        const verdict = await within(asked.check({ kind: 'message', octets }, source), clock);
        if (verdict === undefined) skipped('it did not answer in time');
        return verdict && reasonToHold(verdict, origin.identity !== undefined);
      } catch (error) {
        skipped(error);
        return undefined;
      }
    },
  };
}

function reasonToHold(
  { count, cluster, isAllowed, isBulk, isReported, reported }: Verdict,
  isNamed: boolean,
): string | undefined {
  if (isAllowed || !isBulk || (isNamed && !isReported)) return undefined;
  const words = isReported ? `, reported ${reported.toFixed(1)} times` : '';
  return `bulk: copies to ${count} recipients${words} (cluster ${cluster})`;
}

/** What comes in time; undefined when nothing does. */
async function within<T>(answer: Promise<T>, clock: Clock): Promise<T | undefined> {
  let cancel: () => void = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.after(patienceMs, () => resolve(undefined));
  });
  answer.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } finally {
    cancel();
  }
}

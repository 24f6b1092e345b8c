/** The doors for rspamd's external modules `razor` and `pyzor`. */
import type { Clearinghouse, Source, Verdict } from '../ask.ts';
import type { Door, DoorOptions, Visitor } from './door.ts';
import { openMessageDoor } from './tcp.ts';

/** The largest count. SpamAssassin takes a larger one for invented. */
export const maxCount = 999_999;

/** The source of a message whose recipients the client does not give: each check counts one. */
function sourceOf(name: string, { address, isKnown }: Visitor): Source {
  return { reporter: `${name}:${address}`, isKnown, recipients: [], client: address };
}

/** Whether a client that knows yes and no alone should hear yes. */
function isUnwanted({ isBulk, isReported, isAllowed, confidence }: Verdict): boolean {
  return !isAllowed && isBulk && (isReported || confidence > 50);
}

/** The service that rspamd's external razor module asks: a message, then `spam` or `ham` without a line end. */
export function openRspamdRazor(options: DoorOptions): Promise<Door> {
  return openMessageDoor(options, async (octets, visitor, { clearinghouse, name }) => {
    const verdict = await check(clearinghouse, octets, sourceOf(name, visitor));
    return isUnwanted(verdict) ? 'spam' : 'ham';
  });
}

/** The service that rspamd's external pyzor module asks: a message, then a line as `pyzor check` prints it. */
export function openRspamdPyzor(options: DoorOptions): Promise<Door> {
  return openMessageDoor(options, async (octets, visitor, { clearinghouse, name }) => {
    const verdict = await check(clearinghouse, octets, sourceOf(name, visitor));
    const { count, good } = pyzorCounts(verdict);
    // Zero of both is no number for rspamd: then it is known to be good once.
    const safe = count === 0 && good === 0 ? 1 : good;
    return `127.0.0.1:24441\t(200, 'OK')\t${count}\t${safe}\n`;
  });
}

/** The counts of Pyzor: recipients of an unwanted message, and reporters who revoked it. */
export function pyzorCounts({ count, revoked, isAllowed, isBulk }: Verdict): {
  readonly count: number;
  readonly good: number;
} {
  const bad = isAllowed || !isBulk ? 0 : Math.min(maxCount, count);
  return { count: bad, good: isAllowed ? 9999 : Math.min(9999, Math.round(revoked)) };
}

function check(clearinghouse: Clearinghouse, octets: Buffer, source: Source): Promise<Verdict> {
  return clearinghouse.check({ kind: 'message', octets }, source);
}

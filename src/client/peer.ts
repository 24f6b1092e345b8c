/** The server of a session: its extensions, and the time limits of its replies. */
import type { Clock } from '../base/index.ts';
import type { Extensions } from '../smtp/index.ts';
import type { ClientOptions, ClientTimeouts } from './options.ts';
import { type Wait, type Wire, waitFor } from './wire.ts';

/** The other end of a session and its facts: all that a transaction needs besides its message. */
export interface Peer {
  readonly wire: Wire;
  readonly protocol: ClientOptions['protocol'];
  readonly capabilities: Extensions;
  readonly isAuthenticated: boolean;
  readonly timeouts: ClientTimeouts;
  readonly waits: Waits;
  readonly clock: Clock;
}

/** The ways of waiting within a transaction, made once for a session. */
export interface Waits {
  readonly mail: Wait;
  readonly rcpt: Wait;
  readonly dataInit: Wait;
  readonly endOfData: Wait;
  /** MAIL and RCPTs in one group; then the same with DATA, and with BDAT LAST, at its end. */
  readonly envelope: Wait;
  readonly envelopeAndData: Wait;
  readonly envelopeAndContent: Wait;
}

export function waitsFor(timeouts: ClientTimeouts): Waits {
  const eachMs = Math.max(timeouts.mail, timeouts.rcpt);
  return {
    mail: waitFor('mail', timeouts.mail),
    rcpt: waitFor('rcpt', timeouts.rcpt),
    dataInit: waitFor('data', timeouts.dataInit),
    endOfData: waitFor('end-of-data', timeouts.dataDone),
    envelope: { phases: ['mail', 'rcpt', 'rcpt'], eachMs, lastMs: eachMs },
    envelopeAndData: { phases: ['mail', 'rcpt', 'data'], eachMs, lastMs: timeouts.dataInit },
    envelopeAndContent: { phases: ['mail', 'rcpt', 'end-of-data'], eachMs, lastMs: timeouts.dataDone },
  };
}

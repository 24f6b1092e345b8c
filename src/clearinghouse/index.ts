/**
 * The detection of bulk mail, however it is disguised.
 *
 * A message is reduced to the content that a reader sees (`content`), and that to many small features (`features`); it
 * is a copy of the cluster whose core its features contain (`clusters`). Added noise cannot take a core away, and
 * never repeats, so it never gets into one. Counts are of distinct recipients and reporters, and decay.
 *
 * It runs in a thread of its own, in memory of a fixed size. Its state is a snapshot and journals that are synced once
 * a second: a crash loses the last second of counts. On failure (overload, a thread that died) questions are rejected
 * with `ClearinghouseBusy`, and each door says so in its protocol.
 *
 * Clearinghouses flood each other with their counts (`flood`): keyed features of cores and sketches of recipients,
 * signed by their origin, over TLS between pinned peers. Tallies of others are kept apart from our own counts, and
 * weigh no more than their node is trusted.
 *
 * The doors speak the protocols of Razor, Pyzor, dccifd and rspamd; all of them ask the same `Clearinghouse`.
 */

export {
  type CheckOptions,
  type Clearinghouse,
  ClearinghouseBusy,
  type LegacyKey,
  type Source,
  type Stats,
  type Subject,
  UnknownCluster,
  type Verdict,
} from './ask.ts';
export { createBulkCheck } from './bulk-check.ts';
export { clearinghouseCommands } from './commands.ts';
export { createClearinghouseControl } from './control.ts';
export { openDccifd } from './doors/dccifd.ts';
export type { Access, Door, DoorOptions } from './doors/door.ts';
export { parseFuzzyKey } from './doors/fuzzy-cipher.ts';
export { openHttpDoor } from './doors/http.ts';
export { openPyzor } from './doors/pyzor.ts';
export { openRazor } from './doors/razor.ts';
export { RazorAccounts } from './doors/razor-accounts.ts';
export { openRspamdPyzor, openRspamdRazor } from './doors/rspamd.ts';
export { openRspamdFuzzy } from './doors/rspamd-fuzzy.ts';
export { type ClearinghouseEvents, clearinghouseEvents } from './events.ts';
export { type Flood, type FloodOptions, openFlood } from './flood/flood.ts';
export { type ClearinghouseOptions, OpenClearinghouse, openClearinghouse } from './open.ts';
export { type BulkRule, defaultDoorLimits, defaultThresholds, type Thresholds } from './options.ts';
export { ClearinghouseServer } from './server.ts';

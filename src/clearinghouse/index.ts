/**
 * Bulk mail, recognised however it is disguised.
 *
 * A message becomes what a reader sees (`content`), that becomes many small features (`features`), and the cluster
 * whose core is contained in them is what it is a copy of (`clusters`). Noise that is added cannot take a core away,
 * and never repeats, so it never gets into one. Counts are of distinct recipients and reporters, and decay.
 *
 * Front doors speak the protocols of Razor, Pyzor, dccifd and rspamd; all of them ask the same `Clearinghouse`.
 */
export {
  type CheckOptions,
  type Clearinghouse,
  ClearinghouseBusy,
  type LegacyKey,
  type Source,
  type Subject,
  type Verdict,
} from './ask.ts';

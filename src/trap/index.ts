/**
 * The trap looks like an open relay from outside: it accepts every message for every recipient, and delivers none. It
 * is an intake of its own over an archive in the data folder, and knows neither queue nor spool nor client: no
 * configuration can make it deliver.
 *
 * The archive has a folder for each day (UTC) and in it a file for each message: a line of JSON with the envelope and
 * the facts of the client, then the octets as they came, our trace field first. Arriving octets go straight to a file
 * in `incoming`, so that a slow sender costs no memory.
 *
 * Invariants: 250 only once file and folder are synced. The archive exceeds its bounds of messages, octets or days no
 * longer than it takes to remove the oldest. A message is one file: it is there as a whole or not at all.
 *
 * On failure: a message that cannot be written is 451 or 452 and leaves nothing behind; files that a crash left in
 * `incoming` are removed at the next start; a file that cannot be read is left out of lists.
 *
 * RFC 5321 (the dialogue is the receiver's).
 */

export { openTrap, type Trap } from './archive.ts';
export { type TrapEvents, trapEvents } from './events.ts';
export { type ArchiveOptions, defaultTrap } from './options.ts';
export { listTrapped, openTrapped, type TrappedMessage } from './read.ts';
export { TrapArchive } from './trap-archive.ts';

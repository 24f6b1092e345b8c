/**
 * The trap: what looks like an open relay from outside takes every message for every recipient, and delivers
 * none. It is an intake of its own over an archive in the data folder, and knows neither queue nor spool nor
 * client: there is nothing here that a configuration could make deliver.
 *
 * The archive has a folder for each day (UTC) and in it a file for each message: a line of JSON with the
 * envelope and what is known of the client, then the octets as they came, our trace field first. While octets
 * arrive they go straight to a file in `incoming`, so that a slow sender costs no memory.
 *
 * Invariants: 250 only once file and folder are synced. The archive never has more messages, octets or days
 * than it may, for longer than it takes to remove the oldest. A message is one name: it is there as a whole or
 * not at all.
 *
 * On failure: a message that cannot be written is 451 or 452 and leaves nothing behind; what a crash left in
 * `incoming` is removed at the next start; a file that cannot be read is left out of lists.
 *
 * RFC 5321 (the dialogue is the receiver's).
 */

export { openTrap, type Trap } from './archive.ts';
export { type TrapEvents, trapEvents } from './events.ts';
export { type ArchiveOptions, defaultTrap } from './options.ts';
export { listTrapped, openTrapped, type TrappedMessage } from './read.ts';
export { TrapArchive } from './trap-archive.ts';

/**
 * The maildrop: a folder that any local user may write to and only the relay may read, so that sendmail works without
 * privileges and while the relay is down.
 *
 * A file is complete when it has its final name; the relay trusts nothing in it but the owner of the open file, and
 * unlinks it only after its spool has the message: a crash in between delivers twice, never loses.
 *
 * On failure: a writer that fails leaves nothing behind; a malformed file is put aside; a message that cannot be
 * taken now stays and is tried again.
 */

export type { DroppedMessage } from './dropped-message.ts';
export { type MaildropEvents, maildropEvents } from './events.ts';
export { type DropEnvelope, dropMail, parseEnvelopeLine, recipientsPerTurn } from './file.ts';
export { prepareMaildrop } from './folder.ts';
export { type DropIntake, type DropOutcome, watchMaildrop } from './maildrop.ts';

/** Fuzz targets of this folder: a message of the maildrop may be written by any local user. */
import assert from 'node:assert/strict';
import { ControlError } from '../admin/index.ts';
import { parseMailbox } from '../mail/index.ts';
import { type DropEnvelope, parseEnvelopeLine } from '../maildrop/index.ts';
import { decodeOriginalRecipient, encodeOriginalRecipient, parseEnvid } from '../smtp/index.ts';
import { readDropped } from './maildrop-intake.ts';

export const fuzzTargets: readonly { readonly name: string; run(input: Uint8Array): Promise<void> }[] = [
  { name: 'local-mail/maildrop', run: (input) => checkDropped(Buffer.from(input).toString('utf8')) },
];

/** The input as the rest of a line, and as the texts of an envelope, divided by NULs. */
async function checkDropped(input: string): Promise<void> {
  const [from = '', address = '', type = '', original = '', envid = '', word = ''] = input.split('\0');
  const originals = [
    { type, address: original },
    { type: 'rfc822', address: original },
  ];
  const lines = originals.map((originalRecipient) => ({
    version: 1,
    from: from || 'a@b.test',
    to: [{ address: address || 'c@d.test', originalRecipient, notify: [word || 'failure'] }],
    body: '7bit',
    envid: envid || 'id',
  }));
  for (const line of [...lines.map((each) => JSON.stringify(each)), `{"version":1,"from":"${input}`]) {
    try {
      await checkEnvelope(await parseEnvelopeLine(line));
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
    }
  }
}

/** A message that was read can be expressed in SMTP commands: each value is one of its type. */
async function checkEnvelope(envelope: DropEnvelope): Promise<void> {
  const dropped = {
    envelope,
    uid: 0,
    size: 0,
    octets: async function* () {},
    async [Symbol.asyncDispose]() {},
  };
  const message = await readDropped(dropped);
  if (typeof message === 'string') return;
  const { reversePath, recipients, envid } = message;
  const addresses = [reversePath ?? [], ...recipients.map((recipient) => recipient.address)].flat();
  for (const { text } of addresses) assert.ok(parseMailbox(text, { smtputf8: true }), text);
  if (envid !== undefined) assert.equal(parseEnvid(envid), envid);
  for (const { notify, originalRecipient } of recipients) {
    assert.ok(notify === undefined || notify.length > 0);
    if (originalRecipient === undefined) continue;
    const value = encodeOriginalRecipient(originalRecipient);
    // An original recipient that is too long for a command has no value.
    if (value !== undefined) assert.deepEqual(decodeOriginalRecipient(value), originalRecipient);
  }
}

/** Writes the commands MAIL and RCPT. */
import type { Recipient } from '../mail/index.ts';
import {
  type Extensions,
  encodeOriginalRecipient,
  encodeXtext,
  formatNotify,
  parseEnvid,
} from '../smtp/index.ts';
import type { OutgoingMessage } from './message.ts';
import { messageSize, neededBody, needsSmtputf8 } from './requirements.ts';

/** The MAIL command with the parameters that the server offered to understand, without its CRLF. */
export function formatMail(
  message: OutgoingMessage,
  capabilities: Extensions,
  isAuthenticated: boolean,
): string {
  let line = `MAIL FROM:<${message.reversePath?.text ?? ''}>`;
  if (capabilities.size !== undefined) line += ` SIZE=${messageSize(message)}`;
  line += bodyParameter(message, capabilities);
  if (needsSmtputf8(message)) line += ' SMTPUTF8';
  if (capabilities.dsn) {
    if (message.ret !== undefined) line += ` RET=${message.ret.toUpperCase()}`;
    const envid = message.envid === undefined ? undefined : parseEnvid(message.envid);
    if (envid !== undefined) line += ` ENVID=${encodeXtext(envid)}`;
  }
  // Otherwise the server would take the message for our own: we proved who we are, not who wrote it (RFC 4954 §5).
  if (isAuthenticated) line += ' AUTH=<>';
  return line;
}

/** The RCPT command, without its CRLF. */
export function formatRcpt(recipient: Recipient, capabilities: Extensions): string {
  let line = `RCPT TO:<${recipient.address.text}>`;
  if (capabilities.dsn) {
    const { notify, originalRecipient } = recipient;
    if (notify !== undefined) line += ` NOTIFY=${formatNotify(notify)}`;
    const orcpt = originalRecipient === undefined ? undefined : encodeOriginalRecipient(originalRecipient);
    if (orcpt !== undefined) line += ` ORCPT=${orcpt}`;
  }
  return line;
}

function bodyParameter(message: OutgoingMessage, capabilities: Extensions): string {
  const needed = neededBody(message);
  // A declaration beyond need is passed on where the server allows it.
  const mayBeBinary = message.body === 'binarymime' && capabilities.binaryMime && capabilities.chunking;
  if (needed === 'binarymime' || mayBeBinary) return ' BODY=BINARYMIME';
  const isEightBit = needed === '8bitmime' || message.body !== '7bit';
  return isEightBit && capabilities.eightBitMime ? ' BODY=8BITMIME' : '';
}

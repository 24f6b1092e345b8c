import { isPositive, type Recipient, type Reply, type ReversePath } from '../mail/index.ts';
import { ClientError } from './client-error.ts';
import { formatRcpt } from './command.ts';
import type { Peer } from './peer.ts';
import { tooManyRecipients } from './transaction.ts';

/** What a callout asks. */
export interface Callout {
  readonly reversePath: ReversePath;
  readonly recipient: Recipient;
  /** The transaction before this one was left open. */
  readonly mustReset: boolean;
}

/**
 * Asks a server whether it would take mail for one recipient: MAIL, RCPT, RSET. Leaves no transaction open.
 * Rejects with a `ClientError` when the decisive reply does not come.
 */
export async function verifyRecipient(peer: Peer, callout: Callout): Promise<Reply> {
  const { wire, waits, capabilities } = peer;
  const mail = `MAIL FROM:<${callout.reversePath?.text ?? ''}>${peer.isAuthenticated ? ' AUTH=<>' : ''}\r\n`;
  // No NOTIFY and no ORCPT: nothing is going to be sent.
  const rcpt = formatRcpt({ address: callout.recipient.address }, capabilities);
  const first = callout.mustReset ? 'RSET\r\n' : '';
  let replies: (Reply | undefined)[];
  if (capabilities.pipelining) {
    const coming = wire.expect(callout.mustReset ? 4 : 3, waits.envelope);
    wire.write(`${first}${mail}${rcpt}RSET\r\n`);
    replies = [...(await coming)].slice(callout.mustReset ? 1 : 0);
  } else {
    if (callout.mustReset) await wire.ask(first, waits.mail);
    const toMail = await wire.ask(mail, waits.mail);
    const toRcpt = isYes(toMail) ? await wire.ask(rcpt, waits.rcpt) : undefined;
    replies = [toMail, toRcpt, await wire.ask('RSET\r\n', waits.rcpt)];
  }
  const [toMail, toRcpt, toReset] = replies;
  if (toReset !== undefined && !isYes(toReset)) wire.fail('protocol', 'the server refused RSET');
  const decisive = toMail !== undefined && isYes(toMail) ? toRcpt : toMail;
  if (decisive !== undefined && (!isPositive(decisive) || isYes(decisive))) {
    return decisive.code === 552 ? tooManyRecipients(decisive) : decisive;
  }
  if (decisive !== undefined) wire.fail('protocol', `the server answered with ${decisive.code}`);
  throw noReply(peer);
}

const isYes = (value: Reply | undefined): boolean =>
  value !== undefined && value.code >= 200 && value.code < 300;

function noReply({ wire }: Peer): ClientError {
  if (wire.error !== undefined) return wire.error;
  const reply = wire.farewell;
  return new ClientError('rejected', 'rcpt', 'the server is closing', reply === undefined ? {} : { reply });
}

/** Asks a server whether it takes mail for a recipient. */
import { type Recipient, type Reply, type ReversePath, replyClass } from '../mail/index.ts';
import { ClientError } from './client-error.ts';
import { formatRcpt } from './command.ts';
import type { Peer } from './peer.ts';
import { hasWideAddress, unmetAddress } from './requirements.ts';
import { rcptReply } from './transaction.ts';

/** The question of a callout. */
export interface Callout {
  readonly reversePath: ReversePath;
  readonly recipient: Recipient;
  /** The transaction before this one was left open. */
  readonly mustReset: boolean;
}

/** The answer of a server. */
export interface CalloutAnswer {
  /** The command that decided: RCPT, or MAIL where that was refused already. */
  readonly to: 'mail' | 'rcpt';
  readonly reply: Reply;
}

/**
 * Asks a server whether it would take mail for one recipient: MAIL, RCPT, RSET. Leaves no transaction open.
 * Rejects with a `ClientError` when the decisive reply does not come. A server without SMTPUTF8 is not asked
 * about an address that needs it: the reply is then ours.
 */
export async function verifyRecipient(peer: Peer, callout: Callout): Promise<CalloutAnswer> {
  const { reversePath, recipient } = callout;
  if (hasWideAddress({ reversePath, recipients: [recipient] }) && !peer.capabilities.smtputf8)
    return { to: 'rcpt', reply: cannotExist };
  const { toMail, toRcpt, toReset } = await (peer.capabilities.pipelining ? askGroup : askSteps)(
    peer,
    callout,
  );
  if (toReset !== undefined && !isYes(toReset))
    peer.wire.fail('protocol', 'the server refused RSET', { phase: 'rcpt' });
  const decisive = isYes(toMail) ? toRcpt : toMail;
  if (decisive === undefined) throw noReply(peer);
  if (replyClass(decisive) === 3) {
    peer.wire.fail('protocol', `the server answered with ${decisive.code}`, { phase: 'rcpt' });
    throw noReply(peer);
  }
  return isYes(toMail) ? { to: 'rcpt', reply: rcptReply(decisive, 0) } : { to: 'mail', reply: decisive };
}

/** A server that takes no addresses beyond ASCII has no mailbox of such a name. */
const cannotExist: Reply = { ...unmetAddress.reply, detail: '1.1' };

/** The replies that came. */
interface Answers {
  readonly toMail: Reply | undefined;
  readonly toRcpt?: Reply | undefined;
  readonly toReset?: Reply | undefined;
}

async function askGroup(peer: Peer, callout: Callout): Promise<Answers> {
  const commands = [formatSender(peer, callout), formatRecipient(peer, callout), reset];
  if (callout.mustReset) commands.unshift(reset);
  const coming = peer.wire.expect(commands.length, peer.waits.envelope);
  peer.wire.say(commands);
  const [toMail, toRcpt, toReset] = (await coming).slice(callout.mustReset ? 1 : 0);
  return { toMail, toRcpt, toReset };
}

async function askSteps(peer: Peer, callout: Callout): Promise<Answers> {
  const { wire, waits } = peer;
  if (callout.mustReset) await wire.ask(reset, waits.mail);
  const toMail = await wire.ask(formatSender(peer, callout), waits.mail);
  if (!isYes(toMail)) return { toMail };
  const toRcpt = await wire.ask(formatRecipient(peer, callout), waits.rcpt);
  return { toMail, toRcpt, toReset: await wire.ask(reset, waits.rcpt) };
}

const reset = 'RSET';

function formatSender(peer: Peer, { reversePath, recipient }: Callout): string {
  const smtputf8 = hasWideAddress({ reversePath, recipients: [recipient] }) ? ' SMTPUTF8' : '';
  return `MAIL FROM:<${reversePath?.text ?? ''}>${smtputf8}${peer.isAuthenticated ? ' AUTH=<>' : ''}`;
}

/** No NOTIFY and no ORCPT: nothing is going to be sent. */
function formatRecipient({ capabilities }: Peer, { recipient }: Callout): string {
  return formatRcpt({ address: recipient.address }, capabilities);
}

function isYes(value: Reply | undefined): boolean {
  return value !== undefined && replyClass(value) === 2;
}

function noReply({ wire }: Peer): ClientError {
  if (wire.error !== undefined) return wire.error;
  const reply = wire.farewell;
  return new ClientError('rejected', 'rcpt', 'the server is closing', reply === undefined ? {} : { reply });
}

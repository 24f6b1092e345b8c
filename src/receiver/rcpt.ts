/** RCPT: one recipient of a transaction. */
import { type Address, isAscii, parseDomain, parseMailbox, type Reply } from '../mail/index.ts';
import { type Command, decodeRcptParameters, noExtensions, type RcptParameters } from '../smtp/index.ts';
import type { Decision, Grant } from './ask.ts';
import type { Dialogue, Step } from './dialogue.ts';
import { logRefusal, logRuling } from './refusal.ts';
import { replies } from './replies.ts';
import type { Ruling } from './screening.ts';
import type { Transaction } from './transaction.ts';

/** A recipient about which the policy is asked, then the checks. */
interface Asked {
  readonly recipient: Address;
  readonly transaction: Transaction;
  readonly parameters: RcptParameters;
}

/** RCPT (RFC 5321 §4.1.1.3). */
export function rcpt(
  dialogue: Dialogue,
  { forwardPath, parameters, isUtf8 }: Command & { readonly verb: 'rcpt' },
): Step {
  const { state, client, settings } = dialogue;
  if (state.at !== 'transaction') return replies.mailFirst;
  const { transaction, hello } = state;
  const decoded = decodeRcptParameters(parameters, hello.isExtended ? dialogue.extensions : noExtensions);
  if (decoded.kind === 'refused') return decoded.reply;
  const isPostmaster = isOwnPostmaster(dialogue, forwardPath);
  const recipient = forwardPath === 'postmaster' || isPostmaster ? postmaster(dialogue) : forwardPath;
  const isWide = isUtf8 === true || !isAscii(recipient.text);
  if (isWide && !transaction.parameters.smtputf8) return replies.needsSmtputf8;
  if (transaction.recipientCount >= settings.limits.recipients) return replies.tooManyRecipients;
  const { reversePath } = transaction;
  const decision = settings.policy.decide(
    isPostmaster ? { client, reversePath, recipient, isPostmaster } : { client, reversePath, recipient },
  );
  const asked = { recipient, transaction, parameters: decoded.parameters };
  return decision instanceof Promise
    ? decision.then((made) => decided(dialogue, asked, made))
    : decided(dialogue, asked, decision);
}

/**
 * Whether the path is the postmaster of this very server: `<Postmaster>` (RFC 5321 §4.5.1), or the same at our
 * name or at the address that the client connected to, where that is no domain with recipients of its own.
 */
function isOwnPostmaster({ facts, settings }: Dialogue, path: Address | 'postmaster'): boolean {
  if (path === 'postmaster') return true;
  if (path.localPart.length !== 'postmaster'.length || path.localPart.toLowerCase() !== 'postmaster')
    return false;
  const { policy, hostname } = settings;
  if (policy.isOurs?.(path.domain)) return false;
  return path.domain === hostname.toLowerCase() || path.domain === literalOf(facts.localAddress?.());
}

function literalOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  return parseDomain(address.includes(':') ? `[IPv6:${address}]` : `[${address}]`);
}

function postmaster({ settings: { postmasterDomain } }: Dialogue): Address {
  const text = `postmaster@${postmasterDomain}`;
  return (
    parseMailbox(text, { smtputf8: false }) ?? { text, localPart: 'postmaster', domain: postmasterDomain }
  );
}

/** The decision of the policy stands; the checks are asked about granted recipients, and may only refuse. */
function decided(dialogue: Dialogue, asked: Asked, decision: Decision): Step {
  if (decision.kind === 'refusal') return refused(dialogue, asked, decision);
  const ask = dialogue.screening?.recipient;
  if (ask === undefined) return add(dialogue, asked, decision);
  const ruling = ask({ ...subjectOf(dialogue, asked), grant: decision });
  return ruling instanceof Promise
    ? ruling.then((made) => rule(dialogue, { asked, grant: decision }, made))
    : rule(dialogue, { asked, grant: decision }, ruling);
}

function rule(
  dialogue: Dialogue,
  { asked, grant }: { readonly asked: Asked; readonly grant: Grant },
  ruling: Ruling,
): Reply {
  const { recipient, transaction } = asked;
  if (ruling.kind === 'refuse') {
    const { reversePath } = transaction;
    return logRuling(dialogue, { stage: 'rcpt', reversePath, to: recipient.text, ruling });
  }
  transaction.keep(ruling);
  return add(dialogue, asked, grant);
}

function add(dialogue: Dialogue, { recipient, transaction, parameters }: Asked, grant: Grant): Reply {
  transaction.add(recipient, grant, parameters);
  if (grant.identity !== undefined) dialogue.noteGrant(grant.identity);
  return replies.recipientOk;
}

function refused(dialogue: Dialogue, asked: Asked, refusal: Decision & { readonly kind: 'refusal' }): Reply {
  const { reply, because } = refusal;
  const { reversePath } = asked.transaction;
  logRefusal(dialogue, { stage: 'rcpt', reversePath, to: asked.recipient.text, reply, because });
  dialogue.screening?.recipientRefused?.({ ...subjectOf(dialogue, asked), refusal });
  return reply;
}

function subjectOf({ facts, client, isKnown }: Dialogue, { recipient, transaction: { reversePath } }: Asked) {
  return { session: facts.id, client, isKnown, reversePath, recipient };
}

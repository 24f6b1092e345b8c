/** Carries out commands; its table says when each is legal. */
import { type Address, type Domain, isAscii, parseDomain, parseMailbox, type Reply } from '../mail/index.ts';
import {
  type Command,
  type CommandError,
  decodeMailParameters,
  decodeRcptParameters,
  formatExtensions,
  noExtensions,
  type RcptParameters,
} from '../smtp/index.ts';
import type { Decision, Refusal } from './ask.ts';
import { auth } from './auth.ts';
import { bdat, data } from './mail-data.ts';
import { logRefusal } from './refusal.ts';
import { adopt, renew } from './renew.ts';
import { replies } from './replies.ts';
import type { Session } from './session.ts';
import type { State } from './state.ts';
import { type Hello, Transaction } from './transaction.ts';
import { xclient } from './xclient.ts';

/** What a command comes to: a reply, one that is yet to come, or none before more has happened. */
export type Outcome = Reply | { readonly reply: Reply; readonly next: 'close' | 'tls' } | undefined;

/** An outcome now or later. */
export type Step = Outcome | Promise<Outcome>;

type Verb = Command['verb'];
type StateName = State['at'];
type CommandOf<V extends Verb> = Extract<Command, { readonly verb: V }>;

const always: readonly StateName[] = ['greeted', 'identified', 'transaction', 'chunks'];

/**
 * When each verb is legal (RFC 5321 §4.1.4), and the reply where it is not. The only copy of this.
 * NOOP, HELP, EXPN, VRFY, RSET and QUIT are answered before EHLO too.
 */
const legal: Readonly<Record<Verb, { readonly in: readonly StateName[]; readonly else: Reply }>> = {
  ehlo: { in: always, else: replies.notOffered },
  helo: { in: always, else: replies.notOffered },
  lhlo: { in: [], else: replies.unknown },
  mail: { in: ['identified'], else: replies.nestedMail },
  rcpt: { in: ['transaction'], else: replies.mailFirst },
  data: { in: ['transaction'], else: replies.mailFirst },
  // A chunk has to be swallowed before it can be refused, so BDAT looks at the state itself.
  bdat: { in: always, else: replies.mailFirst },
  rset: { in: always, else: replies.notOffered },
  noop: { in: always, else: replies.notOffered },
  quit: { in: always, else: replies.notOffered },
  vrfy: { in: always, else: replies.notOffered },
  expn: { in: always, else: replies.notOffered },
  help: { in: always, else: replies.notOffered },
  starttls: { in: ['identified'], else: replies.nestedMail },
  auth: { in: ['identified'], else: replies.nestedMail },
  xclient: { in: ['greeted', 'identified'], else: replies.nestedMail },
  unknown: { in: always, else: replies.unknown },
};

/** The verbs whose reply has to be waited for before more is sent (RFC 2920 §3.1, RFC 3207 §4). */
const lastInGroup: ReadonlySet<string> = new Set(['ehlo', 'helo', 'data', 'starttls']);

/** Carries out one command in the state the session is in. */
export function carryOut(session: Session, command: Command | CommandError): Step {
  if (isOutOfStep(session, command)) return { reply: replies.outOfStep, next: 'close' };
  if (command.verb === 'error') {
    if (command.of === 'mail' || command.of === 'rcpt') {
      logRefusal(session, { stage: command.of, reply: command.reply });
    }
    // Where the octets of a chunk end is not known, so what follows cannot be told from commands.
    return command.of === 'bdat' ? { reply: command.reply, next: 'close' } : command.reply;
  }
  const rule = legal[command.verb];
  if (!rule.in.includes(session.state.at)) return notNow(session, command.verb, rule.else);
  return act(session, command);
}

/** Pipelining before it was offered, or past a command whose reply decides what comes next. */
function isOutOfStep(session: Session, { verb }: Command | CommandError): boolean {
  if (!session.hasBufferedInput) return false;
  if (lastInGroup.has(verb)) return true;
  const { state } = session;
  return 'hello' in state && !state.hello.isExtended && (verb === 'mail' || verb === 'rcpt');
}

function notNow(session: Session, verb: Verb, otherwise: Reply): Reply {
  const { at } = session.state;
  if (at === 'greeted' && legal[verb].in.length > 0) return replies.helloFirst;
  if (at === 'chunks' && (verb === 'data' || verb === 'rcpt')) return replies.bdatOnly;
  return otherwise;
}

function act(session: Session, command: Command): Step {
  switch (command.verb) {
    case 'ehlo':
    case 'helo':
      return hello(session, command);
    case 'mail':
      return mail(session, command);
    case 'rcpt':
      return rcpt(session, command);
    case 'data':
      return data(session);
    case 'bdat':
      return bdat(session, command);
    case 'rset':
      return reset(session);
    case 'noop':
      return replies.ok;
    case 'quit':
      return { reply: replies.bye, next: 'close' };
    case 'vrfy':
      return replies.cannotVrfy;
    case 'expn':
      return replies.noExpn;
    case 'help':
      return help(session);
    case 'starttls':
      return startTls(session);
    case 'xclient':
      return xclient(session, command.attributes);
    case 'auth':
      return auth(session, command);
    case 'lhlo':
      return replies.notImplemented;
    case 'unknown':
      return unknown(command);
  }
}

function unknown({ kind }: CommandOf<'unknown'>): Step {
  if (kind === 'foreign') return { reply: replies.foreign, next: 'close' };
  return kind === 'smtp' ? replies.notImplemented : replies.unknown;
}

function hello(session: Session, { verb, name }: CommandOf<'ehlo' | 'helo' | 'lhlo'>): Step {
  abandon(session);
  adopt(session);
  const isExtended = verb === 'ehlo';
  session.client = { ...session.client, helo: name };
  session.state = { at: 'identified', hello: { name, isExtended } };
  const { hostname } = session.facts.settings;
  return { code: 250, lines: isExtended ? [hostname, ...formatExtensions(session.extensions)] : [hostname] };
}

/** Throws away the transaction that is under way, if any. */
function abandon(session: Session): void {
  const { state } = session;
  if (state.at === 'chunks') state.content.discard();
  if ('hello' in state) session.state = { at: 'identified', hello: state.hello };
}

function reset(session: Session): Step {
  abandon(session);
  return replies.ok;
}

/** Names the verbs that this session would take, so that nobody is led to one that is refused. */
function help({ extensions }: Session): Step {
  const verbs = ['EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT'];
  if (extensions.startTls) verbs.push('STARTTLS');
  if (extensions.auth.length > 0) verbs.push('AUTH');
  if (extensions.xclient !== undefined) verbs.push('XCLIENT');
  const lines = [`commands: ${verbs.join(' ')}`, 'a person reads mail to postmaster'];
  return { code: 214, detail: '0.0', lines };
}

function startTls(session: Session): Step {
  if (!session.extensions.startTls) {
    return session.isSecured ? replies.notOffered : replies.notImplemented;
  }
  return { reply: replies.startTls, next: 'tls' };
}

function mail(session: Session, command: CommandOf<'mail'>): Step {
  const { state } = session;
  if (state.at !== 'identified') return replies.nestedMail;
  const over = renew(session);
  if (over !== undefined) return over;
  const { limits } = session.facts.settings;
  if (session.transactions >= limits.transactions) {
    return { reply: replies.tooManyTransactions, next: 'close' };
  }
  const { client, facts } = session;
  const denied = facts.settings.policy.refuseSender({ client, reversePath: command.reversePath });
  if (denied instanceof Promise) return denied.then((made) => begin(session, state.hello, command, made));
  return begin(session, state.hello, command, denied);
}

/** Begins a transaction, unless the policy denies the sender or something else is wrong with it. */
function begin(
  session: Session,
  hello: Hello,
  { reversePath, parameters }: CommandOf<'mail'>,
  denied: Refusal | undefined,
): Reply {
  const offer = hello.isExtended ? session.extensions : noExtensions;
  if (denied !== undefined) {
    const { reply, because } = denied;
    logRefusal(session, { stage: 'mail', reversePath, reply, because });
    return reply;
  }
  const decoded = decodeMailParameters(parameters, offer);
  const refusal = decoded.kind === 'refused' ? decoded.reply : session.intake.refusal();
  if (decoded.kind === 'refused' || refusal !== undefined) {
    const answer = refusal ?? replies.localError;
    logRefusal(session, { stage: 'mail', reversePath, reply: answer });
    return answer;
  }
  session.transactions++;
  const { policy } = session.facts.settings;
  const isOurs = (domain: Domain) => policy.isOurs?.(domain) ?? false;
  const transaction = new Transaction(reversePath, decoded.parameters, isOurs);
  session.state = { at: 'transaction', hello, transaction };
  return replies.senderOk;
}

function rcpt(session: Session, { forwardPath, parameters, isUtf8 }: CommandOf<'rcpt'>): Step {
  const { state } = session;
  if (state.at !== 'transaction') return replies.mailFirst;
  const { transaction, hello } = state;
  const decoded = decodeRcptParameters(parameters, hello.isExtended ? session.extensions : noExtensions);
  if (decoded.kind === 'refused') return decoded.reply;
  const isPostmaster = isOwnPostmaster(session, forwardPath);
  const recipient = forwardPath === 'postmaster' || isPostmaster ? postmaster(session) : forwardPath;
  const isWide = isUtf8 === true || !isAscii(recipient.text);
  if (isWide && !transaction.parameters.smtputf8) return replies.needsSmtputf8;
  if (transaction.recipientCount >= session.facts.settings.limits.recipients) {
    return replies.tooManyRecipients;
  }
  const { client } = session;
  const { reversePath } = transaction;
  const decision = session.facts.settings.policy.decide({
    client,
    reversePath,
    recipient,
    ...(isPostmaster && { isPostmaster }),
  });
  const asked = { recipient, transaction, parameters: decoded.parameters };
  if (decision instanceof Promise) return decision.then((made) => decided(session, asked, made));
  return decided(session, asked, decision);
}

/**
 * Whether the path is the postmaster of this very server: `<Postmaster>` (RFC 5321 §4.5.1), or the same at our
 * name or at the address that the client connected to, where that is no domain with recipients of its own.
 */
function isOwnPostmaster({ facts }: Session, path: Address | 'postmaster'): boolean {
  if (path === 'postmaster') return true;
  if (path.localPart.toLowerCase() !== 'postmaster') return false;
  const { policy, hostname } = facts.settings;
  if (policy.isOurs?.(path.domain)) return false;
  return path.domain === hostname.toLowerCase() || path.domain === literalOf(facts.localAddress?.());
}

function literalOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  return parseDomain(address.includes(':') ? `[IPv6:${address}]` : `[${address}]`);
}

function postmaster(session: Session): Address {
  const { postmasterDomain } = session.facts.settings;
  const text = `postmaster@${postmasterDomain}`;
  return (
    parseMailbox(text, { smtputf8: false }) ?? { text, localPart: 'postmaster', domain: postmasterDomain }
  );
}

function decided(
  session: Session,
  asked: {
    readonly recipient: Address;
    readonly transaction: Transaction;
    readonly parameters: RcptParameters;
  },
  decision: Decision,
): Reply {
  const { recipient, transaction, parameters } = asked;
  if (decision.kind === 'grant') {
    transaction.add(recipient, decision, parameters);
    session.grantedTo = decision.identity ?? session.grantedTo;
    return replies.recipientOk;
  }
  const { reply, because } = decision;
  const { reversePath } = transaction;
  logRefusal(session, { stage: 'rcpt', reversePath, to: recipient.text, reply, because });
  return reply;
}

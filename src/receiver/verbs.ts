/** Carries out commands; its table says when each is legal. */
import type { Reply } from '../mail/index.ts';
import type { Command, CommandError } from '../smtp/index.ts';
import { auth } from './auth.ts';
import type { Dialogue, State, Step } from './dialogue.ts';
import { hello } from './hello.ts';
import { mail } from './mail.ts';
import { bdat, data } from './mail-data.ts';
import { rcpt } from './rcpt.ts';
import { logRefusal } from './refusal.ts';
import { replies } from './replies.ts';
import { xclient } from './xclient.ts';

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
export function carryOut(dialogue: Dialogue, command: Command | CommandError): Step {
  if (isOutOfStep(dialogue, command)) return { reply: replies.outOfStep, next: 'close' };
  if (command.verb === 'error') {
    if (command.of === 'mail' || command.of === 'rcpt') {
      logRefusal(dialogue, { stage: command.of, reply: command.reply });
    }
    // The end of a chunk is unknown, so the octets after it cannot be told from commands.
    return command.of === 'bdat' ? { reply: command.reply, next: 'close' } : command.reply;
  }
  const rule = legal[command.verb];
  if (!rule.in.includes(dialogue.state.at)) return notNow(dialogue, command.verb, rule.else);
  return act(dialogue, command);
}

/** Pipelining before it was offered, or past a command whose reply decides the next one. */
function isOutOfStep(dialogue: Dialogue, { verb }: Command | CommandError): boolean {
  if (!dialogue.hasBufferedInput) return false;
  if (lastInGroup.has(verb)) return true;
  const { state } = dialogue;
  return 'hello' in state && !state.hello.isExtended && (verb === 'mail' || verb === 'rcpt');
}

function notNow(dialogue: Dialogue, verb: Verb, otherwise: Reply): Reply {
  const { at } = dialogue.state;
  if (at === 'greeted' && legal[verb].in.length > 0) return replies.helloFirst;
  if (at === 'chunks' && (verb === 'data' || verb === 'rcpt')) return replies.bdatOnly;
  return otherwise;
}

function act(dialogue: Dialogue, command: Command): Step {
  switch (command.verb) {
    case 'ehlo':
    case 'helo':
      abandon(dialogue);
      return hello(dialogue, { name: command.name, isExtended: command.verb === 'ehlo' });
    case 'mail':
      return mail(dialogue, command);
    case 'rcpt':
      return rcpt(dialogue, command);
    case 'data':
      return data(dialogue);
    case 'bdat':
      return bdat(dialogue, command);
    case 'rset':
      return reset(dialogue);
    case 'noop':
      return replies.ok;
    case 'quit':
      return { reply: replies.bye, next: 'close' };
    case 'vrfy':
      return replies.cannotVrfy;
    case 'expn':
      return replies.noExpn;
    case 'help':
      return help(dialogue);
    case 'starttls':
      return startTls(dialogue);
    case 'xclient':
      return xclient(dialogue, command.attributes);
    case 'auth':
      return auth(dialogue, command);
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

/** Throws away the transaction that is under way, if any. */
function abandon(dialogue: Dialogue): void {
  const { state } = dialogue;
  if (state.at === 'chunks') state.content.discard();
  if ('hello' in state) dialogue.enter({ at: 'identified', hello: state.hello });
}

function reset(dialogue: Dialogue): Step {
  abandon(dialogue);
  return replies.ok;
}

/** Names the verbs that this session would take, so that no client is led to one that is refused. */
function help({ extensions }: Dialogue): Step {
  const verbs = ['EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT'];
  if (extensions.startTls) verbs.push('STARTTLS');
  if (extensions.auth.length > 0) verbs.push('AUTH');
  if (extensions.xclient !== undefined) verbs.push('XCLIENT');
  const lines = [`commands: ${verbs.join(' ')}`, 'a person reads mail to postmaster'];
  return { code: 214, detail: '0.0', lines };
}

function startTls(dialogue: Dialogue): Step {
  if (!dialogue.extensions.startTls) {
    return dialogue.isSecured ? replies.notOffered : replies.notImplemented;
  }
  return { reply: replies.startTls, next: 'tls' };
}

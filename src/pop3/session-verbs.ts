/** Carries out the commands of POP3, each where it is legal. */
import type { Command } from './command.ts';
import type { Answer, PopDialogue, State } from './dialogue.ts';
import { authenticate, mayLogIn, offeredMechanisms, pass } from './session-login.ts';

type Verb = Exclude<Command['verb'], 'error'>;
type Transaction = State & { readonly at: 'transaction' };

/** When each command is legal (RFC 1939 §4 and §5, RFC 2449 §5, RFC 2595 §4, RFC 5034 §4). */
const legal: Readonly<Record<Verb, readonly State['at'][]>> = {
  user: ['authorization'],
  pass: ['authorization'],
  auth: ['authorization'],
  apop: ['authorization'],
  stls: ['authorization'],
  capa: ['authorization', 'transaction'],
  quit: ['authorization', 'transaction'],
  stat: ['transaction'],
  list: ['transaction'],
  uidl: ['transaction'],
  retr: ['transaction'],
  top: ['transaction'],
  dele: ['transaction'],
  rset: ['transaction'],
  noop: ['transaction'],
};

/** Lines of a listing that are sent at once. */
const batchLines = 500;

const noSuchMessage = '-ERR no such message';
const unreadable = '-ERR [SYS/TEMP] the message cannot be read now';

/** Carries out a command and resolves with its result. Rejects only for a bug. */
export async function carryOut(session: PopDialogue, command: Command): Promise<Answer> {
  const { state } = session;
  const user = state.at === 'authorization' ? state.user : undefined;
  if (user !== undefined) session.state = { at: 'authorization' };
  if (command.verb === 'error')
    return command.kind === 'unknown' ? '-ERR unknown command' : '-ERR the arguments make no sense';
  if (!legal[command.verb].includes(state.at))
    return state.at === 'transaction' ? '-ERR you are logged in already' : '-ERR log in first';
  if (
    state.at === 'transaction' &&
    session.options.identities.renew(state.identity, session.client) === undefined
  )
    return { line: '-ERR [AUTH] your login does not hold any more', next: 'close' };
  return state.at === 'transaction'
    ? await inTransaction(session, state, command)
    : await beforeLogin(session, command, user);
}

async function beforeLogin(
  session: PopDialogue,
  command: Command,
  user: Buffer | undefined,
): Promise<Answer> {
  switch (command.verb) {
    case 'user':
      if (!mayLogIn(session)) return '-ERR say STLS first';
      // The reply does not reveal whether the name exists.
      session.state = { at: 'authorization', user: command.name };
      return '+OK now the password';
    case 'pass':
      if (!mayLogIn(session)) return '-ERR say STLS first';
      return user === undefined ? '-ERR say USER first' : await pass(session, user, command.password);
    case 'auth':
      return await authenticate(session, command);
    case 'apop':
      return '-ERR APOP needs passwords in clear on the server, use AUTH or STLS and PASS';
    case 'stls':
      return stls(session);
    case 'capa':
      return capabilities(session);
    default:
      return { line: '+OK goodbye', next: 'close' };
  }
}

/** Octets behind STLS could have been injected by an attacker (CVE-2011-0411). */
function stls(session: PopDialogue): Answer {
  if (!session.wire.canSecure) return '-ERR no TLS to begin here';
  if (session.hasBufferedInput)
    return { line: '-ERR nothing may follow STLS before its reply', next: 'close' };
  return { line: '+OK begin TLS now', next: 'tls' };
}

async function inTransaction(session: PopDialogue, state: Transaction, command: Command): Promise<Answer> {
  switch (command.verb) {
    case 'stat':
      return await stat(session, state);
    case 'list':
      return command.message === undefined
        ? listing(session, state, async (index) => `${await state.mailbox.size(index)}`)
        : await oneOf(state, command.message, async (index) => `${await state.mailbox.size(index)}`);
    case 'uidl':
      return command.message === undefined
        ? listing(session, state, (index) => state.mailbox.uid(index))
        : await oneOf(state, command.message, (index) => state.mailbox.uid(index));
    case 'retr':
      return await retrieve(session, state, { message: command.message, bodyLines: undefined });
    case 'top':
      return await retrieve(session, state, { message: command.message, bodyLines: command.lines });
    case 'dele': {
      const index = indexOf(state, command.message);
      if (index === undefined) return noSuchMessage;
      state.deleted.add(index);
      return '+OK marked, QUIT removes it';
    }
    case 'rset':
      state.deleted.clear();
      return '+OK nothing is marked';
    case 'noop':
      return '+OK';
    case 'capa':
      return capabilities(session);
    default:
      return await quit(state);
  }
}

async function stat(session: PopDialogue, { mailbox, deleted }: Transaction): Promise<Answer> {
  let octets = 0;
  for (let index = 0; index < mailbox.count; index++) {
    if (session.wire.isClosed) break;
    if (!deleted.has(index)) octets += await mailbox.size(index);
  }
  return `+OK ${mailbox.count - deleted.size} ${octets}`;
}

function listing(
  session: PopDialogue,
  state: Transaction,
  describe: (index: number) => string | Promise<string>,
): Answer {
  const { mailbox, deleted } = state;
  async function* lines(): AsyncGenerator<string> {
    let text = '';
    for (let index = 0; index < mailbox.count && !session.wire.isClosed; index++) {
      if (!deleted.has(index)) text += `${index + 1} ${await describe(index)}\r\n`;
      if (index % batchLines !== batchLines - 1) continue;
      yield text;
      text = '';
    }
    yield `${text}.\r\n`;
  }
  return { line: `+OK ${mailbox.count - deleted.size} messages`, content: lines() };
}

async function oneOf(
  state: Transaction,
  message: number,
  describe: (index: number) => string | Promise<string>,
): Promise<Answer> {
  const index = indexOf(state, message);
  return index === undefined ? noSuchMessage : `+OK ${message} ${await describe(index)}`;
}

async function retrieve(
  session: PopDialogue,
  state: Transaction,
  { message, bodyLines }: { readonly message: number; readonly bodyLines: number | undefined },
): Promise<Answer> {
  const index = indexOf(state, message);
  if (index === undefined) return noSuchMessage;
  const content = await state.mailbox.content(index, bodyLines);
  if (content === undefined) return unreadable;
  if (bodyLines === undefined) session.retrieved++;
  return { line: '+OK the message follows', content };
}

/** UPDATE (RFC 1939 §6): only here something is removed. */
async function quit({ mailbox, deleted }: Transaction): Promise<Answer> {
  const left = await mailbox.remove(deleted);
  const line = left === 0 ? '+OK goodbye' : '-ERR [SYS/TEMP] some deleted messages not removed';
  return { line, next: 'close' };
}

function indexOf({ mailbox, deleted }: Transaction, message: number): number | undefined {
  const index = message - 1;
  return index >= 0 && index < mailbox.count && !deleted.has(index) ? index : undefined;
}

/** RFC 2449 §6. Only capabilities that work now are offered. */
function capabilities(session: PopDialogue): Answer {
  const mechanisms = offeredMechanisms(session);
  const isOpen = session.state.at === 'authorization';
  const lines = [
    'TOP',
    'UIDL',
    'RESP-CODES',
    'AUTH-RESP-CODE',
    'PIPELINING',
    'EXPIRE NEVER',
    ...(mayLogIn(session) ? ['USER'] : []),
    ...(mechanisms.length > 0 ? [`SASL ${mechanisms.join(' ')}`] : []),
    ...(isOpen && session.wire.canSecure ? ['STLS'] : []),
    'IMPLEMENTATION Posthouse',
  ];
  async function* content(): AsyncGenerator<string> {
    yield `${lines.join('\r\n')}\r\n.\r\n`;
  }
  return { line: '+OK what is offered', content: content() };
}

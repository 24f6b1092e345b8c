/** The command AUTH (RFC 4954). */
import { type Reply, reply } from '../mail/index.ts';
import type { Command, LineResult } from '../smtp/index.ts';
import type { SaslExchange, SaslStep } from './ask.ts';
import { logRefusal } from './refusal.ts';
import { adopt } from './renew.ts';
import { replies } from './replies.ts';
import type { Session } from './session.ts';
import type { Hello, State } from './state.ts';
import type { Outcome, Step } from './verbs.ts';

const succeeded = reply(235, '7.0', 'authenticated');
const alreadyDone = reply(503, '5.1', 'already authenticated');
const needsTls = reply(538, '7.11', 'encryption required: say STARTTLS first');
const unknownMechanism = 'mechanism not offered';
const noInitial = reply(501, '7.0', 'this mechanism takes no initial response');
const badBase64 = reply(501, '5.2', 'not base64');
const cancelled = reply(501, '7.0', 'authentication cancelled');
const tooLong = reply(500, '5.6', 'response too long');

/** AUTH (RFC 4954 §4). What the client sends is for the mechanism alone and reaches no log. */
export function auth(session: Session, command: Command & { readonly verb: 'auth' }): Step {
  adopt(session);
  const { state, client } = session;
  const { authenticator } = session.facts.settings;
  if (state.at !== 'identified' || !state.hello.isExtended) return replies.helloFirst;
  if (client.identity !== undefined) return alreadyDone;
  if (authenticator === undefined || !session.facts.listener.offersAuth) return replies.notImplemented;
  // The reply decides what may be said next, so nothing can have been said yet.
  if (session.hasBufferedInput) return { reply: replies.outOfStep, next: 'close' };
  const exchange = authenticator.begin(command.mechanism, client);
  if (exchange === undefined) return notOffered(session, command.mechanism);
  const { initial } = command;
  const response = initial === undefined ? undefined : decode(initial === '=' ? '' : initial);
  if (initial !== undefined && (response === undefined || !exchange.takesInitial)) {
    exchange.cancel();
    return response === undefined ? badBase64 : noInitial;
  }
  session.state = { at: 'auth', hello: state.hello, exchange };
  return take(session, exchange, response);
}

/** One line of the client in an exchange. */
export function authResponse(
  session: Session,
  state: State & { readonly at: 'auth' },
  line: LineResult,
): Step {
  const { exchange, hello } = state;
  if (line.kind === 'line' && line.text !== '*') {
    const response = decode(line.text);
    if (response !== undefined) return take(session, exchange, response);
  }
  exchange.cancel();
  session.state = { at: 'identified', hello };
  if (line.kind === 'too-long') return tooLong;
  if (line.kind === 'line' && line.text === '*') return cancelled;
  return badBase64;
}

function notOffered(session: Session, mechanism: string): Reply {
  const { client, facts } = session;
  if (client.tls === undefined && session.extensions.startTls) return needsTls;
  return reply(504, '5.4', facts.settings.authenticator?.why?.(mechanism) ?? unknownMechanism);
}

async function take(
  session: Session,
  exchange: SaslExchange,
  response: Buffer | undefined,
): Promise<Outcome> {
  const step = await exchange.step(response);
  const { state } = session;
  // The client may have gone meanwhile, or the session ended.
  if (state.at !== 'auth') return undefined;
  return answer(session, state.hello, step);
}

function answer(session: Session, hello: Hello, step: SaslStep): Reply {
  if (step.kind === 'challenge') return { code: 334, lines: [step.octets.toString('base64')] };
  session.state = { at: 'identified', hello };
  if (step.kind === 'success') {
    session.client = { ...session.client, identity: step.identity };
    return succeeded;
  }
  logRefusal(session, { stage: 'auth', reply: step.reply, because: step.because });
  return step.reply;
}

/** RFC 4954 §4: what is not base64, padding included, is refused and not read around. */
function decode(text: string): Buffer | undefined {
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  return isBase64 ? Buffer.from(text, 'base64') : undefined;
}

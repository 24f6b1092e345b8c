/** The command AUTH (RFC 4954). */
import { type Reply, reply } from '../mail/index.ts';
import type { Command, LineResult } from '../smtp/index.ts';
import type { SaslExchange, SaslStep } from './ask.ts';
import type { Dialogue, Outcome, State, Step } from './dialogue.ts';
import { logRefusal } from './refusal.ts';
import { replies } from './replies.ts';
import type { Hello } from './transaction.ts';

const succeeded = reply(235, '7.0', 'authenticated');
const alreadyDone = reply(503, '5.1', 'already authenticated');
const needsTls = reply(538, '7.11', 'encryption required: say STARTTLS first');
const unknownMechanism = 'mechanism not offered';
const noInitial = reply(501, '7.0', 'this mechanism takes no initial response');
const badBase64 = reply(501, '5.2', 'not base64');
const cancelled = reply(501, '7.0', 'authentication cancelled');
const tooLong = reply(500, '5.6', 'response too long');

/** AUTH (RFC 4954 §4). The client's responses are for the mechanism alone and reach no log. */
export function auth(dialogue: Dialogue, command: Command & { readonly verb: 'auth' }): Step {
  dialogue.adopt();
  const { state, client } = dialogue;
  const { authenticator } = dialogue.settings;
  if (state.at !== 'identified' || !state.hello.isExtended) return replies.helloFirst;
  if (client.identity !== undefined) return alreadyDone;
  if (authenticator === undefined || !dialogue.facts.listener.offersAuth) return replies.notImplemented;
  // The reply decides what may be sent next, so nothing can have been sent yet.
  if (dialogue.hasBufferedInput) return { reply: replies.outOfStep, next: 'close' };
  const exchange = authenticator.begin(command.mechanism, client);
  if (exchange === undefined) return notOffered(dialogue, command.mechanism);
  const { initial } = command;
  const response = initial === undefined ? undefined : decode(initial === '=' ? '' : initial);
  if (initial !== undefined && (response === undefined || !exchange.takesInitial)) {
    exchange.cancel();
    return response === undefined ? badBase64 : noInitial;
  }
  dialogue.enter({ at: 'auth', hello: state.hello, exchange });
  return take(dialogue, exchange, response);
}

/** One line of the client in an exchange. */
export function authResponse(
  dialogue: Dialogue,
  state: State & { readonly at: 'auth' },
  line: LineResult,
): Step {
  const { exchange, hello } = state;
  if (line.kind === 'line' && line.text !== '*') {
    const response = decode(line.text);
    if (response !== undefined) return take(dialogue, exchange, response);
  }
  exchange.cancel();
  dialogue.enter({ at: 'identified', hello });
  if (line.kind === 'too-long') return tooLong;
  if (line.kind === 'line' && line.text === '*') return cancelled;
  return badBase64;
}

function notOffered(dialogue: Dialogue, mechanism: string): Reply {
  const { client, settings } = dialogue;
  if (client.tls === undefined && dialogue.extensions.startTls) return needsTls;
  return reply(504, '5.4', settings.authenticator?.why?.(mechanism) ?? unknownMechanism);
}

async function take(
  dialogue: Dialogue,
  exchange: SaslExchange,
  response: Buffer | undefined,
): Promise<Outcome> {
  const step = await exchange.step(response);
  const { state } = dialogue;
  // The client may have gone meanwhile, or the session ended.
  if (state.at !== 'auth') return undefined;
  return answer(dialogue, state.hello, step);
}

function answer(dialogue: Dialogue, hello: Hello, step: SaslStep): Reply {
  if (step.kind === 'challenge') return { code: 334, lines: [step.octets.toString('base64')] };
  dialogue.enter({ at: 'identified', hello });
  if (step.kind === 'success') {
    dialogue.learn({ ...dialogue.client, identity: step.identity });
    return succeeded;
  }
  logRefusal(dialogue, { stage: 'auth', reply: step.reply, because: step.because });
  return step.reply;
}

/** RFC 4954 §4: anything that is not base64, padding included, is refused and not skipped. */
function decode(text: string): Buffer | undefined {
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  return isBase64 ? Buffer.from(text, 'base64') : undefined;
}

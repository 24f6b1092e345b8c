/** The commands that log in: PASS and AUTH. */
import { isLoopback } from '../base/index.ts';
import type { Identity, SaslExchange, SaslStep } from '../identity/index.ts';
import type { Command } from './command.ts';
import type { Answer, PopDialogue } from './dialogue.ts';

const cancelled = '-ERR authentication cancelled';
const badResponse = '-ERR not a response in base64';

/** Passwords go over TLS, or stay on this machine where that was asked for. */
export function mayLogIn({ wire, options }: PopDialogue): boolean {
  return wire.tls !== undefined || (options.allowPlaintext && isLoopback(wire.facts.address));
}

/** The mechanisms that this client could use now. */
export function offeredMechanisms(session: PopDialogue): readonly string[] {
  return mayLogIn(session) ? session.options.identities.mechanisms(session.client) : [];
}

/** PASS behind USER (RFC 1939 §7). */
export async function pass(session: PopDialogue, name: Buffer, password: Buffer): Promise<Answer> {
  const step = await session.options.identities.verifyPassword(
    { name, password },
    session.client,
    session.wire.gone,
  );
  return await conclude(session, step);
}

/** AUTH (RFC 5034 §4). Challenges and responses take their turns until the mechanism knows enough. */
export async function authenticate(
  session: PopDialogue,
  { mechanism, initial }: Command & { readonly verb: 'auth' },
): Promise<Answer> {
  if (!mayLogIn(session)) return '-ERR say STLS first';
  const exchange = session.options.identities.begin(mechanism, session.client);
  if (exchange === undefined) return '-ERR mechanism not offered, see CAPA';
  const first = initial === undefined ? undefined : decode(initial === '=' ? '' : initial);
  if (initial !== undefined && (first === undefined || !exchange.takesInitial)) {
    exchange.cancel();
    return badResponse;
  }
  session.wire.gone.addEventListener('abort', () => exchange.cancel(), { once: true });
  let step = await exchange.step(first);
  while (step.kind === 'challenge') {
    session.say(`+ ${step.octets.toString('base64')}`);
    const response = await nextResponse(session, exchange);
    if (typeof response === 'string') return response;
    step = await exchange.step(response);
  }
  return await conclude(session, step);
}

/** The client's next response, or the reply where it is none. */
async function nextResponse(session: PopDialogue, exchange: SaslExchange): Promise<Buffer | string> {
  const line = await session.nextLine();
  const response = line?.kind === 'line' && line.text !== '*' ? decode(line.text) : undefined;
  if (response !== undefined) return response;
  exchange.cancel();
  return line?.kind === 'line' && line.text === '*' ? cancelled : badResponse;
}

/** RFC 3206: `AUTH` is the client's to mend, `SYS/TEMP` is ours. */
async function conclude(
  session: PopDialogue,
  step: Exclude<SaslStep, { readonly kind: 'challenge' }> | SaslStep,
): Promise<Answer> {
  // The client may have gone while its password was checked; then the login did not happen.
  if (session.wire.isClosed) return cancelled;
  if (step.kind === 'success') return await enter(session, step.identity);
  const code = step.kind === 'failure' ? step.reply.code : 454;
  if (code < 500) return '-ERR [SYS/TEMP] logins are not possible now, try again later';
  session.failedLogins++;
  return code === 535 ? '-ERR [AUTH] authentication failed' : '-ERR authentication failed';
}

/** Opens the mailbox of a user after the login. */
async function enter(session: PopDialogue, identity: Identity): Promise<Answer> {
  const { options, wire } = session;
  const { id, address } = wire.facts;
  const path = options.mailboxOf(identity.name);
  if (path === undefined) {
    options.log.warn('pop3-no-mailbox', { session: id, client: address, identity: identity.name });
    return '-ERR [SYS/PERM] there is no mailbox for this login here';
  }
  const opening = await options.mailboxes.open(path);
  if (opening.kind === 'in-use') return '-ERR [IN-USE] another session has this mailbox';
  if (opening.kind === 'unavailable') {
    const { because } = opening;
    options.log.error('pop3-mailbox-failed', { session: id, identity: identity.name, because });
    return '-ERR [SYS/TEMP] the mailbox cannot be opened now';
  }
  const { mailbox } = opening;
  if (wire.isClosed) {
    await mailbox.close();
    return cancelled;
  }
  session.state = { at: 'transaction', identity, mailbox, deleted: new Set() };
  wire.loggedIn(identity.name);
  await tell(session, identity);
  return `+OK ${mailbox.count} messages`;
}

/** Users read their mail even when the window of their address cannot be opened. */
async function tell({ options, wire }: PopDialogue, { name, credential }: Identity): Promise<void> {
  const { id, address } = wire.facts;
  try {
    await options.onLogin({ address, name, ...(credential !== undefined && { credential }) });
  } catch (error) {
    options.log.error('pop3-login-untold', { session: id, identity: name, because: String(error) });
  }
}

/** Text that is not base64, padding included, is refused and not read around. */
function decode(text: string): Buffer | undefined {
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  return isBase64 ? Buffer.from(text, 'base64') : undefined;
}

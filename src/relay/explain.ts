/** Answers `posthouse explain` by the rules that sessions use. */
import { ControlError } from '../admin/index.ts';
import { canonicalIp, systemClock } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { type Address, formatReplyText, ownPattern, parseMailbox } from '../mail/index.ts';
import {
  createClientTruth,
  createInterfaceNetworks,
  createPolicy,
  type PolicyOptions,
} from '../policy/index.ts';
import type { ClientFacts, Decision, Identity } from '../receiver/index.ts';
import type { ExplanationAnswer, Question } from './commands.ts';
import { policyOptions, type ReceiverFacts } from './settings.ts';

/** The facts from which a question is answered: the present policy, and the known users. */
export interface ExplainParts {
  readonly config: Pick<Config, 'listeners'>;
  readonly policy: PolicyOptions;
  /** The identity of a user after a login; `undefined` for an unknown user. */
  readonly identityOf?: (name: string) => Identity | undefined;
}

/** Evaluates the rules that decide sessions. Throws `ControlError` `bad-request` for a malformed address. */
export async function explain(parts: ExplainParts, question: Question): Promise<ExplanationAnswer> {
  const listener = listenerOf(parts, question.listener);
  const request = {
    client: clientOf(parts, listener, question),
    reversePath: question.from === '' || question.from === '<>' ? null : addressOf(question.from),
    recipient: addressOf(question.to),
  };
  const { sender, findings, decision } = await createPolicy(parts.policy).explain(request);
  return {
    listener: { name: listener.name, role: listener.role },
    findings: [...findings],
    ...(sender && { sender: { reply: formatReplyText(sender.reply), because: sender.because } }),
    decision: describe(decision),
  };
}

function describe(decision: Decision): ExplanationAnswer['decision'] {
  const { because } = decision;
  if (decision.kind === 'refusal')
    return { kind: 'refusal', reply: formatReplyText(decision.reply), because };
  const { ground, identity, to } = decision;
  return { kind: 'grant', ground, ...(identity && { identity }), because, to: to.map(({ text }) => text) };
}

type Listener = Config['listeners'][number];

function listenerOf({ config: { listeners } }: ExplainParts, named: string | undefined): Listener {
  const found =
    named === undefined
      ? listeners[0]
      : (listeners.find(({ name }) => name === named) ?? listeners.find(({ role }) => role === named));
  if (found !== undefined) return found;
  const names = listeners.map(({ name }) => `"${name}"`).join(', ');
  throw new ControlError('bad-request', `no listener "${named}"; there are ${names}`);
}

function clientOf({ identityOf }: ExplainParts, listener: Listener, question: Question): ClientFacts {
  const address = canonicalIp(question.client);
  if (address === undefined) throw new ControlError('bad-request', `not an IP address: "${question.client}"`);
  const { certificate, user, isVouchedFor } = question;
  const isTls = question.tls || listener.tls === 'implicit' || certificate !== undefined;
  const identity = user === undefined ? undefined : (identityOf?.(user) ?? guessIdentity(user));
  const shown = certificate && {
    certificate: { fingerprint: certificate, subject: certificate, isTrusted: false, names: [] },
  };
  return {
    address,
    port: 0,
    helo: 'client.invalid',
    listener: listener.name,
    role: listener.role,
    isVouchedFor,
    ...(isTls && { tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', ...shown } }),
    ...(identity && { identity }),
  };
}

/** For a stopped relay, whose users are not at hand: a user who may send under his own name. */
function guessIdentity(name: string): Identity {
  const own = ownPattern(name);
  return { name, mechanism: 'any mechanism', senders: own === undefined ? [] : [own] };
}

function addressOf(text: string): Address {
  const address = parseMailbox(text.replace(/^<(.*)>$/, '$1'), { smtputf8: true });
  if (address === undefined) throw new ControlError('bad-request', `not a mail address: "${text}"`);
  return address;
}

/** The facts beside the configuration. */
export type ExplainFacts = Pick<ReceiverFacts, 'verify' | 'untruth' | 'interfaceHas' | 'window'> &
  Pick<ExplainParts, 'identityOf'>;

/** Explains by a configuration and the facts around it. */
export function explainConfig(
  config: Config,
  facts: ExplainFacts,
  question: Question,
): Promise<ExplanationAnswer> {
  const { identityOf, ...rest } = facts;
  return explain(
    { config, policy: policyOptions(config, rest), ...(identityOf && { identityOf }) },
    question,
  );
}

/** The same for a stopped relay: there are no windows, and no destination is asked. */
export function explainStopped(config: Config, question: Question): Promise<ExplanationAnswer> {
  const facts: ExplainFacts = {
    verify: async () => 'unavailable',
    untruth: createClientTruth(systemClock),
    interfaceHas: createInterfaceNetworks(systemClock),
  };
  return explainConfig(config, facts, question);
}

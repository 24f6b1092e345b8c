/** The policy: rules in order, the decision and its explanation. */
import { type Reply, reply } from '../mail/index.ts';
import type { Decision, Later, Policy, RelayRequest } from '../receiver/index.ts';
import {
  authenticated,
  bindingsOf,
  boundGrant,
  certificate,
  isBound,
  isKnown,
  isSubmission,
  isTrusted,
  network,
  open,
  popBeforeSmtp,
  submission,
  trap,
} from './client-rules.ts';
import type { PolicyOptions } from './options.ts';
import { backupDomain, ourDomain } from './recipient-rules.ts';
import { type Outcome, once, type Pass, type Rule } from './rule.ts';

const relayDenied = reply(550, '7.1', 'relaying denied');
const needsLogin = reply(530, '7.0', 'authentication required');
const notYours = reply(550, '7.1', 'that sender address is not yours');

/**
 * The ordered rules; the first that decides, decides, and when none does the answer is no. HELO is not looked
 * at by any of them, and a reverse-path can only take a grant away (RFC 2505 §2.1).
 */
const rules: readonly Rule[] = [
  trap,
  submission,
  ourDomain,
  backupDomain,
  authenticated,
  certificate,
  popBeforeSmtp,
  network,
  open,
];

/** The finding of one rule, as `explain` shows it. */
export interface Finding {
  readonly rule: string;
  readonly looksAt: string;
  readonly outcome: 'passes' | 'grants' | 'refuses';
  readonly because: string;
  /** The rule that decided. Later ones show what they would have found. */
  readonly isDeciding: boolean;
}

/** How a decision came about. */
export interface Explanation {
  /** Why MAIL itself would be refused; nothing else is then asked. */
  readonly sender?: Refusal;
  readonly findings: readonly Finding[];
  readonly decision: Decision;
}

type Refusal = Decision & { readonly kind: 'refusal' };

/** The policy of the receiver, which can also explain its decisions. */
export interface ExplainingPolicy extends Policy {
  /** Evaluates the rules as `decide` does, and reports each one. */
  explain(request: RelayRequest): Promise<Explanation>;
}

/** Makes the policy that the receiver asks. */
export function createPolicy(options: PolicyOptions): ExplainingPolicy {
  return {
    refuseSender: (request) => refuseSender(request, options),
    decide: (request) => decide(request, options),
    trusts: (client) => isTrusted(client, options),
    knows: (client) => isKnown(client, options),
    isOurs: (domain) => options.domains.has(domain),
    explain: (request) => explain(request, options),
  };
}

function decide(request: RelayRequest, options: PolicyOptions): Later<Decision> {
  return completed(decideFrom(0, { request, options, near: undefined }), request, options);
}

/** On a submission listener a message to our own recipients needs a login too. */
function completed(
  decision: Later<Decision>,
  request: RelayRequest,
  options: PolicyOptions,
): Later<Decision> {
  const { client } = request;
  if (client.identity !== undefined || !isSubmission(client)) return decision;
  return once(decision, (made) =>
    made.kind === 'grant' && made.ground === 'recipient' ? boundGrant(made, request, options) : made,
  );
}

/** The question, and the rules that would have decided but for something. */
interface Asked {
  readonly request: RelayRequest;
  readonly options: PolicyOptions;
  near: Pass[] | undefined;
}

/** Goes on at one rule. Nothing is made for rules that answer at once. */
function decideFrom(start: number, asked: Asked): Later<Decision> {
  for (let at = start; at < rules.length; at++) {
    const outcome = rules[at]?.judge(asked.request, asked.options);
    if (outcome instanceof Promise)
      return outcome.then((made) => ended(made, asked) ?? decideFrom(at + 1, asked));
    const decision = outcome && ended(outcome, asked);
    if (decision !== undefined) return decision;
  }
  return denied(asked.near);
}

/** The decision, if the outcome is one; otherwise its report is kept for the end. */
function ended(outcome: Outcome, asked: Asked): Decision | undefined {
  if (outcome.kind !== 'pass') return outcome;
  if (outcome.isNear) asked.near = [...(asked.near ?? []), outcome];
  return undefined;
}

function denied(near: readonly Pass[] = []): Refusal {
  const because = ['no rule grants it', ...near.map((outcome) => outcome.because)].join('; ');
  return { kind: 'refusal', reply: relayDenied, because };
}

/** Asked at MAIL: whether the client may begin at all, and whether the reverse-path is its own. */
function refuseSender(
  request: Omit<RelayRequest, 'recipient'>,
  options: PolicyOptions,
): Later<Refusal | undefined> {
  const { client, reversePath } = request;
  // Elsewhere a window or a certificate only gives: without it another ground may still apply.
  if (client.identity === undefined && !isSubmission(client)) return undefined;
  return once(bindingsOf(request, options), (bindings) => {
    if (bindings.length === 0) return refusal(needsLogin, 'no login on a submission listener');
    if (bindings.some(({ senders }) => isBound(senders, reversePath))) return undefined;
    return refusal(notYours, `${bindings.map(({ name }) => name).join(', ')} may not send as that`);
  });
}

function refusal(answer: Reply, because: string): Refusal {
  return { kind: 'refusal', reply: answer, because };
}

async function explain(request: RelayRequest, options: PolicyOptions): Promise<Explanation> {
  const findings: Finding[] = [];
  let decision: Decision | undefined;
  const near: Pass[] = [];
  for (const rule of rules) {
    const found = await rule.judge(request, { ...options, noteName: () => {} });
    const isDeciding = decision === undefined && found.kind !== 'pass';
    if (found.kind === 'pass') near.push(...(found.isNear ? [found] : []));
    else decision ??= found;
    findings.push({
      rule: rule.name,
      looksAt: rule.looksAt(request, options),
      outcome: outcomeOf(found),
      because: found.because,
      isDeciding,
    });
  }
  const sender = await refuseSender(request, options);
  const made = sender ?? (await completed(decision ?? denied(near), request, options));
  return { ...(sender && { sender }), findings, decision: made };
}

function outcomeOf({ kind }: Outcome): Finding['outcome'] {
  return kind === 'grant' ? 'grants' : kind === 'refusal' ? 'refuses' : 'passes';
}

import { type Reply, reply } from '../mail/index.ts';
import type { Decision, Policy, RelayRequest } from '../receiver/index.ts';
import {
  authenticated,
  bindingOf,
  bindingsOf,
  certificate,
  isBound,
  isSubmission,
  isTrusted,
  network,
  open,
  popBeforeSmtp,
  submission,
  trap,
} from './client-rules.ts';
import type { PolicyOptions } from './options.ts';
import { askDestination, backupDomain, ourDomain } from './recipient-rules.ts';
import type { Outcome, Pass, Rule } from './rule.ts';

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

/** What one rule found, as `explain` tells it. */
export interface Finding {
  readonly rule: string;
  readonly looksAt: string;
  readonly outcome: 'passes' | 'grants' | 'refuses';
  readonly because: string;
  /** The one that decided. What comes behind it is what would have been found. */
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

/** The policy that the receiver asks, and which can say how it comes to its decisions. */
export interface ExplainingPolicy extends Policy {
  /** Evaluates the rules as `decide` does, and tells of each. */
  explain(request: RelayRequest): Promise<Explanation>;
}

/** Makes the policy that the receiver asks. */
export function createPolicy(options: PolicyOptions): ExplainingPolicy {
  return {
    refuseSender: (request) => refuseSender(request, options),
    decide(request) {
      let near: Pass[] | undefined;
      for (const rule of rules) {
        const outcome = rule.judge(request, options);
        if (outcome.kind === 'ask') return askDestination(request, options);
        if (outcome.kind !== 'pass') return outcome;
        if (outcome.isNear) near = [...(near ?? []), outcome];
      }
      return denied(near);
    },
    trusts: (client) => isTrusted(client, options),
    isOurs: (domain) => options.domains.has(domain),
    binding: (request, ground) => bindingOf(request, ground, options),
    explain: (request) => explain(request, options),
  };
}

function denied(near: readonly Pass[] = []): Refusal {
  const because = ['no rule grants it', ...near.map((outcome) => outcome.because)].join('; ');
  return { kind: 'refusal', reply: relayDenied, because };
}

/** Asked at MAIL: whether the client may begin at all, and whether the reverse-path is its own. */
function refuseSender(request: Omit<RelayRequest, 'recipient'>, options: PolicyOptions): Refusal | undefined {
  const { client, reversePath } = request;
  // Elsewhere a window or a certificate only gives; what it does not give another ground may.
  if (client.identity === undefined && !isSubmission(client)) return undefined;
  const bindings = bindingsOf(request, options);
  if (bindings.length === 0) return refusal(needsLogin, 'nobody logged in on a submission listener');
  if (bindings.some(({ senders }) => isBound(senders, reversePath))) return undefined;
  return refusal(notYours, `${bindings.map(({ name }) => name).join(', ')} may not send as that`);
}

function refusal(answer: Reply, because: string): Refusal {
  return { kind: 'refusal', reply: answer, because };
}

async function explain(request: RelayRequest, options: PolicyOptions): Promise<Explanation> {
  const findings: Finding[] = [];
  let decision: Decision | undefined;
  const near: Pass[] = [];
  for (const rule of rules) {
    const outcome = rule.judge(request, { ...options, noteName: () => {} });
    const found = outcome.kind === 'ask' ? await askDestination(request, options) : outcome;
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
  const sender = refuseSender(request, options);
  return { ...(sender && { sender }), findings, decision: sender ?? decision ?? denied(near) };
}

function outcomeOf({ kind }: Exclude<Outcome, { kind: 'ask' }>): Finding['outcome'] {
  return kind === 'grant' ? 'grants' : kind === 'refusal' ? 'refuses' : 'passes';
}

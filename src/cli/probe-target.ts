/** Tests one host for `posthouse probe`. */
import { parseDomain } from '../mail/index.ts';
import {
  type AttackResult,
  attack,
  type Case,
  Dialogue,
  markedMessage,
  type Names,
  type Outcome,
  type Overall,
  overall,
} from '../probe/index.ts';
import type { ProbeListener, Return } from './probe-listener.ts';

/** A host to test, looked up and allowed. */
export interface ProbeTarget {
  /** As it was given, for people. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly isOwn: boolean;
  /** The person who authorised the test. */
  readonly authority: string;
}

/** How hosts are tested. */
export interface ProbePlan {
  readonly cases: readonly Case[];
  readonly tls: 'none' | 'starttls' | 'implicit';
  /** The domain of the target; by default that of its greeting. */
  readonly domain: string | undefined;
  readonly helo: string;
  readonly third: string;
  /** The mailbox that marked messages go to; without it nothing is ever sent. */
  readonly mailbox: string | undefined;
  readonly contact: string;
  readonly listener: ProbeListener | undefined;
  readonly waitMs: number;
  readonly replyMs: number;
  /** Between two cases at a host that is not ours. */
  readonly pauseMs: number;
  readonly secret: Uint8Array;
  readonly signal: AbortSignal;
}

export interface ProbeResult extends AttackResult {
  readonly returned: Return | undefined;
}

/** Tests one host: tries every case, then waits for returns. */
export async function probeTarget(
  target: ProbeTarget,
  plan: ProbePlan,
): Promise<{ readonly results: readonly ProbeResult[]; readonly overall: Overall }> {
  const { listener, cases } = plan;
  listener?.expectFrom(target.address);
  const names = await namesFor(target, plan);
  const results: AttackResult[] = [];
  for await (const result of attack(attackOptions(target, plan, names))) results.push(result);
  const taken = results.flatMap(({ isTaken, one }) => (isTaken ? [[one.id, target.address] as const] : []));
  if (taken.length > 0) await listener?.settled(taken, plan.waitMs);
  const found = results.map((result): ProbeResult => {
    const returned = listener?.returned(result.one.id, target.address);
    return { ...result, returned, verdict: returned?.kind ?? result.verdict };
  });
  const outcomes = found.map(
    ({ one, verdict }): Outcome => ({ verdict, isLawful: one.recipient.isLawful === true }),
  );
  return { results: found, overall: overall(outcomes, cases.length) };
}

function attackOptions(
  target: ProbeTarget,
  plan: ProbePlan,
  names: Omit<Names, 'u'>,
): Parameters<typeof attack>[0] {
  const { mailbox } = plan;
  return {
    target: target.address,
    cases: plan.cases,
    names,
    open: (prelude) => open(target, plan, prelude),
    startsTls: plan.tls === 'starttls',
    sending: mailbox === undefined ? 'none' : 'accepted',
    localPart: (token) => (mailbox === undefined || mailbox === '' ? token : `${mailbox}+${token}`),
    message: (token, { u, D }) =>
      markedMessage({
        token,
        from: `${u}@${D}`,
        to: `${u}@${D}`,
        tester: plan.helo,
        contact: plan.contact,
        authority: target.authority,
        now: Date.now(),
      }),
    secret: plan.secret,
    now: () => Date.now(),
    perConnection: 10,
    pause: async () => {
      if (!target.isOwn) await new Promise((resolve) => setTimeout(resolve, plan.pauseMs));
    },
  };
}

function open({ address, port }: ProbeTarget, { tls, replyMs, signal }: ProbePlan, prelude = '') {
  return Dialogue.open({ host: address, port, isImplicitTls: tls === 'implicit', prelude, replyMs, signal });
}

/** The target's names; its own greeting is the best guess at a domain of its own. */
async function namesFor(target: ProbeTarget, plan: ProbePlan): Promise<Omit<Names, 'u'>> {
  const T = plan.domain ?? (await announced(target, plan)) ?? target.name;
  return {
    T,
    D: plan.third,
    E: `other.${plan.third}`,
    IP: target.address.includes(':') ? `[IPv6:${target.address}]` : `[${target.address}]`,
    // Addresses for documentation (RFC 5737, RFC 3849): a test has no business at a real third party.
    L4: '203.0.113.254',
    L6: '2001:db8:dead::254',
    known: `postmaster@${T}`,
  };
}

async function announced(target: ProbeTarget, plan: ProbePlan): Promise<string | undefined> {
  const { dialogue, greeting } = await open(target, plan);
  await dialogue.quit();
  if (greeting.kind !== 'reply') return undefined;
  const [, name = ''] = /^\d{3}[ -](\S+)/.exec(greeting.text) ?? [];
  return name.includes('.') ? parseDomain(name) : undefined;
}

/** `posthouse audit` in the relay: attacks its own listeners and reports the mail that arrived. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { ControlError } from '../admin/index.ts';
import type { Clock, Log, LogHub } from '../base/index.ts';
import type { Delivery } from '../delivery/index.ts';
import { acceptLocal, type LocalParts } from '../local-mail/index.ts';
import { parseMailbox, type QueueId, queueIdBound } from '../mail/index.ts';
import {
  type AttackResult,
  attack,
  Dialogue,
  fill,
  markedMessage,
  type Names,
  overall,
  unionCases,
  type Verdict,
} from '../probe/index.ts';
import type { Operator } from '../queue/index.ts';
import type { Receiver } from '../receiver/index.ts';
import { type Spool, walkInTurns } from '../spool/index.ts';
import type { AuditEvent } from './commands.ts';
import type { AuditEvents } from './events.ts';
import { type AuditedConfig, literal, type PlannedAttack, planAttacks, strangerTest } from './plan.ts';
import { AuditRun, type Audits } from './run.ts';

/** The parts that an audit needs. */
export interface AuditParts {
  readonly audits: Audits;
  readonly receiver: Receiver;
  readonly delivery: Delivery;
  readonly operator: Operator;
  readonly spool: Spool;
  readonly local: LocalParts;
  readonly clock: Clock;
  readonly log: Log<AuditEvents>;
  /** Log lines about a run are marked, so that they are not taken for an attack. */
  readonly events: Pick<LogHub<never>, 'mark'>;
  readonly config: () => AuditedConfig & { readonly limits: { readonly commandErrors: number } };
}

/**
 * The time for one reply; the time without mail from the queue after which the run ends; the number of looks for left
 * messages and the time between them.
 */
const patience = { replyMs: 30_000, quietMs: 15_000, looks: 100, lookMs: 50 } as const;
/** Cases of a session: below every usual limit of errors. */
const perConnection = 15;
/** Addresses of a third party that are in use nowhere (RFC 5737, RFC 3849). */
const third = { L4: '203.0.113.254', L6: '2001:db8:dead::254' } as const;

type Finding = AttackResult & { readonly arrived: readonly string[]; readonly lanes: readonly string[] };

/**
 * Attacks the relay through its own listeners as a stranger would, with mail that the routes never see, and reports
 * the mail that arrived. However the run ends, its changes are undone and none of its messages remains. Throws
 * `ControlError` `in-use` while another one runs.
 */
export async function* audit(parts: AuditParts): AsyncGenerator<AuditEvent> {
  const { audits, receiver, delivery, log } = parts;
  if (audits.run !== undefined) throw new ControlError('in-use', 'an audit is under way');
  const run = new AuditRun();
  const stop = new AbortController();
  const begunAt = parts.clock.now();
  audits.run = run;
  delivery.audit = run;
  receiver.disguise = run.disguise;
  const unmark = parts.events.mark((line) => (run.isAbout(line) ? { audit: run.id } : undefined));
  try {
    log.info('audit-begun', { audit: run.id });
    yield* attackAll(parts, { run, signal: stop.signal });
  } finally {
    stop.abort();
    receiver.disguise = undefined;
    await removeLeftOver(parts, run, begunAt);
    delivery.audit = undefined;
    audits.run = undefined;
    unmark();
  }
}

interface Running {
  readonly run: AuditRun;
  readonly signal: AbortSignal;
}

async function* attackAll(parts: AuditParts, running: Running): AsyncGenerator<AuditEvent> {
  const { run } = running;
  const plan = planAttacks(parts.config(), parts.receiver.addresses);
  yield { event: 'begin', run: run.id, domain: run.domain, attacks: plan.length };
  const works = await sinkWorks(parts, running);
  const verdicts: (AuditEvent & { readonly event: 'listener' })[] = [];
  for (const planned of plan) {
    for await (const event of attackOne(parts, running, planned)) {
      if (event.event === 'listener') verdicts.push(event);
      yield event;
    }
  }
  const end = conclude(verdicts, works);
  parts.log.info('audit-ended', { audit: run.id, verdict: end.verdict, because: end.because });
  yield end;
}

function conclude(
  listeners: readonly (AuditEvent & { readonly event: 'listener' })[],
  works: boolean,
): AuditEvent & { readonly event: 'end' } {
  const of = (verdict: string) => listeners.filter((one) => one.verdict === verdict);
  const names = (found: typeof listeners) => [...new Set(found.map(({ listener }) => listener))].join(', ');
  const [open, doubtful] = [of('open'), of('inconclusive')];
  const end = (verdict: 'closed' | 'open' | 'inconclusive', because: string) => ({
    event: 'end' as const,
    verdict,
    because,
  });
  if (open.length > 0) return end('open', `strangers relay through: ${names(open)}`);
  if (!works)
    return end('inconclusive', 'the control message did not reach the sink, so nothing else could have');
  if (doubtful.length > 0) return end('inconclusive', `not everything could be shown at: ${names(doubtful)}`);
  if (listeners.length === 0) return end('inconclusive', 'there is no listener to attack');
  return end('closed', 'nothing of a stranger reached a third party');
}

/** Mail from this machine, which may relay, has to be seen: else that nothing arrives would show nothing. */
async function sinkWorks(parts: AuditParts, { run, signal }: Running): Promise<boolean> {
  const token = run.token('control', 'control', parts.clock.now());
  const to = parseMailbox(`${token}@control.${run.domain}`, { smtputf8: false });
  if (to === undefined) return false;
  const octets = Buffer.from(messageOf(parts, { run, token, to: to.text }), 'latin1');
  const outcome = await acceptLocal(parts.local, {
    reversePath: null,
    recipients: [{ address: to, notify: 'never' }],
    user: 'audit',
    octets: (async function* () {
      yield octets;
    })(),
  });
  if (outcome.kind === 'refused') return false;
  await run.settled([token], { quietMs: patience.quietMs, signal });
  return run.arrivals(token).length > 0;
}

async function* attackOne(
  parts: AuditParts,
  running: Running,
  planned: PlannedAttack,
): AsyncGenerator<AuditEvent> {
  const { listener, domain, isProxied } = planned;
  const over = isProxied ? `${planned.over}+proxy` : planned.over;
  const about = { listener: listener.name, role: listener.role, address: listener.address, over, domain };
  if (planned.stranger === undefined) {
    const because = 'every address that could be a stranger is in some network of the configuration';
    yield { event: 'listener', ...about, verdict: 'inconclusive', because, counts: {} };
    return;
  }
  const cases = listener.role === 'trap' ? unionCases().filter(({ id }) => id === 'r01s03h1') : unionCases();
  const names = namesOf(running.run, planned);
  const target = `${listener.name} ${over} ${domain}`;
  const options = {
    target,
    cases,
    names,
    perConnection: errorsOf(parts.config()),
    secret: running.run.secret,
    now: () => parts.clock.now(),
    sending: 'any' as const,
    startsTls: planned.over === 'starttls',
    message: (token: string, { u, D }: Names) =>
      messageOf(parts, { run: running.run, token, to: `${u}@${D}` }),
    open: (prelude?: string) =>
      openDisguised(running, { planned, stranger: planned.stranger ?? '', prelude }),
  };
  running.run.expectFrom(target);
  const results: AttackResult[] = [];
  for await (const result of attack(options)) results.push(result);
  const findings = await follow(parts, running, results);
  for (const finding of findings) yield caseEvent(finding, { listener: listener.name, over, names });
  yield {
    event: 'listener',
    ...about,
    ...verdictOf(findings, { planned, count: cases.length }),
    counts: countsOf(findings),
  };
}

/** Waits for accepted messages to come out of the queue, and yields the outcome of each case. */
async function follow(
  parts: AuditParts,
  { run, signal }: Running,
  results: readonly AttackResult[],
): Promise<Finding[]> {
  const taken = results.flatMap(({ isTaken, token }) => (isTaken ? [token] : []));
  await run.settled(taken, { quietMs: patience.quietMs, signal });
  const isStranger = strangerTest(parts.config());
  return results.map((result) => {
    const arrivals = run.arrivals(result.token);
    const recipients = arrivals.flatMap((arrival) => arrival.recipients);
    const relayed = recipients.some(isStranger);
    const verdict: Verdict = relayed
      ? 'relayed'
      : result.verdict === 'accepted-unconfirmed' && recipients.length > 0
        ? 'kept'
        : result.verdict;
    const lanes = [...new Set(arrivals.flatMap((arrival) => arrival.lanes))];
    return { ...result, verdict, lanes, arrived: recipients.map(({ text }) => text) };
  });
}

function verdictOf(
  findings: readonly Finding[],
  { planned, count }: { readonly planned: PlannedAttack; readonly count: number },
): { readonly verdict: 'closed' | 'open' | 'inconclusive' | 'trap'; readonly because: string } {
  const outcomes = findings.map(({ one, verdict }) => ({
    verdict,
    isLawful: one.recipient.isLawful === true,
  }));
  const all = overall(outcomes, count);
  if (planned.listener.role !== 'trap' || all.verdict === 'open') return all;
  const isTaken = findings.every((finding) => finding.isTaken);
  if (!isTaken) return { verdict: 'inconclusive', because: 'a trap that takes nothing: see its case' };
  return {
    verdict: 'trap',
    because: 'it accepts mail for any recipient, and none of it came out of the queue',
  };
}

function countsOf(findings: readonly Finding[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { verdict } of findings) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return counts;
}

function caseEvent(
  { one, token, verdict, arrived, lanes, evidence }: Finding,
  {
    listener,
    over,
    names,
  }: { readonly listener: string; readonly over: string; readonly names: Omit<Names, 'u'> },
): AuditEvent {
  const filled = { ...names, u: token };
  const tests =
    one.session === undefined ? one.recipient.tests : `${one.session.tests}: ${one.recipient.tests}`;
  return {
    event: 'case',
    listener,
    over,
    id: one.id,
    tests,
    verdict,
    helo: fill(one.helo.text, filled),
    from: fill(one.sender.text, filled),
    to: fill(one.recipient.text, filled),
    arrived: [...arrived],
    lanes: [...lanes],
    evidence: [...evidence],
  };
}

function namesOf(run: AuditRun, { domain, host }: PlannedAttack): Omit<Names, 'u'> {
  return {
    ...third,
    T: domain,
    D: `third.${run.domain}`,
    E: `other.${run.domain}`,
    IP: literal(host),
    known: `postmaster@${domain}`,
  };
}

function messageOf(
  { local, clock }: Pick<AuditParts, 'local' | 'clock'>,
  { run, token, to }: { readonly run: AuditRun; readonly token: string; readonly to: string },
): string {
  const tester = local.hostname();
  const from = `audit@${run.domain}`;
  return markedMessage({
    token,
    from,
    to,
    tester,
    contact: `postmaster@${tester}`,
    authority: 'its own operator',
    now: clock.now(),
  });
}

/** Two errors a case at most, and some to spare. */
function errorsOf({ limits }: ReturnType<AuditParts['config']>): number {
  return Math.max(1, Math.min(perConnection, Math.floor(limits.commandErrors / 3)));
}

/** Connects from a port that is known beforehand, so that the receiver takes us for a stranger from the first. */
async function openDisguised(
  { run, signal }: Running,
  how: { readonly planned: PlannedAttack; readonly stranger: string; readonly prelude: string | undefined },
): ReturnType<typeof Dialogue.open> {
  const { planned, stranger, prelude = '' } = how;
  const { host, listener, isProxied, over } = planned;
  const family = host.includes(':') ? 'TCP6' : 'TCP4';
  const header = isProxied ? `PROXY ${family} ${stranger} ${host} 40000 ${listener.port}\r\n` : '';
  for (let tries = 1; ; tries++) {
    const localPort = await freePort(host);
    const drop = run.pose({ address: host, port: localPort }, stranger);
    const opened = await Dialogue.open({
      host,
      port: listener.port,
      localAddress: host,
      localPort,
      signal,
      replyMs: patience.replyMs,
      isImplicitTls: over === 'tls',
      header,
      prelude,
    });
    // The address was disguised when the connection began; its port may belong to another client later.
    drop();
    const isInUse = opened.greeting.kind === 'closed' && opened.greeting.because.includes('EADDRINUSE');
    if (!isInUse || tries >= 5) return opened;
    opened.dialogue[Symbol.dispose]();
  }
}

async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/**
 * Removes messages of the run that are still in the queue: held ones, and those of attempts that were cut off. A
 * message that has just ended disappears by itself a moment later.
 */
async function removeLeftOver(parts: AuditParts, run: AuditRun, begunAt: number): Promise<void> {
  const { spool, operator, log, clock } = parts;
  const left = async () => {
    const ids: QueueId[] = [];
    for await (const id of walkInTurns(spool, { from: queueIdBound(begunAt - 1000) })) {
      const envelope = spool.envelope(id);
      if (envelope !== undefined && run.takes(envelope)) ids.push(id);
    }
    return ids;
  };
  for (let looks = 0; looks < patience.looks; looks++) {
    const ids = await left();
    if (ids.length === 0) return;
    for (const id of ids) await operator.remove(id);
    await new Promise<void>((resolve) => clock.after(patience.lookMs, resolve));
  }
  for (const id of await left())
    log.warn('audit-left', { audit: run.id, queueId: id, because: 'it is under way' });
}

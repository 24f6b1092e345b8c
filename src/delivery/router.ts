/** The routing table: from a recipient to a lane, from a lane to a transport. */
import { formatHostPort } from '../base/index.ts';
import {
  type Address,
  coversDomain,
  type Domain,
  type Envelope,
  type LaneName,
  matchesPath,
  type Pattern,
  parseDomain,
  parseLane,
} from '../mail/index.ts';
import type { AssignLanes } from '../queue/index.ts';
import type { DeliveryOptions } from './options.ts';
import { compileRules, type Rule } from './rules.ts';
import type { AccountUse } from './tokens.ts';
import type { Transport } from './transports/kind.ts';

/** Domains remembered by the routing memo. */
const maxMemo = 10_000;

/**
 * The grounds that bind a sender to its identity: a login or certificate, this machine, or a notification of this
 * relay. An address alone (`network`) lets every client behind it use any sender.
 */
const bindingGrounds: ReadonlySet<string> = new Set([
  'authenticated',
  'certificate',
  'pop-before-smtp',
  'local',
  'notification',
  'double-bounce',
]);

/** The facts that routing uses besides the recipient. */
type Sender = Pick<Envelope, 'reversePath'> & { readonly origin?: Envelope['origin'] };

const nobody: Sender = { reversePath: null };

/** Called for mail that would have matched a route with credentials, but for its ground. */
export type OnPassedOver = (lane: LaneName, sender: Sender) => void;

type Assignment = ReturnType<AssignLanes>;

/** A rule that concerns a domain. Without conditions it ends the search. */
interface Candidate {
  readonly to: readonly Pattern[] | undefined;
  readonly from: readonly Pattern[] | undefined;
  readonly identity: RegExp | undefined;
  readonly needsBoundSender: boolean;
  readonly transport: Transport;
  /** The answer when this lane takes all recipients, made once. */
  readonly all: Assignment;
}

/**
 * The routing table: recipient to lane, lane to transport. The rules that concern a domain are found once
 * and remembered, so that routing a message costs one look into a map per recipient and allocates nothing
 * when all go the same way.
 */
export class Router {
  readonly #rules: readonly Rule[];
  /** Transports of rules that do not depend on the recipient's domain, by rule. */
  readonly #fixed = new Map<Rule, Transport>();
  readonly #byLane = new Map<LaneName, Transport>();
  readonly #memo = new Map<Domain, readonly Candidate[]>();

  readonly #onPassedOver: OnPassedOver;

  /** Throws a RangeError that names every problem; `compileRules` gives them one by one. */
  constructor(options: DeliveryOptions, onPassedOver: OnPassedOver = () => {}) {
    this.#onPassedOver = onPassedOver;
    const { rules, problems } = compileRules(options);
    if (problems.length > 0) {
      throw new RangeError(problems.map(({ path, message }) => `${path}: ${message}`).join('; '));
    }
    this.#rules = rules;
    for (const rule of rules) this.#addFixed(rule);
  }

  readonly assign: AssignLanes = (envelope) => {
    const { recipients } = envelope;
    const first = recipients[0];
    if (first === undefined) return [];
    const candidate = this.#route(first.address, envelope);
    for (let i = 1; i < recipients.length; i++) {
      const recipient = recipients[i];
      if (recipient === undefined) continue;
      if (this.#route(recipient.address, envelope) !== candidate) return this.#split(envelope);
    }
    return candidate.all;
  };

  /**
   * The transport of a lane under the present configuration; `undefined` when no route leads there any more:
   * its recipients then have to be assigned anew.
   */
  resolveLane(lane: LaneName): Transport | undefined {
    const fixed = this.#byLane.get(lane);
    if (fixed !== undefined) return fixed;
    // A lane without a rule is one of the recipients' domain.
    const domain = parseDomain(parseLane(lane).place ?? '');
    if (domain === undefined) return undefined;
    return this.#candidates(domain).find((candidate) => candidate.transport.lane === lane)?.transport;
  }

  /** The hosts of static routes by name and port, with the lanes that they carry. */
  hosts(): ReadonlyMap<string, readonly LaneName[]> {
    const lanes = new Map<string, LaneName[]>();
    for (const rule of this.#rules) {
      const lane = this.#fixed.get(rule)?.lane;
      for (const { host, port } of [...rule.hosts, ...rule.fallback]) {
        const name = formatHostPort(host, port);
        lanes.set(name, [...(lanes.get(name) ?? []), ...(lane === undefined ? [] : [lane])]);
      }
    }
    return lanes;
  }

  /** The accounts for tokens, each time with the lane of its route where that is one lane. */
  accounts(): readonly AccountUse[] {
    return this.#rules.flatMap((rule) => {
      const account = rule.policy.oauth;
      const lane = this.#fixed.get(rule)?.lane;
      return account === undefined ? [] : [{ account, lanes: lane === undefined ? [] : [lane] }];
    });
  }

  /** Whether the lane is one of a route that the operator wrote, rather than of some domain of the world. */
  isStatic(lane: LaneName): boolean {
    return this.#byLane.has(lane);
  }

  /** How one recipient is reached, from a null reverse-path. */
  transportFor(address: Address): Transport {
    return this.#route(address, nobody).transport;
  }

  #route(address: Address, sender: Sender): Candidate {
    const candidates = this.#candidates(address.domain);
    for (const candidate of candidates) {
      const { to, from, identity } = candidate;
      if (to !== undefined && !to.some((pattern) => matchesPath(pattern, address))) continue;
      if (from !== undefined && !from.some((pattern) => matchesPath(pattern, sender.reversePath))) continue;
      if (identity !== undefined && !isOne(identity, sender.origin?.identity)) continue;
      if (candidate.needsBoundSender && !bindingGrounds.has(sender.origin?.ground ?? '')) {
        if (sender !== nobody) this.#onPassedOver(candidate.transport.lane, sender);
        continue;
      }
      return candidate;
    }
    throw new Error(`no rule for "${address.domain}": the last one takes every domain`);
  }

  #split(envelope: Envelope): Assignment {
    const lanes = new Map<LaneName, number[]>();
    envelope.recipients.forEach((recipient, index) => {
      const { lane } = this.#route(recipient.address, envelope).transport;
      const indices = lanes.get(lane);
      if (indices === undefined) lanes.set(lane, [index]);
      else indices.push(index);
    });
    const [only] = lanes.keys();
    if (lanes.size === 1 && only !== undefined) return [{ lane: only, recipients: 'all' }];
    return [...lanes].map(([lane, recipients]) => ({ lane, recipients }));
  }

  #candidates(domain: Domain): readonly Candidate[] {
    const known = this.#memo.get(domain);
    if (known !== undefined) return known;
    const candidates: Candidate[] = [];
    for (const rule of this.#rules) {
      const to = rule.to.filter((pattern) => coversDomain(pattern, domain));
      if (to.length === 0) continue;
      const transport = this.#fixed.get(rule) ?? transportOf(rule, domain);
      if (transport === undefined) continue;
      const isWhole = to.some((pattern) => pattern.kind !== 'mailbox');
      const all: Assignment = [{ lane: transport.lane, recipients: 'all' }];
      const { from, identity, needsBoundSender } = rule;
      candidates.push({ to: isWhole ? undefined : to, from, identity, needsBoundSender, transport, all });
      if (isWhole && from === undefined && identity === undefined) break;
    }
    // A flood of domains costs a lookup each, never memory: the oldest is forgotten.
    if (this.#memo.size >= maxMemo) {
      for (const oldest of this.#memo.keys()) {
        this.#memo.delete(oldest);
        break;
      }
    }
    this.#memo.set(domain, candidates);
    return candidates;
  }

  /** Two routes that differ only in a part that lane names must not show (the password) get a number each. */
  #addFixed(rule: Rule): void {
    const [via] = rule.vias;
    if (via === undefined || via.isByDomain === true) return;
    for (let number = 1; ; number++) {
      const suffix = number === 1 ? rule.suffix : `${rule.suffix}~${number}`;
      const transport = via.transport({ ...rule, suffix }, rule.domain);
      if (transport === undefined) return;
      const other = this.#byLane.get(transport.lane);
      if (other === undefined || isSame(other, transport)) {
        this.#byLane.set(transport.lane, other ?? transport);
        this.#fixed.set(rule, other ?? transport);
        return;
      }
    }
  }
}

function isOne(pattern: RegExp, identity: string | undefined): boolean {
  return identity !== undefined && pattern.test(identity);
}

/** The transport of a rule whose lane is one per recipient domain. */
function transportOf(rule: Rule, domain: Domain): Transport | undefined {
  return rule.vias[0]?.transport(rule, domain);
}

function isSame(a: Transport, b: Transport): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

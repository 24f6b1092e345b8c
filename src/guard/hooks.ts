/** Lets the guard see recipients that were refused or came back. */
import type { Deliver } from '../queue/index.ts';
import type { ClientFacts, Decision, Ground, Policy, Refusal } from '../receiver/index.ts';
import type { Guard } from './guard.ts';
import { subjectOf } from './subject.ts';

/** What the guard is told and asked outside of the intake. */
type Watching = Pick<Guard, 'failed' | 'refusal'>;

/**
 * The policy, with the guard beside it: it hears of recipients that do not exist, and a client of whom no more
 * can be kept is told so before it sends anything. Nothing that the policy refuses is granted.
 */
export function guardPolicy<P extends Policy>(policy: P, guard: Watching): P {
  const whenFull = (origin: ReturnType<typeof originOf>): Refusal | undefined => {
    const reply = guard.refusal(origin);
    return reply && { kind: 'refusal', reply, because: 'too much is held already' };
  };
  const weigh = (client: ClientFacts, decision: Decision): Decision => {
    if (decision.kind === 'grant') {
      return whenFull(originOf(client, decision.ground, decision.identity)) ?? decision;
    }
    // 5.1.1: there is nobody of that name. What is refused for want of a grant says nothing of a list.
    if (decision.reply.code === 550 && decision.reply.detail === '1.1') noteUnknown(client, guard);
    return decision;
  };
  return {
    ...policy,
    refuseSender(request) {
      const { client } = request;
      const refused = policy.refuseSender(request);
      if (client.identity === undefined) return refused;
      return refused instanceof Promise
        ? refused.then((made) => made ?? whenFull(originOf(client, 'authenticated')))
        : (refused ?? whenFull(originOf(client, 'authenticated')));
    },
    decide(request) {
      const decision = policy.decide(request);
      if (decision instanceof Promise) return decision.then((made) => weigh(request.client, made));
      return weigh(request.client, decision);
    },
  };
}

/** On what ground the recipient would have been granted nobody knows now: only a subject that is known is counted. */
function noteUnknown(client: ClientFacts, guard: Watching): void {
  guard.failed(originOf(client, 'open'), 1);
  if (client.identity === undefined) guard.failed(originOf(client, 'network'), 1);
}

function originOf({ address, identity, role }: ClientFacts, ground: Ground, named = identity?.name) {
  // A trap and somebody on this machine are nobody's budget, whatever they are granted.
  const counted = role === 'trap' || role === 'local' ? role : ground;
  return { client: address, ground: counted, ...(named === undefined ? {} : { identity: named }) };
}

/** The delivery, with the guard hearing of recipients that came back. Mail that nobody answers for passes as it is. */
export function guardDelivery(deliver: Deliver, guard: () => Pick<Guard, 'failed'>): Deliver {
  return (attempt, signal) => {
    const done = deliver(attempt, signal);
    const { origin } = attempt.envelope;
    if (subjectOf(origin) === undefined) return done;
    return done.then((result) => {
      let failed = 0;
      for (const { status } of result.statuses.values()) if (status === 'failed') failed++;
      if (failed > 0) guard().failed(origin, failed);
      return result;
    });
  };
}

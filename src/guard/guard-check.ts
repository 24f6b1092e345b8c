/**
 * The guard as a check of mail on its way in: a message beyond a budget is held, and a client whose held mail has
 * reached its bound has to wait.
 */
import type { Log } from '../base/index.ts';
import type { Reply } from '../mail/index.ts';
import type { Check, ClientFacts, Ground, MessageVerdict, Verdict } from '../receiver/index.ts';
import type { GuardEvents } from './events.ts';
import type { Guard, Judgement } from './guard.ts';

/** The parts that the check needs. */
export interface GuardCheckParts {
  readonly guard: Pick<Guard, 'failed' | 'refusal' | 'judge'>;
  /** The reply for a message whose hold could not be kept. */
  readonly storageReply: (error: unknown) => Reply;
  readonly log: Log<GuardEvents>;
}

const pass = { kind: 'pass' } as const;

/** It hears of recipients that do not exist, and is asked about a message when everything else has been. */
export function createGuardCheck(parts: GuardCheckParts): Check {
  const { guard } = parts;
  const unlessFull = (origin: ReturnType<typeof originOf>): Verdict => {
    const reply = guard.refusal(origin);
    return reply === undefined ? pass : { kind: 'defer', reply, because: 'too much is held already' };
  };
  return {
    name: 'guard',
    sender: ({ client }) =>
      client.identity === undefined ? pass : unlessFull(originOf(client, 'authenticated')),
    recipient: ({ client, grant }) => unlessFull(originOf(client, grant.ground, grant.identity)),
    recipientRefused({ client, refusal: { reply } }) {
      // 5.1.1: an unknown recipient. A refusal for lack of a grant says nothing about a list.
      if (reply.code === 550 && reply.detail === '1.1') noteUnknown(client, guard);
    },
    message({ id, envelope }) {
      const judged = guard.judge(envelope);
      switch (judged.kind) {
        case 'pass':
          return pass;
        case 'refuse':
          return { kind: 'defer', reply: judged.reply, because: judged.because };
        case 'hold':
          return keepBack(parts, id, judged);
      }
    },
  };
}

/** From outside a message that is held is queued like any other. */
async function keepBack(
  { log, storageReply }: GuardCheckParts,
  queueId: string,
  { because, durable, end }: Judgement & { readonly kind: 'hold' },
): Promise<MessageVerdict> {
  try {
    await durable;
    return { kind: 'hold', because, settled: end };
  } catch (error) {
    end();
    log.error('hold-not-kept', { queueId, because: String(error) });
    return { kind: 'defer', reply: storageReply(error), because: 'the hold could not be kept' };
  }
}

/** The ground on which the recipient would have been granted is unknown now: only a known subject is counted. */
function noteUnknown(client: ClientFacts, guard: GuardCheckParts['guard']): void {
  guard.failed(originOf(client, 'open'), 1);
  if (client.identity === undefined) guard.failed(originOf(client, 'network'), 1);
}

function originOf({ address, identity, role }: ClientFacts, ground: Ground, named = identity?.name) {
  // A local user has no budget, on any ground.
  const counted = role === 'trap' || role === 'local' ? role : ground;
  return { client: address, ground: counted, ...(named === undefined ? {} : { identity: named }) };
}

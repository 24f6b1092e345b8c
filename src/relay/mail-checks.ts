/** What every message passes before it is kept: the guard, then the bulk check. */
import type { Log } from '../base/index.ts';
import type { Guard, Judgement } from '../guard/index.ts';
import type { MessageRuling, ScreenedMessage, Screening } from '../receiver/index.ts';
import { type BulkCheck, bulkOctets } from './bulk.ts';
import { storageReply } from './intake.ts';

export interface MailCheckParts {
  /** Asked once for each message. */
  readonly guard: Pick<Guard, 'judge'>;
  /** Asked about those that the guard lets pass. */
  readonly bulk: BulkCheck;
  readonly log: Log;
}

const pass: MessageRuling = { kind: 'pass' };

/** The checks of a relay. Where there is no rule about bulk mail nothing is withheld and nothing waits. */
export function createMailChecks(parts: MailCheckParts): Screening {
  const { guard, bulk } = parts;
  return {
    connect: undefined,
    hello: undefined,
    sender: undefined,
    recipient: undefined,
    recipientRefused: undefined,
    header: undefined,
    message(subject) {
      const judged = guard.judge(subject.envelope);
      if (judged.kind === 'hold') return keepBack(parts, subject, judged);
      if (judged.kind === 'refuse') return judged;
      return bulk.isOn() && subject.beginning.length > 0 ? checkBulk(parts, subject) : pass;
    },
    get beginningOctets() {
      return bulk.isOn() ? bulkOctets : 0;
    },
  };
}

/** From outside a message that is held is queued like any other. */
async function keepBack(
  { log }: MailCheckParts,
  { id }: ScreenedMessage,
  { because, durable, end }: Judgement & { readonly kind: 'hold' },
): Promise<MessageRuling> {
  try {
    await durable;
    return { kind: 'hold', because, settled: end };
  } catch (error) {
    end();
    log.error('hold-not-kept', { queueId: id, because: String(error) });
    return { kind: 'refuse', reply: storageReply(error), because: 'the hold could not be kept' };
  }
}

/** What is bulk is tagged, held or refused, as the rules say. */
async function checkBulk(
  { bulk, log }: MailCheckParts,
  { id, envelope, beginning }: ScreenedMessage,
): Promise<MessageRuling> {
  const judged = await bulk.judge(envelope, beginning);
  if (judged.kind === 'refuse') {
    const { because, reply } = judged;
    log.info('bulk-refused', { queueId: id, because, reply: String(reply.code) });
    return judged;
  }
  if (judged.kind === 'hold') log.info('bulk-held', { queueId: id, because: judged.because });
  const { header, ...ruling } = judged;
  return header === undefined ? ruling : { ...ruling, edits: [{ kind: 'insert', at: 0, ...header }] };
}

/** Answers the commands of the control socket about the clearinghouse. */
import { ControlError } from '../admin/index.ts';
import { Gathered } from '../base/index.ts';
import { ClearinghouseBusy, type Subject, UnknownCluster } from './ask.ts';
import type { ClearinghouseControl } from './commands.ts';
import type { ClearinghouseServer } from './server.ts';

/** The largest message that a client may submit, in octets. */
const maxOctets = 64 * 2 ** 20;
const operator = { reporter: 'operator', isKnown: true, recipients: [] } as const;

/** Answers the commands about the clearinghouse. */
export function createClearinghouseControl(
  running: () => ClearinghouseServer | undefined,
): ClearinghouseControl {
  const server = (): ClearinghouseServer => {
    const clearinghouse = running();
    if (clearinghouse === undefined)
      throw new ControlError(
        'unavailable',
        'there is no clearinghouse here: `clearinghouse` is not configured',
      );
    return clearinghouse;
  };
  return {
    clearinghouseStatus: () => converted(() => server().status()),
    clearinghouseAsk: ({ verb, cluster }, octets) =>
      converted(async () => {
        const { clearinghouse } = server();
        const subject: Subject =
          cluster === undefined
            ? { kind: 'message', octets: await collected(octets) }
            : { kind: 'cluster', cluster };
        switch (verb) {
          case 'check':
            return clearinghouse.check(subject, operator, { counts: false, explains: true });
          case 'report':
          case 'revoke':
            return clearinghouse[verb](subject, operator);
          case 'learn':
            if (subject.kind !== 'message')
              throw new ControlError('bad-request', 'nothing but a message can be learnt');
            return clearinghouse.learn(subject);
          case 'allow':
          case 'disallow':
            return clearinghouse.allow(subject, verb === 'allow');
        }
      }),
  };
}

async function converted<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UnknownCluster) throw new ControlError('not-found', error.message, { cause: error });
    if (error instanceof ClearinghouseBusy)
      throw new ControlError('unavailable', `the clearinghouse: ${error.message}`, { cause: error });
    throw error;
  }
}

async function collected(octets: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const gathered = new Gathered();
  for await (const piece of octets) {
    gathered.push(piece);
    if (gathered.length > maxOctets)
      throw new ControlError('too-large', `it is longer than ${maxOctets} octets`);
  }
  if (gathered.length === 0) throw new ControlError('bad-request', 'the message is empty');
  return gathered.take();
}

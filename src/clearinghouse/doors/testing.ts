/** A door in front of a clearinghouse with prepared answers, and clients for it. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { IpSet, memoryLog, parseCidr, systemClock } from '../../base/index.ts';
import type { Clearinghouse, Source, Subject, Verdict } from '../ask.ts';
import { defaultDoorLimits } from '../options.ts';
import { unknown } from '../verdict.ts';
import type { Door, DoorOptions } from './door.ts';

export const nothing: Verdict = unknown;
export const spam: Verdict = {
  ...nothing,
  count: 40,
  reported: 3,
  isBulk: true,
  isReported: true,
  confidence: 80,
  via: 'text',
};

export interface Asked {
  readonly verb: string;
  readonly subject: Subject;
  readonly source: Source;
  readonly counts?: boolean | undefined;
}

export async function bench(
  t: TestContext,
  open: (options: DoorOptions) => Promise<Door>,
  over: Partial<DoorOptions> = {},
) {
  const asked: Asked[] = [];
  const state = { verdict: nothing as Verdict | Error, delayMs: 0 };
  const answer = async () => {
    if (state.delayMs > 0) await setTimeout(state.delayMs);
    if (state.verdict instanceof Error) throw state.verdict;
    return state.verdict;
  };
  const clearinghouse: Clearinghouse = {
    check(subject, source, options) {
      asked.push({ verb: 'check', subject, source, counts: options?.counts });
      return answer();
    },
    report(subject, source) {
      asked.push({ verb: 'report', subject, source });
      return answer();
    },
    revoke(subject, source) {
      asked.push({ verb: 'revoke', subject, source });
      return answer();
    },
  };
  const local = new IpSet([parseCidr('127.0.0.0/8') ?? []].flat());
  const options: DoorOptions = {
    name: 'door',
    at: { host: '127.0.0.1', port: 0 },
    clearinghouse,
    access: { allowed: local, known: new IpSet([]) },
    limits: defaultDoorLimits,
    clock: systemClock,
    log: memoryLog(),
    ...over,
  };
  const door = await open(options);
  t.after(() => door[Symbol.asyncDispose]());
  return { door, asked, state, options };
}

export async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Sends a text, ends, and returns the whole answer. */
export async function whole(port: number, text: string): Promise<string> {
  const socket = await dial(port);
  socket.end(text);
  let answer = '';
  for await (const piece of socket) answer += String(piece);
  return answer;
}

export async function datagram(port: number, text: string): Promise<string | undefined> {
  const socket = createSocket('udp4');
  try {
    socket.send(text, port, '127.0.0.1');
    const late = AbortSignal.timeout(500);
    const [answer] = await once(socket, 'message', { signal: late });
    return String(answer);
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}

export const letter = 'Subject: x\r\n\r\nhello\r\n';

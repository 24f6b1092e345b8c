/** The client of the control socket. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import type { z } from 'zod';
import { shortSocketPath } from '../net/index.ts';
import type { CommandShape, CommandTable, ControlOf } from './command.ts';
import { ControlError, type ControlErrorCode } from './control-error.ts';
import {
  answerShape,
  chunkOctets,
  formatLine,
  maxAnswerOctets,
  parseLine,
  parseValue,
  type Request,
  readLines,
} from './control-protocol.ts';

/**
 * The relay that listens at `path`, as the commands of a table. Each call is a connection of its own and rejects with
 * `ControlError`: `unavailable` when no relay answers, `denied` when the socket belongs to someone else. Nothing is
 * opened before the first call.
 */
export function connectControl<T extends CommandTable>(path: string, table: T): ControlOf<T> {
  const methods = Object.entries(table).map(([method, shape]) => [
    method,
    (...given: unknown[]) => ask(path, shape, given),
  ]);
  // Each method has the arguments and the result of its shape: the types are those of the table.
  return Object.fromEntries(methods) as ControlOf<T>;
}

function ask(path: string, shape: CommandShape, given: readonly unknown[]): unknown {
  const [octets, signal] = shape.takesMessage ? given.slice(-2) : [];
  const args = given.length > (shape.takesMessage ? 2 : 0) ? given[0] : undefined;
  const request: Request = { command: shape.name, ...(args !== undefined && { args }) };
  const upload = shape.takesMessage ? ({ octets, signal } as Upload) : undefined;
  const stream = call(path, request, upload);
  return shape.kind === 'items' ? items(stream, shape.out) : result(stream, shape.out);
}

async function result<T>(stream: AsyncGenerator<unknown, unknown, void>, shape: z.ZodType<T>): Promise<T> {
  for (;;) {
    const next = await stream.next();
    if (next.done === true) return parseAnswer(shape, next.value);
  }
}

interface Upload {
  readonly octets: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

async function* items<T>(stream: AsyncIterable<unknown>, shape: z.ZodType<T>): AsyncGenerator<T> {
  for await (const item of stream) yield parseAnswer(shape, item);
}

/** Yields the items and returns the result. */
async function* call(
  path: string,
  request: Request,
  upload?: Upload,
): AsyncGenerator<unknown, unknown, void> {
  const socket = await connect(path);
  try {
    return yield* converse(socket, request, upload);
  } finally {
    // Not `await using`: that rejects once more with the error of a connection that broke, and hides the words for it.
    socket.destroy();
  }
}

async function* converse(
  socket: Socket,
  request: Request,
  upload: Upload | undefined,
): AsyncGenerator<unknown, unknown, void> {
  const cut = () => socket.destroy();
  upload?.signal.addEventListener('abort', cut);
  // A failing write shows as the end of the answers; an earlier answer of the relay explains more.
  socket.on('error', () => {});
  const sent = sendRequest(socket, request, upload).catch((error: unknown) => {
    socket.destroy();
    return error;
  });
  try {
    for await (const line of readLines(socket.iterator({ destroyOnReturn: false }), maxAnswerOctets)) {
      const answer = parseAnswer(answerShape, line, parseLine);
      if ('result' in answer) return answer.result;
      if ('error' in answer) throw new ControlError(errorCode(answer.error.code), answer.error.message);
      yield answer.item;
    }
  } catch (error) {
    if (error instanceof ControlError) throw error;
    throw new ControlError('unavailable', 'the connection to the relay broke', { cause: error });
  } finally {
    upload?.signal.removeEventListener('abort', cut);
  }
  const failure = socket.destroyed ? await sent : undefined;
  if (failure instanceof Error) throw failure;
  throw new ControlError('unavailable', 'the relay closed the connection');
}

async function connect(path: string): Promise<Socket> {
  try {
    await using short = await shortSocketPath(path);
    const socket = createConnection(short.path);
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EACCES' || code === 'EPERM') {
      throw new ControlError('denied', `not allowed to use "${path}"`, { cause: error });
    }
    throw new ControlError('unavailable', `no relay listens at "${path}"`, { cause: error });
  }
}

async function sendRequest(socket: Socket, request: Request, upload?: Upload): Promise<void> {
  socket.write(formatLine(request));
  if (upload === undefined) return;
  for await (const octets of upload.octets) {
    for (let at = 0; at < octets.length; at += chunkOctets) {
      const chunk = Buffer.from(octets.subarray(at, at + chunkOctets)).toString('base64');
      if (!socket.write(formatLine({ chunk }))) await once(socket, 'drain', { signal: upload.signal });
      if (socket.destroyed) return;
    }
  }
  socket.write(formatLine({ end: true }));
}

const errorCodes: readonly ControlErrorCode[] = [
  'bad-request',
  'too-large',
  'not-found',
  'no-user',
  'failed',
  'storage',
  'unavailable',
  'denied',
  'in-use',
];

function errorCode(code: string): ControlErrorCode {
  return errorCodes.find((known) => known === code) ?? 'failed';
}

/** A relay of another version may answer what this one does not understand. */
function parseAnswer<T, V>(
  shape: z.ZodType<T>,
  value: V,
  parse: (shape: z.ZodType<T>, value: V) => T = parseValue,
): T {
  try {
    return parse(shape, value);
  } catch (error) {
    if (error instanceof ControlError && error.code === 'too-large') throw error;
    throw new ControlError('failed', 'the answer of the relay is not understood', { cause: error });
  }
}

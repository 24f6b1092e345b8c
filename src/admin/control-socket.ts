/** The control socket: answers one command a connection, within bounds. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { z } from 'zod';
import type { Log } from '../base/index.ts';
import { SocketInUse, TcpListener } from '../net/index.ts';
import type { CommandShape, ServedCommand } from './command.ts';
import { ControlError } from './control-error.ts';
import {
  formatLine,
  maxRequestOctets,
  parseLine,
  parseValue,
  readLines,
  requestShape,
  uploadShape,
} from './control-protocol.ts';
import type { AdminEvents } from './events.ts';

/** Bounds of one connection. */
const bounds = { connections: 64, idleMs: 30_000 } as const;

/** The parts that `openControlSocket` needs. */
export interface ControlSocketOptions {
  readonly path: string;
  readonly commands: readonly ServedCommand[];
  readonly log: Log<AdminEvents>;
  /** 0600 unless given; 0660 lets the group of the relay's user in. */
  readonly mode?: number;
}

/**
 * Listens at `path`. The file of a relay that died is removed; where one still answers, and where
 * something stands that is no socket, this rejects with `ControlError` `in-use`. Who may connect is decided
 * by the mode of the file alone, which is right from its first moment.
 */
export async function openControlSocket(options: ControlSocketOptions): Promise<AsyncDisposable> {
  const listener = await bind(options);
  const serving = new Set<Promise<void>>();
  listener.serve((socket) => {
    if (listener.conversations.size >= bounds.connections) {
      socket.destroy();
      return undefined;
    }
    const done: Promise<void> = serve(socket, options).finally(() => serving.delete(done));
    serving.add(done);
    return socket;
  });
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all([listener.drain(AbortSignal.abort()), ...serving]);
    },
  };
}

async function bind({ path, log, mode = 0o600 }: ControlSocketOptions): Promise<TcpListener> {
  const failed = (error: Error) => log.error('control-failed', { error });
  try {
    return await TcpListener.bind({ at: { path }, mode, failed });
  } catch (error) {
    if (!(error instanceof SocketInUse)) throw error;
    throw new ControlError('in-use', error.message, { cause: error });
  }
}

/** One connection: one request, its answers, the end. Never rejects. */
async function serve(socket: Socket, { commands, log }: ControlSocketOptions): Promise<void> {
  const gone = new AbortController();
  socket.on('error', () => gone.abort());
  socket.on('close', () => gone.abort());
  const connection: Connection = { socket, gone: gone.signal, leave: () => gone.abort() };
  const lines = readLines(socket.iterator({ destroyOnReturn: false }), maxRequestOctets);
  try {
    const first = await nextLine(lines, connection);
    if (first === undefined) return;
    const request = parseLine(requestShape, first);
    const served = commands.find(({ shape }) => shape.name === request.command);
    if (served === undefined) throw new ControlError('bad-request', `command: no "${request.command}"`);
    const { args } = parseValue(
      z.object({ args: served.shape.args.optional() }).pick({ args: true }),
      request,
    );
    const result = await answer({ served, args, lines, connection });
    if (served.shape.isLogged) log.info('control', { ...request, result });
    await send(connection, { result: result ?? null });
  } catch (error) {
    if (gone.signal.aborted) return;
    const known = error instanceof ControlError ? error : new ControlError('failed', String(error));
    if (known !== error) log.warn('control-failed', { error });
    await send(connection, { error: { code: known.code, message: known.message } }).catch(() => {});
  } finally {
    end(socket);
  }
}

interface Connection {
  readonly socket: Socket;
  /** Aborts when the client is gone. */
  readonly gone: AbortSignal;
  leave(): void;
}

/**
 * Discards further input of the client for a while: closing at once would reset the connection before it has read the
 * answer.
 */
function end(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), bounds.idleMs).unref();
  socket.on('close', () => clearTimeout(timer));
  socket.end();
  socket.resume();
}

interface Call {
  readonly served: ServedCommand;
  readonly args: unknown;
  readonly lines: AsyncGenerator<string, void, void>;
  readonly connection: Connection;
}

/** Carries out the command and returns its result; a stream has sent its items before. */
async function answer({ served, args, lines, connection }: Call): Promise<unknown> {
  const { shape } = served;
  const given = [
    ...(args === undefined ? [] : [args]),
    ...(shape.takesMessage ? [uploaded(lines, connection), connection.gone] : []),
  ];
  const out = served.run(given);
  return shape.kind === 'items' ? sendAll(shape, out as AsyncIterable<unknown>, connection) : out;
}

/** Sends each item as fast as the client reads. Returns how many there were. */
async function sendAll(
  { encode }: CommandShape,
  items: AsyncIterable<unknown>,
  connection: Connection,
): Promise<number> {
  let count = 0;
  for await (const item of items) {
    connection.gone.throwIfAborted();
    await send(connection, { item: encode === undefined ? item : encode(item) });
    count++;
  }
  return count;
}

/** The message that follows a request. A client that hangs up before its end counts as gone. */
async function* uploaded(lines: Call['lines'], connection: Connection): AsyncGenerator<Uint8Array> {
  for (;;) {
    const line = await nextLine(lines, connection);
    if (line === undefined) throw new ControlError('bad-request', 'the message ends without its end line');
    const part = parseLine(uploadShape, line);
    if ('end' in part) break;
    yield Buffer.from(part.chunk, 'base64');
  }
  await lines.return();
  connection.socket.on('end', connection.leave);
  connection.socket.resume();
}

/** The next line, or `undefined` at the end. A client that sends nothing for too long is cut off. */
async function nextLine(lines: Call['lines'], connection: Connection): Promise<string | undefined> {
  const timer = setTimeout(() => connection.socket.destroy(), bounds.idleMs);
  try {
    const next = await lines.next();
    return next.done === true ? undefined : next.value;
  } finally {
    clearTimeout(timer);
  }
}

/** Writes one line, and waits while the client is behind. A client that reads nothing for too long is cut off. */
async function send({ socket, gone }: Connection, value: unknown): Promise<void> {
  gone.throwIfAborted();
  // The lines of one turn of the event loop are one write.
  socket.cork();
  process.nextTick(() => socket.uncork());
  if (socket.write(formatLine(value))) return;
  const timer = setTimeout(() => socket.destroy(), bounds.idleMs);
  try {
    await once(socket, 'drain', { signal: gone });
  } finally {
    clearTimeout(timer);
  }
}

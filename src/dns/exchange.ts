/** Asks one DNS server one question. */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIP, isIPv6 } from 'node:net';
import { type Clock, isPort, splitHostPort } from '../base/index.ts';
import { decodeResponse, encodeQuery, type Question, type Response } from './wire.ts';

/** A DNS server's transport address. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** The answer of one server, or the reason why there is no usable one. */
export type Exchange = Response | { readonly rcode: 'no-answer'; readonly because: string };

interface ExchangeOptions {
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Parses `127.0.0.1:53`, `::1`, `[::1]:53` or `127.0.0.1`; the port is 53 when absent. */
export function parseServer(text: string): ServerAddress | undefined {
  const { host = '', port = 53 } = splitHostPort(text) ?? {};
  return isIP(host) !== 0 && isPort(port) ? { host, port } : undefined;
}

/** Asks one server one question: by UDP, again by TCP when the answer was truncated (RFC 7766 §5). */
export async function ask(
  server: ServerAddress,
  question: Question,
  options: ExchangeOptions,
): Promise<Exchange> {
  const answer = await askUdp(server, question, true, options);
  const settled = answer.rcode === 'no-edns' ? await askUdp(server, question, false, options) : answer;
  if (settled.rcode === 'no-answer' || !settled.truncated) return settled;
  return askTcp(server, question, options);
}

/** Sends a question and resolves with the answer, over either transport. Resolves once; `finish` frees the socket. */
function exchange(
  options: ExchangeOptions,
  begin: (settle: (answer: Exchange) => void) => () => void,
): Promise<Exchange> {
  return new Promise((resolve) => {
    let isSettled = false;
    const settle = (answer: Exchange): void => {
      if (isSettled) return;
      isSettled = true;
      cancelTimer();
      options.signal.removeEventListener('abort', onAbort);
      // The socket may settle before `begin` has returned the function that frees it.
      queueMicrotask(() => free());
      resolve(answer);
    };
    const onAbort = () => settle({ rcode: 'no-answer', because: 'aborted' });
    const cancelTimer = options.clock.after(options.timeoutMs, () =>
      settle({ rcode: 'no-answer', because: 'timeout' }),
    );
    options.signal.addEventListener('abort', onAbort);
    const free = begin(settle);
    if (options.signal.aborted) onAbort();
  });
}

/**
 * A socket of its own for each question gives each a source port of its own, and `connect` makes the kernel
 * drop what does not come from the server's address and port (RFC 5452 §9.1, §9.2).
 */
function askUdp(
  server: ServerAddress,
  question: Question,
  edns: boolean,
  options: ExchangeOptions,
): Promise<Exchange> {
  const id = randomInt(65536);
  return exchange(options, (settle) => {
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    const onError = (error: Error) => settle({ rcode: 'no-answer', because: error.message });
    socket.on('error', onError);
    socket.on('message', (octets) => {
      const response = decodeResponse(octets, question, id);
      if (response === 'malformed') settle({ rcode: 'no-answer', because: 'malformed answer' });
      else if (response !== 'unrelated') settle(response);
    });
    // Not as a callback of `connect`, which is called for its failure too: `send` would then throw.
    socket.on('connect', () => {
      socket.send(encodeQuery(question, id, edns), (error) => {
        if (error !== null) onError(error);
      });
    });
    socket.connect(server.port, server.host);
    return () => socket.close();
  });
}

function askTcp(server: ServerAddress, question: Question, options: ExchangeOptions): Promise<Exchange> {
  const id = randomInt(65536);
  return exchange(options, (settle) => {
    const socket = connect({ host: server.host, port: server.port });
    let received = Buffer.alloc(0);
    const fail = (because: string) => settle({ rcode: 'no-answer', because });
    socket.on('connect', () => socket.write(prefixed(encodeQuery(question, id, true))));
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('connection closed'));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const length = received.length < 2 ? Number.POSITIVE_INFINITY : received.readUInt16BE(0);
      if (received.length < 2 + length) return;
      const response = decodeResponse(received.subarray(2, 2 + length), question, id);
      if (response === 'malformed' || response === 'unrelated') fail('malformed answer');
      // The missing records may be the ones that were asked for.
      else if (response.truncated) fail('truncated over TCP');
      else settle(response);
    });
    return () => socket.destroy();
  });
}

function prefixed(octets: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(octets.length);
  return Buffer.concat([length, octets]);
}

/** The HTTP door: check, report, revoke and explain, with a token. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { formatHostPort, Gathered } from '../../base/index.ts';
import { ClearinghouseBusy, type Source, type Subject, UnknownCluster, type Verdict } from '../ask.ts';
import { complaintsOf } from './complaint.ts';
import type { Door, DoorCounts, DoorOptions, Visitor } from './door.ts';
import { Gate, Room } from './gate.ts';

export interface HttpDoorOptions extends DoorOptions {
  /** The bearer token of the callers (RFC 6750). */
  readonly token: string;
}

const verbs = ['check', 'report', 'revoke', 'explain'] as const;
type Verb = (typeof verbs)[number];
/** The envelope of the message, in the query: `?recipient=a@b&recipient=c@d&sender=e@f&client=192.0.2.1&count=no`. */
type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Opens the HTTP door: `POST /check`, `/report`, `/revoke`, `/explain`, with a whole message as the body, or with
 * `?cluster=NAME` for a cluster of an earlier verdict. Rejects with the system's error.
 */
export async function openHttpDoor(options: HttpDoorOptions): Promise<Door<HttpDoorOptions>> {
  const { name, at, limits } = options;
  const door = { options };
  if ('path' in at) throw new Error('HTTP comes to an address');
  const { fastify } = await import('fastify');
  const server = fastify({
    bodyLimit: limits.octets,
    requestTimeout: limits.totalMs,
    keepAliveTimeout: limits.idleMs,
    forceCloseConnections: true,
  });
  const gate = new Gate(options);
  const visitors = letIn(server, gate, door);
  const visitorAt = ({ socket, ip }: FastifyRequest) =>
    visitors.get(socket) ?? { address: ip, isKnown: false };
  readBodies(server, options);
  for (const verb of verbs)
    server.post(`/${verb}`, (request, reply) =>
      answer({
        verb,
        options: door.options,
        counts: gate.counts,
        request,
        reply,
        visitor: visitorAt(request),
      }),
    );
  answerErrors(server, gate.counts, options);
  const url = new URL(await server.listen(at));
  const port = Number(url.port);
  return {
    name,
    counts: gate.counts,
    port,
    address: formatHostPort(at.host, port),
    change(next) {
      door.options = next;
      gate.options = next;
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Checks the client's address before anything is read, and the token of each admitted request. */
function letIn(
  server: FastifyInstance,
  gate: Gate,
  door: { readonly options: HttpDoorOptions },
): { get(socket: Socket): Visitor | undefined } {
  const visitors = new WeakMap<Socket, Visitor>();
  server.server.prependListener('connection', (socket) => {
    const entered = gate.enter(socket.remoteAddress);
    if (entered === undefined) {
      socket.destroy();
      return;
    }
    visitors.set(socket, entered.visitor);
    socket.once('close', entered.leave);
  });
  server.addHook('onRequest', async (request, reply) => {
    const visitor = visitors.get(request.socket);
    // Guessing tokens uses up the requests of the client's address.
    if (visitor === undefined || !gate.admits(visitor)) {
      const late = reply.code(429).header('retry-after', '60');
      return late.send({ error: 'too many requests from this address' });
    }
    if (isAllowed(request.headers.authorization, door.options.token)) return;
    gate.counts.refused++;
    const closed = reply.code(401).header('www-authenticate', 'Bearer');
    return closed.send({ error: 'the token is missing or wrong' });
  });
  return visitors;
}

/** Reads bodies while there is room for them; a body takes its room until it is answered. */
function readBodies(server: FastifyInstance, { limits }: HttpDoorOptions): void {
  const room = new Room(limits);
  const holders = new WeakMap<FastifyRequest, (octets: number) => boolean>();
  server.addHook('onRequest', async (request, reply) => {
    const holds = room.part();
    holders.set(request, holds);
    reply.raw.once('close', () => holds(0));
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', async (request: FastifyRequest, payload: AsyncIterable<Buffer>) => {
    if (Number(request.headers['content-length'] ?? 0) > limits.octets) throw new Unread(413);
    const gathered = new Gathered();
    for await (const piece of payload) {
      gathered.push(piece);
      if (gathered.length > limits.octets) throw new Unread(413);
      if (holders.get(request)?.(gathered.length) !== true) throw new Unread(503);
    }
    return gathered.take();
  });
}

const whyUnread = { 413: 'the message is too long', 503: 'too many messages at once' } as const;

/** A body that is not read to its end. */
class Unread extends Error {
  readonly statusCode: keyof typeof whyUnread;

  constructor(statusCode: keyof typeof whyUnread) {
    super(whyUnread[statusCode]);
    this.statusCode = statusCode;
  }
}

function answerErrors(server: FastifyInstance, counts: DoorCounts, options: HttpDoorOptions): void {
  const complain = complaintsOf(options);
  server.setErrorHandler(
    (
      error: { readonly statusCode?: number; readonly code?: string; readonly message: string },
      request,
      reply,
    ) => {
      const { statusCode = 500, message } = error;
      // A client that hangs up in the middle of a message is not our fault.
      const hasLeft = error.code === 'ECONNRESET';
      const isOurs = statusCode >= 500 && !(error instanceof Unread) && !hasLeft;
      if (isOurs) complain(request.ip, message);
      else counts.faults++;
      if (error instanceof Unread) reply.header('connection', 'close');
      if (statusCode === 503) reply.header('retry-after', '5');
      return reply.code(statusCode).send({ error: isOurs ? 'it cannot be done now' : message });
    },
  );
  // Malformed HTTP never becomes a request.
  server.server.on('clientError', ({ code = '' }: NodeJS.ErrnoException) => {
    if (code.startsWith('HPE_')) counts.faults++;
  });
}

async function answer({
  verb,
  options,
  counts,
  request,
  reply,
  visitor,
}: {
  readonly verb: Verb;
  readonly visitor: Visitor;
  readonly options: HttpDoorOptions;
  readonly counts: DoorCounts;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}): Promise<unknown> {
  const { body } = request;
  const query: Query = Object(request.query);
  const cluster = [query.cluster ?? []].flat()[0];
  const octets = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  if (cluster === undefined && octets.length === 0) {
    counts.faults++;
    return reply.code(400).send({ error: 'the body has to be a message' });
  }
  try {
    const verdict = await ask(
      verb,
      cluster === undefined ? { kind: 'message', octets } : { kind: 'cluster', cluster },
      { options, query, visitor },
    );
    return publicVerdict(verdict);
  } catch (error) {
    if (error instanceof UnknownCluster) return reply.code(404).send({ error: error.message });
    if (!(error instanceof ClearinghouseBusy)) throw error;
    return reply.code(503).header('retry-after', '5').send({ error: error.message });
  }
}

function ask(
  verb: Verb,
  subject: Subject,
  {
    options,
    query,
    visitor: { address, isKnown },
  }: { readonly options: HttpDoorOptions; readonly query: Query; readonly visitor: Visitor },
): Promise<Verdict> {
  const { clearinghouse, name } = options;
  const text = (key: string) => [query[key] ?? []].flat()[0];
  const [sender, client, reporter] = [text('sender'), text('client'), text('reporter')];
  const source: Source = {
    reporter: reporter === undefined ? `${name}:${address}` : `${name}:${reporter.slice(0, 100)}`,
    isKnown,
    recipients: [query.recipient ?? []].flat().slice(0, 1000),
    ...(sender !== undefined && { sender }),
    ...(client !== undefined && { client }),
  };
  if (verb === 'report') return clearinghouse.report(subject, source);
  if (verb === 'revoke') return clearinghouse.revoke(subject, source);
  const counts = verb === 'check' && text('count') !== 'no';
  return clearinghouse.check(subject, source, { counts, explains: verb === 'explain' });
}

/** As JSON; instants as people write them. */
function publicVerdict({ firstSeen, lastSeen, ...verdict }: Verdict) {
  const at = (ms: number) => new Date(ms).toISOString();
  return {
    ...verdict,
    ...(firstSeen !== undefined && { firstSeen: at(firstSeen) }),
    ...(lastSeen !== undefined && { lastSeen: at(lastSeen) }),
  };
}

function isAllowed(header: string | undefined, token: string): boolean {
  const shown = /^bearer (\S+)$/i.exec(header ?? '')?.[1] ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(shown), digest(token));
}

import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ClearinghouseBusy, type Source, type Subject, UnknownCluster, type Verdict } from '../ask.ts';
import { type Door, type DoorCounts, type DoorOptions, Rates, visitorOf } from './door.ts';

export interface HttpDoorOptions extends DoorOptions {
  /** What callers have to know (RFC 6750). */
  readonly token: string;
}

const verbs = ['check', 'report', 'revoke', 'explain'] as const;
type Verb = (typeof verbs)[number];
/** The envelope of the message, in the query: `?recipient=a@b&recipient=c@d&sender=e@f&client=192.0.2.1&count=no`. */
type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Opens the HTTP door: `POST /check`, `/report`, `/revoke`, `/explain`, each with a whole message as its body, or with
 * `?cluster=NAME` about what a verdict named. Rejects
 * with the system's error.
 */
export async function openHttpDoor(options: HttpDoorOptions): Promise<Door> {
  const { name, at, limits, log } = options;
  if ('path' in at) throw new Error('HTTP comes to an address');
  const { fastify } = await import('fastify');
  const counts: DoorCounts = { requests: 0, refused: 0, faults: 0 };
  const rates = new Rates(options.clock, limits.requestsPerMinute);
  const server = fastify({
    bodyLimit: limits.octets,
    requestTimeout: limits.totalMs,
    keepAliveTimeout: limits.idleMs,
    forceCloseConnections: true,
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
  server.addHook('onRequest', async (request, reply) => {
    counts.requests++;
    const visitor = visitorOf(request.ip, options.access);
    if (
      visitor !== undefined &&
      isAllowed(request.headers.authorization, options.token) &&
      rates.admits(request.ip)
    )
      return;
    counts.refused++;
    await reply
      .code(401)
      .header('www-authenticate', 'Bearer')
      .send({ error: 'the token is missing or wrong' });
  });
  for (const verb of verbs)
    server.post(`/${verb}`, (request, reply) => answer({ verb, options, counts, request, reply }));
  server.setErrorHandler(
    (error: { readonly statusCode?: number; readonly message: string }, request, reply) => {
      const { statusCode = 500 } = error;
      if (statusCode >= 500)
        log.error('door-failed', { door: name, client: request.ip, because: error.message });
      else counts.faults++;
      void reply
        .code(statusCode)
        .send({ error: statusCode >= 500 ? 'it cannot be done now' : error.message });
    },
  );
  const url = new URL(await server.listen(at));
  const port = Number(url.port);
  return {
    name,
    counts,
    port,
    address: at.host.includes(':') ? `[${at.host}]:${port}` : `${at.host}:${port}`,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

async function answer({
  verb,
  options,
  counts,
  request,
  reply,
}: {
  readonly verb: Verb;
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
      { options, query, address: request.ip },
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
    address,
  }: { readonly options: HttpDoorOptions; readonly query: Query; readonly address: string },
): Promise<Verdict> {
  const { clearinghouse, name, access } = options;
  const text = (key: string) => [query[key] ?? []].flat()[0];
  const [sender, client, reporter] = [text('sender'), text('client'), text('reporter')];
  const source: Source = {
    reporter: reporter === undefined ? `${name}:${address}` : `${name}:${reporter.slice(0, 100)}`,
    isKnown: access.known.has(address),
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

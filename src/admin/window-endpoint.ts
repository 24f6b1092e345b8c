/** The HTTP endpoint to which programs report logins to mailboxes. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Clock, formatHostPort, type Log } from '../base/index.ts';
import type { AdminEvents } from './events.ts';

/** A login that a program reports. */
export interface ReportedLogin {
  readonly address: string;
  readonly name: string;
  /** The name of the reporter, for logs. */
  readonly source: string;
  readonly forMs?: number;
}

/** The windows of one address, or all windows of one user. */
export type WhichReported = { readonly address: string } | { readonly name: string };

/** The parts that the endpoint needs. */
export interface WindowEndpointOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly token: string;
  readonly windows: {
    open(
      login: ReportedLogin,
    ): Promise<
      | { readonly outcome: 'opened' | 'renewed'; readonly address: string; readonly expiresAt: number }
      | { readonly outcome: 'refused'; readonly because: string }
    >;
    list(): Iterable<object>;
    revoke(which: WhichReported): Promise<number>;
  };
  readonly clock: Clock;
  readonly log: Log<AdminEvents>;
}

/** A running endpoint. */
export interface WindowEndpoint extends AsyncDisposable {
  /** `127.0.0.1:8110`. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** From now on this token has to be known. */
  serve(options: Pick<WindowEndpointOptions, 'token'>): void;
  /** Ends at once, since each request is answered within a moment. */
  drain(): Promise<void>;
}

const maxBodyOctets = 16 * 1024;
/** Connections at once; every other door has such a bound, too. */
const maxConnections = 64;
/** Requests with a wrong token are logged once in this time, with their number. */
const silenceMs = 60_000;

const loginShape = z.strictObject({
  address: z.string().min(1).max(64),
  user: z.string().min(1).max(320),
  /** Seconds. */
  for: z
    .number()
    .positive()
    .max(7 * 86_400)
    .exactOptional(),
});

/** An event as Dovecot exports it (`event_exporter`, `format = json`). */
const dovecotShape = z.object({
  event: z.string(),
  fields: z.looseObject({
    user: z.string().exactOptional(),
    remote_ip: z.string().exactOptional(),
    service: z.string().exactOptional(),
    protocol: z.string().exactOptional(),
    success: z.unknown().exactOptional(),
    error: z.unknown().exactOptional(),
  }),
});

/** Services of Dovecot whose login is one to a mailbox. */
const mailboxServices = ['imap', 'pop3'];

/**
 * Listens for reports of logins: `POST /windows` opens one, `GET /windows` lists, `DELETE /windows/WHICH` revokes. A
 * client has to send the token, as a bearer token or as the password of Basic authentication (RFC 6750, 7617). Rejects
 * with the system's error when it cannot listen.
 */
export async function openWindowEndpoint(options: WindowEndpointOptions): Promise<WindowEndpoint> {
  const { host, clock, log } = options;
  let { token } = options;
  // Loaded when it is asked for: it takes longer than all the rest of a start.
  const { fastify } = await import('fastify');
  const server = fastify({
    bodyLimit: maxBodyOctets,
    requestTimeout: 10_000,
    keepAliveTimeout: 10_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 600 },
  });
  server.server.maxConnections = maxConnections;
  let saidAt = Number.NEGATIVE_INFINITY;
  let denied = 0;
  server.addHook('onRequest', async (request, reply) => {
    if (isAllowed(request.headers.authorization, token)) return;
    denied++;
    if (clock.now() - saidAt >= silenceMs) {
      log.warn('window-report-denied', { client: request.ip, denied, because: 'it does not know the token' });
      saidAt = clock.now();
      denied = 0;
    }
    await reply
      .code(401)
      .header('www-authenticate', 'Bearer')
      .send({ error: 'the token is missing or wrong' });
  });
  addRoutes(server, options);
  const url = new URL(await server.listen({ host, port: options.port }));
  const port = Number(url.port);
  return {
    address: formatHostPort(host, port),
    host,
    port,
    serve: (next) => {
      token = next.token;
    },
    drain: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

function addRoutes(server: FastifyInstance, { windows, log }: WindowEndpointOptions): void {
  server.post('/windows', async (request, reply) => {
    const login = loginOf(request.body);
    if (login === undefined) return reply.code(400).send({ error: usage });
    if (login === 'none') return reply.code(204).send();
    const outcome = await windows.open(login);
    return reply.code(outcome.outcome === 'refused' ? 422 : 200).send(outcome);
  });
  server.get('/windows', async () => [...windows.list()]);
  server.delete<{ Params: { which: string } }>('/windows/:which', async (request, reply) => {
    const { which } = request.params;
    const count = await windows.revoke(
      which.includes(':') || /^[0-9.]+$/.test(which) ? { address: which } : { name: which },
    );
    return reply.code(count === 0 ? 404 : 200).send({ windows: count });
  });
  server.setErrorHandler(
    (error: { readonly statusCode?: number; readonly message: string }, request, reply) =>
      answerError(error, { request, reply, log }),
  );
}

/** Nothing of the inside goes out; the log has it. */
function answerError(
  { statusCode = 500, message }: { readonly statusCode?: number; readonly message: string },
  { request, reply, log }: { request: FastifyRequest; reply: FastifyReply; log: Log<AdminEvents> },
): void {
  if (statusCode >= 500) log.error('window-report-failed', { client: request.ip, because: message });
  void reply.code(statusCode).send({ error: statusCode >= 500 ? 'it cannot be done now' : message });
}

const usage = 'expected {"address": "192.0.2.7", "user": "anna@example.org"}, or an event of Dovecot';

/** The login in a report: `none` for an event other than a login to a mailbox, undefined for a malformed report. */
function loginOf(body: unknown): ReportedLogin | 'none' | undefined {
  const login = loginShape.safeParse(body).data;
  if (login !== undefined) {
    const { address, user: name, for: seconds } = login;
    return { address, name, source: 'http', ...(seconds !== undefined && { forMs: seconds * 1000 }) };
  }
  const event = dovecotShape.safeParse(body).data;
  if (event === undefined) return undefined;
  const { user: name, remote_ip: address, service, protocol, success, error } = event.fields;
  const kind = service ?? protocol ?? '';
  if (event.event !== 'auth_request_finished' || !mailboxServices.includes(kind)) return 'none';
  if (success !== 'yes' || error !== undefined || name === undefined || address === undefined) return 'none';
  return { address, name, source: `dovecot ${kind}` };
}

/** Compares in constant time. */
function isAllowed(header: string | undefined, token: string): boolean {
  const [, scheme, value = ''] = /^(bearer|basic) (\S+)$/i.exec(header ?? '') ?? [];
  const shown = scheme?.toLowerCase() === 'basic' ? passwordOf(value) : value;
  return timingSafeEqual(digest(shown), digest(token));
}

function passwordOf(credentials: string): string {
  const text = Buffer.from(credentials, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

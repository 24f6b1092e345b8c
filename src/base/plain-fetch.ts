/** HTTP requests to other programs, within bounds. */
import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { certificateNameFault } from './certificate-name.ts';
import { Gathered } from './gathered.ts';

/** Of one answer: a key set, a token, a verdict on one. */
const maxAnswerOctets = 256 * 1024;

/** The request; each field has its meaning in `fetch`. */
export interface PlainRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>> | Headers;
  readonly body?: string | URLSearchParams;
  readonly signal?: AbortSignal;
}

/**
 * As `fetch`, for requests from one program to another: the answer is bounded and not decoded, and a redirection is an
 * answer like any other. `fetch` would pass an answer through any decoder that its sender names, Brotli among them
 * (CVE-2026-111497), and keep TLS sessions for later; here every connection verifies the certificate anew.
 */
export async function plainFetch(url: string | URL, init: PlainRequest = {}): Promise<Response> {
  const target = new URL(url);
  const headers = new Headers(init.headers);
  if (init.body instanceof URLSearchParams)
    headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8');
  headers.set('accept-encoding', 'identity');
  const options = {
    method: init.method ?? 'GET',
    headers: Object.fromEntries(headers),
    agent: false,
    ...(init.signal && { signal: init.signal }),
  };
  const request =
    target.protocol === 'https:'
      ? requestHttps(target, { ...options, checkServerIdentity: certificateNameFault })
      : requestHttp(target, options);
  // An error after the answer shows in the answer itself.
  request.on('error', () => {});
  request.end(init.body === undefined ? undefined : String(init.body));
  const [message]: IncomingMessage[] = await once(request, 'response');
  if (message === undefined) throw new Error('there is no answer');
  try {
    return await responseOf(message);
  } finally {
    request.destroy();
  }
}

async function responseOf(message: IncomingMessage): Promise<Response> {
  const encoding = message.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw new Error('the answer is compressed, which it was not asked to be');
  const gathered = new Gathered();
  for await (const piece of message) {
    gathered.push(piece);
    if (gathered.length > maxAnswerOctets) throw new Error('the answer has no end');
  }
  const status = message.statusCode ?? 500;
  const hasBody = ![204, 205, 304].includes(status);
  return new Response(hasBody ? new Uint8Array(gathered.take()) : null, { status });
}

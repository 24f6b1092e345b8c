/** Asks a token endpoint for an access token. */
import { type Clock, plainFetch } from '../base/index.ts';

/** The endpoint has to answer within this. */
const fetchMs = 15_000;
const maxAnswerOctets = 64 * 1024;

/** A token, its life, and the other values of the answer. */
export interface TokenAnswer {
  readonly token: string;
  readonly lifeMs?: number;
  readonly refreshToken?: string;
  readonly refreshLifeMs?: number;
}

/** Sends the form and reads the answer (RFC 6749 §3.2). Rejects with the fault, in words without the form. */
export async function askForToken(
  url: string,
  form: URLSearchParams,
  parts: { readonly clock: Clock; readonly fetch?: typeof plainFetch; readonly signal: AbortSignal },
): Promise<TokenAnswer> {
  const deadline = new AbortController();
  const late = new Error(`no answer within ${fetchMs / 1000} s`);
  const cancel = parts.clock.after(fetchMs, () => deadline.abort(late));
  try {
    const response = await (parts.fetch ?? plainFetch)(url, {
      method: 'POST',
      body: form,
      headers: { accept: 'application/json' },
      // The secrets are for this address alone: a redirection is not followed.
      signal: AbortSignal.any([deadline.signal, parts.signal]),
    });
    return parseAnswer(response.status, await readBounded(response));
  } catch (error) {
    // The error of `fetch` says little; its cause names the fault.
    const cause = error instanceof Error ? error.cause : undefined;
    throw deadline.signal.aborted ? late : cause instanceof Error ? cause : error;
  } finally {
    cancel();
  }
}

/** RFC 6749 §5. Throws the fault of a malformed answer. */
function parseAnswer(status: number, text: string): TokenAnswer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`the token endpoint answered ${status} and no JSON`);
  }
  const at = (key: string): unknown =>
    typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  const token = at('access_token');
  if (status !== 200 || typeof token !== 'string' || !/^[!-~]{1,16384}$/.test(token)) {
    const told = [at('error'), at('error_description')].filter((part) => typeof part === 'string');
    throw new Error(`the token endpoint answered ${status}${told.length > 0 ? `: ${told.join(': ')}` : ''}`);
  }
  const lifeMs = seconds(at('expires_in'));
  const refreshLifeMs = seconds(at('refresh_token_expires_in'));
  const refreshToken = at('refresh_token');
  return {
    token,
    ...(lifeMs === undefined ? {} : { lifeMs }),
    ...(refreshLifeMs === undefined ? {} : { refreshLifeMs }),
    ...(typeof refreshToken === 'string' && refreshToken !== '' ? { refreshToken } : {}),
  };
}

function seconds(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number(value) : value;
  return typeof number === 'number' && number > 0 && number < 1e10 ? number * 1000 : undefined;
}

async function readBounded(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.length;
    if (size > maxAnswerOctets) throw new Error('the token endpoint answers without end');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

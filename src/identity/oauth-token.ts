/** Judges access tokens (OAuth 2.0). */
import { createRemoteJWKSet, customFetch, errors, jwtVerify } from 'jose';
import { z } from 'zod';
import { plainFetch } from '../base/index.ts';
import type { OAuthOptions } from './options.ts';

/** The judgement of a token. */
export type TokenVerdict =
  | { readonly kind: 'valid'; readonly name: string }
  /** `isSigned`: the issuer has signed it nevertheless, so it was not guessed. */
  | { readonly kind: 'invalid'; readonly because: string; readonly isSigned: boolean }
  /** The issuer cannot be asked, or makes no sense. */
  | { readonly kind: 'unavailable'; readonly because: string };

export type JudgeToken = (token: string) => Promise<TokenVerdict>;

/** None of these is a shared secret: a token signed by HMAC with a public key is an old trick. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const maxTokenOctets = 16 * 1024;
const maxAnswerOctets = 64 * 1024;

/** Judges access tokens. Never rejects. */
export function createTokenJudge(options: OAuthOptions): JudgeToken {
  const judge = options.introspection === undefined ? byKeys(options) : byIntrospection(options);
  return async (token) => {
    if (token === '' || token.length > maxTokenOctets) return invalid('a token of no sensible length');
    try {
      return await judge(token);
    } catch (error) {
      return { kind: 'unavailable', because: error instanceof Error ? error.message : String(error) };
    }
  };
}

function byKeys(options: OAuthOptions): JudgeToken {
  const { issuer, audience, jwks = '', clockSkewMs, timeoutMs } = options;
  const keys = createRemoteJWKSet(new URL(jwks), { timeoutDuration: timeoutMs, [customFetch]: plainFetch });
  const rules = {
    issuer,
    algorithms,
    clockTolerance: clockSkewMs / 1000,
    requiredClaims: ['exp'],
    ...(audience !== undefined && { audience }),
  };
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, rules);
      return nameOf(payload, options);
    } catch (error) {
      // An unknown key is the token's fault; keys that cannot be had are not.
      if (isClaimFault(error)) return rejected(error.message);
      if (isTokenFault(error)) return invalid(error.message);
      throw error;
    }
  };
}

/** Claims are read only after the signature was verified. */
function isClaimFault(error: unknown): error is Error {
  return error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed;
}

function isTokenFault(error: unknown): error is Error {
  return [
    errors.JWTInvalid,
    errors.JWSInvalid,
    errors.JWSSignatureVerificationFailed,
    errors.JOSEAlgNotAllowed,
    errors.JOSENotSupported,
    errors.JWKSNoMatchingKey,
    errors.JWKSMultipleMatchingKeys,
  ].some((kind) => error instanceof kind);
}

const introspected = z.looseObject({
  active: z.boolean(),
  iss: z.string().optional(),
  aud: z.union([z.string(), z.array(z.string())]).optional(),
  exp: z.number().optional(),
  scope: z.string().optional(),
});

function byIntrospection(options: OAuthOptions): JudgeToken {
  const { introspection, audience, issuer, timeoutMs, clockSkewMs } = options;
  return async (token) => {
    const { url, clientId, clientSecret } = introspection ?? { url: '', clientId: '', clientSecret: '' };
    const answer = await plainFetch(url, {
      method: 'POST',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        // RFC 6749 §2.3.1: both are form-encoded first.
        authorization: `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')}`,
        accept: 'application/json',
      },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }),
    });
    if (!answer.ok) throw new Error(`the issuer answered ${answer.status}`);
    const found = introspected.parse(JSON.parse(await boundedText(answer)));
    if (!found.active) return invalid('the issuer says that it is not active');
    if (found.iss !== undefined && found.iss !== issuer) return rejected('another issuer');
    if (found.exp !== undefined && found.exp * 1000 + clockSkewMs < Date.now()) return rejected('expired');
    if (audience !== undefined && ![found.aud ?? []].flat().includes(audience))
      return rejected('another audience');
    return nameOf(found, options);
  };
}

async function boundedText(answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of answer.body ?? []) {
    length += part.length;
    if (length > maxAnswerOctets) throw new Error('the issuer says too much');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function nameOf(claims: Readonly<Record<string, unknown>>, { claim, scope }: OAuthOptions): TokenVerdict {
  const scopes = typeof claims.scope === 'string' ? claims.scope.split(' ') : [claims.scp ?? []].flat();
  if (scope !== undefined && !scopes.includes(scope)) return rejected(`without the scope ${scope}`);
  const name = claims[claim];
  if (typeof name !== 'string' || name === '') return rejected(`without the claim ${claim}`);
  // An unverified address is whatever its owner likes (OpenID Connect Core §5.7).
  if (claim === 'email' && claims.email_verified !== true) return rejected('an address that is not verified');
  return { kind: 'valid', name };
}

function invalid(because: string): TokenVerdict {
  return { kind: 'invalid', because, isSigned: false };
}

function rejected(because: string): TokenVerdict {
  return { kind: 'invalid', because, isSigned: true };
}

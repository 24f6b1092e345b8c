/** The tokens that identify test messages. */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** The content of a token: the case, the run, the target, and the time. */
export interface Token {
  readonly target: string;
  readonly caseId: string;
  /** Milliseconds since 1970, in whole seconds. */
  readonly at: number;
}

/** The name of the header field that carries the token, besides the recipient. */
export const tokenField = 'X-Relay-Test';

const macDigits = 20;
const pattern = /rt-([a-z0-9]{1,24})-([0-9a-z]{6,9})-([0-9a-f]{20})/g;

/**
 * Writes a token: `rt-CASE-SECONDS-MAC`, at most 58 characters that every mailer leaves alone. The MAC is HMAC-SHA-256
 * over target, case and time, cut to 80 bits: nobody else can make us believe in an arrival.
 */
export function formatToken(token: Token, secret: Uint8Array): string {
  const seconds = Math.floor(token.at / 1000).toString(36);
  return `rt-${token.caseId}-${seconds}-${mac({ ...token, seconds }, secret)}`;
}

/**
 * Finds the tokens in a text that were made with this secret for one of these targets. Letter case is
 * ignored, because mailers change it.
 */
export function findTokens(text: string, targets: Iterable<string>, secret: Uint8Array): readonly Token[] {
  const found: Token[] = [];
  const names = [...targets];
  for (const [, caseId = '', seconds = '', claimed = ''] of text.toLowerCase().matchAll(pattern)) {
    for (const target of names) {
      const real = mac({ target, caseId, seconds }, secret);
      if (!timingSafeEqual(Buffer.from(real), Buffer.from(claimed))) continue;
      found.push({ target, caseId, at: Number.parseInt(seconds, 36) * 1000 });
    }
  }
  return found;
}

function mac(
  { target, caseId, seconds }: { readonly target: string; readonly caseId: string; readonly seconds: string },
  secret: Uint8Array,
): string {
  return createHmac('sha256', secret)
    .update(`${target}\n${caseId}\n${seconds}`)
    .digest('hex')
    .slice(0, macDigits);
}

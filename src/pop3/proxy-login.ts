/** Reads the name of a login that passes through the proxy. */
import { isSameName } from '../identity/index.ts';

/** The login commands of POP3 clients, and the name that each claims, as far as it can be read. */

/** Mechanisms that do not reveal the password to a listener. */
const protectedMechanisms = /^(?:SCRAM-|CRAM-MD5$|DIGEST-MD5$)/;

/** Whether a mechanism may be used without TLS. */
export function isProtected(mechanism: string): boolean {
  return protectedMechanisms.test(mechanism.toUpperCase());
}

/** RFC 7628 and XOAUTH2 put this octet between their fields. */
const separator = '\u0001';

/**
 * The name that the responses of a SASL exchange claim, in the order of the client; undefined if it cannot be read, or
 * if a user acts for another: then the login opens no window. An ambiguous response is not read at all: a window must
 * never be for a name that the server did not see.
 */
export function saslName(mechanism: string, responses: readonly string[]): string | undefined {
  const name = claimedName(mechanism, responses);
  return name !== undefined && isPlainName(name) ? name : undefined;
}

/** Whether a name has no control characters: some servers read on behind them, and some do not. */
export function isPlainName(name: string): boolean {
  return name !== '' && !/\p{Cc}/u.test(name);
}

function claimedName(mechanism: string, responses: readonly string[]): string | undefined {
  const decoded = responses.map(decodeResponse);
  const [first] = decoded;
  if (first === undefined || decoded.includes(undefined)) return undefined;
  switch (mechanism.toUpperCase()) {
    case 'PLAIN':
      return plainName(first);
    case 'LOGIN':
      // With another number of them the first may be the password: `AUTH LOGIN =` is a name for some servers.
      return responses.length === 2 ? first : undefined;
    case 'CRAM-MD5':
      return /^(\S+) [0-9a-f]{32}$/i.exec(first)?.[1];
    case 'XOAUTH2': {
      const names = first.split(separator).filter((field) => field.startsWith('user='));
      return names.length === 1 && first.startsWith('user=') ? names[0]?.slice(5) : undefined;
    }
    case 'OAUTHBEARER': {
      const [header = '', ...fields] = first.split(separator);
      const isOdd = fields.some((field) => /^(?:a|user)=/.test(field));
      return isOdd ? undefined : gs2Name(/^n,a=([^,]+),$/.exec(header)?.[1]);
    }
    case 'SCRAM-SHA-1':
    case 'SCRAM-SHA-256':
      return scramName(first);
    default:
      return undefined;
  }
}

/** The name and secret of a login attempt, for the throttle. */
export interface GivenLogin {
  readonly name?: string | undefined;
  /** Where the same secret looks the same each time. */
  readonly secret?: string | undefined;
}

/**
 * The login in the responses once the server would judge the next of them; undefined before that. Tokens are not
 * passwords, and have a count of their own.
 */
export function saslLogin(mechanism: string, responses: readonly string[]): GivenLogin | undefined {
  const last = responses.at(-1);
  if (last === undefined) return undefined;
  const name = saslName(mechanism, responses);
  switch (mechanism.toUpperCase()) {
    case 'PLAIN':
      return { name, secret: last };
    case 'LOGIN':
      return responses.length < 2 ? undefined : { name, secret: last };
    case 'OAUTHBEARER':
    case 'XOAUTH2':
      return { name: `token of ${name ?? ''}`, secret: last };
    case 'SCRAM-SHA-1':
    case 'SCRAM-SHA-256':
      return responses.length < 2 ? undefined : { name };
    default:
      return { name };
  }
}

/** The one text that a response stands for: canonical base 64 of UTF-8. */
function decodeResponse(response: string): string | undefined {
  const octets = Buffer.from(response, 'base64');
  const text = octets.toString('utf8');
  const isExact = octets.toString('base64') === response && Buffer.from(text, 'utf8').equals(octets);
  return isExact ? text : undefined;
}

/** RFC 4616: authorization identity, authentication identity, password. */
function plainName(text: string): string | undefined {
  const [authorized = '', authenticated = '', password, ...more] = text.split('\0');
  if (password === undefined || more.length > 0) return undefined;
  return authorized === '' || isSameName(authorized, authenticated) ? authenticated : undefined;
}

/** RFC 5802 §7: `n,,n=user,r=…`; with an authorization identity it must be the same name. */
function scramName(first: string): string | undefined {
  const match = /^[ny],(?:a=([^,]*))?,(?:m=[^,]*,)?n=([^,]+),r=/.exec(first);
  const [, authorized, name] = match ?? [];
  const [acting, own] = [gs2Name(authorized) ?? '', gs2Name(name)];
  return acting === '' || isSameName(acting, own ?? '') ? own : undefined;
}

function gs2Name(text: string | undefined): string | undefined {
  return text?.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

/** The capabilities of the upstream, changed to those of the proxy. Lines without the last dot. */
export function editCapabilities(
  lines: readonly string[],
  { canSecure, allowsPlain }: { readonly canSecure: boolean; readonly allowsPlain: boolean },
): readonly string[] {
  const kept = lines.flatMap((line) => {
    const [word = '', ...rest] = line.split(' ');
    switch (word.toUpperCase()) {
      case 'STLS':
        return [];
      case 'USER':
        return allowsPlain ? [line] : [];
      case 'SASL': {
        // TLS ends here, so no channel is bound to the server behind.
        const usable = rest.filter((name) => !/-PLUS$/i.test(name) && (allowsPlain || isProtected(name)));
        return usable.length === 0 ? [] : [[word, ...usable].join(' ')];
      }
      default:
        return [line];
    }
  });
  return canSecure ? [...kept, 'STLS'] : kept;
}

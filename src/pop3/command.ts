/** Parses the commands of POP3. */

/** A client's command. `error` is a line that is no command, or one with arguments that make no sense. */
export type Command =
  /** Octets as received: UTF-8 (RFC 6856), or any other encoding. */
  | { readonly verb: 'user'; readonly name: Buffer }
  | { readonly verb: 'pass'; readonly password: Buffer }
  | { readonly verb: 'auth'; readonly mechanism: string; readonly initial?: string }
  | { readonly verb: 'apop' | 'stls' | 'capa' | 'stat' | 'rset' | 'noop' | 'quit' }
  /** Without a number: all messages. */
  | { readonly verb: 'list' | 'uidl'; readonly message?: number }
  | { readonly verb: 'retr' | 'dele'; readonly message: number }
  | { readonly verb: 'top'; readonly message: number; readonly lines: number }
  | { readonly verb: 'error'; readonly kind: 'unknown' | 'arguments' };

const unknown: Command = { verb: 'error', kind: 'unknown' };
const badArguments: Command = { verb: 'error', kind: 'arguments' };

/**
 * Parses a line without its CRLF (RFC 1939 §3). Keywords have no case; a password may have spaces. `latin1` is for
 * octets that are not UTF-8: they may be a name or a password, and nothing else. Never throws.
 */
export function parseCommand(line: string, encoding: 'utf8' | 'latin1' = 'utf8'): Command {
  const space = line.indexOf(' ');
  const keyword = (space < 0 ? line : line.slice(0, space)).toLowerCase();
  const rest = space < 0 ? '' : line.slice(space + 1);
  if (encoding === 'latin1' && keyword !== 'user' && keyword !== 'pass') return unknown;
  switch (keyword) {
    case 'user':
      return rest.trim() === '' ? badArguments : { verb: 'user', name: Buffer.from(rest.trim(), encoding) };
    case 'pass':
      return rest === '' ? badArguments : { verb: 'pass', password: Buffer.from(rest, encoding) };
    case 'auth':
      return parseAuth(wordsOf(rest));
    case 'apop':
      return { verb: 'apop' };
    case 'stls':
    case 'capa':
    case 'stat':
    case 'rset':
    case 'noop':
    case 'quit':
      return rest.trim() === '' ? { verb: keyword } : badArguments;
    case 'list':
    case 'uidl':
    case 'retr':
    case 'dele':
    case 'top':
      return parseNumbered(keyword, wordsOf(rest));
    default:
      return unknown;
  }
}

/** RFC 5034 §4: the mechanism, and perhaps an initial response. */
function parseAuth([mechanism, initial, ...more]: readonly string[]): Command {
  if (mechanism === undefined || more.length > 0 || !/^[A-Za-z0-9_-]{1,20}$/.test(mechanism))
    return badArguments;
  return { verb: 'auth', mechanism: mechanism.toUpperCase(), ...(initial !== undefined && { initial }) };
}

function parseNumbered(
  verb: 'list' | 'uidl' | 'retr' | 'dele' | 'top',
  [first, second, ...more]: readonly string[],
): Command {
  const message = numberOf(first);
  const lines = numberOf(second);
  if (more.length > 0 || Number.isNaN(message) || Number.isNaN(lines)) return badArguments;
  if (verb === 'top')
    return message === undefined || lines === undefined ? badArguments : { verb, message, lines };
  if (lines !== undefined) return badArguments;
  if (verb === 'list' || verb === 'uidl') return { verb, ...(message !== undefined && { message }) };
  return message === undefined ? badArguments : { verb, message };
}

function wordsOf(text: string): readonly string[] {
  return text.split(' ').filter((word) => word !== '');
}

/** NaN for anything but a number of reasonable length; `undefined` if it is absent. */
function numberOf(word: string | undefined): number | undefined {
  if (word === undefined) return undefined;
  return /^\d{1,9}$/.test(word) ? Number(word) : Number.NaN;
}

/** Parses command lines. */
import {
  type Address,
  isAscii,
  type PathError,
  parseForwardPath,
  parseReversePath,
  type Reply,
  type ReversePath,
  reply,
} from '../mail/index.ts';
import { decodeXtext } from './xtext.ts';

/** Parameters of MAIL or RCPT by keyword in upper case; `undefined` for one without a value. */
export type Parameters = ReadonlyMap<string, string | undefined>;

/** One command line, parsed (RFC 5321 §4.1.1 and the extensions). */
export type Command =
  /** `name` is printable ASCII without spaces, 1 to 255 characters; whether it is a domain is not looked at. */
  | { readonly verb: 'ehlo' | 'helo' | 'lhlo'; readonly name: string }
  | { readonly verb: 'mail'; readonly reversePath: ReversePath; readonly parameters: Parameters }
  | {
      readonly verb: 'rcpt';
      /** The path was written beyond ASCII. */
      readonly isUtf8?: true;
      /** `postmaster` is `<Postmaster>` without a domain, which must be taken (RFC 5321 §4.5.1). */
      readonly forwardPath: Address | 'postmaster';
      readonly parameters: Parameters;
    }
  | { readonly verb: 'data' | 'rset' | 'quit' | 'starttls' }
  /** `size` is `too-big` when no number can hold it: the chunk cannot be skipped, so the session ends. */
  | { readonly verb: 'bdat'; readonly size: number | 'too-big'; readonly isLast: boolean }
  | { readonly verb: 'noop' | 'vrfy' | 'expn' | 'help'; readonly argument: string }
  /** `initial` is the initial response in base64, `=` for an empty one (RFC 4954 §4). */
  | { readonly verb: 'auth'; readonly mechanism: string; readonly initial?: string }
  /** Attributes by name in upper case, decoded. */
  | { readonly verb: 'xclient'; readonly attributes: ReadonlyMap<string, string> }
  /**
   * Anything else. `name` is the first word, in upper case when it is a word of letters. `kind` says whether
   * SMTP knows it and we do not do it (502), whether it looks like HTTP or a header field sent by a proxy or
   * a browser (the session may end), or neither (500).
   */
  | { readonly verb: 'unknown'; readonly name: string; readonly kind: 'smtp' | 'foreign' | 'other' };

/** A command with a malformed line. `reply` is the reply to it: it never contains the peer's text. */
export interface CommandError {
  readonly verb: 'error';
  /** The verb as it would have been, for the log and the metrics. */
  readonly of: Exclude<Command['verb'], 'unknown'>;
  readonly reply: Reply;
}

const syntaxOf = (detail: string, text: string): Reply => reply(501, detail, text);
const noArgument = syntaxOf('5.4', 'this command takes no argument');
const needsName = syntaxOf('5.4', 'give the name of the host that speaks');
const needsArgument = syntaxOf('5.4', 'this command needs an argument');
const mailSyntax = syntaxOf('5.4', 'syntax: MAIL FROM:<address>');
const rcptSyntax = syntaxOf('5.4', 'syntax: RCPT TO:<address>');
const senderSyntax = syntaxOf('1.7', 'bad syntax of the sender address');
const senderTooLong = syntaxOf('1.7', 'sender address too long');
const recipientSyntax = syntaxOf('1.3', 'bad syntax of the recipient address');
const recipientTooLong = syntaxOf('1.3', 'recipient address too long');
const senderNotAscii = reply(553, '6.7', 'a sender address beyond ASCII needs SMTPUTF8');
const parameterSyntax = syntaxOf('5.4', 'bad syntax of a parameter');
const parameterTwice = syntaxOf('5.4', 'a parameter is given twice');
const bdatSyntax = syntaxOf('5.4', 'syntax: BDAT size [LAST]');
const authSyntax = syntaxOf('5.4', 'syntax: AUTH mechanism [initial-response]');
const xclientSyntax = syntaxOf('5.4', 'syntax: XCLIENT name=value');

type Parse = (argument: string) => Command | CommandError;

const error = (of: CommandError['of'], value: Reply): CommandError => ({ verb: 'error', of, reply: value });

/** HELO, EHLO and LHLO: one word. A host that knows no better name than a bad one is still let in. */
const greeting =
  (verb: 'ehlo' | 'helo' | 'lhlo'): Parse =>
  (name) =>
    /^[!-~]{1,255}$/.test(name) ? { verb, name } : error(verb, needsName);

const bare =
  (verb: 'data' | 'rset' | 'quit' | 'starttls'): Parse =>
  (argument) =>
    argument === '' ? { verb } : error(verb, noArgument);

const withText =
  (verb: 'noop' | 'vrfy' | 'expn' | 'help', isRequired: boolean): Parse =>
  (argument) =>
    isRequired && argument === '' ? error(verb, needsArgument) : { verb, argument };

const parsers: ReadonlyMap<string, Parse> = new Map<string, Parse>([
  ['EHLO', greeting('ehlo')],
  ['HELO', greeting('helo')],
  ['LHLO', greeting('lhlo')],
  ['MAIL', parseMail],
  ['RCPT', parseRcpt],
  ['DATA', bare('data')],
  ['BDAT', parseBdat],
  ['RSET', bare('rset')],
  ['NOOP', withText('noop', false)],
  ['QUIT', bare('quit')],
  ['VRFY', withText('vrfy', true)],
  ['EXPN', withText('expn', true)],
  ['HELP', withText('help', false)],
  ['STARTTLS', bare('starttls')],
  ['AUTH', parseAuth],
  ['XCLIENT', parseXclient],
]);

/** Verbs of SMTP that we know and do not offer (RFC 821, 1985, 2645, 4468). */
const smtpVerbs = new Set(['SEND', 'SOML', 'SAML', 'TURN', 'ETRN', 'ATRN', 'BURL', 'VERB', 'XFORWARD']);
const httpVerbs = new Set(['GET', 'PUT', 'POST', 'HEAD', 'OPTIONS', 'CONNECT', 'DELETE', 'PATCH', 'TRACE']);

/**
 * Parses a command line without its CRLF. Verbs and keywords in any case of letters; white space at the end
 * is dropped (RFC 5321 §4.1.1). Never throws.
 */
export function parseCommand(line: string): Command | CommandError {
  const text = trimEnd(line);
  const space = text.search(/[ \t]/);
  const name = (space < 0 ? text : text.slice(0, space)).toUpperCase();
  const parser = parsers.get(name);
  if (parser === undefined) return unknownCommand(name);
  return parser(space < 0 ? '' : text.slice(space).trimStart());
}

/**
 * Reads a command that `parseCommand` refuses as Postfix reads it, with which more programs were tested than with the
 * standard: a greeting of several words or beyond ASCII, tabs for blanks, blanks around an address, an address without
 * brackets. `undefined` if its meaning would be in doubt.
 */
export function parseLeniently(line: string): Command | undefined {
  const [, verb = '', rest = ''] = /^(\S+)[ \t]+(.*)$/s.exec(trimEnd(line)) ?? [];
  const argument = rest.trimStart();
  switch (verb.toUpperCase()) {
    case 'EHLO':
    case 'HELO':
      return argument === '' ? undefined : accepted(`${verb} ${asName(argument)}`);
    case 'MAIL':
    case 'RCPT': {
      const [, keyword = '', path = ''] = /^((?:from|to):)[ \t]*(.*)$/is.exec(argument) ?? [];
      const tidy = asPath(path);
      return tidy === undefined ? undefined : accepted(`${verb} ${keyword}${tidy}`);
    }
    default:
      return undefined;
  }
}

function accepted(line: string): Command | undefined {
  const command = parseCommand(line);
  return command.verb === 'error' ? undefined : command;
}

/** A name that is one word of ASCII: it is only shown, so no decision depends on its question marks. */
function asName(argument: string): string {
  return argument.replace(/[^!-~]/gu, '?').slice(0, 255);
}

/** The path in brackets, and the text after one blank. */
function asPath(text: string): string | undefined {
  const [, inner, rest = ''] =
    /^<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>(.*)$/s.exec(text) ??
    /^((?:"(?:[^"\\]|\\.)*"|[^<> \t"])+)((?:[ \t].*)?)$/s.exec(text) ??
    [];
  if (inner === undefined || (rest !== '' && rest[0] !== ' ' && rest[0] !== '\t')) return undefined;
  return `<${trimEnd(inner).trimStart()}>${rest.replaceAll('\t', ' ')}`;
}

function unknownCommand(name: string): Command {
  // A first word with a colon is a header field: the client speaks HTTP, or sends a message without DATA.
  const isForeign = httpVerbs.has(name) || /^[A-Z][A-Z0-9-]*:$/.test(name);
  const kind = smtpVerbs.has(name) ? 'smtp' : isForeign ? 'foreign' : 'other';
  return { verb: 'unknown', name: /^[A-Z]{1,20}$/.test(name) ? name : '', kind };
}

function parseMail(argument: string): Command | CommandError {
  if (!/^FROM:/i.test(argument)) return error('mail', mailSyntax);
  const result = parseReversePath(argument.slice(5));
  if (result.kind !== 'path') return error('mail', pathReply(result, senderSyntax, senderTooLong));
  const parameters = parseParameters(result.rest);
  if ('code' in parameters) return error('mail', parameters);
  // RFC 6531 §3.4: without the parameter the address has to be of ASCII.
  if (isBeyondAscii(argument, result.rest) && !parameters.has('SMTPUTF8'))
    return error('mail', senderNotAscii);
  return { verb: 'mail', reversePath: result.path, parameters };
}

function parseRcpt(argument: string): Command | CommandError {
  if (!/^TO:/i.test(argument)) return error('rcpt', rcptSyntax);
  const result = parseForwardPath(argument.slice(3));
  if (result.kind !== 'path') return error('rcpt', pathReply(result, recipientSyntax, recipientTooLong));
  const parameters = parseParameters(result.rest);
  if ('code' in parameters) return error('rcpt', parameters);
  const command = { verb: 'rcpt', forwardPath: result.path, parameters } as const;
  return isBeyondAscii(argument, result.rest) ? { ...command, isUtf8: true } : command;
}

/** Whether the path was written with characters beyond ASCII; parsed, a domain has none. */
function isBeyondAscii(argument: string, rest: string): boolean {
  return !isAscii(rest === '' ? argument : argument.slice(0, -rest.length));
}

function pathReply(wrong: PathError, syntax: Reply, tooLong: Reply): Reply {
  return wrong.kind === 'too-long' ? tooLong : syntax;
}

const noParameters: Parameters = new Map();

/** The words after a path (`esmtp-param` of RFC 5321 §4.1.2, with UTF-8 in values for RFC 6531). */
function parseParameters(rest: string): Parameters | Reply {
  if (rest === '') return noParameters;
  const parameters = new Map<string, string | undefined>();
  for (const word of rest.split(' ')) {
    if (word === '') continue;
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u00a0-\u{10ffff}]+))?$/u.exec(word);
    const keyword = match?.[1]?.toUpperCase();
    if (keyword === undefined) return parameterSyntax;
    if (parameters.has(keyword)) return parameterTwice;
    parameters.set(keyword, match?.[2]);
  }
  return parameters;
}

/** RFC 3030 §2. The size is kept within the numbers that count octets exactly. */
function parseBdat(argument: string): Command | CommandError {
  const match = /^(\d+)(?:[ \t]+(LAST))?$/i.exec(argument);
  if (match === null) return error('bdat', bdatSyntax);
  const size = Number(match[1]);
  return {
    verb: 'bdat',
    size: Number.isSafeInteger(size) ? size : 'too-big',
    isLast: match[2] !== undefined,
  };
}

function parseAuth(argument: string): Command | CommandError {
  const match = /^([A-Za-z0-9_-]{1,20})(?:[ \t]+([!-~]+))?$/.exec(argument);
  const mechanism = match?.[1]?.toUpperCase();
  if (mechanism === undefined) return error('auth', authSyntax);
  const initial = match?.[2];
  return initial === undefined ? { verb: 'auth', mechanism } : { verb: 'auth', mechanism, initial };
}

function parseXclient(argument: string): Command | CommandError {
  const attributes = new Map<string, string>();
  for (const word of argument.split(/[ \t]+/)) {
    const match = /^([A-Za-z]{1,20})=(\S*)$/.exec(word);
    const name = match?.[1]?.toUpperCase();
    const value = match === null ? undefined : decodeXtext(match[2] ?? '');
    if (name === undefined || value === undefined || attributes.has(name))
      return error('xclient', xclientSyntax);
    attributes.set(name, value);
  }
  return { verb: 'xclient', attributes };
}

/** `trimEnd` of ASCII blanks only, without looking at every run of them (a regular expression would). */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--;
  return end === text.length ? text : text.slice(0, end);
}

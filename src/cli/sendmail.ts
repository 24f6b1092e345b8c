/** sendmail(1): reads a message and puts it into the maildrop. */
import { harmlessText } from '../base/index.ts';
import { type Address, parseMailbox } from '../mail/index.ts';
import type { DropEnvelope } from '../maildrop/index.ts';
import type { Selector } from '../operation/commands.ts';
import { listedAddresses } from './address-list.ts';
import { CliError, exitCode } from './exit-code.ts';
import { type Io, userName } from './io.ts';
import { drop, type SendmailSite } from './sendmail-drop.ts';
import { parseSendmail, type SendmailOptions } from './sendmail-options.ts';
import { prepareMessage } from './submission.ts';

/** The functions that sendmail calls besides the maildrop. */
export interface SendmailParts {
  readonly site: (configFile: string | undefined) => Promise<SendmailSite>;
  /** `mailq`: prints the queue. */
  readonly listQueue: (configFile: string | undefined) => Promise<number>;
  readonly flushQueue: (configFile: string | undefined, selector: Selector) => Promise<number>;
}

/**
 * sendmail(1): reads a message on standard input and puts it into the maildrop, whether or not the relay
 * runs. Exit 0 means that the message would survive a power cut.
 */
export async function runSendmail(argv: readonly string[], io: Io, parts: SendmailParts): Promise<number> {
  const options = parseSendmail(argv);
  for (const warning of options.warnings) io.err(`sendmail: warning: ${harmlessText(warning)}\n`);
  switch (options.mode) {
    case 'nothing':
      return exitCode.ok;
    case 'aliases':
      // Aliases are read from their text, so there is nothing to rebuild.
      return exitCode.ok;
    case 'list-queue':
      return parts.listQueue(options.configFile);
    case 'flush-queue':
      return parts.flushQueue(options.configFile, options.flush ?? { match: {} });
    case 'smtp': {
      const { speakSmtp } = await import('./sendmail-session.ts');
      return await speakSmtp(io, await parts.site(options.configFile));
    }
    case 'deliver':
      return deliver(options, io, await parts.site(options.configFile));
  }
}

async function deliver(options: SendmailOptions, io: Io, site: SendmailSite): Promise<number> {
  if (options.recipients.length === 0 && !options.readsHeader) {
    throw new CliError(exitCode.usage, 'no recipients: name them, or take those of the header with -t');
  }
  const user = qualify(userName(io), site, exitCode.noUser).text;
  const from = options.from === undefined ? user : senderOf(options.from, { io, site });
  // A wrong address on the command line is reported before anything is read.
  const named = options.recipients.flatMap((text) => addressesIn(text, site, exitCode.noUser));
  const message = await prepareMessage(io.stdin, {
    sender: {
      address: from || user,
      fullName: options.fullName ?? io.env.NAME ?? '',
      hostname: site.hostname,
    },
    now: Date.now(),
    dotEnds: options.dotEnds,
    qualifies: !options.isGateway,
  });
  const to = allRecipients(named, options.readsHeader ? message.recipients : [], site);
  const names = await drop(
    site.maildrop,
    envelopeOf(options, from, to),
    bounded(message.octets, site.maxMessageBytes),
  );
  if (options.isVerbose) io.err(`queued as ${names.join(', ')} for ${to.join(', ')}\n`);
  return exitCode.ok;
}

/** Recipients of the command line, then those of the header; each once. */
function allRecipients(named: readonly string[], ofHeader: readonly string[], site: SendmailSite): string[] {
  const { recipients: max } = site.limits;
  const others = ofHeader.flatMap(splitWords).map((text) => qualify(text, site, exitCode.dataErr).text);
  const to = [...new Set([...named, ...others])];
  if (to.length === 0) throw new CliError(exitCode.dataErr, 'the header names no recipients');
  if (to.length <= max) return to;
  throw new CliError(exitCode.dataErr, `${to.length} recipients are more than the ${max} allowed`);
}

function envelopeOf(options: SendmailOptions, from: string, to: readonly string[]): DropEnvelope {
  const { body, notify, ret, envid } = options;
  return {
    version: 1,
    from,
    to: to.map((address) => ({ address, ...(notify === undefined ? {} : { notify }) })),
    body,
    ...(ret === undefined ? {} : { ret }),
    ...(envid === undefined ? {} : { envid }),
  };
}

/** The sender of `-f`: a list of which the first counts, as with Postfix; empty is the null reverse-path. */
function senderOf(text: string, { io, site }: { readonly io: Io; readonly site: SendmailSite }): string {
  if (text.trim() === '') return '';
  const [first = '', ...others] = addressesIn(text, site, exitCode.noUser);
  if (others.length > 0)
    io.err(`sendmail: warning: -f names more than one sender; ${harmlessText(first)} is taken\n`);
  return first;
}

/** The addresses of an argument, which is an address list: `a@x,b@y`, `Anna <a@x>`. */
function addressesIn(text: string, site: SendmailSite, code: AddressFault): string[] {
  const found = listedAddresses(text).flatMap(splitWords);
  if (found.length === 0) throw new CliError(code, `"${text}" is not an address`);
  return found.map((each) => qualify(each, site, code).text);
}

/** Names that are separated by blanks only, as careless programs write them. */
function splitWords(text: string): readonly string[] {
  return text.match(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g) ?? [text];
}

type AddressFault = typeof exitCode.noUser | typeof exitCode.dataErr;

/** Adds our host name to a name without a domain, as local programs write it. */
function qualify(text: string, site: SendmailSite, code: AddressFault): Address {
  const address =
    parseMailbox(text, { smtputf8: true }) ?? parseMailbox(`${text}@${site.hostname}`, { smtputf8: true });
  if (address === undefined) throw new CliError(code, `"${text}" is not an address`);
  return address;
}

async function* bounded(octets: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of octets) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new CliError(exitCode.dataErr, `the message is larger than the ${maxBytes} octets allowed`);
    }
    yield chunk;
  }
}

import type { DropEnvelope } from '../admin/index.ts';
import { type Address, type Domain, parseMailbox } from '../mail/index.ts';
import type { ReceiverLimits } from '../receiver/index.ts';
import { CliError, exitCode } from './exit-code.ts';
import { type Io, userName } from './io.ts';
import { drop } from './sendmail-drop.ts';
import { parseSendmail, type SendmailOptions } from './sendmail-options.ts';
import { prepareMessage } from './submission.ts';

/** What sendmail has to know of the relay's configuration. */
export interface SendmailSite {
  readonly hostname: string;
  /** The folder of the maildrop. */
  readonly maildrop: string;
  readonly maxMessageBytes: number;
  readonly limits: ReceiverLimits;
  /** Where `<Postmaster>` is. */
  readonly postmasterDomain: Domain;
}

/** What sendmail asks for besides the maildrop. */
export interface SendmailParts {
  readonly site: (configFile: string | undefined) => Promise<SendmailSite>;
  /** `mailq`: prints the queue. */
  readonly listQueue: (configFile: string | undefined) => Promise<number>;
  readonly flushQueue: (configFile: string | undefined) => Promise<number>;
}

/**
 * sendmail(1): reads a message on standard input and puts it into the maildrop, whether or not the relay
 * runs. Exit 0 means that the message would survive a power cut.
 */
export async function runSendmail(argv: readonly string[], io: Io, parts: SendmailParts): Promise<number> {
  const options = parseSendmail(argv);
  switch (options.mode) {
    case 'aliases':
      // Aliases are read from their text, so there is nothing to rebuild.
      return exitCode.ok;
    case 'list-queue':
      return parts.listQueue(options.configFile);
    case 'flush-queue':
      return parts.flushQueue(options.configFile);
    case 'smtp': {
      const { speakSmtp } = await import('./sendmail-session.ts');
      await speakSmtp(io, await parts.site(options.configFile));
      return exitCode.ok;
    }
    case 'deliver':
      return deliver(options, io, await parts.site(options.configFile));
  }
}

async function deliver(options: SendmailOptions, io: Io, site: SendmailSite): Promise<number> {
  if (options.recipients.length === 0 && !options.readsHeader) {
    throw new CliError(exitCode.usage, 'no recipients: name them, or take those of the header with -t');
  }
  const from = options.from === '' ? '' : qualify(options.from ?? userName(io), site, exitCode.noUser).text;
  // A wrong address on the command line is told before anything is read.
  const named = options.recipients.map((text) => qualify(text, site, exitCode.noUser).text);
  const message = await prepareMessage(io.stdin, {
    sender: {
      address: from || qualify(userName(io), site, exitCode.noUser).text,
      fullName: options.fullName ?? io.env.NAME ?? '',
      hostname: site.hostname,
    },
    now: Date.now(),
    dotEnds: options.dotEnds,
  });
  const to = allRecipients(named, options.readsHeader ? message.recipients : [], site);
  const name = await drop(
    site.maildrop,
    envelopeOf(options, from, to),
    bounded(message.octets, site.maxMessageBytes),
  );
  if (options.isVerbose) io.err(`queued as ${name} for ${to.join(', ')}\n`);
  return exitCode.ok;
}

/** Those of the command line, then those of the header; each once. */
function allRecipients(named: readonly string[], ofHeader: readonly string[], site: SendmailSite): string[] {
  const { recipients: max } = site.limits;
  const others = ofHeader.map((text) => qualify(text, site, exitCode.dataErr).text);
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

/** Adds our host name to a name without a domain, as local programs write it. */
function qualify(
  text: string,
  site: SendmailSite,
  code: typeof exitCode.noUser | typeof exitCode.dataErr,
): Address {
  const trimmed = text.trim().replace(/^<(.*)>$/s, '$1');
  const address =
    parseMailbox(trimmed, { smtputf8: true }) ??
    parseMailbox(`${trimmed}@${site.hostname}`, { smtputf8: true });
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

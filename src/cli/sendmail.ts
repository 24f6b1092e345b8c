import { userInfo } from 'node:os';

import { type DropEnvelope, dropMail } from '../admin/index.ts';
import { type Address, parseMailbox, type Reply, reply } from '../mail/index.ts';
import { CliError, exitCode } from './exit-code.ts';
import type { Io } from './io.ts';
import { parseSendmail, type SendmailOptions } from './sendmail-options.ts';
import { speakSmtp } from './sendmail-smtp.ts';
import { prepareMessage } from './submission.ts';

/** What sendmail has to know of the relay's configuration. */
export interface SendmailSite {
  readonly hostname: string;
  /** The folder of the maildrop. */
  readonly maildrop: string;
  readonly maxMessageBytes: number;
  readonly maxRecipients: number;
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
    case 'smtp':
      return runSmtp(io, await parts.site(options.configFile));
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
  const ofHeader = options.readsHeader
    ? message.recipients.map((text) => qualify(text, site, exitCode.dataErr).text)
    : [];
  const to = [...new Set([...named, ...ofHeader])];
  if (to.length === 0) throw new CliError(exitCode.dataErr, 'the header names no recipients');
  if (to.length > site.maxRecipients) {
    throw new CliError(
      exitCode.dataErr,
      `${to.length} recipients are more than the ${site.maxRecipients} allowed`,
    );
  }
  const name = await drop(site, envelopeOf(options, from, to), bounded(message.octets, site.maxMessageBytes));
  if (options.isVerbose) io.err(`queued as ${name} for ${to.join(', ')}\n`);
  return exitCode.ok;
}

function envelopeOf(options: SendmailOptions, from: string, to: readonly string[]): DropEnvelope {
  return {
    version: 1,
    from,
    to: [...to],
    body: options.body,
    ...(options.notify === undefined ? {} : { notify: notifyOf(options.notify) }),
    ...(options.ret === undefined ? {} : { ret: options.ret }),
    ...(options.envid === undefined ? {} : { envid: options.envid }),
  };
}

function notifyOf(notify: Exclude<SendmailOptions['notify'], undefined>): DropEnvelope['notify'] & {} {
  return notify === 'never' ? notify : [...notify];
}

async function runSmtp(io: Io, site: SendmailSite): Promise<number> {
  await speakSmtp({
    input: io.stdin,
    write: (text) => io.out(text),
    hostname: site.hostname,
    maxMessageBytes: site.maxMessageBytes,
    maxRecipients: site.maxRecipients,
    submit: async ({ reversePath, recipients, body }, octets): Promise<Reply> => {
      const to = recipients.map(({ address }) => address.text);
      const name = await dropMail(
        site.maildrop,
        { version: 1, from: reversePath?.text ?? '', to, body },
        octets,
      );
      return reply(250, '0.0', `queued as ${name}`);
    },
  });
  return exitCode.ok;
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

function userName(io: Io): string {
  try {
    return userInfo().username;
  } catch {
    return io.env.LOGNAME ?? io.env.USER ?? String(process.getuid?.() ?? 'nobody');
  }
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

async function drop(
  site: SendmailSite,
  envelope: DropEnvelope,
  octets: AsyncIterable<Buffer>,
): Promise<string> {
  try {
    return await dropMail(site.maildrop, envelope, octets);
  } catch (error) {
    throw error instanceof CliError ? error : dropError(error, site.maildrop);
  }
}

/** Everything but a missing permission may be better later, so the caller is told to try again. */
function dropError(error: unknown, folder: string): CliError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const cause = { cause: error };
  if (code === 'EACCES' || code === 'EPERM') {
    return new CliError(exitCode.noPerm, `not allowed to write to the maildrop "${folder}"`, cause);
  }
  if (code === 'ENOENT') {
    return new CliError(
      exitCode.tempFail,
      `there is no maildrop "${folder}": has the relay ever run?`,
      cause,
    );
  }
  return new CliError(exitCode.tempFail, `the message could not be kept: ${String(error)}`, cause);
}

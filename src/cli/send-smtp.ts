/** Sends the message of `posthouse send --server` by SMTP. */
import { lookup } from 'node:dns/promises';
import { isPort, splitHostPort } from '../base/index.ts';
import { ClientError, type OutgoingMessage, openClient } from '../client/index.ts';
import type { SubmitEvent } from '../local-mail/commands.ts';
import { type Address, formatReplyText, isPositive, type ReversePath } from '../mail/index.ts';
import { CliError, exitCode } from './exit-code.ts';

/** A message on its way, to the relay or to a server. */
export interface Outgoing {
  readonly reversePath: ReversePath;
  readonly recipients: readonly Address[];
  readonly octets: Buffer;
  readonly signal: AbortSignal;
}

/** A message for one server. */
export interface SmtpSubmission extends Outgoing {
  /** `host`, `host:port`, `[2001:db8::1]:25`. */
  readonly server: string;
  readonly hostname: string;
}

/** Sends by SMTP; acceptance by the server is all that can be known, and counts as delivered. */
export async function* sendBySmtp(submission: SmtpSubmission): AsyncGenerator<SubmitEvent> {
  const { server, recipients, signal } = submission;
  const startedAt = performance.now();
  const { host, port, address } = await locate(server);
  await using session = await openClient({
    host: address,
    port,
    serverName: host,
    helo: submission.hostname,
    protocol: 'smtp',
    tls: 'opportunistic',
    verify: 'none',
    signal,
  }).catch((error: unknown) => {
    throw error instanceof ClientError ? explain(error, server) : error;
  });
  const result = await session.send(messageOf(submission), signal);
  const delayMs = Math.round(performance.now() - startedAt);
  for (const [index, answer] of result.recipients.entries()) {
    const to = recipients[index]?.text ?? '';
    const reply = formatReplyText(answer);
    if (isPositive(answer)) yield { event: 'fate', to, status: 'delivered', relay: server, reply, delayMs };
    else yield { event: 'refused', to, reply };
  }
}

function messageOf({ reversePath, recipients, octets }: SmtpSubmission): OutgoingMessage {
  const size = octets.length;
  const hasEightBit = octets.some((octet) => octet > 127);
  return {
    reversePath,
    recipients: recipients.map((address) => ({ address })),
    content: { size, hasEightBit, hasLeadingDot: true, endsWithCrlf: true, isBinary: false },
    octets: { size, whole: octets, chunks: async function* () {} },
    body: hasEightBit ? '8bitmime' : '7bit',
    // Everything else beyond ASCII is encoded in a message of ours, so this is an address in its header.
    smtputf8: hasEightBit,
  };
}

async function locate(server: string): Promise<{ host: string; port: number; address: string }> {
  const { host, port = 25 } = splitHostPort(server) ?? {};
  if (host === undefined || !isPort(port)) throw new CliError(exitCode.usage, `"${server}" is not HOST:PORT`);
  try {
    const { address } = await lookup(host);
    return { host, port, address };
  } catch (cause) {
    throw new CliError(exitCode.noHost, `there is no host "${host}"`, { cause });
  }
}

function explain(error: ClientError, server: string): CliError {
  const reply = error.reply === undefined ? '' : `: ${formatReplyText(error.reply)}`;
  return new CliError(exitCode.unavailable, `cannot send to ${server}: ${error.message}${reply}`, {
    cause: error,
  });
}

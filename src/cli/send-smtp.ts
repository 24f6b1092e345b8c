import { lookup } from 'node:dns/promises';

import type { SubmitEvent } from '../admin/index.ts';
import { ClientError, openClient } from '../client/index.ts';
import { formatReplyText, isPositive, parseMailbox, type Recipient } from '../mail/index.ts';
import { CliError, exitCode } from './exit-code.ts';

/** A message for one server. */
export interface SmtpSubmission {
  /** `host`, `host:port`, `[2001:db8::1]:25`. */
  readonly server: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly octets: Buffer;
  readonly hostname: string;
  readonly signal: AbortSignal;
}

/** Sends by SMTP; acceptance by the server is all that can be known, and counts as delivered. */
export async function* sendBySmtp(submission: SmtpSubmission): AsyncGenerator<SubmitEvent> {
  const { octets, signal } = submission;
  const startedAt = performance.now();
  const recipients = submission.to.map(recipientOf);
  const hasEightBit = octets.some((octet) => octet > 127);
  const { host, port, address } = await locate(submission.server);
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
    throw error instanceof ClientError ? explain(error, submission.server) : error;
  });
  const result = await session.send(
    {
      reversePath: parseMailbox(submission.from, { smtputf8: true }) ?? null,
      recipients,
      content: {
        size: octets.length,
        hasEightBit,
        hasLeadingDot: true,
        endsWithCrlf: true,
        isBinary: false,
      },
      octets: { size: octets.length, whole: octets, chunks: async function* () {} },
      body: '8bitmime',
      // Whatever else is beyond ASCII is encoded in a message of ours: this is an address in the header.
      smtputf8: hasEightBit,
    },
    signal,
  );
  const delayMs = Math.round(performance.now() - startedAt);
  for (const [index, answer] of result.recipients.entries()) {
    const to = submission.to[index] ?? '';
    const reply = formatReplyText(answer);
    if (isPositive(answer))
      yield { event: 'fate', to, status: 'delivered', relay: submission.server, reply, delayMs };
    else yield { event: 'refused', to, reply };
  }
}

function recipientOf(text: string): Recipient {
  const address = parseMailbox(text, { smtputf8: true });
  if (address === undefined) throw new CliError(exitCode.usage, `"${text}" is not an address`);
  return { address };
}

async function locate(server: string): Promise<{ host: string; port: number; address: string }> {
  const found = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(server);
  const host = found?.[1] ?? found?.[2];
  if (host === undefined) throw new CliError(exitCode.usage, `"${server}" is not HOST:PORT`);
  try {
    const { address } = await lookup(host);
    return { host, port: Number(found?.[3] ?? 25), address };
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

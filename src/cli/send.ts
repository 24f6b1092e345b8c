/** `posthouse send`. */
import { connectControl } from '../admin/index.ts';
import { type LocalMailControl, localMailCommands, type SubmitEvent } from '../local-mail/commands.ts';
import { type Address, asciiMailbox, parseMailbox } from '../mail/index.ts';
import { type Arguments, type Command, usage } from './command.ts';
import { composeMessage } from './compose.ts';
import { controlPath, dataFolder, loadSite, locationOptions } from './configuration.ts';
import { type Io, resolvePath, userName } from './io.ts';
import { reportFates } from './send-report.ts';
import type { Outgoing } from './send-smtp.ts';

/** `posthouse send`. */
export const send: Command = {
  name: 'send',
  synopsis: '',
  summary: 'Send a message, and print where it went.',
  options: {
    ...locationOptions,
    to: { value: 'ADDRESS', isList: true, help: 'a recipient; may be given several times' },
    from: {
      value: 'ADDRESS',
      help: 'the sender (default: you at this machine); <> for the null reverse-path',
    },
    subject: { value: 'TEXT', help: 'the subject (default: "Test message")' },
    body: { value: 'TEXT', help: 'the text; - reads it from standard input' },
    attach: { value: 'FILE', isList: true, help: 'a file to attach; may be given several times' },
    server: { value: 'HOST:PORT', help: 'send by SMTP to this server instead of the running relay' },
    json: { help: 'the events, as one JSON object per line' },
  },
  notes: `
Follows the message until every recipient was delivered, deferred or bounced. A terminal shows it as it
happens; a pipe gets one line per recipient at the end, the queue id first. Exit 0 when all were delivered
(with --server: accepted), 75 when some are deferred, held or not known yet, 69 when some failed.`,
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const { hostname } = loadSite(io, args.text('config'));
    const recipients = args.texts('to').map(addressOf);
    if (recipients.length === 0) throw usage(send, '--to is missing');
    const to = recipients.map(({ text }) => text);
    const named = args.text('from') ?? `${userName(io)}@${hostname}`;
    const reversePath = named === '<>' ? null : addressOf(named);
    const octets = await composeMessage({
      from: reversePath?.text ?? '',
      to,
      subject: args.text('subject') ?? 'Test message',
      body: await bodyOf(args, io),
      attachments: args.texts('attach').map((file) => resolvePath(io, file)),
      hostname,
      now: Date.now(),
    });
    using stop = untilSignal(io);
    const mail = { reversePath, recipients, octets, signal: stop.signal };
    const server = args.text('server');
    const events =
      server === undefined
        ? submitTo(connectControl(controlPath(dataFolder(args, io)), localMailCommands), mail)
        : (await import('./send-smtp.ts')).sendBySmtp({ ...mail, server, hostname });
    return await reportFates(events, to, { io, isJson: args.has('json') });
  },
};

/** With a domain in A-labels, so that only a local part beyond ASCII needs SMTPUTF8. */
function addressOf(text: string): Address {
  const address = parseMailbox(text, { smtputf8: true });
  if (address === undefined) throw usage(send, `"${text}" is not an address`);
  return { ...address, text: asciiMailbox(address) ?? address.text };
}

/** A signal that aborts when the user interrupts the command. */
function untilSignal(io: Io): Disposable & { readonly signal: AbortSignal } {
  const stop = new AbortController();
  const off = (['SIGINT', 'SIGTERM'] as const).map((name) => io.onSignal(name, () => stop.abort()));
  return {
    signal: stop.signal,
    [Symbol.dispose]() {
      for (const stopListening of off) stopListening();
    },
  };
}

async function bodyOf(args: Arguments, io: Io): Promise<string> {
  const body = args.text('body');
  if (body !== '-') return body ?? 'This is a test message of posthouse.\n';
  const parts: Uint8Array[] = [];
  for await (const part of io.stdin) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

function submitTo(control: LocalMailControl, mail: Outgoing): AsyncIterable<SubmitEvent> {
  const { reversePath, recipients, octets, signal } = mail;
  const once = async function* () {
    yield octets;
  };
  const from = reversePath?.text ?? '';
  return control.submit({ from, to: recipients.map(({ text }) => text), follow: true }, once(), signal);
}

import { type Control, connectControl, type SubmitEvent } from '../admin/index.ts';
import { asciiMailbox, parseMailbox } from '../mail/index.ts';
import { type Arguments, type Command, usage } from './command.ts';
import { composeMessage } from './compose.ts';
import { controlPath, loadSite, locationOptions } from './configuration.ts';
import { type Io, resolvePath } from './io.ts';
import { reportFates } from './send-report.ts';

/** `posthouse send`. */
export const send: Command = {
  name: 'send',
  synopsis: '',
  summary: 'Send a message, and say where it went.',
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
    json: { help: 'what happens, as one JSON object per line' },
  },
  notes: `
Follows the message until every recipient was delivered, deferred or bounced. A terminal shows it as it
happens; a pipe gets one line per recipient at the end, the queue id first. Exit 0 when all were delivered
(with --server: accepted), 75 when some are deferred, held or not known yet, 69 when some failed.`,
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const site = loadSite(io, args.text('config'));
    const to = args.texts('to').map((text) => addressOf(text, send));
    if (to.length === 0) throw usage(send, '--to is missing');
    const from =
      args.text('from') === '<>'
        ? ''
        : addressOf(args.text('from') ?? `${userName(io)}@${site.hostname}`, send);
    const octets = await composeMessage({
      from,
      to,
      subject: args.text('subject') ?? 'Test message',
      body: await bodyOf(args, io),
      attachments: args.texts('attach').map((file) => resolvePath(io, file)),
      hostname: site.hostname,
      now: Date.now(),
    });
    const stop = new AbortController();
    const off = [io.onSignal('SIGINT', () => stop.abort()), io.onSignal('SIGTERM', () => stop.abort())];
    try {
      const server = args.text('server');
      const data = args.text('data');
      const path = controlPath(data === undefined ? site.data : resolvePath(io, data));
      const events =
        server === undefined
          ? submitTo(connectControl(path), { from, to, octets, signal: stop.signal })
          : (await import('./send-smtp.ts')).sendBySmtp({
              server,
              from,
              to,
              octets,
              hostname: site.hostname,
              signal: stop.signal,
            });
      return await reportFates(events, to, { io, isJson: args.has('json') });
    } finally {
      for (const stopListening of off) stopListening();
    }
  },
};

function addressOf(text: string, command: Command): string {
  const address = parseMailbox(text, { smtputf8: true });
  if (address === undefined) throw usage(command, `"${text}" is not an address`);
  // What needs no SMTPUTF8 is not made to need it: the address stands in the header too.
  return asciiMailbox(address) ?? address.text;
}

function userName(io: Io): string {
  const name = io.env.LOGNAME ?? io.env.USER ?? '';
  return /^[\w.-]+$/.test(name) ? name : 'posthouse';
}

async function bodyOf(args: Arguments, io: Io): Promise<string> {
  const body = args.text('body');
  if (body !== '-') return body ?? 'This is a test message of posthouse.\n';
  const parts: Uint8Array[] = [];
  for await (const part of io.stdin) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

interface Outgoing {
  readonly from: string;
  readonly to: readonly string[];
  readonly octets: Buffer;
  readonly signal: AbortSignal;
}

function submitTo(control: Control, { from, to, octets, signal }: Outgoing): AsyncIterable<SubmitEvent> {
  const once = async function* () {
    yield octets;
  };
  return control.submit({ from, to: [...to], follow: true }, once(), signal);
}

/** `posthouse explain`. */
import { ControlError, connectControl } from '../admin/index.ts';
import type { ExplanationAnswer, Question } from '../relay/commands.ts';
import { relayCommands } from '../relay/commands.ts';
import { configChecks, explainStopped } from '../relay/index.ts';
import type { Arguments, Command } from './command.ts';
import { usage } from './command.ts';
import {
  controlPath,
  dataFolder,
  findConfigFile,
  loadConfiguration,
  locationOptions,
} from './configuration.ts';
import { exitCode } from './exit-code.ts';
import { type Io, jsonLine } from './io.ts';

/** `posthouse explain`. */
export const explain: Command = {
  name: 'explain',
  synopsis: '--client IP --to ADDR',
  summary: 'Explain whether a client may relay: every rule in order, and the deciding one.',
  options: {
    ...locationOptions,
    client: { value: 'IP', help: 'the address of the client' },
    to: { value: 'ADDR', help: 'the recipient' },
    from: { value: 'ADDR', help: 'the reverse-path (default: the null one)' },
    listener: { value: 'NAME', help: 'the listener, by its name or role (default: the first)' },
    user: { value: 'NAME', help: 'the name of a user that has logged in' },
    certificate: { value: 'sha256:HEX', help: 'the fingerprint of the certificate that the client shows' },
    tls: { help: 'the session is under TLS' },
    proxied: { help: 'a listed proxy says that the client is there' },
    json: { help: 'the explanation as one JSON object' },
  },
  notes: `
The running relay answers by the very rules that decide its sessions, with its open windows and its users.
Without a running relay the configuration is evaluated, and --user is taken at its word. Exit 0 for a grant,
77 for a refusal.`,
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const question = questionOf(args);
    const answer = await ask(args, io, question);
    await io.out(args.has('json') ? jsonLine({ question, ...answer }) : format(question, answer));
    return answer.decision.kind === 'grant' ? exitCode.ok : exitCode.noPerm;
  },
};

function questionOf(args: Arguments): Question {
  const client = args.text('client');
  const to = args.text('to');
  if (client === undefined || to === undefined) throw usage(explain, '--client and --to are needed');
  const given = (name: 'listener' | 'user' | 'certificate') => {
    const value = args.text(name);
    return value === undefined ? {} : { [name]: value };
  };
  return {
    client,
    to,
    from: args.text('from') ?? '',
    tls: args.has('tls'),
    isVouchedFor: args.has('proxied'),
    ...given('listener'),
    ...given('user'),
    ...given('certificate'),
  };
}

async function ask(args: Arguments, io: Io, question: Question): Promise<ExplanationAnswer> {
  try {
    return await connectControl(controlPath(dataFolder(args, io)), relayCommands).explain(question);
  } catch (error) {
    const isStopped = error instanceof ControlError && error.code === 'unavailable';
    if (!isStopped || args.text('data') !== undefined) throw error;
    const config = loadConfiguration(io, findConfigFile(io, args.text('config')), configChecks);
    return await explainStopped(config, question);
  }
}

/** For people, and for the documentation. */
export function format(question: Question, answer: ExplanationAnswer): string {
  const { listener, findings, sender, decision } = answer;
  const facts = [
    `client ${question.client}${question.isVouchedFor ? ' (by the word of a proxy)' : ''}`,
    `listener ${listener.name}`,
    ...(question.tls ? ['TLS'] : []),
    ...(question.certificate === undefined ? [] : [`certificate ${question.certificate.slice(0, 19)}…`]),
    question.user === undefined ? 'no login' : `logged in as ${question.user}`,
  ];
  const rows = findings.map(({ rule, outcome, because, looksAt, isDeciding }) => {
    const mark = isDeciding && sender === undefined ? '→' : ' ';
    return `${mark} ${rule.padEnd(16)} ${outcome.padEnd(8)} ${because}\n${' '.repeat(28)}[${looksAt}]\n`;
  });
  const refusedAtMail = sender === undefined ? '' : `→ MAIL ${' '.repeat(11)} refuses  ${sender.because}\n`;
  return `${facts.join(', ')}\nfrom <${question.from}> to <${question.to}>\n\n${refusedAtMail}${rows.join('')}\n${verdict(decision)}\n`;
}

function verdict(decision: ExplanationAnswer['decision']): string {
  if (decision.kind === 'refusal') return `refused: ${decision.reply}\nbecause ${decision.because}`;
  const whose = decision.identity === undefined ? '' : ` of ${decision.identity}`;
  return `granted, ground: ${decision.ground}${whose}, to ${decision.to.join(', ')}\nbecause ${decision.because}`;
}

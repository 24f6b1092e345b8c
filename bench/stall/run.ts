/**
 * How long one message holds up the process at most: a real relay, hostile messages one after another, and for each the
 * longest time in which the event loop did nothing else, from the first octet in until the last attempt is over.
 *
 *   npm run bench -- stall [--only NAME,…] [--rounds 3] [--directory FOLDER]
 *
 * The bar is 50 ms for each, of the CPU time of the thread that the loop runs in, which does not depend on what else the
 * machine does; the median of the rounds counts. Exit code 1 when one is over the bar, or does not end as it should.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type LogLine, type Posthouse, startPosthouse } from '../../test/peers/posthouse.ts';
import { run, until } from '../../test/peers/program.ts';
import { relayFolder, removeFolder } from '../relays.ts';
import { sendMessage } from './client.ts';
import { type Hostile, hostileMessages } from './messages.ts';
import { startStallSink } from './sink.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const barMs = 50;
const user = { user: 'anna@home.test', password: 'open sesame' } as const;
/** The longest and worst reply of a server to a recipient. */
const atLength = Array.from({ length: 40 }, () => `550-5.1.1 ${'\u7121\u3044 '.repeat(60)}`);

interface Bench {
  readonly posthouse: Posthouse;
  readonly directory: string;
}

async function openBench(stack: AsyncDisposableStack, directory: string): Promise<Bench> {
  const plain = stack.use(await startStallSink());
  const refusing = stack.use(await startStallSink([...atLength, '550 5.1.1 no'].join('\r\n')));
  const smtp = (port: number) => ({ via: `smtp://127.0.0.1:${port}`, tls: 'none' });
  const configuration = {
    listeners: [
      { role: 'mx', address: '127.0.0.1:0' },
      { role: 'submissions', address: '127.0.0.1:0' },
      { role: 'trap', address: '127.0.0.1:0' },
    ],
    relay: { networks: ['127.0.0.0/8'], authenticated: true },
    users: { file: join(directory, 'users.yaml') },
    tls: await certificate(directory),
    domains: [{ name: 'box.test', recipients: 'any', deliver: `maildir:${join(directory, 'mail')}/{local}` }],
    routes: [
      { to: 'refusing.test', ...smtp(refusing.port) },
      { to: '*', ...smtp(plain.port) },
    ],
    trap: { messageSize: '50MB' },
    notifications: { returnSize: '10MB' },
    // The whole of what a relay can do with a message is on.
    clearinghouse: { relay: [{ action: 'tag' }] },
    sendmail: { maildrop: join(directory, 'maildrop') },
    limits: { recipients: 10_000 },
  };
  const nodeArguments = ['--import', join(import.meta.dirname, 'hold.ts')];
  const posthouse = stack.use(await startPosthouse({ directory, configuration, nodeArguments }));
  await posthouse.input(`${user.password}\n`, 'user', 'add', user.user);
  return { posthouse, directory };
}

/** A certificate of its own, for the login. */
async function certificate(directory: string): Promise<{ readonly cert: string; readonly key: string }> {
  const cert = join(directory, 'cert.pem');
  const key = join(directory, 'key.pem');
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = ['-subj', '/CN=posthouse.test', '-days', '2', '-keyout', key, '-out', cert];
  const outcome = await run('openssl', [...request, ...names]);
  if (outcome.code !== 0) throw new Error(`openssl: ${outcome.stderr}`);
  return { cert, key };
}

interface Hold {
  /** CPU time of the thread of the loop. */
  readonly cpuMs: number;
  readonly clockMs: number;
}

const noHold: Hold = { cpuMs: 0, clockMs: 0 };

/** One message, and what became of it. */
interface Measured extends Hold {
  /** Why the figure is of no use. */
  readonly problem?: string;
}

/** Puts the message in, waits until nothing of it is left to do, and gives the longest hold. */
async function measure({ posthouse }: Bench, message: Hostile): Promise<Measured> {
  await longestHold(posthouse);
  const before = posthouse.log().length;
  const said = await send(posthouse, message);
  const isTaken = said.startsWith('250');
  if (isTaken !== (message.isRefused !== true)) return { ...noHold, problem: said };
  if (isTaken && message.to !== 'trap') {
    const isOver = () => isSettled(posthouse.log().slice(before));
    const settled = await until(`the end of "${message.name}"`, isOver, 120_000).catch(String);
    if (settled !== true) return { ...noHold, problem: settled };
  }
  return await longestHold(posthouse);
}

async function send(posthouse: Posthouse, message: Hostile): Promise<string> {
  const { recipients = 1, by, content } = message;
  const domain = message.to === 'maildir' ? 'box.test' : `${message.to}.test`;
  const to = Array.from({ length: recipients }, (_, i) => `r${i}@${domain}`);
  const from = user.user;
  if (by === 'sendmail') {
    const args = [main, 'sendmail', '-C', posthouse.configFile, '-f', from, ...to];
    const outcome = await run(process.execPath, args, { input: content });
    return outcome.code === 0 ? '250' : outcome.stderr;
  }
  const role = by === 'user' ? 'submissions' : message.to === 'trap' ? 'trap' : 'mx';
  const login = by === 'user' ? { login: user } : {};
  return await sendMessage({ port: posthouse.port(role), from, to, content, ...login });
}

/** Whether all that was accepted, and every notice that came of it, has left the queue. */
function isSettled(lines: readonly LogLine[]): boolean {
  const idsOf = (...events: readonly string[]) =>
    lines.filter(({ event }) => events.includes(String(event))).map(({ queueId }) => queueId);
  const removed = new Set(idsOf('removed'));
  const trapped = new Set(lines.filter(({ ground }) => ground === 'trap').map(({ queueId }) => queueId));
  // The mail of a trap stays there.
  const all = idsOf('accepted', 'bounce-sent').filter((id) => !trapped.has(id));
  return all.length > 0 && all.every((id) => removed.has(id));
}

/** Milliseconds for which the loop was held at most since this was asked last. */
async function longestHold(posthouse: Posthouse): Promise<Hold> {
  const [, cpuMs, clockMs] = await posthouse.tell('SIGUSR2', /^held (\S+) (\S+)$/);
  return { cpuMs: Number(cpuMs), clockMs: Number(clockMs) };
}

/** Measures and prints; gives the exit code. */
export async function stall(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      directory: { type: 'string', default: join(import.meta.dirname, '../.cache') },
    },
  });
  const only = values.only?.split(',');
  const messages = hostileMessages().filter(({ name }) => only?.some((part) => name.includes(part)) ?? true);
  mkdirSync(values.directory, { recursive: true });
  await using stack = new AsyncDisposableStack();
  const directory = await relayFolder(values.directory, 'stall');
  stack.defer(() => removeFolder(directory));
  const bench = await openBench(stack, directory);
  let isOver = false;
  console.log(`longest hold of the event loop, ms of CPU in each round (least on the clock); bar ${barMs}`);
  for (const message of messages) {
    const rounds: Measured[] = [];
    for (let round = 0; round < Number(values.rounds); round++) rounds.push(await measure(bench, message));
    const problem = rounds.find((round) => round.problem !== undefined)?.problem;
    const held = rounds.map(({ cpuMs }) => cpuMs).sort((a, b) => a - b);
    const clock = Math.min(...rounds.map(({ clockMs }) => clockMs));
    const isBad = problem !== undefined || (held[Math.floor(held.length / 2)] ?? 0) > barMs;
    isOver ||= isBad;
    const figures = `${held.map((ms) => ms.toFixed(1)).join(' ')} (${clock.toFixed(1)})`;
    console.log(
      `${isBad ? 'OVER' : 'ok  '} ${figures.padStart(28)}  ${message.name} ${problem ?? ''}`.trimEnd(),
    );
  }
  return isOver ? 1 : 0;
}

/** The C programs at both ends: compiled once per run, started here, their JSON read back. */
import { join } from 'node:path';
import { z } from 'zod';
import { Program, run } from '../test/peers/program.ts';
import type { Case } from './cases.ts';

const latency = z.object({ p50: z.number(), p99: z.number(), max: z.number() });

const loadResult = z.object({
  complete: z.boolean(),
  accepted: z.number(),
  failed: z.number(),
  recipients: z.number(),
  connections: z.number(),
  startedAt: z.number(),
  endedAt: z.number(),
  seconds: z.number(),
  rate: z.number(),
  accept: latency,
  transaction: latency,
  cpuSeconds: z.number(),
});

/** The figures of `load`; instants are seconds of the machine's monotonic clock, latencies milliseconds. */
export type LoadResult = z.infer<typeof loadResult>;

const sinkCounts = z.object({
  connections: z.number(),
  transactions: z.number(),
  recipients: z.number(),
  octets: z.number(),
  refused: z.number(),
  lastAt: z.number(),
  cpuSeconds: z.number(),
});

/** The messages that `sink` got since the last `expect`. */
export type SinkCounts = z.infer<typeof sinkCounts>;

/** Compiles load and sink into `folder`. */
export async function compile(folder: string): Promise<void> {
  for (const name of ['load', 'sink']) {
    const source = join(import.meta.dirname, `${name}.c`);
    const outcome = await run('gcc', ['-O2', '-Wall', '-o', join(folder, name), source]);
    if (outcome.code !== 0) throw new Error(`gcc ${name}.c: ${outcome.stderr}`);
  }
}

/** The arguments of `load` for a case. */
export function loadArguments(port: number, what: Case, messages: number): readonly string[] {
  return [
    ...['--port', `${port}`, '--sessions', `${what.sessions}`, '--messages', `${messages}`],
    ...['--size', `${what.size}`, '--per-connection', what.perConnection],
    ...['--recipients', `${what.recipients}`, '--domains', `${what.domains}`],
  ];
}

/** Runs `load` to its end. */
export async function runLoad(
  folder: string,
  args: readonly string[],
  timeoutMs = 1_800_000,
): Promise<LoadResult> {
  const outcome = await run(join(folder, 'load'), args, { timeoutMs });
  if (outcome.stdout === '') throw new Error(`load: exit ${outcome.code} ${outcome.stderr}`);
  return loadResult.parse(JSON.parse(outcome.stdout));
}

/** A running sink. */
export class Sink implements AsyncDisposable {
  readonly #program: Program;
  readonly port: number;
  #read = 0;

  private constructor(program: Program, port: number) {
    this.#program = program;
    this.port = port;
  }

  static async start(folder: string, port = 0): Promise<Sink> {
    const program = new Program(join(folder, 'sink'), ['--port', `${port}`]);
    const ready = await program.line((line) => line.includes('"ready"'));
    return new Sink(program, z.object({ port: z.number() }).parse(JSON.parse(ready)).port);
  }

  /** Sets the counters to zero; `reached()` then waits for that many recipients. Resolves when it is in force. */
  async expect(recipients: number): Promise<void> {
    this.#read = this.#program.stdout.length;
    this.#program.say(`expect ${recipients}`);
    await this.counts();
  }

  /** Waits for the number given to `expect`. Rejects when it is not reached in time. */
  async reached(timeoutMs: number): Promise<SinkCounts> {
    const line = await this.#program.line((text) => text.includes('"reached"'), {
      from: this.#read,
      timeoutMs,
    });
    return sinkCounts.parse(JSON.parse(line));
  }

  async counts(): Promise<SinkCounts> {
    const from = this.#program.stdout.length;
    this.#program.say('stats');
    return sinkCounts.parse(
      JSON.parse(await this.#program.line((text) => text.includes('"stats"'), { from })),
    );
  }

  /** Answers RCPT with `code` from now on; 0 accepts again. */
  refuse(code: number): void {
    this.#program.say(`refuse ${code}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop();
  }
}

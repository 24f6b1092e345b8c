/**
 * Store-and-forward side by side: source → relay → sink on loopback, every relay at its normal durability, in turn,
 * several rounds, each with a fresh start, an empty spool and warm-up messages. Medians count.
 *
 *   npm run bench -- [--only postfix,posthouse] [--cases k1-s20-many,…] [--rounds 3] [--messages N] [--warmup N]
 *                    [--directory FOLDER] [--results FOLDER] [--older FOLDER] [--quick]
 *   npm run bench -- memory
 *   npm run bench -- bulk
 *   npm run bench -- stall
 *   npm run bench -- profile
 *
 * The sink's count of messages and recipients has to equal what was accepted, or the run fails with exit code 1.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { abandonAccounts } from './account.ts';
import { bulk } from './bulk/run.ts';
import { allCases, type Case, parseCase, quickCases } from './cases.ts';
import { type Machine, machine } from './machine.ts';
import { type Measurement, measure } from './measure.ts';
import { memory } from './memory.ts';
import { profile } from './profile/run.ts';
import { compile } from './programs.ts';
import { olderBuild, type Relay, relayFolder, relays, removeFolder } from './relays.ts';
import { printAgainstOlder, printCase, Results } from './report.ts';
import { stall } from './stall/run.ts';

interface Plan {
  readonly relays: readonly Relay[];
  readonly cases: readonly Case[];
  readonly rounds: number;
  readonly warmup?: number;
  /** Where the relays keep their spools: one file system for all. */
  readonly directory: string;
  /** Where the raw results go. */
  readonly results: string;
}

function plan(args: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      cases: { type: 'string' },
      rounds: { type: 'string' },
      messages: { type: 'string' },
      warmup: { type: 'string' },
      directory: { type: 'string' },
      results: { type: 'string' },
      older: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const only = values.only?.split(',');
  const known = [...relays, ...(values.older === undefined ? [] : [olderBuild(resolve(values.older))])];
  const unknown =
    only?.filter((name) => !known.some((one) => one.name === name || one.family === name)) ?? [];
  if (unknown.length > 0)
    throw new Error(`no relay ${unknown.join(', ')}; there are ${known.map((r) => r.name).join(', ')}`);
  const messages = values.messages === undefined ? (values.quick ? 500 : undefined) : Number(values.messages);
  const warmup = values.warmup ?? (values.quick ? '100' : undefined);
  const names = values.cases?.split(',') ?? (values.quick ? quickCases : allCases);
  return {
    relays: known.filter((one) => only === undefined || only.includes(one.name) || only.includes(one.family)),
    cases: names.map((name) => parseCase(name, messages)),
    rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
    ...(warmup === undefined ? {} : { warmup: Number(warmup) }),
    results: values.results ?? join(import.meta.dirname, '.cache/results'),
    directory: values.directory ?? join(import.meta.dirname, '.cache'),
  };
}

/** The relays that can be had, with their versions; the others are named and left out. */
async function prepare(wanted: readonly Relay[], facts: Machine): Promise<readonly Relay[]> {
  const ready: Relay[] = [];
  for (const relay of wanted) {
    try {
      facts.versions[relay.name] = await relay.prepare();
      ready.push(relay);
    } catch (error) {
      console.log(`${relay.name} is left out: ${String(error)}`);
    }
  }
  return ready;
}

async function main(args: readonly string[]): Promise<number> {
  const planned = plan(args);
  const { cases, rounds, directory, results: folderOfResults, relays: wanted } = planned;
  mkdirSync(directory, { recursive: true });
  const folder = await relayFolder(directory, 'run');
  let broken = 0;
  try {
    await compile(folder);
    const facts = await machine();
    const ready = await prepare(wanted, facts);
    console.log(
      `${facts.cpu} × ${facts.cores}, Linux ${facts.kernel}, ${facts.filesystem}, commit ${facts.commit}`,
    );
    console.log(
      Object.entries(facts.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    );
    for (const what of cases) {
      const results = new Results(folderOfResults, what, facts);
      const measurements: Measurement[] = [];
      for (let round = 1; round <= rounds; round++) {
        // Each second round the other way round: who comes first finds another machine than who comes last.
        for (const relay of round % 2 === 1 ? ready : ready.toReversed()) {
          process.stderr.write(`${what.name} ${relay.name} ${round}/${rounds}\n`);
          // A relay that breaks down fails the run, and leaves the figures of the others.
          const outcome = await measure({ ...planned, relay, what, round, folder }).catch(String);
          const problem = typeof outcome === 'string' ? outcome : outcome.problem;
          if (problem !== undefined) {
            broken++;
            console.log(`${what.name} ${relay.name} round ${round}: ${problem}`);
          }
          if (typeof outcome === 'string') continue;
          measurements.push(outcome);
          results.add(outcome);
        }
      }
      printCase(what, results.finish(measurements));
      printAgainstOlder(measurements);
    }
  } finally {
    await removeFolder(folder);
  }
  return broken === 0 ? 0 : 1;
}

/** ^C leaves no relay behind: they do not notice that we are gone. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void abandonAccounts().finally(() => process.exit(130)));
}

const parts: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  memory,
  bulk,
  stall,
  profile,
};

const [first = '', ...rest] = process.argv.slice(2);
process.exitCode = await (parts[first]?.(rest) ?? main(process.argv.slice(2)));

/**
 * Where the relay spends its time: a CPU profile under the load of one case, with the warm-up left out.
 *
 *   npm run bench -- profile [--case k1-s20-many] [--messages 40000] [--build FOLDER] [--keep FILE] [--directory FOLDER]
 *
 * Prints self time by area and by function, in microseconds a message. `--keep` leaves the profile for DevTools.
 */
import { copyFileSync, existsSync, renameSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startPosthouse } from '../../test/peers/posthouse.ts';
import { until } from '../../test/peers/program.ts';
import { type Case, parseCase, warmupMessages } from '../cases.ts';
import { compile, loadArguments, runLoad, Sink } from '../programs.ts';
import { relayFolder, removeFolder } from '../relays.ts';
import { printProfile, readProfile } from './report.ts';

export async function profile(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      case: { type: 'string', default: 'k1-s20-many' },
      messages: { type: 'string' },
      build: { type: 'string' },
      keep: { type: 'string' },
      directory: { type: 'string', default: join(import.meta.dirname, '../.cache') },
    },
  });
  const what = parseCase(values.case, Number(values.messages ?? 40_000));
  const folder = await relayFolder(values.directory, 'profile');
  try {
    await compile(folder);
    const file = join(folder, 'relay.cpuprofile');
    await sample(what, { folder, file, ...(values.build && { build: resolve(values.build) }) });
    printProfile(readProfile(await readFile(file, 'utf8')), what.messages);
    if (values.keep !== undefined) copyFileSync(file, values.keep);
  } finally {
    await removeFolder(folder);
  }
  return 0;
}

interface Sampling {
  readonly folder: string;
  readonly file: string;
  readonly build?: string;
}

/** Runs the case with the sampler on, after a warm-up with it off. */
async function sample(what: Case, { folder, file, build }: Sampling): Promise<void> {
  await using sink = await Sink.start(folder);
  await using relay = await startPosthouse({
    directory: folder,
    nodeArguments: ['--import', join(import.meta.dirname, 'sampler.ts')],
    under: ['/bin/sh', '-c', `BENCH_PROFILE=${file} exec "$@" 2>>${folder}/posthouse.log`, 'sh'],
    ...(build === undefined ? {} : { build }),
    configuration: {
      relay: { networks: ['127.0.0.0/8'] },
      routes: [{ to: '*', via: `smtp://127.0.0.1:${sink.port}` }],
    },
  });
  const send = async (messages: number) => {
    await sink.expect(messages * what.recipients);
    const result = await runLoad(folder, loadArguments(relay.port(), what, messages));
    if (result.failed > 0) throw new Error(`${result.failed} of ${messages} messages were not accepted`);
    await sink.reached(120_000);
    return result;
  };
  await send(warmupMessages(what, true));
  process.kill(relay.pid, 'SIGUSR2');
  const { rate } = await send(what.messages);
  process.kill(relay.pid, 'SIGUSR2');
  await until('the profile', async () => existsSync(`${file}.done`));
  renameSync(`${file}.part`, file);
  console.log(
    `${what.name}: ${what.messages} messages, ${rate.toFixed(0)} accepted a second under the sampler`,
  );
}

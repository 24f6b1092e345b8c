/**
 * Bulk recognition: campaigns disguised in every known way, shuffled among ham; the product beside the methods that
 * came before it, all in the same run.
 *
 *   npm run bench -- bulk [--quick] [--parts recognition,bridging,speed,memory] [--only "encoding change,CJK"]
 *                         [--campaigns 100] [--skip 0] [--copies 20] [--seed 1] [--messages 1000000] [--no-peers]
 *                         [--detector FILE] [--results FOLDER]
 *
 * FILE is a module that exports `openDetector` (see detector.ts), and `readText`, where the peers are to be given the
 * product's reading of a message in place of their own. The exit code is 1 when a bar is missed.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type Machine, machine } from '../machine.ts';
import { formatTable } from '../report.ts';
import { measureBridging, schemes } from './bridging.ts';
import { chooseCampaigns, noiseOf } from './campaigns.ts';
import { type Corpus, readCorpus } from './corpus.ts';
import type { Detector, OpenDetector } from './detector.ts';
import { type Copy, classNames, generateClass, type Plan } from './generate.ts';
import { hamShares, pairShares } from './pairs.ts';
import { peers, type ReadText, readable } from './peers/index.ts';
import { openDetector as openPosthouse, readText as readAsPosthouse } from './posthouse.ts';
import { pyzorPerSecond } from './pyzor-speed.ts';
import { type Recognition, recognise } from './recognition.ts';
import { corpusInFileOrder, largeMessages, measureMemory, measureSpeed } from './speed.ts';

const allParts = ['recognition', 'bridging', 'speed', 'memory'] as const;

interface Bench {
  readonly open: OpenDetector;
  /** How the peers' sketches of text read a message; default: their own way. */
  readonly read: ReadText | undefined;
  readonly corpus: Corpus;
  readonly plan: Plan;
  readonly classes: readonly string[];
  readonly hasPeers: boolean;
  readonly isQuick: boolean;
  readonly messages: number;
  record(kind: string, facts: object): void;
}

/** The least share of copies recognised, in per cent; without one it is only stated. */
function bar(name: string): number | undefined {
  if (name === 'spun text' || name.startsWith('mixed')) return undefined;
  if (name === '30 % of words replaced' || name === 'prose between every line') return 92;
  return name === 'shuffled, 40 % dropped' ? 95 : 99;
}

const minPerSecond = 2000;
const maxP99Ms = 20;

const percent = (share: number): string => (share * 100).toFixed(share > 0.99 && share < 1 ? 1 : 0);

async function prepared(bench: Bench): Promise<Detector> {
  const detector = await bench.open();
  for (const { octets } of bench.corpus.lexicon) await detector.learn?.(octets);
  return detector;
}

async function recognition(bench: Bench): Promise<number> {
  const ham = bench.isQuick ? bench.corpus.ham.slice(0, 300) : bench.corpus.ham;
  const rows: string[][] = [];
  const results = new Map<string, Recognition>();
  let [missed, name] = [0, ''];
  for (const one of bench.classes) {
    process.stderr.write(`${one}\n`);
    const copies = [...generateClass(one, bench.plan)];
    const shares = bench.hasPeers ? pairShares(peers, copies, bench.read) : {};
    const detector = await prepared(bench);
    name = detector.name;
    const result = await recognise(detector, copies, { ham, seed: bench.plan.seed });
    await detector.close?.();
    results.set(one, result);
    bench.record('class', { class: one, ...result, pairs: shares });
    const share = result.recognised / Math.max(1, result.scored);
    const least = bar(one);
    const isMissed = (least !== undefined && share * 100 < least) || result.hamJoined.length > 0;
    if (isMissed) missed++;
    rows.push([
      one,
      ...Object.values(shares).map(percent),
      percent(share),
      percent(result.bulk / Math.max(1, result.scored)),
      least === undefined ? '–' : String(least),
      String(result.hamJoined.length),
      isMissed ? 'MISSED' : 'ok',
    ]);
  }
  const names = bench.hasPeers ? peers.map((peer) => peer.name) : [];
  const head = ['copies matched, %', ...names, name, 'bulk', 'bar', 'ham joined', ''];
  if (bench.hasPeers) rows.push(falsePositives(bench, ham, results));
  console.log(`\n${formatTable([head, ...rows])}`);
  printHam(results);
  return missed;
}

/** The last row: ham that is taken for a copy of a campaign. */
function falsePositives(
  bench: Bench,
  ham: Corpus['ham'],
  results: ReadonlyMap<string, Recognition>,
): string[] {
  process.stderr.write('ham against campaigns\n');
  const [first] = classNames;
  const copies: readonly Copy[] = [...generateClass(first ?? '', { ...bench.plan, copies: 1 })];
  const shares = hamShares(
    peers,
    copies.map(({ octets }) => readable(octets, bench.read)),
    ham.map(({ octets }) => readable(octets, bench.read)),
  );
  bench.record('ham', { ham: ham.length, campaigns: copies.length, shares });
  const own = new Set([...results.values()].flatMap(({ hamJoined }) => hamJoined)).size / ham.length;
  const fine = (share: number): string => (share * 100).toFixed(2);
  return [
    `ham hit by any of ${copies.length}`,
    ...Object.values(shares).map(fine),
    fine(own),
    '',
    '',
    '',
    '',
  ];
}

function printHam(results: ReadonlyMap<string, Recognition>): void {
  const [one] = results.values();
  if (one === undefined) return;
  console.log(
    `\nham: ${one.ham} in each class; called bulk ${one.hamBulk}, called reported ${one.hamReported}. Bulk most often:`,
  );
  for (const subject of one.bulkSubjects) console.log(`  ${subject}`);
  for (const [name, { via, misplaced, hamJoined, recognised }] of results) {
    const channels = Object.entries(via).map(
      ([channel, n]) => `${channel} ${percent(n / Math.max(1, recognised))} %`,
    );
    const joined = hamJoined.slice(0, 3).join(', ');
    if (Object.keys(via).some((channel) => channel !== 'all') || misplaced > 0 || joined !== '')
      console.log(
        `  ${name}: by ${channels.join(', ')}; misplaced ${misplaced}${joined === '' ? '' : `; ham ${joined}`}`,
      );
  }
}

/** Per cent of signatures that are called bulk: of copies that somebody sent whole, and of others. */
function bridging(bench: Bench): number {
  const head = ['signatures called bulk, %'];
  for (const scheme of schemes) head.push(`${scheme} alone`, 'bridged', 'fresh alone', 'bridged');
  const rows: string[][] = [];
  const lexicon = bench.corpus.lexicon.map(({ octets }) => octets);
  for (const name of bench.classes) {
    process.stderr.write(`bridging: ${name}\n`);
    const results = measureBridging([...generateClass(name, bench.plan)], lexicon);
    bench.record('bridging', { class: name, results });
    const cells = Object.values(results).flatMap((one) => [
      percent(one.seenAlone / Math.max(1, one.seen)),
      percent(one.seenBridged / Math.max(1, one.seen)),
      percent(one.freshAlone / Math.max(1, one.fresh)),
      percent(one.freshBridged / Math.max(1, one.fresh)),
    ]);
    rows.push([name, ...cells]);
  }
  console.log(`\n${formatTable([head, ...rows])}`);
  return 0;
}

async function speed(bench: Bench): Promise<number> {
  const inOrder = corpusInFileOrder();
  const corpus = bench.isQuick ? inOrder.slice(0, 1000) : inOrder;
  const large = largeMessages(bench.plan.noise, bench.isQuick ? 50 : 400);
  const passes = [
    { pass: 'the corpus in file order, cold', messages: corpus, hasBar: false },
    { pass: 'the corpus in file order, warm', messages: corpus, hasBar: true },
    { pass: '100 KB, warm', messages: large, hasBar: false },
  ];
  let missed = 0;
  for (const { pass, messages, hasBar } of passes) {
    const result = await measureSpeed(() => prepared(bench), messages);
    bench.record('speed', { pass, ...result });
    const { perSecond, cpuMsPerMessage } = result;
    console.log(`\n${pass}: ${result.messages} messages, ${perSecond}/s, ${cpuMsPerMessage} ms of CPU each`);
    const rows = result.bySize
      .filter((one) => one.messages > 0)
      .map((one) => [`< ${one.below}`, ...[one.messages, one.p50Ms, one.p99Ms, one.maxMs].map(String)]);
    console.log(formatTable([['octets', 'messages', 'p50 ms', 'p99 ms', 'max ms'], ...rows]));
    const slowest = Math.max(...result.bySize.map(({ p99Ms }) => p99Ms));
    const isMissed = hasBar ? perSecond < minPerSecond : messages === large && slowest >= maxP99Ms;
    if (!isMissed) continue;
    missed++;
    console.log(`MISSED (at least ${minPerSecond}/s in file order, p99 under ${maxP99Ms} ms at 100 KB)`);
  }
  const perSecond = pyzorPerSecond(corpus);
  if (perSecond !== undefined) {
    bench.record('speed-peer', { peer: 'pyzor', perSecond });
    console.log(`\nbeside it Pyzor's own client, its digest alone, one process: ${perSecond}/s`);
  }
  return missed;
}

async function memory(bench: Bench): Promise<number> {
  const detector = await prepared(bench);
  const megabytes = (octets: number): string => (octets / 1e6).toFixed(0).padStart(6);
  console.log(`\nmemory over ${bench.messages} messages: resident, heap, external (MB), messages/s`);
  await measureMemory(detector, corpusInFileOrder(), {
    count: bench.messages,
    onSample: (sample) => {
      bench.record('memory', sample);
      const { messages, resident, heap, external, perSecond } = sample;
      const figures = [resident, heap, external].map(megabytes).join(' ');
      console.log(`${String(messages).padStart(9)} ${figures} ${String(perSecond).padStart(6)}`);
    },
  });
  await detector.close?.();
  return 0;
}

async function moduleOf(file: string | undefined): Promise<Pick<Bench, 'open' | 'read'>> {
  if (file === undefined) return { open: openPosthouse, read: readAsPosthouse };
  const loaded: { readonly openDetector?: unknown; readonly readText?: unknown } = await import(
    pathToFileURL(resolve(file)).href
  );
  const { openDetector: open, readText } = loaded;
  if (typeof open !== 'function') throw new Error(`${file} exports no function openDetector`);
  const read = typeof readText === 'function' ? (octets: Uint8Array) => String(readText(octets)) : undefined;
  return { open: () => open(), read };
}

/** The lines of one run, the machine's facts first. */
function recorder(folder: string, facts: Machine): Bench['record'] {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${facts.date.slice(0, 16).replaceAll(':', '')}-bulk.jsonl`);
  const record = (kind: string, line: object): void =>
    appendFileSync(file, `${JSON.stringify({ kind, ...line })}\n`);
  record('machine', facts);
  return record;
}

function listed(
  value: string | undefined,
  all: readonly string[],
  what: string,
): readonly string[] | undefined {
  // Names of classes have commas of their own: "shuffled, 40 % dropped".
  const names = value?.split(/,(?! )/);
  const unknown = names?.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`no ${what} "${unknown}"; there are ${all.join(' | ')}`);
  return names;
}

/** Runs the parts; memory only where it is asked for, by `--parts` or by `--messages`. */
export async function bulk(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      parts: { type: 'string' },
      only: { type: 'string' },
      campaigns: { type: 'string' },
      skip: { type: 'string', default: '0' },
      copies: { type: 'string' },
      seed: { type: 'string', default: '1' },
      messages: { type: 'string' },
      detector: { type: 'string' },
      results: { type: 'string' },
      'no-peers': { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
    },
  });
  const parts =
    listed(values.parts, allParts, 'part') ??
    (values.messages === undefined ? ['recognition', 'bridging', 'speed'] : ['memory']);
  const classes = listed(values.only, classNames, 'class') ?? classNames;
  const { open, read } = await moduleOf(values.detector);
  const facts = await machine();
  const corpus = readCorpus();
  const bench: Bench = {
    open,
    read,
    corpus,
    plan: {
      campaigns: chooseCampaigns(
        corpus.spam,
        Number(values.campaigns ?? (values.quick ? 10 : 100)),
        Number(values.skip),
      ),
      noise: noiseOf(corpus),
      copies: Number(values.copies ?? (values.quick ? 8 : 20)),
      seed: Number(values.seed),
    },
    classes,
    hasPeers: !values['no-peers'],
    isQuick: values.quick,
    messages: Number(values.messages ?? (values.quick ? 10_000 : 1_000_000)),
    record: recorder(values.results ?? join(import.meta.dirname, '../.cache/results'), facts),
  };
  console.log(`${facts.cpu} × ${facts.cores}, Node ${facts.node}, commit ${facts.commit}`);
  const { campaigns, copies } = bench.plan;
  console.log(
    `${campaigns.length} campaigns × ${copies} copies × ${classes.length} classes, ham ${corpus.ham.length}`,
  );
  bench.record('plan', { campaigns: campaigns.map(({ id }) => id), copies, seed: bench.plan.seed, classes });
  const run = { recognition, bridging, speed, memory };
  let missed = 0;
  for (const part of allParts) if (parts.includes(part)) missed += await run[part](bench);
  return missed === 0 ? 0 : 1;
}

/** Feeds fuzz targets with random input, and shrinks what breaks them. */
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { inputOf } from './input.ts';
import type { FuzzTarget } from './targets.ts';

/** The result of one target. */
export interface FuzzResult {
  readonly name: string;
  readonly runs: number;
  /** The input that broke it, made as small as it could be, and its seed. */
  readonly failure?: { readonly seed: number; readonly input: Buffer; readonly error: unknown };
}

export interface FuzzOptions {
  /** The seed of the first input; each one after it has the next number. */
  readonly seed: number;
  readonly budgetMs: number;
}

/** The memory that any number of runs may leave behind, in octets: caches are bounded, everything else is a leak. */
const maxGrowthBytes = 48 * 1024 * 1024;
/** A single input that takes longer is a fault of its own: somebody could send many. */
const maxRunMs = 2000;

/** Feeds one target until its time is over or it breaks. At least one input is tried. */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzResult> {
  const until = performance.now() + options.budgetMs;
  let runs = 0;
  const before = await heapBytes();
  do {
    const seed = (options.seed + runs) >>> 0;
    const input = inputOf(seed);
    runs++;
    const error = await attempt(target, input);
    if (error !== undefined) {
      return { name: target.name, runs, failure: { seed, input: await shrink(target, input), error } };
    }
    // Timers and closed streams get their turn.
    if (runs % 64 === 0) await setImmediate();
  } while (performance.now() < until);
  const grown = (await heapBytes()) - before;
  if (grown <= maxGrowthBytes) return { name: target.name, runs };
  const error = new Error(`the heap has grown by ${Math.round(grown / 1e6)} MB in ${runs} runs`);
  return { name: target.name, runs, failure: { seed: options.seed, input: Buffer.alloc(0), error } };
}

/** The target's error for the input. */
export async function attempt(target: FuzzTarget, input: Buffer): Promise<unknown> {
  const began = performance.now();
  try {
    await target.run(Uint8Array.from(input));
  } catch (error) {
    return error ?? new Error('it threw nothing');
  }
  const tookMs = performance.now() - began;
  return tookMs > maxRunMs ? new Error(`one input took ${Math.round(tookMs)} ms`) : undefined;
}

/** Leaves out pieces, halves first, as long as the rest still breaks the target. */
async function shrink(target: FuzzTarget, input: Buffer): Promise<Buffer> {
  let smallest = input;
  for (let size = Math.ceil(input.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at + size <= smallest.length; ) {
      const shorter = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)]);
      if ((await attempt(target, shorter)) === undefined) at += size;
      else smallest = shorter;
    }
  }
  return smallest;
}

let collect: (() => void) | undefined;

async function heapBytes(): Promise<number> {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  await setImmediate();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

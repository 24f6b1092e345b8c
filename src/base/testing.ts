/** Helpers for all tests: rights, time of the processor, counted slices, planned faults. */
import type { TestContext } from 'node:test';
import { Slices } from './slices.ts';

/** User and group `nobody` on every system that we support. */
const nobody = 65_534;

/** Skips a test if the machine lacks something that it needs. With CI set it fails instead. */
export function lacks(t: TestContext, what: string): void {
  if (process.env.CI === 'true') throw new Error(`this test has to run here: ${what}`);
  t.skip(what);
}

/** Whether the test may go on with the rights of root; else it is passed over. */
export function hasRoot(t: TestContext): boolean {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) lacks(t, 'needs root');
  return isRoot;
}

/** Drops root's rights until the test ends. Files made meanwhile belong to `nobody`. */
export function dropRoot(t: TestContext): void {
  if (process.geteuid?.() !== 0) return;
  process.setegid?.(nobody);
  process.seteuid?.(nobody);
  t.after(() => {
    process.seteuid?.(0);
    process.setegid?.(0);
  });
}

/** Milliseconds of a processor that this thread has used: other work of the machine is not in them. */
export function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** The same of the whole process, with the threads that hash and compress. */
export function processMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Slices that count octets: all of them, and the most between two turns of others. */
export class CountedSlices extends Slices {
  all = 0;
  most = 0;
  #sinceTurn = 0;

  constructor(octets: number) {
    super({
      octets,
      turn: async () => {
        this.#sinceTurn = 0;
      },
    });
  }

  override spend(octets: number): Promise<void> | undefined {
    this.all += octets;
    this.#sinceTurn += octets;
    this.most = Math.max(this.most, this.#sinceTurn);
    return super.spend(octets);
  }
}

/** When something is to go wrong: at the so many-th step from 0. */
export interface FaultPlan {
  /** Below 0: nothing does any more. */
  at: number;
  /** Steps so far. */
  steps: number;
}

/** The exception of a planned fault. */
export class PlannedFault extends Error {
  override readonly name = 'PlannedFault';
}

/**
 * The same value, and all that can be reached through it, except that the step of the plan throws: every
 * reading of a property and every call is one. Octets, signals, maps, sets and errors are left as they are.
 */
export function faulty<T>(value: T, plan: FaultPlan): T {
  if (typeof value === 'function') return faultyFunction(value, undefined, plan) as T;
  if (typeof value !== 'object' || value === null || isLeftAlone(value)) return value;
  return new Proxy(value, {
    get(target, key) {
      step(plan, String(key));
      const found: unknown = Reflect.get(target, key, target);
      return typeof found === 'function' ? faultyFunction(found, target, plan) : faulty(found, plan);
    },
  });
}

function isLeftAlone(value: object): boolean {
  const kinds = [Uint8Array, AbortSignal, Map, Set, Promise, Error];
  return kinds.some((kind) => value instanceof kind);
}

function faultyFunction(found: unknown, owner: unknown, plan: FaultPlan): unknown {
  return (...args: unknown[]) => {
    step(plan, 'a call');
    return typeof found === 'function' ? Reflect.apply(found, owner, args) : undefined;
  };
}

function step(plan: FaultPlan, name: string): void {
  if (plan.steps++ === plan.at) throw new PlannedFault(`planned at ${name}`);
}

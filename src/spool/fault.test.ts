import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { canInject, checkLedger, type Ledger, runWorkload } from './fault/ledger.ts';

/**
 * Every test runs the workload in a child process, lets one of its system calls fail or kills it there, and
 * compares what is in the spool afterwards with what had been promised. The calls are spread over the whole
 * run; POSTHOUSE_FAULTS=10 makes it ten times as many.
 */
const scale = Number(process.env.POSTHOUSE_FAULTS ?? 1);
const rounds = 6;
/** About how many of each call the thread that does the file work makes in a run. */
const calls = { pwrite64: 137, fdatasync: 31, fsync: 18, unlink: 3 };

type Call = keyof typeof calls;

/** `count` places that are spread over all calls of a run. */
function spread(call: Call, count: number): number[] {
  const places = Math.min(count * scale, calls[call]);
  return Array.from({ length: places }, (_, i) => 1 + Math.floor(((i + 0.5) * calls[call]) / places));
}

async function faulty(strace: readonly string[], check: (ledger: Ledger) => void): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'posthouse-fault-'));
  try {
    const ledger = await runWorkload({ path, rounds, strace });
    check(ledger);
    await checkLedger(path, ledger);
  } finally {
    await rm(path, { recursive: true });
  }
}

function inject(call: Call, what: string, when: number | string): string[] {
  return ['-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:${what}:when=${when}`];
}

function skipWithoutStrace(t: TestContext): boolean {
  const isSkipped = !canInject();
  if (isSkipped) t.skip('strace cannot inject faults here');
  return isSkipped;
}

describe('the spool, killed', { concurrency: 2 }, () => {
  for (const [call, count] of [
    ['pwrite64', 8],
    ['fdatasync', 4],
    ['fsync', 3],
    ['unlink', 1],
  ] as const) {
    for (const when of spread(call, count)) {
      it(`at ${call} ${when} loses nothing that it accepted`, async (t) => {
        if (skipWithoutStrace(t)) return;
        await faulty(inject(call, 'signal=KILL', when), ({ end }) => assert.equal(end, 'killed'));
      });
    }
  }
});

describe('the spool, on a disk that fails once', { concurrency: 2 }, () => {
  for (const [call, error, count] of [
    ['pwrite64', 'ENOSPC', 5],
    ['pwrite64', 'EIO', 3],
    ['fdatasync', 'EIO', 3],
    ['fsync', 'EIO', 2],
  ] as const) {
    for (const when of spread(call, count)) {
      it(`with ${error} at ${call} ${when} refuses, recovers and loses nothing`, async (t) => {
        if (skipWithoutStrace(t)) return;
        await faulty(inject(call, `error=${error}`, when), ({ end, stderr }) => {
          assert.equal(end, 'done', stderr);
        });
      });
    }
  }
});

describe('the spool, on a disk that stays full', { concurrency: 2 }, () => {
  for (const when of spread('pwrite64', 2)) {
    it(`from pwrite64 ${when} on keeps what it accepted, and is used again when there is room`, async (t) => {
      if (skipWithoutStrace(t)) return;
      await faulty(inject('pwrite64', 'error=ENOSPC', `${when}+`), ({ end, stderr }) => {
        assert.equal(end, 'stuck', stderr);
      });
    });
  }
});

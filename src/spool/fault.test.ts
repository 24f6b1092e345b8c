import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { lacks } from '../base/testing.ts';
import { canInject, checkLedger, type Launcher, type Ledger, runWorkload, straced } from './fault/ledger.ts';
import { smallDisk } from './fault/small-disk.ts';

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

async function faulty(launcher: Launcher, check: (ledger: Ledger) => void): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'posthouse-fault-'));
  try {
    const ledger = await runWorkload({ path, rounds, launcher });
    check(ledger);
    await checkLedger(path, ledger);
  } finally {
    await rm(path, { recursive: true });
  }
}

function inject(call: Call, what: string, when: number | string): Launcher {
  return straced(['-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:${what}:when=${when}`]);
}

const isInjecting = canInject();

function lacksStrace(t: TestContext): boolean {
  if (!isInjecting) lacks(t, 'strace cannot inject faults here');
  return !isInjecting;
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
        if (lacksStrace(t)) return;
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
        if (lacksStrace(t)) return;
        await faulty(inject(call, `error=${error}`, when), ({ end, stderr }) => {
          // A failed write of a page makes the LMDB library overrun its own memory (see reserve.ts), so this
          // one may end the process. A full disk does not come so far.
          const isAllowed = end === 'done' || end === 'unopened' || (call === 'pwrite64' && end === 'killed');
          assert.ok(isAllowed, `${end}: ${stderr}`);
        });
      });
    }
  }
});

describe('the spool, on a disk that is full', () => {
  const full = ({ end, refused, stderr }: Ledger) => {
    assert.equal(end, 'done', stderr);
    assert.ok(refused > 0, 'the disk was never full');
    assert.equal(stderr, '');
  };

  it('refuses, goes on with removals, accepts again when there is room, and loses nothing', async (t) => {
    const path = await mkdtemp(join(tmpdir(), 'posthouse-full-'));
    try {
      const copy = `${path}.copy`;
      const disk = await smallDisk(path, copy);
      if (disk === undefined) return lacks(t, 'nothing may be mounted here, and /dev/shm is no small disk');
      const ledger = await runWorkload({ path: disk.spool, rounds: 30, launcher: disk.launcher });
      full(ledger);
      await checkLedger(copy, ledger);
    } finally {
      await rm(path, { recursive: true });
      await rm(`${path}.copy`, { recursive: true, force: true });
    }
  });

  it('does so as well when a limit on the size of files is what stops it', async (t) => {
    if (spawnSync('prlimit', ['--version']).status !== 0) return lacks(t, 'prlimit is not installed');
    const path = await mkdtemp(join(tmpdir(), 'posthouse-limit-'));
    try {
      const launcher: Launcher = ['prlimit', '--fsize=550000'];
      const ledger = await runWorkload({ path, rounds: 14, launcher });
      full(ledger);
      await checkLedger(path, ledger);
    } finally {
      await rm(path, { recursive: true });
    }
  });
});

/** How fast Pyzor's own client reads the same messages and makes its digest of each: no network, no counting. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Each message in a file of its own is read before the clock starts; all are digested twice, the second time counts. */
const program = `
import email, sys, time
from pyzor.digest import DataDigester
octets = [open(f"{sys.argv[1]}/{n}", "rb").read() for n in range(int(sys.argv[2]))]
for turn in range(2):
    failed, begun = 0, time.perf_counter()
    for one in octets:
        try:
            DataDigester(email.message_from_bytes(one)).value
        except Exception:
            failed += 1
    seconds = time.perf_counter() - begun
print(len(octets) / seconds, failed)
`;

/** Messages per second of one process; undefined where Pyzor is not installed. */
export function pyzorPerSecond(messages: readonly Uint8Array[]): number | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'posthouse-pyzor-'));
  try {
    for (const [n, octets] of messages.entries()) writeFileSync(join(folder, String(n)), octets);
    const { stdout, status } = spawnSync(
      '/usr/bin/python3',
      ['-c', program, folder, String(messages.length)],
      {
        encoding: 'utf8',
      },
    );
    return status === 0 ? Math.round(Number(stdout.split(' ')[0])) : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

#!/usr/bin/env -S node --max-semi-space-size=16
/** The program `posthouse`. */
import { basename } from 'node:path';
import { setFlagsFromString } from 'node:v8';

/** The program. It imports nothing of ours before the version is known: an older Node could not even read it. */

/** As in `engines` of package.json. */
const oldestNode = 24;

if (Number.parseInt(process.versions.node, 10) < oldestNode) {
  process.stderr.write(
    `posthouse: Node ${oldestNode} or later is needed, and "${process.execPath}" is Node ${process.versions.node}:
install a newer one and put it first in PATH, or start it by name: /path/to/node ${process.argv[1]}
`,
  );
  process.exit(69);
}
// Octets outside the heap count with it. Not in the first line, for an older Node stops there without these words.
setFlagsFromString('--external-memory-accounted-in-global-limit');

const [{ dispatch }, { processIo }] = await Promise.all([import('./dispatch.ts'), import('./io.ts')]);
const calledAs = basename(process.argv[1] ?? 'posthouse').replace(/\.[jt]s$/, '');
const code = await dispatch(process.argv.slice(2), processIo(), calledAs);
// Anything that still holds the process (an open standard input) must not keep it; output goes first.
process.stdout.write('', () => process.exit(code));

/** Fuzz targets of this folder: any text is a configuration, or a list of problems that stand in it. */
import assert from 'node:assert/strict';
import { formatProblem, loadConfig } from './index.ts';

export const fuzzTargets: readonly { readonly name: string; run(input: Uint8Array): void }[] = [
  { name: 'config/load', run: (input) => checkLoad(Buffer.from(input).toString('utf8')) },
];

const starts = [
  '',
  'hostname: a.example\nlisteners:\n  - ',
  'domains: [',
  'relay: { networks: ',
  'routes:\n  - to: ',
];

function checkLoad(input: string): void {
  const env = {
    hostname: 'machine.example',
    read: (path: string): string => {
      throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' });
    },
  };
  for (const start of starts) {
    const text = start + input;
    const loaded = loadConfig(text, { file: 'fuzz.yaml', env });
    if (loaded.ok) continue;
    assert.ok(loaded.problems.length > 0);
    const lines = text.split(/\r\n|[\r\n]/).length;
    for (const problem of loaded.problems) {
      assert.ok(problem.line >= 1 && problem.line <= lines && problem.column >= 1, formatProblem(problem));
      assert.notEqual(problem.message, '');
    }
  }
}

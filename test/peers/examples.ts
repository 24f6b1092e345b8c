/** The configurations of `examples/`, made to run in a namespace, and the battery of `posthouse probe` against one. */
import assert from 'node:assert/strict';
import { copyFile, readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import type { Netns } from './netns.ts';
import type { Certificate } from './support.ts';

const folder = resolve(import.meta.dirname, '../../examples');
const main = resolve(import.meta.dirname, '../../src/cli/main.ts');

/** Where the two stand; on `port` of the stranger everything arrives that is relayed. */
export const net = { relay: '10.77.0.1', stranger: '10.77.0.2', port: 2525 } as const;

export type Keys = Record<string, unknown>;

/** A value of the configuration that may be one or several. */
export const list = (value: unknown): Keys[] => [value ?? []].flat().map((one) => Object(one));

/** The names of those that relay nothing for a stranger. */
export const closedExamples: readonly string[] = (await readdir(folder)).filter(
  (name) => name.endsWith('.yaml') && name !== 'open-lab.yaml' && name !== 'trap.yaml',
);

/** The example with other addresses, nobody's user, and all mail for elsewhere sent to the stranger. */
export async function adapted(name: string, data: string, { cert, key }: Certificate): Promise<Keys> {
  const given: Keys = Object(parse(await readFile(join(folder, name), 'utf8')));
  for (const file of ['aliases.txt', 'users.txt']) await copyFile(join(folder, file), join(data, file));
  const { user: _, routes: __, dns: ___, delivery: ____, users, tls, ...kept } = given;
  const file = (key: unknown) => (typeof key === 'string' ? join(data, key) : key);
  return {
    ...kept,
    data: join(data, 'data'),
    logs: { format: 'json' },
    listeners: list(given.listeners).map(({ interface: _, ...listener }, index) => ({
      ...listener,
      address: `${net.relay}:${2500 + index}`,
    })),
    domains: list(given.domains).map(({ owner: _, aliases, recipients, ...domain }) => ({
      ...domain,
      ...(domain.deliver !== undefined && { deliver: 'capture' }),
      ...(aliases !== undefined && { aliases: file(aliases) }),
      ...(recipients !== undefined && {
        recipients:
          recipients === 'verify'
            ? 'any'
            : typeof recipients === 'object' && 'file' in Object(recipients)
              ? { file: file(Object(recipients).file) }
              : recipients,
      }),
    })),
    ...(users !== undefined && { users: { file: join(data, 'users.yaml') } }),
    ...(tls !== undefined && { tls: { cert, key } }),
    routes: [{ to: '*', via: `smtp://${net.stranger}:${net.port}`, tls: 'none' }],
  };
}

/** How and from where an example is attacked. */
export interface Attack {
  /** Where the tester is, and its sink. */
  readonly from: Netns;
  /** The listeners in the order of the configuration: where each is reached, and whether TLS is up to the tester. */
  readonly targets: readonly { readonly at: string; readonly tls: 'none' | 'starttls' | 'implicit' }[];
  /** A domain of the relay's own. */
  readonly domain: string;
  /** A folder for what the tester remembers. */
  readonly home: string;
}

/** The listeners as they are. */
export function listenersOf(configuration: Keys): Attack['targets'] {
  return list(configuration.listeners).map(({ address, role }) => ({
    at: String(address),
    // Port 2500 says nothing of TLS, so each kind of listener is tested by itself.
    tls: role === 'submissions' ? 'implicit' : role === 'submission' ? 'starttls' : 'none',
  }));
}

/** A domain that the relay of this configuration calls its own. */
export function domainOf(configuration: Keys): string {
  return String(list(configuration.domains)[0]?.name ?? configuration.hostname ?? 'relay.test');
}

/** The whole battery against each listener: a line for each case, and one with the verdict. */
export async function attack({ from, targets, domain, home }: Attack): Promise<Keys[]> {
  const args = ['--domain', domain, '--helo', 'third.test', '--data', home];
  const sink = ['--deliver', 'box@third.test', '--listen', `${net.stranger}:${net.port}`, '--wait', '5'];
  const lines: Keys[] = [];
  for (const { at, tls } of targets) {
    const words = [main, 'probe', at, '--all', '--json', ...args, ...sink, '--tls', tls];
    const outcome = await from.run(process.execPath, words, { timeoutMs: 120_000 });
    assert.equal(outcome.stderr, '');
    for (const line of outcome.stdout.trim().split('\n')) lines.push(Object(JSON.parse(line)));
  }
  return lines;
}

/** Nothing was relayed, and nothing is left in doubt: what was taken was for one of ours. */
export function assertClosed(lines: readonly Keys[]): void {
  const cases = lines.filter((line) => line.case !== undefined);
  assert.ok(cases.length > 350, JSON.stringify(lines.at(-1)));
  const bad = cases.filter(({ verdict }) => ['relayed', 'disconnected', 'blocked'].includes(String(verdict)));
  assert.deepEqual(
    bad.map((one) => `${one.case} ${one.verdict}`),
    [],
    JSON.stringify(bad[0]),
  );
}

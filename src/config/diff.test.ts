import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffConfig, loadConfig } from './index.ts';

function config(text: string) {
  const result = loadConfig(text, { file: '/p.yaml', env: { hostname: 'box.example' } });
  if (!result.ok) assert.fail(JSON.stringify(result.problems));
  return result.config;
}

function changes(before: string, after: string): string[] {
  return diffConfig(config(before), config(after)).map(
    ({ path, what, effect }) => `${path} ${what}: ${effect}`,
  );
}

test('two loads of one text do not differ', () => {
  const text =
    'domains: { name: a.example, deliver: capture, recipients: [a, b] }\nrelay: { networks: 10.0.0.0/8 }';
  assert.deepEqual(changes(text, text), []);
});

test('limits, routes and domains change by a reload', () => {
  const after =
    'limits: { sessions: 5 }\nroutes: { via: capture }\ndomains: { name: a.example, deliver: capture }';
  assert.deepEqual(changes('domains: { name: b.example, deliver: capture }', after), [
    'domains[b.example] removed: reload',
    'domains[a.example] added: reload',
    'routes changed: reload',
    'limits.sessions changed: reload',
  ]);
});

test('a listener that comes, goes or changes its TLS is bound anew, alone', () => {
  const [a, b] = ['{ role: mx, address: "127.0.0.1:25" }', '{ role: mx, address: "[::1]:25" }'];
  assert.deepEqual(changes(`listeners: [${a}]`, `listeners: [${a}, ${b}]`), [
    'listeners[[::1]:25] added: rebind',
  ]);
  assert.deepEqual(changes(`listeners: [${a}, ${b}]`, `listeners: [${b}]`), [
    'listeners[127.0.0.1:25] removed: rebind',
  ]);
});

test('doors of the clearinghouse are bound anew; the clearinghouse itself needs a restart', () => {
  const house = (text: string) => `clearinghouse: { ${text} }`;
  assert.deepEqual(
    changes(house('memory: 16MB'), house('memory: 32MB, doors: { protocol: razor }')).toSorted(),
    ['clearinghouse.doors changed: rebind', 'clearinghouse.memory changed: restart'],
  );
  assert.deepEqual(changes('', house('doors: { protocol: razor }')), ['clearinghouse added: restart']);
});

test('what is fixed at the start needs a restart', () => {
  assert.deepEqual(
    changes('data: /a', 'data: /b\nuser: mail\nspool: { floor: 1GB }\nlogs: { format: json }'),
    [
      'user added: restart',
      'data changed: restart',
      'trap.folder changed: restart',
      'spool.floorBytes changed: restart',
      'capture.folder changed: restart',
      'sendmail.maildrop changed: restart',
      'logs.format changed: restart',
    ],
  );
});

test('a difference never tells a value', () => {
  const change = diffConfig(config('hostname: a.example'), config('hostname: b.example'))[0];
  assert.deepEqual(Object.keys(change ?? {}), ['path', 'what', 'effect']);
});

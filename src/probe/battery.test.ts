import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fill, helos, type Names, recipients, senders } from './battery.ts';
import { abuseNetPairs, type Case, classicCases, mapsPairs, nmapPairs, unionCases } from './cases.ts';
import { sessionForms } from './session-forms.ts';
import { testNames } from './testing.ts';

const names = { ...testNames, u: 'u' };
const text = (forms: typeof senders, id: string) =>
  fill(forms.find((form) => form.id === id)?.text ?? assert.fail(id), names);
const shown = (pairs: typeof nmapPairs) =>
  pairs.map(([sender, recipient]) => `${text(senders, sender)} ${text(recipients, recipient)}`);

/** One case as the commands of a plain transaction, in latin1: for tests that have no wire. */
function commandsOf(
  one: Case,
  names: Names,
): { readonly helo: string; readonly mail: string; readonly rcpt: string } {
  return {
    helo: `EHLO ${fill(one.helo.text, names)}`.trimEnd(),
    mail: `MAIL FROM:${fill(one.sender.text, names)}`,
    rcpt: `RCPT TO:${fill(one.recipient.text, names)}`,
  };
}

test("nmap's sixteen are these", () => {
  const from = '<spamtest@[192.0.2.1]>';
  assert.deepEqual(shown(nmapPairs), [
    '<> <u@third.test>',
    '<u@third.test> <u@third.test>',
    '<spamtest@target.test> <u@third.test>',
    `${from} <u@third.test>`,
    `${from} <u%third.test@[192.0.2.1]>`,
    `${from} <u%third.test@target.test>`,
    `${from} <"u@third.test">`,
    `${from} <"u%third.test">`,
    `${from} <u@third.test@[192.0.2.1]>`,
    `${from} <"u@third.test"@[192.0.2.1]>`,
    `${from} <u@third.test@target.test>`,
    `${from} <@[192.0.2.1]:u@third.test>`,
    `${from} <@target.test:u@third.test>`,
    `${from} <third.test!u>`,
    `${from} <third.test!u@[192.0.2.1]>`,
    `${from} <third.test!u@target.test>`,
  ]);
});

test("abuse.net's seventeen are these", () => {
  const from = '<spamtest@target.test>';
  assert.deepEqual(shown(abuseNetPairs), [
    '<> <u@third.test>',
    '<spamtest> <u@third.test>',
    '<u@third.test> <u@third.test>',
    `${from} <u@third.test>`,
    '<spamtest@[192.0.2.1]> <u@third.test>',
    `${from} <u%third.test@target.test>`,
    `${from} <u%third.test@[192.0.2.1]>`,
    `${from} <"u@third.test">`,
    `${from} <"u%third.test">`,
    `${from} <u@third.test@target.test>`,
    `${from} <"u@third.test"@target.test>`,
    `${from} <u@third.test@[192.0.2.1]>`,
    `${from} <@target.test:u@third.test>`,
    `${from} <@[192.0.2.1]:u@third.test>`,
    `${from} <third.test!u>`,
    `${from} <third.test!u@target.test>`,
    `${from} <third.test!u@[192.0.2.1]>`,
  ]);
});

test('every id is there once, and fit to be part of a token', () => {
  const ids = [...senders, ...helos, ...recipients, ...sessionForms].map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[a-z]\d{1,2}$/);
});

test('every placeholder of every form is filled', () => {
  const lines = sessionForms.flatMap(({ before = [], within = [] }) => [...before, ...within]);
  for (const line of [...senders, ...helos, ...recipients].map((form) => form.text).concat(lines)) {
    assert.doesNotMatch(fill(line, names), /[{}]/, line);
  }
});

test('the union battery has every form, the lists of old among them, and an end', () => {
  const cases = unionCases();
  for (const part of ['sender', 'helo', 'recipient'] as const) {
    const all = { sender: senders, helo: helos, recipient: recipients }[part];
    assert.deepEqual(new Set(cases.map((one) => one[part].id)), new Set(all.map(({ id }) => id)), part);
  }
  const sessions = new Set(cases.flatMap(({ session }) => session?.id ?? []));
  assert.deepEqual(sessions, new Set(sessionForms.map(({ id }) => id)));
  const ids = new Set(cases.map(({ id }) => id));
  assert.equal(ids.size, cases.length);
  for (const [sender, recipient] of [...nmapPairs, ...abuseNetPairs, ...mapsPairs]) {
    assert.ok(ids.has(`${recipient}${sender}h1`), `${sender} ${recipient}`);
  }
  assert.ok(classicCases().every(({ id }) => ids.has(id)));
  assert.ok(cases.length > 350 && cases.length < 600, String(cases.length));
  assert.ok(classicCases().length < 60);
});

test('a case is written as commands', () => {
  const one = unionCases().find(({ id }) => id === 'r15s06h1') ?? assert.fail();
  assert.deepEqual(commandsOf(one, names), {
    helo: 'EHLO third.test',
    mail: 'MAIL FROM:<spamtest@[192.0.2.1]>',
    rcpt: 'RCPT TO:<@target.test:u@third.test>',
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../src/config/index.ts';
import { personalMailbox } from '../src/delivery/index.ts';
import { mailboxOf as mailboxWith, type PopConfig } from '../src/pop3/index.ts';

const mailboxOf = (config: PopConfig, login: string) => mailboxWith(config, login, personalMailbox);

function domains(...list: readonly object[]) {
  const loaded = loadConfig(JSON.stringify({ domains: list, routes: [{ via: 'mx' }] }), {
    file: '/p.yaml',
    env: { hostname: 'relay.example' },
  });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.config;
}

const own = { name: 'ours.example', deliver: 'maildir:/mail/{domain}/{local}' };

test('a login has the Maildir that its mail is delivered to', () => {
  const config = domains(own, { name: 'lmtp.example', deliver: 'lmtp://127.0.0.1:24' });
  assert.equal(mailboxOf(config, 'Anna@Ours.Example'), '/mail/ours.example/anna');
  assert.equal(mailboxOf(config, 'anna'), '/mail/ours.example/anna', 'one domain alone has Maildirs');
  assert.equal(mailboxOf(config, 'a/b@ours.example'), '/mail/ours.example/a%2Fb');
});

test('who has no Maildir of his own has none', () => {
  const config = domains(
    own,
    { name: 'all.example', deliver: 'maildir:/mail/all' },
    { name: 'backup.example', backup: true },
    { name: 'lmtp.example', deliver: 'lmtp://127.0.0.1:24' },
    { name: 'routed.example' },
  );
  for (const login of [
    'anna@elsewhere.example',
    'anna@all.example',
    'anna@backup.example',
    'anna@lmtp.example',
    'anna@routed.example',
    '@ours.example',
    'anna',
    '',
    'a b@ours.example',
    `${'a'.repeat(300)}@ours.example`,
  ])
    assert.equal(mailboxOf(config, login), undefined, login);
});

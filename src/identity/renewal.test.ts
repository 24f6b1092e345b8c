import assert from 'node:assert/strict';
import { rmSync, utimesSync } from 'node:fs';
import { test } from 'node:test';
import { manualClock } from '../base/index.ts';
import { editUsers } from './index.ts';
import { authenticator, client, ownFolder as folder, ScramClient, usersFile } from './testing.ts';

const plain = (name: string, password: string) => `\0${name}\0${password}`;

test('what a login rests on is looked at again: certificate, token, Dovecot, password and device', async (t) => {
  const file = await usersFile(await folder(t));
  const identityOfCertificate = ({ fingerprint }: { readonly fingerprint: string }) =>
    fingerprint === 'sha256:1' ? { name: 'fax', mechanism: 'EXTERNAL', senders: [] } : undefined;
  const certificate = { fingerprint: 'sha256:1', subject: '', isTrusted: false, names: [] };
  const shown = client({ tls: { version: 'TLSv1.3', cipher: 'x', certificate } });
  const clock = manualClock();
  const all = authenticator(file, {
    clock,
    identityOfCertificate,
    judgeToken: async () => ({ kind: 'unavailable', because: '' }),
  });
  const none = authenticator(undefined);
  const login = async (password: string) => {
    const step = await all.begin('PLAIN', client())?.step(Buffer.from(plain('ANNA@example.org', password)));
    return step?.kind === 'success' ? step.identity : assert.fail();
  };
  const scram = await new ScramClient('anna@example.org', 'sesame').run(all.begin('SCRAM-SHA-256', client()));
  const own = await login('sesame');
  const phone = await login('only-the-phone');
  const fax = { name: 'fax', mechanism: 'EXTERNAL', senders: [] };
  const token = { ...own, mechanism: 'XOAUTH2', credential: 'token' };
  const byScram = scram.kind === 'success' ? scram.identity : assert.fail();
  for (const identity of [own, phone, byScram]) {
    assert.equal(all.renew(identity, client()), identity, 'nothing has changed, so nothing is made');
    assert.equal(none.renew(identity, client()), undefined);
    assert.equal(all.renew({ ...identity, credential: 'another' }, client()), undefined);
  }
  assert.deepEqual(all.renew(fax, shown), fax);
  assert.equal(all.renew(fax, client()), undefined);
  assert.equal(none.renew(fax, shown), undefined);
  assert.deepEqual(all.renew(token, client()), token);
  assert.equal(none.renew(token, client()), undefined);
  assert.equal(all.renew({ ...token, credential: 'dovecot' }, client()), undefined);
  await editUsers(file, (users) => users.set('anna@example.org', 'disabled', true));
  utimesSync(file, 1, 1);
  clock.advance(1001);
  for (const identity of [own, phone, byScram, token])
    assert.equal(all.renew(identity, client()), undefined, identity.mechanism);
  rmSync(file);
  clock.advance(1001);
  assert.equal(all.renew(own, client()), 'unavailable');
});

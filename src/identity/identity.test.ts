import assert from 'node:assert/strict';
import { readFileSync, utimesSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { manualClock, memoryLog } from '../base/index.ts';
import { parsePattern } from '../mail/index.ts';
import type { ClientFacts, SaslStep } from '../receiver/index.ts';
import { editUsers, hashPassword, makeScramVerifier, parseUsers, scramValue } from './index.ts';
import { parseClientFinal, parseClientFirst } from './scram.ts';
import {
  authenticator,
  binding,
  client,
  ownFolder as folder,
  ScramClient,
  usersFile,
  wordsOf,
  writeUsers,
} from './testing.ts';

type Begun = ReturnType<typeof authenticator>;

/** Responses one after the other; the last step in words. */
async function talk(
  identities: Begun,
  mechanism: string,
  responses: readonly (string | undefined)[],
  facts: Partial<ClientFacts> = {},
): Promise<string> {
  const exchange = identities.begin(mechanism, client(facts));
  if (exchange === undefined) return 'not offered';
  let step: SaslStep | undefined;
  for (const response of responses)
    step = await exchange.step(response === undefined ? undefined : Buffer.from(response));
  return step === undefined ? 'nothing' : wordsOf(step);
}

const plain = (name: string, password: string, acting = '') => `${acting}\0${name}\0${password}`;

test('mechanisms are offered under TLS, and the bound one where the handshake gives something to bind to', async (t) => {
  const identities = authenticator(await usersFile(await folder(t)));
  assert.deepEqual(identities.mechanisms(client()), [
    'SCRAM-SHA-256-PLUS',
    'SCRAM-SHA-256',
    'PLAIN',
    'LOGIN',
  ]);
  const old = client({ tls: { version: 'TLSv1.2', cipher: 'x' } });
  assert.deepEqual(identities.mechanisms(old), ['SCRAM-SHA-256', 'PLAIN', 'LOGIN']);
  assert.deepEqual(identities.mechanisms(client({ tls: undefined })), []);
  assert.equal(identities.begin('PLAIN', client({ tls: undefined })), undefined);
  assert.equal(identities.begin('CRAM-MD5', client()), undefined);
  assert.match(identities.why?.('CRAM-MD5') ?? '', /passwords in clear/);
  const lax = authenticator(undefined, { allowPlaintext: ({ address }) => address === '127.0.0.1' });
  assert.deepEqual(lax.mechanisms(client({ tls: undefined, address: '127.0.0.1' })), []);
});

test('PLAIN and LOGIN let in the right password, and nobody else', async (t) => {
  const identities = authenticator(await usersFile(await folder(t)), { isExempt: () => true });
  const table = [
    ['PLAIN', [plain('anna@example.org', 'sesame')], 'anna@example.org by PLAIN'],
    ['PLAIN', [plain('ANNA@example.org', 'sesame')], 'anna@example.org by PLAIN'],
    ['PLAIN', [plain('anna@example.org', 'sesame', 'anna@example.org')], 'anna@example.org by PLAIN'],
    ['PLAIN', [plain('anna@example.org', 'sesame', 'boss@example.org')], '535'],
    ['PLAIN', [undefined, plain('anna@example.org', 'sesame')], 'anna@example.org by PLAIN'],
    ['PLAIN', [undefined], 'challenge '],
    ['PLAIN', [plain('anna@example.org', 'only-the-phone')], 'anna@example.org by PLAIN'],
    ['PLAIN', [plain('anna@example.org', 'Sesame')], '535'],
    ['PLAIN', [plain('nobody', 'sesame')], '535'],
    ['PLAIN', [plain('bob@example.org', 'sesame')], '535'],
    ['PLAIN', [plain('bob@example.org', 'only-the-phone')], '535'],
    ['PLAIN', [plain('anna@example.org', '')], '501'],
    ['PLAIN', ['anna'], '501'],
    ['PLAIN', ['\0a\0b\0c'], '501'],
    ['PLAIN', [plain('anna@example.org', 'x'.repeat(2000))], '535'],
    ['LOGIN', [undefined, 'anna@example.org', 'sesame'], 'anna@example.org by LOGIN'],
    ['LOGIN', ['anna@example.org', 'sesame'], 'anna@example.org by LOGIN'],
    ['LOGIN', [undefined], 'challenge Username:'],
    ['LOGIN', ['anna@example.org'], 'challenge Password:'],
    ['LOGIN', ['anna@example.org', 'no'], '535'],
    ['LOGIN', ['', ''], '501'],
  ] as const;
  for (const [mechanism, responses, expected] of table)
    assert.equal(await talk(identities, mechanism, responses), expected, JSON.stringify(responses));
});

test('a user name counts as the same in NFD and NFC, in another case, and with blanks around it', async (t) => {
  const file = join(await folder(t), 'users.yaml');
  const [hash, scram] = await Promise.all([hashPassword('sesame'), makeScramVerifier('sesame')]);
  await editUsers(file, (users) => {
    users.set('Zoë@example.org'.normalize('NFD'), 'hash', hash);
    users.set('Zoë@example.org'.normalize('NFD'), 'scram', scramValue(scram));
  });
  const identities = authenticator(file);
  const name = 'Zoë@example.org'.normalize('NFD');
  for (const typed of [
    name,
    name.normalize('NFC'),
    'ZOË@EXAMPLE.ORG',
    ' zoë@Example.org ',
    'zoë@example.ORG',
  ]) {
    assert.equal(await talk(identities, 'PLAIN', [plain(typed, 'sesame')]), `${name} by PLAIN`, typed);
    assert.equal(await talk(identities, 'LOGIN', [typed, 'sesame']), `${name} by LOGIN`, typed);
    const speaker = new ScramClient(typed, 'sesame');
    assert.equal(
      wordsOf(await speaker.run(identities.begin('SCRAM-SHA-256', client()))),
      `${name} by SCRAM-SHA-256`,
      typed,
    );
  }
  assert.throws(
    () => parseUsers(`users: { ${name}: {}, ${name.normalize('NFC').toUpperCase()}: {} }`, 'u'),
    /is there twice/,
  );
});

test('an authorization identity that differs in case or normalisation only is the same', async (t) => {
  const identities = authenticator(await usersFile(await folder(t)));
  for (const acting of ['ANNA@Example.org', ' anna@example.org', 'anna@example.org'])
    assert.equal(
      await talk(identities, 'PLAIN', [plain('anna@example.org', 'sesame', acting)]),
      'anna@example.org by PLAIN',
      acting,
    );
  const speaker = new ScramClient('anna@example.org', 'sesame');
  speaker.header = 'n,a=ANNA@example.org,';
  assert.match(wordsOf(await speaker.run(identities.begin('SCRAM-SHA-256', client()))), /^anna/);
  for (const acting of ['bob@example.org', 'anna', 'anna@example.orgg'])
    assert.equal(
      await talk(identities, 'PLAIN', [plain('anna@example.org', 'sesame', acting)]),
      '535',
      acting,
    );
});

test('a name or a password in windows-1252 is a wrong one, not a malformed exchange', async (t) => {
  const file = join(await folder(t), 'users.yaml');
  const hash = await hashPassword('grün\ufffd');
  await editUsers(file, (users) => users.set('zoë@example.org', 'hash', hash));
  const identities = authenticator(file);
  const utf8 = (text: string) => Buffer.from(text);
  const latin1 = (text: string) => Buffer.from(text, 'latin1');
  const table: readonly (readonly [string, readonly Buffer[], string])[] = [
    ['PLAIN', [utf8(plain('zoë@example.org', 'grün\ufffd'))], 'zoë@example.org by PLAIN'],
    ['PLAIN', [Buffer.concat([utf8('\0zoë@example.org\0'), latin1('grün')])], '535'],
    ['PLAIN', [Buffer.concat([utf8('\0zoë@example.org\0grün'), latin1('ü')])], '535'],
    ['PLAIN', [latin1(plain('zoë@example.org', 'grun'))], '535'],
    ['PLAIN', [latin1(plain('anna', 'grun', 'zoë'))], '535'],
    ['PLAIN', [latin1('grün')], '501'],
    ['LOGIN', [utf8('zoë@example.org'), latin1('grün')], '535'],
    ['LOGIN', [latin1('zoë@example.org'), latin1('grün')], '535'],
    ['SCRAM-SHA-256', [latin1('n,,n=zoë@example.org,r=abc')], '535'],
    ['SCRAM-SHA-256', [latin1('zoë')], '501'],
  ];
  for (const [mechanism, responses, expected] of table) {
    const exchange = identities.begin(mechanism, client());
    let step: SaslStep | undefined;
    for (const response of responses) step = await exchange?.step(response);
    assert.equal(step && wordsOf(step), expected, `${mechanism} ${responses.at(-1)?.toString('latin1')}`);
  }
});

test('SCRAM lets in whoever knows the password, and shows that the server knows it too', async (t) => {
  const identities = authenticator(await usersFile(await folder(t)), { isExempt: () => true });
  const run = async (mechanism: string, speaker: ScramClient) =>
    wordsOf(await speaker.run(identities.begin(mechanism, client())));
  assert.equal(
    await run('SCRAM-SHA-256', new ScramClient('anna@example.org', 'sesame')),
    'anna@example.org by SCRAM-SHA-256',
  );
  assert.equal(await run('SCRAM-SHA-256', new ScramClient('anna@example.org', 'Sesame')), '535');
  assert.equal(await run('SCRAM-SHA-256', new ScramClient('nobody', 'sesame')), '535');
  assert.equal(await run('SCRAM-SHA-256', new ScramClient('bob@example.org', 'sesame')), '535');
  const plus = new ScramClient('anna@example.org', 'sesame', binding);
  assert.equal(await run('SCRAM-SHA-256-PLUS', plus), 'anna@example.org by SCRAM-SHA-256-PLUS');
  const relayed = new ScramClient('anna@example.org', 'sesame', Buffer.from('another handshake'));
  assert.equal(await run('SCRAM-SHA-256-PLUS', relayed), '535');
  assert.equal(await run('SCRAM-SHA-256', new ScramClient('anna@example.org', 'sesame', binding)), '535');
  assert.equal(await run('SCRAM-SHA-256-PLUS', new ScramClient('anna@example.org', 'sesame')), '535');
  const misled = new ScramClient('anna@example.org', 'sesame');
  misled.header = 'y,,';
  assert.equal(await run('SCRAM-SHA-256', misled), '535', 'somebody took -PLUS out of the offer');
});

test('an exchange of SCRAM that was changed on its way fails', async (t) => {
  const identities = authenticator(await usersFile(await folder(t)), { isExempt: () => true });
  const another = (letter: string) => (letter === 'X' ? 'Y' : 'X');
  const changes: readonly ((last: string) => string)[] = [
    (last) => last.replace(/(?<=r=)./, another),
    (last) => last.replace(/c=[^,]*/, 'c=eSws'),
    (last) => last.replace(/(?<=p=)./, another),
    (last) => last.replace(/,p=.*/, ''),
    (last) => `${last},x=y`,
    () => '',
    () => 'e=other-error',
  ];
  for (const change of changes) {
    const speaker = new ScramClient('anna@example.org', 'sesame');
    const exchange = identities.begin('SCRAM-SHA-256', client());
    const first = await exchange?.step(speaker.first());
    assert.ok(first?.kind === 'challenge');
    const step = await exchange?.step(Buffer.from(change(speaker.last(first.octets).toString())));
    assert.ok(step?.kind === 'failure' && [501, 535].includes(step.reply.code), String(change));
  }
  for (const first of [
    '',
    'n,,',
    'n,,n=,r=x',
    'n,,n=a',
    'm=x,n,,n=a,r=b',
    'n,,n=a=b,r=c',
    'q,,n=a,r=b',
    'n,a=b,n=a,r=c',
  ])
    assert.match(await talk(identities, 'SCRAM-SHA-256', [first]), /^(?:501|535)$/, first);
});

test('a user who does not exist has always the same salt', async (t) => {
  const file = await usersFile(await folder(t));
  const saltOf = async () => {
    const words = await talk(authenticator(file), 'SCRAM-SHA-256', ['n,,n=nobody,r=abc']);
    return /s=([^,]*),i=10000/.exec(words)?.[1];
  };
  const salt = await saltOf();
  assert.ok(salt !== undefined);
  assert.equal(await saltOf(), salt);
});

test('the parsers of SCRAM take what they should, and never throw', () => {
  assert.equal(parseClientFirst('n,a=x=2Cy,n=u=3Dv,r=nonce,x=1')?.name, 'u=v');
  assert.equal(parseClientFirst('p=tls-exporter,,n=u,r=n')?.binding.flag, 'p');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      parseClientFirst(text);
      parseClientFinal(text);
    }),
  );
});

test('EXTERNAL is for certificates that are somebody’s', async () => {
  const fax = { name: 'fax', mechanism: 'EXTERNAL', senders: [parsePattern('*') ?? assert.fail()] };
  const identities = authenticator(undefined, {
    identityOfCertificate: ({ fingerprint }) => (fingerprint === 'sha256:1' ? fax : undefined),
  });
  const shown = (fingerprint: string) => ({
    tls: {
      version: 'TLSv1.3',
      cipher: 'x',
      certificate: { fingerprint, subject: '', isTrusted: false, names: [] },
    },
  });
  assert.deepEqual(identities.mechanisms(client(shown('sha256:1'))), ['EXTERNAL']);
  assert.deepEqual(identities.mechanisms(client(shown('sha256:2'))), []);
  assert.deepEqual(identities.mechanisms(client()), []);
  assert.equal(await talk(identities, 'EXTERNAL', [''], shown('sha256:1')), 'fax by EXTERNAL');
  assert.equal(await talk(identities, 'EXTERNAL', [undefined, 'fax'], shown('sha256:1')), 'fax by EXTERNAL');
  assert.equal(await talk(identities, 'EXTERNAL', ['boss'], shown('sha256:1')), '535');
});

test('a change of the file counts within a second, and a broken one lets nobody in for now', async (t) => {
  const file = await usersFile(await folder(t));
  const clock = manualClock();
  const log = memoryLog();
  const identities = authenticator(file, { clock, log, isExempt: () => true });
  const login = () => talk(identities, 'PLAIN', [plain('anna@example.org', 'only-the-phone')]);
  const good = readFileSync(file, 'utf8');
  const change = (text: string, at: number) => {
    writeUsers(file, text);
    utimesSync(file, at, at);
    clock.advance(1001);
  };
  assert.match(await login(), /^anna/);
  change('users: [', 1);
  assert.equal(await login(), '454');
  assert.equal(await talk(identities, 'SCRAM-SHA-256', ['n,,n=anna@example.org,r=x']), '454');
  change(good, 2);
  assert.match(await login(), /^anna/);
  await rm(file);
  clock.advance(1001);
  assert.equal(await login(), '454');
  clock.advance(60_000);
  assert.equal(await login(), '454');
  change(good, 2);
  assert.match(await login(), /^anna/, 'as it was before');
  assert.equal(
    log.lines.filter(({ event }) => event === 'users-unreadable').length,
    2,
    'said once each time',
  );
});

test('a user may be called as something that every object has', async (t) => {
  const file = join(await folder(t), 'users.yaml');
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];
  const hash = await hashPassword('sesame');
  await editUsers(file, (users) => {
    for (const name of names) {
      assert.equal(users.has(name), false, name);
      users.set(name, 'hash', hash);
      users.set(name, 'senders', ['a@example.org']);
    }
    users.set('__proto__', 'devices', [{ device: 'constructor', hash: 'sha256$x' }]);
  });
  const identities = authenticator(file, { clock: manualClock() });
  for (const name of names)
    assert.equal(await talk(identities, 'PLAIN', [plain(name, 'sesame')]), `${name} by PLAIN`);
  assert.equal(await talk(identities, 'PLAIN', [plain('isPrototypeOf', 'sesame')]), '535');
  await editUsers(file, (users) => users.remove('__proto__'));
  assert.deepEqual(
    [...parseUsers(readFileSync(file, 'utf8'), file).users.keys()],
    names.slice(1).map((name) => name.toLowerCase()),
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { redactor } from './redact.ts';

const password = 'correct-hörse/42';
const base64 = (text: string) => Buffer.from(text).toString('base64');
const { redact, quick } = redactor({ plain: [password], encoded: [base64(`\0andy\0${password}`)] });

test('a secret goes in every form that a server may say it in, and the words around it stay', () => {
  const forms = [
    password,
    password.toUpperCase(),
    base64(password),
    base64(`\0andy\0${password}`),
    base64(`andy\0${password}`),
    base64(`andy@home.example\0andy\0${password}`),
    base64(`\0andy\0${password}`).slice(0, 20),
    base64(`\0andy\0${password}`).toLowerCase(),
    Buffer.from(password).toString('base64url'),
    Buffer.from(password).toString('hex'),
    encodeURIComponent(password),
    Buffer.from(password).toString('latin1'),
    password.replace('ö', '?'),
    password.replace('ö', '??'),
  ];
  for (const form of forms)
    assert.equal(
      redact(`500 unknown command AUTH PLAIN ${form} here`),
      '500 unknown command AUTH PLAIN *** here',
      form,
    );
  assert.equal(redact(`"${password}"`), '"***"');
  assert.equal(quick(`250 hello ${password} there`), '250 hello *** there');
});

test('what holds no secret stays as it is', () => {
  for (const text of [
    '535 5.7.8 Username and Password not accepted. Learn more at https://support.example/mail/?p=BadCredentials',
    '454 4.7.0 Temporary authentication failure: Connection lost to authentication server',
    'correct is not the password',
    '',
  ]) {
    assert.equal(redact(text), text);
    assert.equal(quick(text), text);
  }
});

test('a short secret is looked for as a word of its own', () => {
  const { redact: short } = redactor({ plain: ['abc', ''] });
  assert.equal(short('abc: abcdef said ABC'), '***: abcdef said ***');
  assert.equal(redactor({ plain: ['hunter2'] }).redact('no hunter2! hunter3'), 'no ***! hunter3');
});

test('no eight characters of a secret are left, whatever it is and wherever it stands', () => {
  const secret = fc.string({ unit: 'grapheme', minLength: 8, maxLength: 40 });
  const around = fc.string({ unit: 'grapheme-ascii', maxLength: 20 });
  fc.assert(
    fc.property(secret, around, around, (plain, before, after) => {
      const { redact: clean } = redactor({ plain: [plain], encoded: [base64(`\0u\0${plain}`)] });
      for (const form of [plain, base64(plain), base64(`\0u\0${plain}`), base64(`\0uu\0${plain}`)])
        assert.ok(!clean(`${before}${form}${after}`).includes(form));
    }),
  );
});

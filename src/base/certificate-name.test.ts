import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { certificateNameFault } from './certificate-name.ts';
import { selfSigned } from './self-signed.ts';

const x509 = new X509Certificate(selfSigned('mail.example.org').cert);

test('a certificate is for its names and addresses, in any case and with the dot of the root', () => {
  const certificate = x509.toLegacyObject();
  for (const name of [
    'mail.example.org',
    'MAIL.example.org',
    'mail.example.org.',
    'localhost',
    '127.0.0.1',
    '::1',
  ])
    assert.equal(certificateNameFault(name, certificate), undefined, name);
  for (const name of [
    'example.org',
    'x.mail.example.org',
    'mail.example.org.evil.test',
    '127.0.0.2',
    '',
    '*',
  ])
    assert.ok(certificateNameFault(name, certificate) instanceof Error, name);
});

test('where one reader of a certificate is led astray the other one refuses it', () => {
  // As if Node had read a name that the certificate has not.
  const certificate = { ...x509.toLegacyObject(), subjectaltname: 'DNS:bank.example, IP Address:192.0.2.1' };
  for (const name of ['bank.example', '192.0.2.1'])
    assert.match(String(certificateNameFault(name, certificate)), /not for/);
});

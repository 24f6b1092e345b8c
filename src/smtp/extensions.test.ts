import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Extensions, formatExtensions, noExtensions, parseExtensions } from './index.ts';

const parse = (...keywords: string[]) => parseExtensions({ code: 250, lines: ['mx.example', ...keywords] });

test('an offer is written as keywords', () => {
  const offer: Extensions = {
    size: 50_000_000,
    pipelining: true,
    eightBitMime: true,
    smtputf8: true,
    chunking: true,
    binaryMime: true,
    dsn: true,
    enhancedStatusCodes: true,
    startTls: true,
    auth: ['PLAIN', 'SCRAM-SHA-256'],
    limits: { rcptMax: 1000, mailMax: 100 },
    xclient: ['NAME', 'ADDR'],
  };
  assert.deepEqual(formatExtensions(offer), [
    'PIPELINING',
    'SIZE 50000000',
    'STARTTLS',
    'AUTH PLAIN SCRAM-SHA-256',
    'ENHANCEDSTATUSCODES',
    '8BITMIME',
    'DSN',
    'CHUNKING',
    'BINARYMIME',
    'SMTPUTF8',
    'LIMITS RCPTMAX=1000 MAILMAX=100',
    'XCLIENT NAME ADDR',
  ]);
  assert.deepEqual(formatExtensions(noExtensions), []);
});

test('what was offered is what is understood', () => {
  const flag = fc.boolean();
  const offer = fc.record(
    {
      size: fc.nat(),
      pipelining: flag,
      eightBitMime: flag,
      smtputf8: flag,
      chunking: fc.constant(true),
      binaryMime: flag,
      dsn: flag,
      enhancedStatusCodes: flag,
      startTls: flag,
      auth: fc.uniqueArray(fc.constantFrom('PLAIN', 'LOGIN', 'XOAUTH2', 'SCRAM-SHA-256')),
      limits: fc.integer({ min: 1, max: 999_999 }).map((rcptMax) => ({ rcptMax })),
      xclient: fc.uniqueArray(fc.constantFrom('NAME', 'ADDR', 'LOGIN')),
    },
    {
      noNullPrototype: true,
      requiredKeys: [
        'pipelining',
        'eightBitMime',
        'smtputf8',
        'chunking',
        'binaryMime',
        'dsn',
        'enhancedStatusCodes',
        'startTls',
        'auth',
      ],
    },
  );
  fc.assert(
    fc.property(offer, (value) => {
      assert.deepEqual(parse(...formatExtensions(value)), value);
    }),
  );
});

test('keywords are read in any case of letters, and unknown ones are passed over', () => {
  const found = parse('pipelining', '8bitmime', 'X-NEW a b', '', 'constructor', '__proto__', 'auth login');
  assert.deepEqual(found, { ...noExtensions, pipelining: true, eightBitMime: true, auth: ['LOGIN'] });
});

test('the first line of the reply is the name of the host, not a keyword', () => {
  assert.deepEqual(parseExtensions({ code: 250, lines: ['PIPELINING'] }), noExtensions);
});

test('SIZE without a number, or with nonsense, sets no limit', () => {
  assert.equal(parse('SIZE').size, 0);
  assert.equal(parse('SIZE abc').size, 0);
  assert.equal(parse('SIZE 0').size, 0);
  assert.equal(parse('SIZE 99999999999999999999').size, Number.MAX_SAFE_INTEGER);
  assert.equal(parse().size, undefined);
});

test('the old form of AUTH is understood, and both forms together are one list', () => {
  assert.deepEqual(parse('AUTH=LOGIN PLAIN').auth, ['LOGIN', 'PLAIN']);
  assert.deepEqual(parse('AUTH PLAIN', 'AUTH=PLAIN LOGIN').auth, ['PLAIN', 'LOGIN']);
  assert.deepEqual(parse('AUTH').auth, []);
  assert.deepEqual(parse('AUTH PLAIN;rm').auth, []);
});

test('BINARYMIME counts only with CHUNKING', () => {
  assert.equal(parse('BINARYMIME').binaryMime, false);
  assert.equal(parse('BINARYMIME', 'CHUNKING').binaryMime, true);
});

test('a limit that makes no sense is not one', () => {
  assert.deepEqual(parse('LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1').limits, {
    rcptMax: 20,
    mailMax: 5,
    rcptDomainMax: 1,
  });
  assert.deepEqual(parse('LIMITS rcptmax=0 MAILMAX=1234567 X=1 RCPTDOMAINMAX').limits, {});
});

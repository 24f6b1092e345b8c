import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeMailParameters,
  decodeOriginalRecipient,
  decodeRcptParameters,
  decodeUtf8Xtext,
  decodeXtext,
  type Extensions,
  encodeOriginalRecipient,
  encodeUtf8Xtext,
  encodeXtext,
  formatNotify,
  noExtensions,
  parseCommand,
} from './index.ts';

const everything: Extensions = {
  size: 1000,
  pipelining: true,
  eightBitMime: true,
  smtputf8: true,
  chunking: true,
  binaryMime: true,
  dsn: true,
  enhancedStatusCodes: true,
  startTls: false,
  auth: ['PLAIN'],
};

/** The decoded parameters, or the code and detail that refuse them. */
function mail(parameters: string, offer = everything): unknown {
  const command = parseCommand(`MAIL FROM:<u@d> ${parameters}`);
  assert.ok(command.verb === 'mail', parameters);
  const decoded = decodeMailParameters(command.parameters, offer);
  return decoded.kind === 'decoded' ? decoded.parameters : `${decoded.reply.code} ${decoded.reply.detail}`;
}

function rcpt(parameters: string, offer = everything): unknown {
  const command = parseCommand(`RCPT TO:<u@d> ${parameters}`);
  assert.ok(command.verb === 'rcpt', parameters);
  const decoded = decodeRcptParameters(command.parameters, offer);
  return decoded.kind === 'decoded' ? decoded.parameters : `${decoded.reply.code} ${decoded.reply.detail}`;
}

test('MAIL parameters become what the envelope holds', () => {
  const plain = { body: '7bit', smtputf8: false };
  assert.deepEqual(mail(''), plain);
  assert.deepEqual(mail('SIZE=1000'), { ...plain, size: 1000 });
  assert.deepEqual(mail('BODY=7BIT'), plain);
  assert.deepEqual(mail('body=8bitMIME'), { ...plain, body: '8bitmime' });
  assert.deepEqual(mail('BODY=BINARYMIME'), { ...plain, body: 'binarymime' });
  assert.deepEqual(mail('SMTPUTF8'), { ...plain, smtputf8: true });
  assert.deepEqual(mail('RET=hdrs ENVID=a+2Bb+20c'), { ...plain, ret: 'hdrs', envid: 'a+b c' });
  assert.deepEqual(mail('RET=FULL'), { ...plain, ret: 'full' });
  assert.deepEqual(mail('AUTH=<>'), { ...plain, auth: null });
  assert.deepEqual(mail('AUTH=e+2Bx@d.example'), {
    ...plain,
    auth: { text: 'e+x@d.example', localPart: 'e+x', domain: 'd.example' },
  });
});

test('a bad value of a MAIL parameter is 501', () => {
  const table = [
    'SIZE',
    'SIZE=x',
    'SIZE=-1',
    'SIZE=1e3',
    `SIZE=${'9'.repeat(21)}`,
    'BODY',
    'BODY=9BIT',
    'SMTPUTF8=yes',
    'RET',
    'RET=ALL',
    'ENVID',
    'ENVID=+0D+0A',
    'ENVID=a+00b',
    'ENVID=+',
    'ENVID=a+GG',
    `ENVID=${'a'.repeat(101)}`,
    'AUTH',
    'AUTH=user',
    'AUTH=u@d+00',
  ];
  for (const parameters of table) assert.equal(mail(parameters), '501 5.4', parameters);
});

test('a message that says it is too big is refused before it is sent', () => {
  assert.equal(mail('SIZE=1001'), '552 3.4');
  assert.equal(mail('SIZE=99999999999999999999'), '552 3.4');
  assert.deepEqual(mail('SIZE=5000', { ...everything, size: 0 }), {
    body: '7bit',
    smtputf8: false,
    size: 5000,
  });
});

test('a parameter that was not offered is 555, like one that nobody knows', () => {
  for (const parameters of ['SIZE=1', 'BODY=7BIT', 'SMTPUTF8', 'RET=FULL', 'ENVID=x', 'AUTH=<>', 'X-Y=1']) {
    assert.equal(mail(parameters, noExtensions), '555 5.4', parameters);
  }
  assert.equal(mail('BODY=BINARYMIME', { ...everything, binaryMime: false }), '555 5.4');
  assert.equal(mail('NOTIFY=NEVER'), '555 5.4');
  assert.equal(rcpt('SIZE=1'), '555 5.4');
  assert.equal(rcpt('NOTIFY=NEVER', noExtensions), '555 5.4');
});

test('RCPT parameters become what the envelope holds', () => {
  assert.deepEqual(rcpt(''), {});
  assert.deepEqual(rcpt('NOTIFY=never'), { notify: 'never' });
  assert.deepEqual(rcpt('NOTIFY=SUCCESS,failure,DELAY,SUCCESS'), { notify: ['success', 'failure', 'delay'] });
  assert.deepEqual(rcpt('ORCPT=rfc822;U+2Bx@d'), { originalRecipient: { type: 'rfc822', address: 'U+x@d' } });
  assert.deepEqual(rcpt('ORCPT=UTF-8;\\x{FC}@d'), { originalRecipient: { type: 'utf-8', address: 'ü@d' } });
  assert.deepEqual(rcpt('ORCPT=utf-8;ü@d'), { originalRecipient: { type: 'utf-8', address: 'ü@d' } });
  // As Postfix sends it for an internationalised address.
  assert.deepEqual(rcpt('ORCPT=rfc822;+C3+BC@d'), { originalRecipient: { type: 'utf-8', address: 'ü@d' } });
});

test('a bad value of a RCPT parameter is 501', () => {
  const table = [
    'NOTIFY',
    'NOTIFY=NEVER,DELAY',
    'NOTIFY=SUCCESS,',
    'NOTIFY=ALWAYS',
    'ORCPT',
    'ORCPT=u@d',
    'ORCPT=;u@d',
    'ORCPT=rfc822;',
    'ORCPT=rfc822;u+0D+0ABcc:x',
    'ORCPT=rfc822;+FC',
    'ORCPT=rfc822;+C2+85',
    'ORCPT=rfc822;u+00v@d.example',
    'ORCPT=utf-8;u\\x{00}v@d.example',
    'ORCPT=utf-8;\\x{0A}',
    'ORCPT=utf-8;\\x{D800}',
    'ORCPT=utf-8;\\x{110000}',
    'ORCPT=utf-8;\\x{}',
    `ORCPT=rfc822;${'a'.repeat(494)}`,
  ];
  for (const parameters of table) assert.equal(rcpt(parameters), '501 5.4', parameters);
});

test('xtext is decoded to what was encoded, and is printable', () => {
  assert.equal(encodeXtext('a+b=c d'), 'a+2Bb+3Dc+20d');
  assert.equal(decodeXtext('a b'), undefined);
  assert.equal(decodeXtext('a=b'), undefined);
  assert.throws(() => encodeXtext('€'), RangeError);
  const latin1 = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  });
  fc.assert(
    fc.property(latin1, (text) => {
      const encoded = encodeXtext(text);
      assert.match(encoded, /^[!-~]*$/);
      assert.equal(decodeXtext(encoded), text);
    }),
  );
});

test('utf-8-addr-xtext is decoded to what was encoded', () => {
  assert.equal(encodeUtf8Xtext('ü\\+@d'), '\\x{FC}\\x{5C}\\x{2B}@d');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
      if (/[\p{Cc}\u2028\u2029]/u.test(text)) return;
      assert.equal(decodeUtf8Xtext(encodeUtf8Xtext(text)), text);
    }),
  );
});

test('an original recipient is decoded to what was encoded', () => {
  const address = fc.oneof(
    fc
      .string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 60 })
      .map((text) => ({ type: 'rfc822', address: text })),
    fc.constantFrom('ü@d', '用户@例え.テスト', 'a b\\@d').map((text) => ({ type: 'utf-8', address: text })),
  );
  fc.assert(
    fc.property(address, (original) => {
      assert.deepEqual(decodeOriginalRecipient(encodeOriginalRecipient(original) ?? ''), original);
    }),
  );
});

test('an original recipient of any making has a value for ORCPT or none, and never throws', () => {
  const wide = { type: 'rfc822', address: 'postmaster+ž1@our.example' };
  assert.equal(encodeOriginalRecipient(wide), 'utf-8;postmaster\\x{2B}\\x{17E}1@our.example');
  assert.equal(encodeOriginalRecipient({ type: 'rfc822', address: 'ü'.repeat(90) }), undefined);
  assert.equal(encodeOriginalRecipient({ type: 'x\r\nRSET', address: 'a@d' }), undefined);
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(text, text, (type, address) => {
      for (const each of [
        { type, address },
        { type: 'rfc822', address },
        { type: 'utf-8', address },
      ]) {
        const value = encodeOriginalRecipient(each);
        if (value !== undefined) assert.match(value, /^[a-z0-9-]+;[!-~]{1,498}$/);
      }
    }),
  );
});

test('NOTIFY is written as it was read', () => {
  assert.equal(formatNotify('never'), 'NEVER');
  assert.equal(formatNotify(['success', 'delay']), 'SUCCESS,DELAY');
});

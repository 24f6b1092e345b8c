/** Tests of the message about an address that cannot be listened on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenFault } from './index.ts';

const fault = (code: string, address: string, port: number) =>
  listenFault(Object.assign(new Error('listen'), { code, syscall: 'listen', address, port }));

test('an address that cannot be listened on is named, and why', () => {
  assert.equal(fault('EADDRINUSE', '::1', 25), '[::1]:25 is in use');
  assert.equal(fault('EADDRNOTAVAIL', '192.0.2.1', 2525), '192.0.2.1:2525 is no address of this machine');
  assert.equal(fault('EACCES', '127.0.0.1', 2525), '127.0.0.1:2525: permission denied');
  assert.match(
    fault('EACCES', '0.0.0.0', 25) ?? '',
    /^0\.0\.0\.0:25 needs a privilege .* a new port below 1024 waits for a restart$/,
  );
});

test('other errors are nothing of it', () => {
  assert.equal(listenFault(new Error('no')), undefined);
  assert.equal(listenFault(Object.assign(new Error('no'), { code: 'EACCES', syscall: 'open' })), undefined);
  assert.equal(fault('EMFILE', '::1', 25), undefined);
});

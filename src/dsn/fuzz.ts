/** Fuzz targets of this folder: a DSN comes from anywhere, and reading one never fails. */
import assert from 'node:assert/strict';
import { parseDsn } from './index.ts';

export const fuzzTargets: readonly { readonly name: string; run(input: Uint8Array): void }[] = [
  { name: 'dsn/parse', run: checkParse },
];

const starts = [
  '',
  'Reporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; u@d.example\r\n',
  'Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n',
];

function checkParse(input: Uint8Array): void {
  for (const start of starts) {
    const dsn = parseDsn(Buffer.concat([Buffer.from(start), input]));
    if (dsn === undefined) continue;
    assert.ok(dsn.recipients.length > 0);
    for (const { status } of dsn.recipients) {
      if (status !== undefined) assert.match(status, /^[245]\.\d{1,3}\.\d{1,3}$/);
    }
  }
}

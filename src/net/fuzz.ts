/** Fuzz targets of this folder: the header of the PROXY protocol. */
import assert from 'node:assert/strict';
import { parseProxyHeader } from './index.ts';

export const fuzzTargets: readonly { readonly name: string; run(input: Uint8Array): void }[] = [
  { name: 'net/proxy-header', run: checkProxyHeader },
];

/** Once something is known of a header, more octets do not change it. */
function checkProxyHeader(input: Uint8Array): void {
  const starts = ['', 'PROXY ', 'PROXY TCP4 ', '\r\n\r\n\0\r\nQUIT\n!', '\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c'];
  for (const start of starts) {
    const octets = Buffer.concat([Buffer.from(start, 'latin1'), input]);
    const whole = parseProxyHeader(octets);
    if ('octets' in whole) assert.ok(whole.octets <= octets.length);
    for (let end = 1; end < Math.min(octets.length, 300); end++) {
      const part = parseProxyHeader(octets.subarray(0, end));
      if (part.kind !== 'incomplete') assert.deepEqual(part, whole);
    }
  }
}

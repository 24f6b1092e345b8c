/** Fuzz targets of this folder: any octets of a name server are either a response or malformed. */
import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import type { LookupType } from './record.ts';
import { parseResolvConf } from './resolv-conf.ts';
import { decodeResponse, encodeQuery } from './wire.ts';

export const fuzzTargets: readonly { readonly name: string; run(input: Uint8Array): void }[] = [
  { name: 'dns/response', run: checkResponse },
  { name: 'dns/resolv-conf', run: (input) => void parseResolvConf(Buffer.from(input).toString('utf8')) },
];

const types: readonly LookupType[] = ['A', 'AAAA', 'MX', 'TXT', 'PTR', 'CNAME'];

/** As it is, and behind a header and a question that are ours. */
function checkResponse(input: Uint8Array): void {
  for (const type of types) {
    const question = { name: 'mx.example', type };
    const head = encodeQuery(question, 7, false);
    head[2] = (head[2] ?? 0) | 0x80;
    head[7] = (input[0] ?? 0) % 8;
    for (const octets of [Buffer.from(input), Buffer.concat([head, input])]) {
      const response = decodeResponse(octets, question, 7);
      if (typeof response === 'string') continue;
      for (const answer of response.answers) {
        assert.match(answer.name, /^[\x21-\x7e\ufffd]+$/);
        if (answer.type === 'A' || answer.type === 'AAAA') assert.notEqual(isIP(answer.data), 0);
      }
    }
  }
}

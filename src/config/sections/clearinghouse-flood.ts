/** `clearinghouse.flood`: the exchange of counts with other clearinghouses. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import type { FloodConfig } from '../../clearinghouse/options.ts';
import type { KeyPath } from '../problem.ts';
import type { Site } from '../section.ts';
import { hostAndPort, socketAddress } from '../values/place.ts';
import { share } from '../values/quantity.ts';
import { fingerprint } from '../values/secret.ts';
import { listOf, path, text } from '../values/value.ts';

const peer = z.strictObject({
  name: text().describe('The name of the peer in the log.'),
  address: hostAndPort()
    .optional()
    .describe('Where it listens, `bulk.example.org:2704`. Default: it is not called, it calls us.'),
  fingerprint: fingerprint().describe(
    '`sha256:` and the hexadecimal digits of its certificate, which is all that it is known by.',
  ),
  trust: share()
    .prefault(0.5)
    .describe(
      'The weight of the peer: the share of the recipients it claims that is counted, and the maximum weight of its reports. Use 1 for machines of your own only.',
    ),
});

/** The schema of `flood`. */
export const floodSchema = z.strictObject({
  listen: socketAddress()
    .optional()
    .describe('The IP address and port to listen on for peers. Default: none; it calls them.'),
  certificate: path().describe(
    'The certificate that peers know it by, PEM; it may be signed by its own key.',
  ),
  key: path().describe('The key of the certificate, PEM.'),
  networkKey: path().describe(
    'A file that holds the secret of all these clearinghouses, 32 hexadecimal digits (`openssl rand -hex 16`). What was counted under another one is lost.',
  ),
  peers: listOf(peer).prefault([]).describe('The other clearinghouses that it exchanges counts with.'),
});

/** Reads certificate, key and secret; undefined where one of them cannot be read. */
export function floodOf(
  flood: z.output<typeof floodSchema>,
  path: KeyPath,
  site: Site,
): FloodConfig | undefined {
  const { listen, peers } = flood;
  const certificate = site.read([...path, 'certificate'], flood.certificate);
  const key = site.read([...path, 'key'], flood.key);
  const networkKey = site.secret([...path, 'networkKey'], flood.networkKey);
  if (certificate === undefined || key === undefined || networkKey === undefined) return undefined;
  const own = fingerprintOf({ certificate, key }, path, site);
  if (!/^[0-9a-f]{32}$/i.test(networkKey)) {
    const hint = 'openssl rand -hex 16';
    site.find([...path, 'networkKey'], 'the file has to hold 32 hexadecimal digits', hint);
  }
  const known = new Set([own]);
  const resolved = peers.map(({ name, address, fingerprint, trust }, i) => {
    const at = [...path, 'peers', i];
    const digits = fingerprint.slice('sha256:'.length);
    if (known.has(digits))
      site.find([...at, 'fingerprint'], digits === own ? 'that is our own' : 'another peer has it');
    known.add(digits);
    if (address === undefined && listen === undefined)
      site.find(at, 'neither calls the other', 'give it an address, or listen');
    return { name, fingerprint: digits, trust, ...(address !== undefined && { address }) };
  });
  const secret = Buffer.from(networkKey, 'hex');
  return { certificate, key, networkKey: secret, peers: resolved, ...(listen !== undefined && { listen }) };
}

/** Of our own certificate; undefined where it, or its key, is of no use. */
function fingerprintOf(
  { certificate, key }: Pick<FloodConfig, 'certificate' | 'key'>,
  path: KeyPath,
  site: Site,
): string | undefined {
  let at = 'certificate';
  try {
    const x509 = new X509Certificate(certificate);
    at = 'key';
    if (!x509.checkPrivateKey(createPrivateKey(key))) throw new Error('it is of another certificate');
    return x509.fingerprint256.replaceAll(':', '').toLowerCase();
  } catch (error) {
    site.find([...path, at], `not usable: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

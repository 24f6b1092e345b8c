/** The special-purpose address registries of IANA. */
import { octetsOf, parseCidr } from './ip.ts';

/**
 * The reach of an address in a special range. `global`: reachable from everywhere all the same. `private`: on the
 * machine, the link or the site, or nowhere; no host on the public Internet has it. `other`: not reachable either, and
 * no sign of being near: documentation, translation, obsolete ranges.
 */
type Reach = 'global' | 'private' | 'other';

type Row = readonly [network: string, name: string, source: string, reach: Reach];

/**
 * The special-purpose registries of IANA for IPv4 and IPv6 (RFC 6890, RFC 8190), whole, and at the end of each the
 * ranges of other documents. The longest network that has the address counts. Of 6to4 and Teredo, where the registry
 * says `N/A`, the embedded address decides.
 */
export const specialAddresses: readonly Row[] = [
  ['0.0.0.0/8', 'this network', 'RFC 791 §3.2', 'private'],
  ['0.0.0.0/32', 'this host on this network', 'RFC 1122 §3.2.1.3', 'private'],
  ['10.0.0.0/8', 'private use', 'RFC 1918', 'private'],
  ['100.64.0.0/10', 'shared address space', 'RFC 6598', 'private'],
  ['127.0.0.0/8', 'loopback', 'RFC 1122 §3.2.1.3', 'private'],
  ['169.254.0.0/16', 'link-local', 'RFC 3927', 'private'],
  ['172.16.0.0/12', 'private use', 'RFC 1918', 'private'],
  ['192.0.0.0/24', 'IETF protocol assignments', 'RFC 6890 §2.1', 'private'],
  ['192.0.0.0/29', 'IPv4 service continuity prefix', 'RFC 7335', 'private'],
  ['192.0.0.8/32', 'IPv4 dummy address', 'RFC 7600', 'private'],
  ['192.0.0.9/32', 'port control protocol anycast', 'RFC 7723', 'global'],
  ['192.0.0.10/32', 'TURN anycast', 'RFC 8155', 'global'],
  ['192.0.0.170/32', 'NAT64/DNS64 discovery', 'RFC 8880', 'private'],
  ['192.0.0.171/32', 'NAT64/DNS64 discovery', 'RFC 8880', 'private'],
  ['192.0.2.0/24', 'documentation (TEST-NET-1)', 'RFC 5737', 'other'],
  ['192.31.196.0/24', 'AS112-v4', 'RFC 7535', 'global'],
  ['192.52.193.0/24', 'AMT', 'RFC 7450', 'global'],
  ['192.88.99.0/24', 'deprecated (6to4 relay anycast)', 'RFC 7526', 'other'],
  ['192.88.99.2/32', '6a44 relay anycast', 'RFC 6751', 'other'],
  ['192.168.0.0/16', 'private use', 'RFC 1918', 'private'],
  ['192.175.48.0/24', 'direct delegation AS112 service', 'RFC 7534', 'global'],
  ['198.18.0.0/15', 'benchmarking', 'RFC 2544', 'private'],
  ['198.51.100.0/24', 'documentation (TEST-NET-2)', 'RFC 5737', 'other'],
  ['203.0.113.0/24', 'documentation (TEST-NET-3)', 'RFC 5737', 'other'],
  ['240.0.0.0/4', 'reserved', 'RFC 1112 §4', 'private'],
  ['255.255.255.255/32', 'limited broadcast', 'RFC 919 §7', 'private'],
  ['224.0.0.0/4', 'multicast', 'RFC 5771', 'private'],

  ['::1/128', 'loopback', 'RFC 4291', 'private'],
  ['::/128', 'unspecified', 'RFC 4291', 'private'],
  ['64:ff9b::/96', 'IPv4-IPv6 translation', 'RFC 6052', 'global'],
  ['64:ff9b:1::/48', 'IPv4-IPv6 translation of a site', 'RFC 8215', 'other'],
  ['100::/64', 'discard only', 'RFC 6666', 'other'],
  ['100:0:0:1::/64', 'dummy prefix', 'RFC 9780', 'other'],
  ['2001::/23', 'IETF protocol assignments', 'RFC 2928', 'other'],
  ['2001::/32', 'Teredo', 'RFC 4380', 'global'],
  ['2001:1::1/128', 'port control protocol anycast', 'RFC 7723', 'global'],
  ['2001:1::2/128', 'TURN anycast', 'RFC 8155', 'global'],
  ['2001:1::3/128', 'DNS-SD service registration anycast', 'RFC 9665', 'global'],
  ['2001:2::/48', 'benchmarking', 'RFC 5180', 'other'],
  ['2001:3::/32', 'AMT', 'RFC 7450', 'global'],
  ['2001:4:112::/48', 'AS112-v6', 'RFC 7535', 'global'],
  ['2001:10::/28', 'deprecated (ORCHID)', 'RFC 4843', 'other'],
  ['2001:20::/28', 'ORCHIDv2', 'RFC 7343', 'global'],
  ['2001:30::/28', 'drone remote id', 'RFC 9374', 'global'],
  ['2001:db8::/32', 'documentation', 'RFC 3849', 'other'],
  ['2002::/16', '6to4', 'RFC 3056', 'global'],
  ['2620:4f:8000::/48', 'direct delegation AS112 service', 'RFC 7534', 'global'],
  ['3fff::/20', 'documentation', 'RFC 9637', 'other'],
  ['5f00::/16', 'segment routing identifiers', 'RFC 9602', 'other'],
  ['fc00::/7', 'unique local', 'RFC 4193', 'private'],
  ['fe80::/10', 'link-local', 'RFC 4291', 'private'],
  // IPv4-mapped addresses (::ffff:0:0/96) are canonical as IPv4. Everything else outside of 2000::/3 is IETF's.
  ['::/0', 'not assigned', 'RFC 4291 §2.4', 'other'],
  ['2000::/3', 'global unicast', 'RFC 4291 §2.4', 'global'],
  ['3ffe::/16', 'given back (6bone)', 'RFC 3701', 'other'],
  ['fec0::/10', 'deprecated (site-local)', 'RFC 3879', 'private'],
  ['ff00::/8', 'multicast', 'RFC 4291', 'private'],
];

/** The ways to carry an IPv4 address in an IPv6 address, and its places in the sixteen octets. */
const carriers: readonly (readonly [is: (octets: Uint8Array) => boolean, ...at: readonly number[]])[] = [
  // IPv4-compatible, and ::1 and :: which carry nothing else (RFC 4291 §2.5.5.1)
  [(octets) => octets.subarray(0, 12).every((octet) => octet === 0), 12],
  // IPv4-translated, ::ffff:0:0:0/96 (RFC 2765 §2.1)
  [(octets) => startsWith(octets, '0000000000000000ffff0000'), 12],
  [(octets) => startsWith(octets, '0064ff9b0000000000000000'), 12],
  [(octets) => startsWith(octets, '2002'), 2],
  // the server, and the client whose octets are inverted (RFC 4380 §4)
  [(octets) => startsWith(octets, '20010000'), 4, -12],
  // ISATAP in any network (RFC 5214 §6.1)
  [(octets) => /^0[02]005efe$/.test(Buffer.from(octets.subarray(8, 12)).toString('hex')), 12],
];

function startsWith(octets: Uint8Array, hex: string): boolean {
  return Buffer.from(octets.subarray(0, hex.length / 2)).toString('hex') === hex;
}

/** The IPv4 addresses that a transition address leads to or through; none of any other. Takes a canonical address. */
export function embeddedIpv4(address: string): readonly string[] {
  const octets = octetsOf(address);
  if (octets?.length !== 16) return [];
  return carriers.flatMap(([is, ...places]) => (is(octets) ? places.map((at) => ipv4At(octets, at)) : []));
}

function ipv4At(octets: Uint8Array, at: number): string {
  const four = octets.subarray(Math.abs(at), Math.abs(at) + 4);
  return (at < 0 ? four.map((octet) => octet ^ 0xff) : four).join('.');
}

const networks = specialAddresses
  .flatMap(([network, , , reach]) => {
    const cidr = parseCidr(network);
    const octets = cidr && octetsOf(cidr.address);
    return cidr && octets ? [{ octets, prefix: cidr.prefix, reach }] : [];
  })
  .sort((a, b) => b.prefix - a.prefix);

function reachOf(address: string): Reach | undefined {
  const octets = octetsOf(address);
  if (octets === undefined) return undefined;
  return networks.find((network) => has(network, octets))?.reach ?? 'global';
}

function has({ octets, prefix }: (typeof networks)[number], address: Uint8Array): boolean {
  if (octets.length !== address.length) return false;
  const whole = prefix >> 3;
  for (let i = 0; i < whole; i++) if (octets[i] !== address[i]) return false;
  const rest = 8 - (prefix & 7);
  return rest === 8 || ((octets[whole] ?? 0) ^ (address[whole] ?? 0)) >> rest === 0;
}

/**
 * True for loopback, private, link-local, shared, multicast and reserved addresses: a reason to trust, so the embedded
 * address of a transition address does not count. Takes a canonical address.
 */
export function isPrivate(address: string): boolean {
  return reachOf(address) === 'private';
}

/**
 * True for addresses that the whole Internet can reach, and whose embedded IPv4 addresses are such too: only these may
 * be dialled on the word of a foreign DNS. Takes a canonical address; false for anything else.
 */
export function isGlobal(address: string): boolean {
  return reachOf(address) === 'global' && embeddedIpv4(address).every(isGlobal);
}

/** True for 0.0.0.0 and ::, which as a destination are this machine. Takes a canonical address. */
export function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

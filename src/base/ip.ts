import { BlockList, isIP } from 'node:net';

/**
 * An IP address as text in one canonical spelling: dotted IPv4, lower-case compressed IPv6, and an
 * IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) as the IPv4 address it is. `undefined` when it is none.
 */
export function canonicalIp(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  const zone = bare.indexOf('%');
  const address = zone < 0 ? bare : bare.slice(0, zone);
  switch (isIP(address)) {
    case 4:
      return address;
    case 6:
      return canonicalIpv6(address);
    default:
      return undefined;
  }
}

function canonicalIpv6(address: string): string {
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text);
  if (mapped === null) return text;
  const high = Number.parseInt(mapped[1] ?? '0', 16);
  const low = Number.parseInt(mapped[2] ?? '0', 16);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** One network in CIDR form, parsed: the address is canonical, the bits beyond the prefix are kept. */
export interface Cidr {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Parses `10.0.0.0/8`, `2001:db8::/32`, `::1` (a single address has its full prefix). */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text);
  const raw = match?.[1];
  if (raw === undefined) return undefined;
  const version = isIP(raw);
  if (version === 0) return undefined;
  const widest = version === 4 ? 32 : 128;
  const prefix = match?.[2] === undefined ? widest : Number(match[2]);
  if (prefix > widest) return undefined;
  const address = canonicalIp(raw) ?? raw;
  if (version === 6 && isIP(address) === 4) {
    return prefix < 96 ? undefined : { address, prefix: prefix - 96, family: 'ipv4' };
  }
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** A set of networks. `has` takes canonical addresses. */
export class IpSet {
  readonly #blocks = new BlockList();
  readonly #exact = new Set<string>();
  readonly #memo = new Map<string, boolean>();
  readonly isEmpty: boolean;

  constructor(networks: readonly Cidr[]) {
    this.isEmpty = networks.length === 0;
    for (const { address, prefix, family } of networks) {
      if (prefix === (family === 'ipv4' ? 32 : 128)) this.#exact.add(address);
      else this.#blocks.addSubnet(address, prefix, family);
    }
  }

  has(address: string): boolean {
    if (this.isEmpty) return false;
    if (this.#exact.has(address)) return true;
    const known = this.#memo.get(address);
    if (known !== undefined) return known;
    const version = isIP(address);
    const answer = version !== 0 && this.#blocks.check(address, version === 4 ? 'ipv4' : 'ipv6');
    if (this.#memo.size >= 1024) this.#memo.clear();
    this.#memo.set(address, answer);
    return answer;
  }
}

const loopback = new IpSet([
  { address: '127.0.0.0', prefix: 8, family: 'ipv4' },
  { address: '::1', prefix: 128, family: 'ipv6' },
]);

/** True for 127.0.0.0/8 and ::1. Takes a canonical address. */
export function isLoopback(address: string): boolean {
  return loopback.has(address);
}

const special = new IpSet(
  [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '224.0.0.0/3',
    '::/127',
    'fc00::/7',
    'fe80::/10',
    'ff00::/8',
  ].flatMap((text) => parseCidr(text) ?? []),
);

/** True for loopback, private, link-local, shared, multicast and reserved addresses (RFC 6890). */
export function isPrivate(address: string): boolean {
  return special.has(address);
}

/** A canonical IPv4 address as it is; of an IPv6 address its /64. */
export function blockOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : 8 - front.length - back.length;
  const groups = [...front, ...new Array<string>(Math.max(0, gap)).fill('0'), ...back];
  const block = groups.slice(0, 4).join(':');
  return `${canonicalIp(`${block}::`) ?? block}/64`;
}

/** IP addresses and networks: parsing, canonical text, membership. */
import { BlockList, isIP } from 'node:net';

/**
 * An IP address as text in one canonical spelling: dotted IPv4, lower-case compressed IPv6 without its zone (`%eth0`),
 * and an IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) as the IPv4 address it is. `undefined` when it is none.
 */
export function canonicalIp(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  switch (isIP(bare)) {
    case 4:
      return bare;
    case 6:
      return canonicalIpv6(bare.split('%', 1)[0] ?? '');
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
  /** One for each family: a list of both would find every IPv4 address in `::/64`, as a mapped one. */
  readonly #blocks = { ipv4: new BlockList(), ipv6: new BlockList() };
  readonly #exact = new Set<string>();
  readonly #memo = new Map<string, boolean>();
  readonly isEmpty: boolean;

  constructor(networks: readonly Cidr[]) {
    this.isEmpty = networks.length === 0;
    for (const { address, prefix, family } of networks) {
      if (prefix === (family === 'ipv4' ? 32 : 128)) this.#exact.add(address);
      else this.#blocks[family].addSubnet(address, prefix, family);
    }
  }

  has(address: string): boolean {
    if (this.isEmpty) return false;
    if (this.#exact.has(address)) return true;
    const known = this.#memo.get(address);
    if (known !== undefined) return known;
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    const answer = isIP(address) !== 0 && this.#blocks[family].check(address, family);
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

/** The 4 or 16 octets of a canonical address; `undefined` for anything else. */
export function octetsOf(address: string): Uint8Array | undefined {
  if (!address.includes(':')) return isIP(address) === 4 ? ipv4Octets(address) : undefined;
  if (isIP(address) !== 6) return undefined;
  return Uint8Array.from(groupsOf(address).flatMap((group) => [group >> 8, group & 0xff]));
}

/** Asked for each connection: an array of texts in between takes six times as long. */
function ipv4Octets(address: string): Uint8Array {
  const octets = new Uint8Array(4);
  let at = 0;
  for (let i = 0; i < address.length; i++) {
    const digit = address.charCodeAt(i) - 48;
    if (digit < 0) at++;
    else octets[at] = (octets[at] ?? 0) * 10 + digit;
  }
  return octets;
}

/** The eight numbers of a canonical IPv6 address. */
function groupsOf(address: string): readonly number[] {
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = new Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0');
  return [...front, ...gap, ...back].map((group) => Number.parseInt(group, 16));
}

/** A canonical IPv4 address as it is; of an IPv6 address its /64. */
export function blockOf(address: string): string {
  if (!address.includes(':')) return address;
  const block = groupsOf(address)
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':');
  return `${canonicalIp(`${block}::`) ?? block}/64`;
}

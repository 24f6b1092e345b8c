/** The names under which DNS keeps addresses. */
import { isIPv4, isIPv6 } from 'node:net';

/**
 * The labels of an address in reverse order, as DNS trees by address have them: `1.2.0.192` for an IPv4
 * address, 32 nibbles for an IPv6 address (RFC 1035 §3.5, RFC 3596 §2.5, RFC 5782 §2.1, §2.4). `undefined`
 * when the text is not an address.
 */
export function reverseLabels(address: string): string | undefined {
  if (isIPv4(address)) return address.split('.').reverse().join('.');
  if (!isIPv6(address)) return undefined;
  const nibbles = expandIPv6(address)
    .map((group) => group.toString(16).padStart(4, '0'))
    .join('');
  return [...nibbles].reverse().join('.');
}

/** The name whose PTR records name the address; `undefined` if the text is not an address. */
export function reverseName(address: string): string | undefined {
  const labels = reverseLabels(address);
  return labels === undefined ? undefined : `${labels}.${isIPv4(address) ? 'in-addr' : 'ip6'}.arpa`;
}

function expandIPv6(address: string): number[] {
  const plain = address.split('%')[0] ?? address;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain);
  const text =
    dotted === null ? plain : `${dotted[1]}${pair(dotted[2], dotted[3])}:${pair(dotted[4], dotted[5])}`;
  const [head = '', tail] = text.split('::');
  const before = groups(head);
  if (tail === undefined) return before;
  const after = groups(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function pair(high: string | undefined, low: string | undefined): string {
  return (Number(high) * 256 + Number(low)).toString(16);
}

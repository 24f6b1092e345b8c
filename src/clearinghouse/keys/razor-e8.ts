/** Razor's engine 8, "whiplash": signatures of hosts in links. */
import { parse } from 'tldts';
import { hexBase64, sha1 } from './razor-text.ts';

/** Domains below which everybody may register; for others the list of public suffixes decides. */
const simple = /(?:^|\.)([^.]+\.(?:com|net|org|info|biz|edu))$/;

/** Hosts of one text; each is a key of its own. */
const maxHosts = 64;

/**
 * Razor's engine 8, "whiplash": for each host of a link a hash of its domain and of the length of the text in hundreds.
 * The first eight characters are the domain alone. `text` has one character per octet.
 */
export function razor8(text: string): readonly { readonly host: string; readonly value: string }[] {
  const length = sha1(String(text.length - (text.length % 100))).slice(0, 4);
  return hostsOf(text).map((host) => ({ host, value: hexBase64(sha1(host).slice(0, 12) + length) }));
}

/** The hosts of links, in the spelling of engine 8, each once. */
export function hostsOf(text: string): readonly string[] {
  const plain = text
    .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/&#(\d{2,3});/g, (_, code: string) => String.fromCharCode(Number(code) & 0xff));
  if (!/https?:\/\/?/i.test(plain)) return [];
  const found = new Set<string>();
  for (const [, host = ''] of plain.matchAll(/\s(www\.[^ /><"\r\n]+)/g)) {
    if (found.size >= maxHosts) break;
    add(found, host);
  }
  let rest = plain;
  const first =
    /href\s?=\s?"?https?:\/\/?([^>"/?<]*)/i.exec(rest) ?? /https?:\/\/?([^>"/?<\n\r]*)/i.exec(rest);
  if (first !== null) {
    add(found, canonical(first[1] ?? ''));
    rest = rest.slice(first.index + first[0].length);
  }
  // The rest is searched on the last line only.
  const last = rest.slice(rest.lastIndexOf('\n') + 1);
  for (const [, host = ''] of last.matchAll(/http:\/\/([^>"/?<\n\r]*)/gi)) {
    if (found.size >= maxHosts) break;
    add(found, canonical(host));
  }
  return [...found];
}

function add(found: Set<string>, host: string): void {
  if (found.size < maxHosts && host.length > 1 && host.includes('.')) found.add(host);
}

/** The text after the last `=` that has a character other than a blank before it. */
function afterAssignment(text: string): string {
  for (let at = text.lastIndexOf('='); at > 0; at = text.lastIndexOf('=', at - 1))
    if (/\S/.test(text.charAt(at - 1))) return text.slice(at + 1);
  return text;
}

function canonical(text: string): string {
  const host = (afterAssignment(text.slice(text.lastIndexOf('@') + 1)).split(/\s/)[0] ?? '')
    .toLowerCase()
    .replaceAll('=', '')
    .replace(/:.*$/, '')
    .replace(/\.$/, '');
  if (/^\d+(?:\.\d+){3}$/.test(host)) return host;
  return simple.exec(host)?.[1] ?? parse(host).domain ?? host;
}

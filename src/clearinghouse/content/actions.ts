/** Extracts the contacts that a message offers its reader: links, addresses, telephone numbers and accounts. */
import { getDomain } from 'tldts';
import { detached } from './spans.ts';

/** The largest number of contacts kept for one message, and of links examined. */
const maxActions = 300;
const maxLinks = 1000;
/** RFC 1035 §2.3.4, without the length of the last label. */
const longestHost = 253;
const domains = new Map<string, string | undefined>();

/** The registrable domain of a host, or the host itself where it is an address. Lower case. */
export function registrable(host: string): string | undefined {
  const name = host.toLowerCase().replace(/\.$/, '');
  if (domains.has(name)) return domains.get(name);
  if (name.length > longestHost) return undefined;
  const own = detached(name);
  const found =
    getDomain(own, { allowPrivateDomains: true }) ?? (/^\d+(?:\.\d+){3}$/.test(own) ? own : undefined);
  if (domains.size > 20_000) domains.clear();
  domains.set(own, found);
  return found;
}

/** Collects the contacts in a message, each once. */
export class Actions {
  readonly #found = new Set<string>();
  #links = 0;

  get list(): readonly string[] {
    return [...this.#found];
  }

  add(action: string): void {
    if (this.#found.size < maxActions) this.#found.add(action);
  }

  /** A target of a link; the registrable domain, where it has one. */
  link(target: string, kind: 'link' | 'form' | 'image' = 'link'): string | undefined {
    if (++this.#links > maxLinks) return undefined;
    const text = target.trim();
    if (/^mailto:/i.test(text)) return void this.mail(text.slice(7).split('?')[0] ?? '');
    if (/^tel:/i.test(text)) return void this.phone(text.slice(4));
    const url = URL.parse(/^www\./i.test(text) ? `http://${text}` : text);
    if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
    const domain = registrable(url.hostname);
    if (domain === undefined) return undefined;
    this.add(`${kind === 'form' ? 'form' : 'domain'}:${domain}`);
    const path = pathSkeleton(url.pathname);
    if (path !== '/' && kind !== 'image') this.add(`path:${domain}${path}`);
    return domain;
  }

  mail(address: string): void {
    const text = decoded(address).trim().toLowerCase();
    if (/^[^\s@]+@[^\s@]+$/.test(text)) this.add(`mail:${text}`);
  }

  phone(number: string): void {
    const digits = number.replace(/\D/g, '');
    if (digits.length >= 7 && digits.length <= 15) this.add(`tel:${digits.slice(-9)}`);
  }

  /** Adds telephone numbers and accounts that are written in the text itself. */
  text(text: string): void {
    for (const [number] of text.matchAll(/(?<![\w#=/.-])\+?\(?\d[\d ().-]{7,18}\d(?![\w/-])/g))
      this.phone(number);
    for (const [wallet] of text.matchAll(
      /\b(?:bc1[a-z0-9]{25,60}|[13][1-9a-km-zA-HJ-NP-Z]{25,34}|0x[0-9a-fA-F]{40})\b/g,
    ))
      this.add(`wallet:${wallet}`);
    for (const [iban] of text.matchAll(/\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b/g))
      this.add(`iban:${iban.replaceAll(' ', '')}`);
  }
}

/** A path with the parts that differ in each copy replaced: numbers, hexadecimal digits, long words. */
function pathSkeleton(path: string): string {
  return path
    .slice(0, 300)
    .toLowerCase()
    .split('/')
    .slice(0, 6)
    .map((part) => (/\d/.test(part) || part.length > 20 ? '#' : part))
    .join('/');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

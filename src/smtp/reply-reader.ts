/** Reads the replies of a server. */
import { isUtf8 } from 'node:buffer';
import type { Reply } from '../mail/index.ts';

const lf = 10;
const cr = 13;
const nothing = Buffer.alloc(0);

/** A reply line should be at most 512 octets (RFC 5321 §4.5.3.1.5); real servers send longer ones. */
const maxLineOctets = 4096;
const maxLines = 512;
/** All lines of one reply together. */
const maxReplyOctets = 65_536;
/** Of a refusal more than this is read and not kept: it is kept for each of a thousand recipients. */
const maxRefusalOctets = 4096;

/** The number and size of the replies that are cached: those of the first message. */
const [maxKnown, maxKnownOctets] = [16, 128];

interface Partial {
  readonly code: number;
  readonly detail: string | undefined;
  readonly lines: string[];
  octets: number;
  /** The number of lines, including those that are not kept. */
  count: number;
  /** A line had another code than the first. */
  isMixed: boolean;
}

/**
 * Reads the replies of a server. Bounded in the length of a line, the number of lines and the octets of a
 * reply, because the server may be hostile too.
 *
 * The first line decides how lines end: a server that ends its greeting with CRLF has to go on so, and a
 * bare LF from it is `invalid` (it may come out of text that the server quotes, and would be a reply that it
 * never gave). A server that ends its greeting with LF alone is taken at its word.
 *
 * All lines of a reply have one code (RFC 5321 §4.2.1). Of a server that breaks this rule a refusal in the last
 * line is believed, for trying again would hear it again; a positive one is `invalid`, for what it accepted
 * nobody knows.
 *
 * After `invalid` or `too-long` nothing more is read: the two sides no longer agree on what was said.
 */
export class ReplyReader {
  #octets: Buffer = nothing;
  #at = 0;
  #scanned = 0;
  #lineEnd: 'crlf' | 'lf' | undefined;
  #partial: Partial | undefined;
  /** Replies of one line: a server repeats a few of them for the MAIL, RCPT and DATA of every message. */
  readonly #known = new Map<string, Reply>();
  #broken: 'invalid' | 'too-long' | undefined;

  /** True when octets came that are part of no reply taken: after `STARTTLS` an attack (RFC 3207 §5). */
  get hasMore(): boolean {
    return this.#at < this.#octets.length || this.#partial !== undefined;
  }

  /** Adds octets. Take the replies until there is none before adding more; then the chunk may change. */
  push(chunk: Buffer): void {
    if (this.#broken !== undefined) return;
    if (this.#at === this.#octets.length) {
      this.#octets = chunk;
      this.#scanned = 0;
    } else {
      this.#octets = Buffer.concat([this.#octets.subarray(this.#at), chunk]);
      this.#scanned -= this.#at;
    }
    this.#at = 0;
  }

  /** The next reply, or `undefined` when more octets are needed. */
  take(): Reply | 'invalid' | 'too-long' | undefined {
    while (this.#broken === undefined) {
      const end = this.#octets.indexOf(lf, this.#scanned);
      if (end < 0) {
        return this.#wait();
      }
      const start = this.#at;
      this.#at = end + 1;
      this.#scanned = this.#at;
      if (this.#at - start > maxLineOctets) return this.#break('too-long');
      const lineEnd = end > start && this.#octets[end - 1] === cr ? 'crlf' : 'lf';
      this.#lineEnd ??= lineEnd;
      if (this.#lineEnd === 'crlf' && lineEnd === 'lf') return this.#break('invalid');
      const text = this.#octets.toString('latin1', start, lineEnd === 'crlf' ? end - 1 : end);
      const isWhole = this.#partial === undefined;
      const known = isWhole ? this.#known.get(text) : undefined;
      if (known !== undefined) return known;
      const reply = this.#addLine(text);
      if (reply === undefined) continue;
      if (isWhole && typeof reply === 'object') this.#remember(text, reply);
      return reply;
    }
    return this.#broken;
  }

  #remember(line: string, reply: Reply): void {
    if (line.length <= maxKnownOctets && this.#known.size < maxKnown) this.#known.set(line, reply);
  }

  /** Keeps the beginning of a line until more of it comes. */
  #wait(): 'too-long' | undefined {
    const octets = this.#octets.length - this.#at;
    if (octets >= maxLineOctets) {
      this.#break('too-long');
      return 'too-long';
    }
    this.#octets = octets === 0 ? nothing : Buffer.from(this.#octets.subarray(this.#at));
    this.#at = 0;
    this.#scanned = octets;
    return undefined;
  }

  /** Takes one line; returns the reply when it was the last one of it. */
  #addLine(line: string): Reply | 'invalid' | 'too-long' | undefined {
    // A code alone is a whole line (RFC 5321 §4.2).
    const match = /^([2-5]\d\d)(?:([ -])(.*))?$/s.exec(line);
    if (match === null) return this.#break('invalid');
    const code = Number(match[1]);
    const text = harmless(match[3] ?? '');
    this.#partial ??= {
      code,
      detail: statusDetail(code, text),
      lines: [],
      octets: 0,
      count: 0,
      isMixed: false,
    };
    const partial = this.#partial;
    if (partial.code !== code) partial.isMixed = true;
    partial.octets += line.length;
    partial.count++;
    if (partial.count > maxLines || partial.octets > maxReplyOctets) return this.#break('too-long');
    const own = partial.code === code ? partial.detail : statusDetail(code, text);
    const isKept = partial.code < 400 || partial.lines.length === 0 || partial.octets <= maxRefusalOctets;
    if (isKept) partial.lines.push(withoutStatus(code, own, text));
    if (match[2] === '-') return undefined;
    this.#partial = undefined;
    const { lines } = partial;
    if (partial.isMixed && code < 400) return this.#break('invalid');
    const detail = partial.isMixed ? statusDetail(code, text) : partial.detail;
    return detail === undefined ? { code, lines } : { code, detail, lines };
  }

  #break(because: 'invalid' | 'too-long'): 'invalid' | 'too-long' {
    this.#broken = because;
    this.#octets = nothing;
    this.#at = 0;
    this.#partial = undefined;
    return because;
  }
}

/** Subject and detail of the status at the start of the text, if its class is that of the code (RFC 2034 §4). */
function statusDetail(code: number, text: string): string | undefined {
  const match = /^([245])\.(\d{1,3}\.\d{1,3})(?: |$)/.exec(text);
  return match !== null && Number(match[1]) === Math.floor(code / 100) ? match[2] : undefined;
}

/** Every line repeats the status (RFC 2034 §4); it is kept once. */
function withoutStatus(code: number, detail: string | undefined, text: string): string {
  if (detail === undefined) return text;
  const status = `${Math.floor(code / 100)}.${detail}`;
  if (text === status) return '';
  return text.startsWith(`${status} `) ? text.slice(status.length + 1) : text;
}

/**
 * A server's text, one character per octet, as text for logs, notifications and terminals. UTF-8 is read (RFC 6531
 * §3.7.4.2) with or without SMTPUTF8; unsuitable characters become `?`: controls, those that change the direction of
 * text or hide a part, and all beyond ASCII in text that is not UTF-8.
 */
function harmless(octets: string): string {
  if (/^[ -~]*$/.test(octets)) return octets;
  const raw = Buffer.from(octets, 'latin1');
  const text = isUtf8(raw) ? raw.toString('utf8') : octets.replace(/[^\0-~]/g, '?');
  return text.replace(/[\t\p{Zs}]/gu, ' ').replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '?');
}

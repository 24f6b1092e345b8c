/** How fast a detector is over the corpus in file order, and what it needs in memory over many messages. */
import { fill, type Noise, takeProse } from './campaigns.ts';
import { addressee, compose } from './compose.ts';
import { corpusClasses, readClass } from './corpus.ts';
import type { Detector } from './detector.ts';
import { seededRandom } from './random.ts';

/** Octets below which a message belongs to a class of size. */
const sizes = [10_000, 50_000, 150_000, Number.POSITIVE_INFINITY] as const;

export interface SizeClass {
  readonly below: number | 'more';
  readonly messages: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Speed {
  readonly messages: number;
  readonly octets: number;
  readonly perSecond: number;
  /** Of the process, all its threads. */
  readonly cpuMsPerMessage: number;
  readonly bySize: readonly SizeClass[];
}

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

const rounded = (value: number): number => Math.round(value * 1000) / 1000;

/** Feeds each once, one after the other. In a process that did so before, V8 has compiled what is busy. */
export async function measureSpeed(
  open: () => Promise<Detector>,
  messages: readonly Uint8Array[],
): Promise<Speed> {
  const detector = await open();
  try {
    const times: { readonly ms: number; readonly size: number }[] = [];
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    for (const [index, octets] of messages.entries()) {
      const at = performance.now();
      await detector.feed(octets, `user${index}@home.example`);
      times.push({ ms: performance.now() - at, size: octets.length });
    }
    const seconds = (performance.now() - startedAt) / 1000;
    const used = process.cpuUsage(cpu);
    return {
      messages: messages.length,
      octets: messages.reduce((sum, { length }) => sum + length, 0),
      perSecond: Math.round(messages.length / seconds),
      cpuMsPerMessage: rounded((used.user + used.system) / 1000 / Math.max(1, messages.length)),
      bySize: sizes.map((below, i) => {
        const least = sizes[i - 1] ?? 0;
        const ms = times.filter(({ size }) => size >= least && size < below).map((one) => one.ms);
        ms.sort((a, b) => a - b);
        return {
          below: Number.isFinite(below) ? below : 'more',
          messages: ms.length,
          p50Ms: rounded(quantile(ms, 0.5)),
          p99Ms: rounded(quantile(ms, 0.99)),
          maxMs: rounded(ms.at(-1) ?? 0),
        };
      }),
    };
  } finally {
    await detector.close?.();
  }
}

/** All classes of the corpus, one after the other. */
export const corpusInFileOrder = (): readonly Uint8Array[] =>
  corpusClasses.flatMap((name) => readClass(name).map(({ octets }) => octets));

const largeOctets = 100_000;

/** Messages of about 100 KB, all different: prose, each second one as HTML with as much markup as text. */
export function largeMessages(noise: Noise, count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const random = seededRandom('large', i);
    const row = (line: string): string =>
      `<tr><td class="${random.gibberish()}" style="color:#333333"><font size="2">${line.replaceAll('<', '&lt;')}</font></td></tr>`;
    const isHtml = i % 2 === 1;
    const parts: string[] = [];
    for (let size = 0; size < largeOctets; ) {
      const lines = fill(takeProse(noise, random, 200));
      const part = (isHtml ? lines.map(row) : lines).join('\n');
      parts.push(part);
      size += part.length;
    }
    const text = parts.join('\n').slice(0, largeOctets);
    const body = isHtml ? { html: `<html><body><table>${text}</table></body></html>` } : { text };
    return compose({ subject: 'large', ...body }, addressee(random), random);
  });
}

export interface MemorySample {
  readonly messages: number;
  /** Octets. */
  readonly resident: number;
  readonly heap: number;
  /** Array buffers and other memory outside of the heap. */
  readonly external: number;
  readonly perSecond: number;
}

const samples = 20;

/** Where the body of the message begins, or that of its first part. */
function bodyStart(octets: Buffer): number {
  const afterBlankLine = (from: number): number => {
    const [lf, crlf] = [octets.indexOf('\n\n', from), octets.indexOf('\n\r\n', from)];
    if (lf < 0 && crlf < 0) return from;
    return crlf < 0 || (lf >= 0 && lf < crlf) ? lf + 2 : crlf + 3;
  };
  const start = afterBlankLine(0);
  const isMultipart = /^content-type:\s*multipart\//im.test(octets.toString('latin1', 0, start));
  return isMultipart ? afterBlankLine(start) : start;
}

/** The message with lines of gibberish before its text: as many different messages as are wanted. */
export function repeated(octets: Uint8Array, round: number): Uint8Array {
  if (round === 0) return octets;
  const message = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
  const start = bodyStart(message);
  const random = seededRandom('repeated', round, octets.length);
  const line = (): string => Array.from({ length: 12 }, () => random.gibberish()).join(' ');
  const added = Buffer.from(`${line()}\n${line()}\n`);
  return Buffer.concat([message.subarray(0, start), added, message.subarray(start)]);
}

/** Feeds `count` messages, the corpus again and again, each time changed. */
export async function measureMemory(
  detector: Detector,
  messages: readonly Uint8Array[],
  options: { readonly count: number; onSample?(sample: MemorySample): void },
): Promise<readonly MemorySample[]> {
  const taken: MemorySample[] = [];
  const every = Math.max(1, Math.ceil(options.count / samples));
  let at = performance.now();
  for (let i = 0; i < options.count; i++) {
    const octets = messages[i % messages.length];
    if (octets === undefined) break;
    await detector.feed(repeated(octets, Math.floor(i / messages.length)), `user${i}@home.example`);
    if ((i + 1) % every !== 0 && i + 1 !== options.count) continue;
    const { rss, heapUsed, external } = process.memoryUsage();
    const perSecond = Math.round((every * 1000) / (performance.now() - at));
    const sample = { messages: i + 1, resident: rss, heap: heapUsed, external, perSecond };
    taken.push(sample);
    options.onSample?.(sample);
    at = performance.now();
  }
  return taken;
}

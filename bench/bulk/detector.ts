/**
 * The interface of a detector under test; the product is plugged in by `openDetector` of a module of one's own
 * (`--detector FILE`).
 */
import { createHash } from 'node:crypto';

export interface Answer {
  /** The cluster of which the message is a copy. */
  readonly cluster: string | undefined;
  readonly isBulk: boolean;
  /** Said to be spam, which no message of the bench is reported as. Default: false. */
  readonly isReported?: boolean;
  /** The channel, for the table by channel: `text`, `actions`, `image`. */
  readonly via?: string;
}

export interface Detector {
  readonly name: string;
  /** Ham to learn words and boilerplate from, before anything is fed. */
  learn?(octets: Uint8Array): void | Promise<void>;
  feed(octets: Uint8Array, recipient: string): Answer | Promise<Answer>;
  close?(): void | Promise<void>;
}

/** Opens a new one that has seen nothing. */
export type OpenDetector = () => Detector | Promise<Detector>;

/** Copies whose bodies are equal octet for octet: shows that the bench runs, and nothing else. */
export function openExactDetector(): Detector {
  const counts = new Map<string, number>();
  return {
    name: 'exact body',
    feed: (octets) => {
      const body = Buffer.from(octets)
        .toString('latin1')
        .replaceAll('\r\n', '\n')
        .split('\n\n')
        .slice(1)
        .join('\n\n');
      const cluster = createHash('sha256').update(body, 'latin1').digest('hex').slice(0, 16);
      const count = (counts.get(cluster) ?? 0) + 1;
      counts.set(cluster, count);
      return { cluster, isBulk: count >= 3 };
    },
  };
}

/** Reads the records of a DNS message. */
import { canonicalIp } from '../base/index.ts';
import { canonicalName, type RecordTypes } from './record.ts';

/** One record of the answer section, of a type that is looked at. */
export type AnswerRecord = {
  readonly [T in keyof RecordTypes]: {
    readonly type: T;
    readonly name: string;
    readonly ttl: number;
    readonly data: RecordTypes[T];
  };
}[keyof RecordTypes];

const dataOf: { readonly [T in keyof RecordTypes]: (record: AnswerRecord) => RecordTypes[T] | undefined } = {
  A: (record) => (record.type === 'A' ? record.data : undefined),
  AAAA: (record) => (record.type === 'AAAA' ? record.data : undefined),
  MX: (record) => (record.type === 'MX' ? record.data : undefined),
  TXT: (record) => (record.type === 'TXT' ? record.data : undefined),
  PTR: (record) => (record.type === 'PTR' ? record.data : undefined),
  CNAME: (record) => (record.type === 'CNAME' ? record.data : undefined),
};

/** The value of a record; `undefined` if it is of another type. */
export function recordOf<T extends keyof RecordTypes>(
  type: T,
  record: AnswerRecord,
): RecordTypes[T] | undefined {
  return dataOf[type](record);
}

/** A response as it stands in its octets. */
export interface Message {
  /** The twelve bits of the code, those of EDNS included (RFC 6891 §6.1.3). */
  readonly rcode: number;
  readonly questions: readonly { readonly name: string; readonly type: number; readonly class: number }[];
  readonly answers: readonly AnswerRecord[];
  /** Seconds that the SOA of the authority section allows a negative answer (RFC 2308 §5). */
  readonly negativeTtl: number | undefined;
}

const headOctets = 12;
/** How types are written (RFC 1035 §3.2.2, RFC 3596 §2.1). */
export const typeNumbers: Readonly<Record<keyof RecordTypes, number>> = {
  A: 1,
  CNAME: 5,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
};
const knownTypes = ['A', 'AAAA', 'MX', 'TXT', 'PTR', 'CNAME'] as const;
const [soaType, optType, internet] = [6, 41, 1] as const;
/** A name has 127 labels at most; one with more jumps was made to cost time. */
const maxJumps = 127;
const maxNameOctets = 255;

/** The message cannot be read. */
export class MalformedMessage extends Error {}

/**
 * Reads a response (RFC 1035 §4). Every record keeps to its own length: data that is shorter or longer than its type
 * makes the whole message malformed, because an address assembled from the octets of its neighbour could be anybody's.
 * Records of other types are skipped. Throws `MalformedMessage`, and nothing else.
 */
export function readMessage(octets: Buffer): Message {
  const reader = new MessageReader(octets);
  if (octets.length < headOctets) throw new MalformedMessage('it has no header');
  const counts = [4, 6, 8, 10].map((at) => octets.readUInt16BE(at));
  const [questionCount = 0, answerCount = 0, authorityCount = 0, additionalCount = 0] = counts;
  const questions = Array.from({ length: questionCount }, () => reader.question());
  const answers: AnswerRecord[] = [];
  for (let n = 0; n < answerCount; n++) {
    const { name, type, class: of, ttl, from, end } = reader.record();
    const known = of === internet ? knownTypes.find((one) => typeNumbers[one] === type) : undefined;
    if (known !== undefined) answers.push(reader.answer(known, { name, ttl, from, end }));
  }
  let negativeTtl: number | undefined;
  for (let n = 0; n < authorityCount; n++) {
    const { type, ttl, from, end } = reader.record();
    if (type === soaType) negativeTtl ??= Math.min(ttl, reader.soaMinimum(from, end));
  }
  let rcode = octets.readUInt16BE(2) & 0xf;
  for (let n = 0; n < additionalCount; n++) {
    const { type, ttl } = reader.record();
    if (type === optType) rcode |= (ttl >>> 24) << 4;
  }
  return { rcode, questions, answers, negativeTtl };
}

interface RecordHead {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  /** Where its data begins and ends. */
  readonly from: number;
  readonly end: number;
}

class MessageReader {
  readonly #octets: Buffer;
  #at = headOctets;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  question() {
    const { text: name, end } = this.#name(this.#at, this.#octets.length);
    this.#need(end, 4);
    this.#at = end + 4;
    return { name, type: this.#octets.readUInt16BE(end), class: this.#octets.readUInt16BE(end + 2) };
  }

  record(): RecordHead {
    const octets = this.#octets;
    const { text: name, end: at } = this.#name(this.#at, octets.length);
    this.#need(at, 10);
    const length = octets.readUInt16BE(at + 8);
    this.#need(at + 10, length);
    this.#at = at + 10 + length;
    const [type, of, ttl] = [
      octets.readUInt16BE(at),
      octets.readUInt16BE(at + 2),
      octets.readUInt32BE(at + 4),
    ];
    return { name, type, class: of, ttl, from: at + 10, end: this.#at };
  }

  answer(
    type: keyof RecordTypes,
    { name, ttl, from, end }: Omit<RecordHead, 'type' | 'class'>,
  ): AnswerRecord {
    const octets = this.#octets;
    switch (type) {
      case 'A':
        return { type, name, ttl, data: octets.subarray(from, this.#exactly(from, 4, end)).join('.') };
      case 'AAAA': {
        this.#exactly(from, 16, end);
        const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(from + 2 * i).toString(16));
        const text = groups.join(':');
        return { type, name, ttl, data: canonicalIp(text) ?? text };
      }
      case 'MX': {
        this.#need(from, 2, end);
        const exchange = this.#onlyName(from + 2, end);
        return { type, name, ttl, data: { preference: octets.readUInt16BE(from), exchange } };
      }
      case 'TXT':
        return { type, name, ttl, data: this.#strings(from, end) };
      case 'PTR':
      case 'CNAME':
        return { type, name, ttl, data: this.#onlyName(from, end) };
    }
  }

  /** The last of five numbers behind two names (RFC 1035 §3.3.13). */
  soaMinimum(from: number, end: number): number {
    const { end: numbers } = this.#name(this.#name(from, end).end, end);
    this.#exactly(numbers, 20, end);
    return this.#octets.readUInt32BE(end - 4);
  }

  #strings(from: number, end: number): readonly string[] {
    const texts: string[] = [];
    for (let at = from; at < end; ) {
      const length = this.#octets.readUInt8(at);
      this.#need(at + 1, length, end);
      texts.push(this.#octets.toString('utf8', at + 1, at + 1 + length));
      at += 1 + length;
    }
    return texts;
  }

  /** The name that fills all of the given octets. */
  #onlyName(from: number, end: number): string {
    const name = this.#name(from, end);
    this.#exactly(from, name.end - from, end);
    return name.text;
  }

  /** The name at `from`, whose own octets end before `limit`, and the offset after it. */
  #name(from: number, limit: number): { readonly text: string; readonly end: number } {
    const octets = this.#octets;
    const labels: string[] = [];
    let [at, end, jumps, length] = [from, -1, 0, 0];
    for (;;) {
      this.#need(at, 1, end < 0 ? limit : octets.length);
      const head = octets.readUInt8(at);
      if (head >= 0xc0) {
        this.#need(at, 2, end < 0 ? limit : octets.length);
        const to = octets.readUInt16BE(at) & 0x3fff;
        // Backwards only, so that it ends (RFC 1035 §4.1.4: "a prior occurrence").
        if (to >= at || ++jumps > maxJumps) throw new MalformedMessage('a name that goes in circles');
        if (end < 0) end = at + 2;
        at = to;
        continue;
      }
      if (head >= 0x40) throw new MalformedMessage('a label of an unknown kind');
      at++;
      if (head === 0) break;
      length += head + 1;
      if (length >= maxNameOctets) throw new MalformedMessage('a name is too long');
      this.#need(at, head, end < 0 ? limit : octets.length);
      labels.push(labelText(octets.toString('latin1', at, at + head)));
      at += head;
    }
    const text = labels.length === 0 ? '.' : canonicalName(labels.join('.'));
    return { text, end: end < 0 ? at : end };
  }

  #need(at: number, octets: number, limit = this.#octets.length): void {
    if (at + octets > limit) throw new MalformedMessage('it ends too early');
  }

  #exactly(from: number, octets: number, end: number): number {
    if (from + octets !== end) throw new MalformedMessage('a record is not as long as its type');
    return end;
  }
}

/**
 * A label may have any octets (RFC 2181 §11). Those that would make the text read as another name, or do harm in a
 * log, become a character that no question can contain.
 */
function labelText(label: string): string {
  return label.replace(/[^\x21-\x2d\x2f-\x5b\x5d-\x7e]/g, '\ufffd');
}

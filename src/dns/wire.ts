/** Encodes queries and decodes responses. */
import dnsPacket from 'dns-packet';
import { type AnswerRecord, type Message, readMessage, typeNumbers } from './message.ts';
import type { LookupType } from './record.ts';

/** A question as it is asked: `name` is canonical and queryable. */
export interface Question {
  readonly name: string;
  readonly type: LookupType;
}

/** A response to the question, reduced to the facts on which the resolver decides. */
export interface Response {
  readonly rcode: 'noerror' | 'nxdomain' | 'no-edns' | 'failure';
  /** The name of the response code, for the log. */
  readonly because: string;
  readonly truncated: boolean;
  readonly authenticated: boolean;
  /** Of the whole answer. */
  readonly octets: number;
  readonly answers: readonly AnswerRecord[];
  /** Seconds a negative answer may be kept (RFC 2308 §5); `undefined` when no SOA came with it. */
  readonly negativeTtl: number | undefined;
}

/** Octets of a UDP answer we ask for: below the usual path MTU, so that nothing is fragmented. */
const udpPayloadSize = 1232;

const isResponse = 0x8000;

const rcodeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** Encodes a recursive query. The AD bit asks for the AD bit in the answer (RFC 6840 §5.7). */
export function encodeQuery(question: Question, id: number, edns: boolean): Buffer {
  return dnsPacket.encode({
    type: 'query',
    id,
    flags: dnsPacket.RECURSION_DESIRED | dnsPacket.AUTHENTIC_DATA,
    questions: [{ name: question.name, type: question.type, class: 'IN' }],
    additionals: edns
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  });
}

/**
 * Reads a datagram or message. `unrelated` is not an answer to this question (another id, another
 * question, not a response): it may be forged and the true answer may still come. `malformed` carries our
 * id but cannot be read.
 */
export function decodeResponse(
  octets: Buffer,
  question: Question,
  id: number,
): Response | 'unrelated' | 'malformed' {
  if (octets.length < 12 || octets.readUInt16BE(0) !== id) return 'unrelated';
  const flags = octets.readUInt16BE(2);
  if ((flags & isResponse) === 0) return 'unrelated';
  let message: Message;
  try {
    message = readMessage(octets);
  } catch {
    return 'malformed';
  }
  const { rcode, questions, answers, negativeTtl } = message;
  if (!isAnswerTo(message, question)) {
    // A server that does not understand EDNS may send a FORMERR without the question (RFC 6891 §7).
    if (rcode !== 1 || questions.length > 0) return 'unrelated';
  }
  return {
    rcode: classify(rcode),
    because: rcodeNames[rcode] ?? `RCODE${rcode}`,
    truncated: (flags & dnsPacket.TRUNCATED_RESPONSE) !== 0,
    authenticated: (flags & dnsPacket.AUTHENTIC_DATA) !== 0,
    octets: octets.length,
    answers,
    negativeTtl,
  };
}

function classify(rcode: number): Response['rcode'] {
  if (rcode === 0) return 'noerror';
  if (rcode === 3) return 'nxdomain';
  // A server without EDNS answers FORMERR, NOTIMP or BADVERS.
  return rcode === 1 || rcode === 4 || rcode === 16 ? 'no-edns' : 'failure';
}

function isAnswerTo({ questions }: Message, question: Question): boolean {
  const [asked] = questions;
  return (
    questions.length === 1 &&
    asked?.type === typeNumbers[question.type] &&
    asked.class === 1 &&
    asked.name === question.name
  );
}

/** A DNS server on loopback, for tests. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import dnsPacket, { type Answer, type Packet, type Question } from 'dns-packet';

/**
 * A DNS server on loopback for tests: `startFakeDns({ 'example.org': { MX: [[10, 'mx.example.org']] } })`.
 * It speaks UDP and TCP on one port, follows CNAMEs in its own zone, and misbehaves when it is told to.
 */
export interface FakeName {
  readonly A?: readonly string[];
  readonly AAAA?: readonly string[];
  readonly MX?: readonly (readonly [preference: number, exchange: string])[];
  readonly TXT?: readonly (string | readonly string[])[];
  readonly PTR?: readonly string[];
  readonly CNAME?: string;
  /** Seconds; default 300. */
  readonly ttl?: number;
  /**
   * `servfail`, `refused`: that code. `silence`: no answer. `truncate`: TC by UDP, the truth by TCP; `cut`: TC by both.
   * `no-soa`: negative answers without a SOA. `partial`: a CNAME without what it points to.
   */
  readonly fault?: 'servfail' | 'refused' | 'silence' | 'truncate' | 'cut' | 'no-soa' | 'partial';
}

export type FakeZone = Readonly<Record<string, FakeName>>;

export interface FakeDnsOptions {
  /** Sets the AD bit in every answer. */
  readonly authenticated?: boolean;
  /** TTL and minimum of the SOA that comes with negative answers, in seconds; default 60. */
  readonly negativeTtl?: number;
  /** Given the query and the encoded answer, gives the datagrams to send instead (UDP only). */
  readonly tamper?: (query: Buffer, answer: Buffer) => readonly Buffer[];
  /** Changes the pieces that go over TCP; then the connection ends. */
  readonly tamperTcp?: (framed: Buffer) => readonly Buffer[];
}

export interface FakeDns extends AsyncDisposable {
  /** `127.0.0.1:port`, as `createResolver` takes it. */
  readonly address: string;
  /** Every question so far: `udp MX example.org`. */
  readonly questions: string[];
  /** Replaces the zone. */
  setZone(zone: FakeZone): void;
}

/** Starts a server with this zone. A name that is not in it does not exist. */
export async function startFakeDns(zone: FakeZone, options: FakeDnsOptions = {}): Promise<FakeDns> {
  const { tcp, udp, port } = await bindBoth();
  let current = zone;
  const questions: string[] = [];
  const sockets = new Set<Socket>();
  const respond = (octets: Buffer, transport: 'udp' | 'tcp'): Buffer | undefined => {
    const query = dnsPacket.decode(octets);
    const question = query.questions?.[0];
    if (question === undefined) return undefined;
    questions.push(`${transport} ${question.type} ${question.name.toLowerCase()}`);
    const packet = answerFor(current, question, transport, options);
    return packet === undefined ? undefined : dnsPacket.encode({ ...packet, id: query.id ?? 0 });
  };
  udp.on('message', (octets, from) => {
    const answer = respond(octets, 'udp');
    if (answer === undefined) return;
    for (const datagram of options.tamper?.(octets, answer) ?? [answer])
      udp.send(datagram, from.port, from.address);
  });
  tcp.on('connection', (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      const answer = respond(chunk.subarray(2), 'tcp');
      if (answer === undefined) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      const framed = Buffer.concat([length, answer]);
      for (const piece of options.tamperTcp?.(framed) ?? [framed]) socket.write(piece);
      socket.end();
    });
  });
  return {
    address: `127.0.0.1:${port}`,
    questions,
    setZone: (next) => {
      current = next;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await Promise.all([once(tcp.close(), 'close'), once(udp.close(), 'close')]);
    },
  };
}

/** TCP and UDP on the same free port; a port taken by another in between is tried again. */
async function bindBoth(): Promise<{ tcp: Server; udp: UdpSocket; port: number }> {
  for (let tries = 0; ; tries++) {
    const tcp = createServer();
    await once(tcp.listen(0, '127.0.0.1'), 'listening');
    const address = tcp.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const udp = createSocket('udp4');
    try {
      await once(udp.bind(port, '127.0.0.1'), 'listening');
      return { tcp, udp, port };
    } catch (error) {
      await once(tcp.close(), 'close');
      if (tries > 10) throw error;
    }
  }
}

const rcodes = { noerror: 0, servfail: 2, nxdomain: 3, refused: 5 };

function answerFor(
  zone: FakeZone,
  question: Question,
  transport: 'udp' | 'tcp',
  options: FakeDnsOptions,
): Packet | undefined {
  const name = question.name.toLowerCase();
  const fault = zone[name]?.fault;
  const base = dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE;
  const flags = base | (options.authenticated === true ? dnsPacket.AUTHENTIC_DATA : 0);
  const packet: Packet = { type: 'response', questions: [question] };
  if (fault === 'silence') return undefined;
  if (fault === 'servfail' || fault === 'refused') return { ...packet, flags: flags | rcodes[fault] };
  if (fault === 'cut' || (fault === 'truncate' && transport === 'udp')) {
    return { ...packet, flags: flags | dnsPacket.TRUNCATED_RESPONSE };
  }
  const { answers, last } = collect(zone, name, question.type);
  const isFound = answers.some((answer) => answer.type === question.type) || fault === 'partial';
  const rcode = isFound || isInTree(zone, last) ? rcodes.noerror : rcodes.nxdomain;
  const authorities = isFound || fault === 'no-soa' ? [] : [soa(options.negativeTtl ?? 60)];
  return { ...packet, flags: flags | rcode, answers, authorities };
}

function isInTree(zone: FakeZone, name: string): boolean {
  return zone[name] !== undefined || Object.keys(zone).some((key) => key.endsWith(`.${name}`));
}

function collect(zone: FakeZone, name: string, type: string): { answers: Answer[]; last: string } {
  const answers: Answer[] = [];
  let last = name;
  for (let hops = 0; hops < 20; hops++) {
    const entry = zone[last];
    if (entry === undefined) break;
    const own = recordsOf(entry, last).filter((record) => record.type === type);
    answers.push(...own);
    if (own.length > 0 || entry.CNAME === undefined) break;
    answers.push({ type: 'CNAME', name: last, ttl: entry.ttl ?? 300, data: entry.CNAME });
    if (entry.fault === 'partial') break;
    last = entry.CNAME;
  }
  return { answers, last };
}

function recordsOf(entry: FakeName, name: string): Answer[] {
  const ttl = entry.ttl ?? 300;
  const plain = <T extends 'A' | 'AAAA' | 'PTR'>(type: T): Answer[] =>
    (entry[type] ?? []).map((data) => ({ type, name, ttl, data }));
  return [
    ...plain('A'),
    ...plain('AAAA'),
    ...plain('PTR'),
    ...(entry.MX ?? []).map(
      ([preference, exchange]): Answer => ({ type: 'MX', name, ttl, data: { preference, exchange } }),
    ),
    ...(entry.TXT ?? []).map((data): Answer => ({ type: 'TXT', name, ttl, data: [data].flat() })),
    ...(entry.CNAME === undefined ? [] : [{ type: 'CNAME', name, ttl, data: entry.CNAME } as const]),
  ];
}

function soa(ttl: number): Answer {
  const data = {
    mname: 'ns.test',
    rname: 'hostmaster.test',
    serial: 1,
    refresh: 1,
    retry: 1,
    expire: 1,
    minimum: ttl,
  };
  return { type: 'SOA', name: 'test', ttl, data };
}

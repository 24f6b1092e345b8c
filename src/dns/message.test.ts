import assert from 'node:assert/strict';
import { test } from 'node:test';
import dnsPacket from 'dns-packet';
import { MalformedMessage, readMessage } from './message.ts';
import { isQueryableName } from './record.ts';

/** `mx.example A IN`, to which 0xc00c points. */
const question = Buffer.from('\x02mx\x07example\x00\x00\x01\x00\x01', 'latin1');

function response(records: readonly Buffer[], { questions = [question] } = {}): Buffer {
  const head = Buffer.from([
    0,
    7,
    0x81,
    0x80,
    0,
    questions.length,
    records.length >> 8,
    records.length,
    0,
    0,
    0,
    0,
  ]);
  return Buffer.concat([head, ...questions, ...records]);
}

function record(
  type: number,
  data: Buffer | readonly number[],
  name: readonly number[] = [0xc0, 0x0c],
): Buffer {
  const octets = Buffer.from(data);
  return Buffer.from([
    ...name,
    0,
    type,
    0,
    1,
    0,
    0,
    0,
    60,
    octets.length >> 8,
    octets.length & 255,
    ...octets,
  ]);
}

test('an address that is shorter or longer than an address is malformed, and takes no octets of its neighbour', () => {
  const neighbour = record(1, [192, 0, 2, 1]);
  for (const [type, right] of [
    [1, 4],
    [28, 16],
  ] as const)
    for (let length = 0; length < 20; length++) {
      const read = () => readMessage(response([record(type, Buffer.alloc(length, 10)), neighbour]));
      if (length === right) assert.equal(read().answers.length, 2);
      else assert.throws(read, MalformedMessage);
    }
});

test('what a name, a text or a number needs has to lie within its record', () => {
  const bad = [
    record(15, [0]),
    record(15, [0, 10, 0xc0, 0x0c, 9]),
    record(12, []),
    record(12, [0xc0]),
    record(5, [3, 97, 98]),
    record(16, [200, 97]),
  ];
  for (const one of bad)
    assert.throws(() => readMessage(response([one, record(1, [192, 0, 2, 1])])), MalformedMessage);
  assert.throws(() => readMessage(response([]).subarray(0, 11)), MalformedMessage);
  const one = response([record(1, [192, 0, 2, 1])]);
  for (let end = 12; end < one.length; end++)
    assert.throws(() => readMessage(one.subarray(0, end)), MalformedMessage);
});

test('a label with a NUL, a dot, a line end or a backslash is part of no name that could be asked or match', () => {
  for (const odd of ['a\0b', 'a.b', 'a\r\nb', 'a\\b', 'a b', 'a\x9bb', 'ä']) {
    const label = Buffer.from(odd, 'latin1');
    const name = Buffer.from([label.length, ...label, 0xc0, 0x0f]);
    const { answers } = readMessage(
      response([record(12, name), record(15, [0, 10, ...name]), record(1, [1, 2, 3, 4], [...name])]),
    );
    const names = answers.flatMap((answer) => {
      if (answer.type === 'PTR') return [answer.data];
      return answer.type === 'MX' ? [answer.data.exchange] : [answer.name];
    });
    assert.equal(names.length, 3);
    for (const text of names) {
      assert.equal(isQueryableName(text), false, JSON.stringify(text));
      assert.doesNotMatch(text, /[\0-\x20\x7f-\x9f\\]/);
      assert.equal(text.split('.').length, 2, 'a dot within a label is no border between two');
    }
  }
});

test('a name that points to itself, forwards, or from pointer to pointer without end is malformed', () => {
  const at = 12 + question.length;
  for (const name of [
    [0xc0, at],
    [0xc0, at + 4],
    [1, 97, 0xc0, at],
  ])
    assert.throws(() => readMessage(response([record(1, [1, 2, 3, 4], name)])), MalformedMessage);
  // Each record points to the name of the one before it, which is a pointer as well.
  const chain = Array.from({ length: 200 }, (_, n) => {
    const to = n === 0 ? 12 : at + 16 * (n - 1);
    return record(1, [1, 2, 3, 4], [0xc0 | (to >> 8), to & 255]);
  });
  assert.equal(readMessage(response(chain.slice(0, 127))).answers.length, 127);
  assert.throws(() => readMessage(response(chain)), MalformedMessage);
});

test('what another library writes is read as it was meant', () => {
  const soa = {
    mname: 'ns.test',
    rname: 'a.b.test',
    serial: 1,
    refresh: 2,
    retry: 3,
    expire: 4,
    minimum: 30,
  };
  const octets = dnsPacket.encode({
    type: 'response',
    questions: [{ type: 'MX', name: 'Example.org', class: 'IN' }],
    answers: [
      { type: 'MX', name: 'Example.org', ttl: 5, data: { preference: 7, exchange: 'MX.Example.org' } },
      { type: 'AAAA', name: 'mx.example.org', ttl: 5, data: '2001:db8::1' },
      { type: 'TXT', name: 'example.org', ttl: 5, data: ['one', 'two'] },
      { type: 'NS', name: 'example.org', ttl: 5, data: 'ns.test' },
    ],
    authorities: [{ type: 'SOA', name: 'test', ttl: 60, data: soa }],
  });
  const { answers, negativeTtl, questions, rcode } = readMessage(octets);
  assert.deepEqual([negativeTtl, rcode, questions], [30, 0, [{ name: 'example.org', type: 15, class: 1 }]]);
  assert.deepEqual(
    answers.map(({ type, name, data }) => [type, name, data]),
    [
      ['MX', 'example.org', { preference: 7, exchange: 'mx.example.org' }],
      ['AAAA', 'mx.example.org', '2001:db8::1'],
      ['TXT', 'example.org', ['one', 'two']],
    ],
  );
});

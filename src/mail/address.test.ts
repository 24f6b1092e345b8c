import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  asciiMailbox,
  formatLocalPart,
  hidesRoute,
  isLiteral,
  needsSmtputf8,
  parseDomain,
  parseMailbox,
} from './index.ts';

const label63 = 'a'.repeat(63);

test('a domain is letters, digits and inner hyphens, in lower-case A-labels', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['example.org', 'example.org'],
    ['Example.ORG', 'example.org'],
    ['localhost', 'localhost'],
    ['3com.example', '3com.example'],
    ['a-b.example', 'a-b.example'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['BÜCHER.example', 'xn--bcher-kva.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['例え.テスト', 'xn--r8jz45g.xn--zckzah'],
    [`${label63}.example`, `${label63}.example`],
    [`${label63}a.example`, undefined],
    ['', undefined],
    ['.', undefined],
    ['example.org.', undefined],
    ['.example.org', undefined],
    ['a..b', undefined],
    ['-a.example', undefined],
    ['a-.example', undefined],
    ['a.example-', undefined],
    ['a_b.example', undefined],
    ['a b.example', undefined],
    ['a%41.example', undefined],
    ['a\0.example', undefined],
    ['a\u0085.example', undefined],
    ['ex@mple.org', undefined],
    ['example.org:25', undefined],
    ['example.org/x', undefined],
    // Full-width letters and an ideographic dot are only mapped to this domain: they are not it.
    ['ｅxample.org', undefined],
    ['example。org', undefined],
    // Texts that some resolvers take for an IPv4 address.
    ['192.0.2.1', undefined],
    ['127.1', undefined],
    ['2130706433', undefined],
    ['0x7f000001', undefined],
    ['a.0x7f', undefined],
    ['１９２.0.2.1', undefined],
  ];
  for (const [text, domain] of table) assert.equal(parseDomain(text), domain, JSON.stringify(text));
});

test('a domain has at most 255 octets', () => {
  const of = (octets: number) => `${`${'a'.repeat(49)}.`.repeat(5)}${'b'.repeat(octets - 250)}`;
  assert.equal(parseDomain(of(255))?.length, 255);
  assert.equal(parseDomain(of(256)), undefined);
});

test('an address literal has a valid address in its shortest form', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['[192.0.2.1]', '[192.0.2.1]'],
    ['[IPv6:2001:db8::1]', '[IPv6:2001:db8::1]'],
    ['[ipv6:2001:0DB8:0:0:0:0:0:1]', '[IPv6:2001:db8::1]'],
    ['[IPv6:::1]', '[IPv6:::1]'],
    ['[IPv6:::ffff:192.0.2.1]', '[IPv6:::ffff:c000:201]'],
    ['[]', undefined],
    ['[', undefined],
    ['[192.0.2.1', undefined],
    ['[192.0.2.256]', undefined],
    ['[192.0.2.01]', undefined],
    ['[192.0.2]', undefined],
    ['[2001:db8::1]', undefined],
    ['[IPv6:192.0.2.1]', undefined],
    ['[IPv6:fe80::1%eth0]', undefined],
    ['[IPv6:2001:db8::1]]', undefined],
    ['[x25:1234]', undefined],
  ];
  for (const [text, domain] of table) {
    const parsed = parseDomain(text);
    assert.equal(parsed, domain, text);
    if (parsed !== undefined) assert.ok(isLiteral(parsed));
  }
});

test('the local part is unquoted, and its case is kept', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['user@d.example', 'user'],
    ['User@d.example', 'User'],
    ['a.b+c=d/e@d.example', 'a.b+c=d/e'],
    ["!#$%&'*+-/=?^_`{|}~@d.example", "!#$%&'*+-/=?^_`{|}~"],
    ['"a b"@d.example', 'a b'],
    ['""@d.example', ''],
    ['"u@e"@d.example', 'u@e'],
    ['"\\""@d.example', '"'],
    ['"\\\\"@d.example', '\\'],
    ['"u\\@e"@d.example', 'u@e'],
    ['"gw::smtp%\\"u@e\\""@d.example', 'gw::smtp%"u@e"'],
    ['u@[192.0.2.1]', 'u'],
    ['user', undefined],
    ['@d.example', undefined],
    ['u@', undefined],
    ['u@d@', undefined],
    ['u@d@e', undefined],
    ['u@d.', undefined],
    ['.u@d', undefined],
    ['u.@d', undefined],
    ['u..v@d', undefined],
    ['u v@d', undefined],
    ['u\\@e@d', undefined],
    ['"u"v@d', undefined],
    ['"u"', undefined],
    ['"u@d', undefined],
    ['"u\\"@d', undefined],
    ['"u\\', undefined],
    ['"a\u0000b"@d', undefined],
    ['"a\tb"@d', undefined],
    ['"a\\\rb"@d', undefined],
    ['u@d(comment)@e', undefined],
    ['u@t,u@d', undefined],
    ['u(comment)@d', undefined],
  ];
  for (const [text, localPart] of table) {
    const address = parseMailbox(text, { smtputf8: false });
    assert.equal(address?.localPart, localPart, text);
    if (address !== undefined) assert.equal(address.text, text);
  }
});

test('a local part has at most 64 octets with its quotes', () => {
  const local = (text: string) => parseMailbox(`${text}@d`, { smtputf8: true });
  assert.ok(local('a'.repeat(64)));
  assert.equal(local('a'.repeat(65)), undefined);
  assert.ok(local(`"${'a'.repeat(62)}"`));
  assert.equal(local(`"${'a'.repeat(63)}"`), undefined);
  assert.ok(local('ü'.repeat(32)));
  assert.equal(local('ü'.repeat(33)), undefined);
  assert.equal(local(`"${'ü'.repeat(32)}"`), undefined);
});

test('characters beyond ASCII need SMTPUTF8, and none of them may be a control character', () => {
  for (const text of ['ü@d.example', '"ü"@d.example', 'ü@bücher.example']) {
    assert.equal(parseMailbox(text, { smtputf8: false }), undefined, text);
    assert.equal(parseMailbox(text, { smtputf8: true })?.text, text);
  }
  assert.equal(parseMailbox('u@bücher.example', { smtputf8: false }), undefined);
  for (const text of ['u\u0085@d', '"u\u0085"@d', 'u\u2028@d', 'u\ud800@d', '"\udc00"@d']) {
    assert.equal(parseMailbox(text, { smtputf8: true }), undefined, JSON.stringify(text));
  }
});

test('an address with an ASCII local part has a form for peers without SMTPUTF8', () => {
  const parse = (text: string) => parseMailbox(text, { smtputf8: true });
  const mixed = parse('"a@b"@Bücher.example');
  const utf8 = parse('ü@d.example');
  const plain = parse('u@D.example');
  assert.ok(mixed && utf8 && plain);
  assert.equal(asciiMailbox(mixed), '"a@b"@xn--bcher-kva.example');
  assert.equal(asciiMailbox(utf8), undefined);
  assert.equal(asciiMailbox(plain), 'u@D.example');
  assert.deepEqual([mixed, utf8, plain].map(needsSmtputf8), [false, true, false]);
});

test('a local part that could be a route is seen through any quoting', () => {
  const table: readonly (readonly [string, boolean])[] = [
    ['user@d', false],
    ['"user name"@d', false],
    ['user%there@d', true],
    ['"user%there"@d', true],
    ['"user\\%there"@d', true],
    ['there!user@d', true],
    ['"there!user"@d', true],
    ['"user@there"@d', true],
    ['"user\\@there"@d', true],
  ];
  for (const [text, isRoute] of table) {
    const address = parseMailbox(text, { smtputf8: false });
    assert.ok(address, text);
    assert.equal(hidesRoute(address), isRoute, text);
  }
});

test('a local part that was quoted as needed is read back as it was', () => {
  const localPart = fc.string({ unit: 'grapheme-ascii', maxLength: 30 });
  fc.assert(
    fc.property(localPart, (local) => {
      const address = parseMailbox(`${formatLocalPart(local)}@d.example`, { smtputf8: false });
      assert.equal(address?.localPart, local);
    }),
  );
});

test('the ordinary form and the quoted form of a local part are the same local part', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9!%+=]{1,20}(?:\.[a-z0-9]{1,5}){0,3}$/), (local) => {
      const plain = parseMailbox(`${local}@d`, { smtputf8: false });
      const quoted = parseMailbox(`"${local}"@d`, { smtputf8: false });
      assert.equal(plain?.localPart, local);
      assert.equal(quoted?.localPart, local);
    }),
  );
});

test('one domain is one domain, whichever labels it is written with', () => {
  const written = [
    'bücher.рф',
    'bücher.xn--p1ai',
    'xn--bcher-kva.рф',
    'XN--BCHER-KVA.xn--p1ai',
    'BÜCHER.РФ',
    'bu\u0308cher.рф',
  ];
  for (const text of written) assert.equal(parseDomain(text), 'xn--bcher-kva.xn--p1ai', text);
  for (const text of ['ｂｕｃｈ.example', 'a。example', 'xn--bücher.example'])
    assert.equal(parseDomain(text), undefined, text);
  assert.equal(
    parseDomain('xn--zzzzzz.example'),
    'xn--zzzzzz.example',
    'what it stands for is not ours to say',
  );
});

test('an address has A-labels on the wire unless its local part is beyond ASCII', () => {
  const parse = (text: string) => parseMailbox(text, { smtputf8: true });
  for (const text of ['u@bücher.example', 'u@xn--bcher-kva.example', 'u@bu\u0308cher.example']) {
    assert.equal(parse(text)?.text, 'u@xn--bcher-kva.example');
  }
  assert.equal(parse('ü@bücher.example')?.text, 'ü@bücher.example');
  assert.deepEqual(
    [parse('ü@bücher.example')?.domain, parse('ü@xn--bcher-kva.example')?.domain],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  );
});

test('local parts are compared in NFC, and go on as they came', () => {
  for (const [written, composed] of [
    ['ju\u0308rgen', 'jürgen'],
    ['"ju\u0308rgen x"', 'jürgen x'],
  ] as const) {
    const address = parseMailbox(`${written}@d.example`, { smtputf8: true });
    assert.equal(address?.localPart, composed);
    assert.equal(address?.text, `${written}@d.example`);
  }
});

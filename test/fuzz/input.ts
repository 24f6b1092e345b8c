/** Makes random input of the words that peers and operators use. */

/** A source of chance that a seed determines (xorshift32). */
export class Chance {
  #state: number;

  constructor(seed: number) {
    // A few rounds, so that seeds that follow each other do not begin alike.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1;
    for (let i = 0; i < 8; i++) this.below(2);
  }

  /** An integer from 0 up to, and without, `bound`. */
  below(bound: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % bound;
  }

  pick<T>(from: readonly T[], otherwise: T): T {
    return from[this.below(from.length)] ?? otherwise;
  }
}

/** The words of our peers' and operators' languages: random octets alone would not get far in them. */
const words: readonly string[] = [
  ...[
    '\r\n',
    '\r\n',
    '\r\n',
    '\n',
    '\r',
    '\0',
    ' ',
    '.',
    '\r\n.\r\n',
    '\n.\n',
    '\r.\r',
    '\r\n..',
    '\t',
    '-',
    ':',
  ],
  ...[
    'EHLO c.example\r\n',
    'HELO c\r\n',
    'MAIL FROM:<a@b.example>',
    'RCPT TO:<u@d.example>',
    'RCPT TO:<x@d.example>',
  ],
  ...[
    'RCPT TO:<later@d.example>',
    'MAIL FROM:<>',
    'DATA\r\n',
    'RSET\r\n',
    'NOOP\r\n',
    'QUIT\r\n',
    'STARTTLS\r\n',
  ],
  ...['BDAT 3\r\n', 'BDAT 5 LAST\r\n', 'BDAT 0 LAST\r\n', 'BDAT 9999 LAST\r\n', 'BDAT 400\r\n', 'VRFY u\r\n'],
  ...[
    'XCLIENT ADDR=10.0.0.1\r\n',
    'AUTH PLAIN\r\n',
    'GET / HTTP/1.1\r\n',
    ' SIZE=',
    ' BODY=BINARYMIME',
    ' SMTPUTF8',
  ],
  ...[' BODY=8BITMIME', ' NOTIFY=NEVER', ' ORCPT=rfc822;', ' RET=HDRS', ' ENVID=', '+2B', '+', '=', ';'],
  ...[
    '<',
    '>',
    '@',
    '"',
    '\\',
    '%',
    '!',
    '[',
    ']',
    'IPv6:',
    '::1',
    '127.0.0.1',
    'xn--',
    'ü',
    '\u202e',
    'example',
  ],
  ...[
    '220 ',
    '250 ',
    '250-',
    '354 ',
    '421 ',
    '550 5.1.1 ',
    'PIPELINING',
    'CHUNKING',
    'Received: ',
    'Subject: x',
  ],
  ...['PROXY TCP4 ', 'TCP6 ', '\r\n\r\n\0\r\nQUIT\n!', '\xc0\x0c', '\0\x01\0\x01', '\0\0\x0e\x10\0\x04'],
  ...[
    '- ',
    '  ',
    '{',
    '}',
    '[',
    'hostname',
    'listeners',
    'domains',
    'relay',
    'networks',
    'open',
    'routes',
    'via',
  ],
  ...[
    'true',
    'null',
    '10MB',
    '5m',
    '0.0.0.0/0',
    '|',
    '&a ',
    '*a',
    '!!',
    '#',
    "'",
    ', ',
    'role: mx',
    'address: ',
  ],
  ...['Final-Recipient: ', 'Action: failed', 'Status: 5.0.0', '--b', 'message/delivery-status', '=?utf-8?'],
  ...['"command":"status"', '"args":', '"selector":', '"to":[', '\ud800', '1e999', '-0'],
];

/** The input of a seed: words and octets in turn, some of it twice, some of it cut. */
export function inputOf(seed: number): Buffer {
  const chance = new Chance(seed);
  const parts: Buffer[] = [Buffer.from([chance.below(256), chance.below(256)])];
  const count = chance.below(chance.below(8) === 0 ? 60 : 16);
  for (let i = 0; i < count; i++) parts.push(part(chance, parts));
  return Buffer.concat(parts);
}

function part(chance: Chance, before: readonly Buffer[]): Buffer {
  switch (chance.below(8)) {
    case 0:
      return Buffer.from(Array.from({ length: chance.below(12) }, () => chance.below(256)));
    case 1:
      return Buffer.from(String.fromCharCode(97 + chance.below(26)).repeat(chance.below(80)));
    case 2: {
      const earlier = chance.pick(before, Buffer.alloc(0));
      return earlier.subarray(0, chance.below(earlier.length + 1));
    }
    default:
      return Buffer.from(chance.pick(words, ''));
  }
}

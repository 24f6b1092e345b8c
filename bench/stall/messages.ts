/** Messages that are made to keep a relay busy: each is lawful, and each is worst for another piece of code. */

/** A message, and the way it is sent. */
export interface Hostile {
  readonly name: string;
  readonly content: Buffer;
  /** Where it goes: to the sink without extensions, to one that refuses everybody, into a Maildir, into the trap. */
  readonly to: 'plain' | 'refusing' | 'maildir' | 'trap';
  /** By whom: a client of the networks, a user who logged in, or a local program. Default: a client. */
  readonly by?: 'user' | 'sendmail';
  readonly recipients?: number;
  /** It is not taken. */
  readonly isRefused?: boolean;
}

const megabyte = 1_000_000;
const large = 28 * megabyte;
/** One octet that a server without 8BITMIME cannot be given. */
const eightBit = 'caf\u00e9\r\n';

function filled(line: string, size: number): string {
  return line.repeat(Math.floor(size / Buffer.byteLength(line)));
}

function multipart(boundary: string, body: string): string {
  return `Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n${body}`;
}

const nested = Array.from({ length: 19 }, (_, i) => multipart(`n${i}x`, `--n${i}x\r\n`)).join('');

/** In the order of the table. */
export function hostileMessages(): readonly Hostile[] {
  const from = 'From: anna@home.test\r\n';
  const text = `${'x'.repeat(70)}\r\n`;
  const table: readonly (readonly [
    name: string,
    content: string,
    rest: Omit<Hostile, 'name' | 'content'>,
  ])[] = [
    ['plain text, 28 MB', `Subject: x\r\n\r\n${filled(text, large)}`, { to: 'plain' }],
    ['7 million fields', `${filled('A:\r\n', large)}\r\n${eightBit}`, { to: 'plain' }],
    ['one field of 9 million lines', `A:\r\n${filled(' \r\n', large)}\r\n${eightBit}`, { to: 'plain' }],
    [
      'a Content-Type of 9 million lines',
      `Content-Type:\r\n${filled(' \r\n', large)}\r\n${eightBit}`,
      { to: 'plain' },
    ],
    [
      'a boundary of dashes over dashes',
      multipart('-'.repeat(198), `${'-'.repeat(large)}\r\n${eightBit}`),
      { to: 'plain' },
    ],
    [
      'over lines of dashes',
      multipart('-'.repeat(60), filled(`${'-'.repeat(61)}\r\n`, large) + eightBit),
      { to: 'plain' },
    ],
    ['19 multiparts in each other', `${nested}\r\n${filled('--n\r\n', large)}${eightBit}`, { to: 'plain' }],
    [
      '28 MB of UTF-8',
      `Content-Type: text/plain; charset=utf-8\r\n\r\n${filled(`${'\u00e9'.repeat(35)}\r\n`, large)}`,
      { to: 'plain' },
    ],
    [
      '28 MB with a word of it in each line',
      `\r\n${filled(`${'x'.repeat(70)}${eightBit}`, large)}`,
      { to: 'plain' },
    ],
    ['28 MB of dots', `\r\n${filled('.\r\n', large)}`, { to: 'plain' }],
    ['28 MB without a line end', `\r\n${'x'.repeat(large)}\r\n`, { to: 'plain' }],
    [
      '9 MB that come back, of UTF-8',
      `Subject: caf\u00e9\r\n\r\n${filled(`${'\u00e9'.repeat(35)}\r\n`, 9 * megabyte)}`,
      { to: 'refusing' },
    ],
    [
      '9 MB that come back, of fields',
      `${filled('A:\r\n', 9 * megabyte)}\r\n${eightBit}`,
      { to: 'refusing' },
    ],
    [
      '9 MB that come back, in lines of 998',
      `\r\n${filled(`${'x'.repeat(998)}\r\n`, 9 * megabyte)}`,
      { to: 'refusing' },
    ],
    [
      '1,000 recipients who are refused at length',
      `Subject: x\r\n\r\n${text}`,
      { to: 'refusing', recipients: 1000 },
    ],
    ['28 MB into a Maildir', `Subject: x\r\n\r\n${filled('x\r\n', large)}`, { to: 'maildir' }],
    ['28 MB into the trap', `Subject: x\r\n\r\n${filled('x\r\n', large)}`, { to: 'trap' }],
    ['28 MB from sendmail', `Subject: x\r\n\r\n${filled('x\r\n', large)}`, { to: 'plain', by: 'sendmail' }],
    [
      '10,000 recipients from sendmail',
      'Subject: x\r\n\r\nx\r\n',
      { to: 'plain', by: 'sendmail', recipients: 10_000 },
    ],
    [
      'a From of 125,000 commas, after a login',
      `From: anna@home.test${','.repeat(125_000)}\r\n\r\nx\r\n`,
      { to: 'plain', by: 'user', isRefused: true },
    ],
    [
      'a From of 4,000 groups',
      `From: ${'g:'.repeat(4000)}anna@home.test\r\n\r\nx\r\n`,
      { to: 'plain', by: 'user', isRefused: true },
    ],
    [
      'a From with 1,500 signs that begin an address',
      `From: "${'\u00e9@ '.repeat(1500)}" <anna@home.test>\r\n\r\nx\r\n`,
      { to: 'plain', by: 'user' },
    ],
    [
      '30 Resent-From fields of 8 KB',
      `${from}${`Resent-From: "${'\u00e9@ '.repeat(1500)}" <anna@home.test>\r\n`.repeat(30)}\r\nx\r\n`,
      { to: 'plain', by: 'user', isRefused: true },
    ],
    ['43,000 Bcc fields', `${from}${filled('Bcc:\r\n', 255_000)}\r\nx\r\n`, { to: 'plain', by: 'user' }],
    [
      '63,000 fields, after a login',
      `${from}${filled('A:\r\n', 255_000)}\r\nx\r\n`,
      { to: 'plain', by: 'user' },
    ],
  ];
  return table.map(([name, content, rest]) => ({ name, content: Buffer.from(content), ...rest }));
}

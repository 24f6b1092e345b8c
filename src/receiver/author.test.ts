import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatReplyText, parsePattern } from '../mail/index.ts';
import { completed } from './testing.ts';

/** The addresses that boris may put into the fields of authors. */
const boris = {
  name: 'boris@home.example',
  senders: ['boris@home.example', 'sales@home.example', 'b\u00f6ris@home.example'].flatMap(
    (text) => parsePattern(text) ?? [],
  ),
};

/** The refusal of a header, or `passes`. */
function outcome(header: string | Buffer): string {
  const octets = Buffer.concat([Buffer.from(header), Buffer.from('\r\nTo: u@away.example\r\n')]);
  const result = completed(octets, { identity: boris, hostname: 'relay.example', now: 0 });
  return 'code' in result ? formatReplyText(result) : 'passes';
}

const own = 'From: boris@home.example\r\n';
const latin1 = (text: string) => Buffer.from(text, 'latin1');

/** Headers in which some usual reader sees boss@home.example, or another who is not boris. */
const dishonest: readonly (string | Buffer)[] = [
  'From: boss@home.example <boris@home.example>',
  'From: "boss@home.example" <boris@home.example>',
  'From: <boss@home.example> <boris@home.example>',
  'From: boss@home.example, boris@home.example',
  'From: boris@home.example, boss@home.example',
  'From: boss@home.example (boris@home.example)',
  'From: boris@home.example (boss@home.example)',
  'From: (boss@home.example) boris@home.example',
  'From: boris@home.example (a (nested boss@home.example) comment)',
  'From: (a \\) <boss@home.example> ) <boris@home.example>',
  'From: "Boss \\"boss@home.example\\"" <boris@home.example>',
  'From: "Boss <boss@home.example>" <boris@home.example>',
  "From: 'boss@home.example' <boris@home.example>",
  'From: "\'boss@home.example\' via list" <boris@home.example>',
  'From: Boss boss@home.example <boris@home.example>',
  'From: "boss @ home.example" <boris@home.example>',
  'From: =?utf-8?q?boss=40home=2Eexample?= <boris@home.example>',
  'From: =?utf-8?b?Ym9zc0Bob21lLmV4YW1wbGU=?= <boris@home.example>',
  'From: "=?utf-8?q?boss=40home.example?=" <boris@home.example>',
  'From: =?utf-8?q?boss=40ho?= =?utf-8?q?me.example?= <boris@home.example>',
  'From: =?utf-8?q?boss=EF=BC?=\r\n =?utf-8?q?=A0home.example?= <boris@home.example>',
  'From: =?iso-8859-1*en?q?boss=40home.example?= <boris@home.example>',
  'From: =?utf-8?q?=3D=3Futf-8=3Fq=3Fboss=3D40home.example=3F=3D?= <boris@home.example>',
  'From: =?utf-7?q?boss+AEA-home.example?= <boris@home.example>',
  'From: =?utf-8?q?boss=40home.example=00?= <boris@home.example>',
  'From: =?utf-8?q?Boss=0D=0ATo:?= <boris@home.example>',
  'From: =?utf-8?q?boss=40home.example?=@home.example',
  'From: boss@home.example\r\n <boris@home.example>',
  'From:\r\n boss@home.example\r\n <boris@home.example>',
  'From: "boss@home.exam\r\n ple" <boris@home.example>, boss@home.example',
  'From: boss@home.example\r\nFrom: boris@home.example',
  'From: boris@home.example\r\nfrom : boss@home.example',
  'From: boris@home.example\r\nFrom:\r\n boss@home.example',
  'From : boss@home.example',
  'From: <@boss.example:boris@home.example>',
  'From: <@home.example,@boss.example:boris@home.example>',
  'From: boss: boris@home.example',
  'From: boss@home.example: boris@home.example;',
  'From: "boss@home.example": boris@home.example;',
  'From: team: boris@home.example; boss@home.example',
  'From: team: boris@home.example, boss@home.example;',
  'From: boris@home.example boss@home.example',
  'From: <boris@home.example> boss@home.example',
  'From: <boris@home.example>boss',
  'From: <boss@home.example',
  'From: "boss@home.example <boris@home.example>',
  'From: (boss@home.example <boris@home.example>',
  'From: boris(boss@home.example)@home.example',
  'From: boris@home.example@boss.example',
  'From: boris@home.example.boss.example',
  'From: "boss@home.example"@home.example',
  'From: boss\uff20home.example <boris@home.example>',
  'From: boss\ufe6bhome\u3002example <boris@home.example>',
  'From: "bo\u200bss@home.exa\u00admple" <boris@home.example>',
  'From: "\u202eelpmaxe.emoh@ssob" <boris@home.example>',
  'From: "\u2066Boss\u2069" <boris@home.example>',
  'From: b\u043es@home.example <boris@home.example>',
  'From: bo"ss@home".example <boris@home.example>',
  'From: boris@home.example\x00boss@home.example',
  'From: "boss@[192.0.2.1]" <boris@home.example>',
  latin1('From: "J\xfcrgen boss@home.example" <boris@home.example>'),
  latin1('From: "boss\xa3\xc0home.example" <boris@home.example>'),
  `${own}Resent-From: boss@home.example`,
  `${own}Resent-From: "boss@home.example" <boris@home.example>`,
  `${own}Resent-Sender: boss@home.example`,
  `From boss@home.example Mon Jan  5 10:00:00 2026\r\n${own.trim()}`,
  Buffer.from(`\ufeffFrom: boss@home.example\r\n${own.trim()}`),
  Buffer.from(`\u00a0From\u00a0: boss@home.example\r\n${own.trim()}`),
  `From\x01: boss@home.example\r\n${own.trim()}`,
  'From: boss@home <boris@home.example>',
  'From: <boris@home.example>, "boss@home.example"',
  'From: boss@home.example; <boris@home.example>',
  'From: "boss"@home.example',
  'From: =?cp850?q?boss=40home.example?= <boris@home.example>',
  'From: =?cp037?q?=82=96=A2=A2=7C=88=96=94=85=4B=85=A7=81=94=97=93=85?= <boris@home.example>',
  'From: "| boss @home.example" <boris@home.example>',
  `X-One: a\nFrom: boss@home.example\r\n${own.trim()}`,
  `X-One: a\rFrom: boss@home.example\r\n${own.trim()}`,
];

/** Headers in which all readers see boris, or an address that is his. */
const honest: readonly (string | Buffer)[] = [
  'From: boris@home.example',
  'From: <boris@home.example>',
  'FROM:boris@home.example',
  'From :boris@home.example',
  'From: BORIS@Home.Example',
  'From: Boris <boris@home.example>',
  'From: Boris B. Bear <boris@home.example>',
  'From: Boris B. Bear<boris@home.example>',
  'From: "Bear, Boris" <boris@home.example>',
  'From: "Boris \\"the Bear\\" Braun" <boris@home.example>',
  'From: "boris@home.example" <boris@home.example>',
  "From: 'boris@home.example' <boris@home.example>",
  'From: "\'boris@home.example\'" <boris@home.example>',
  'From: "boris@home.example via Helpdesk" <sales@home.example>',
  'From: "Boris via Helpdesk" <boris@home.example>',
  'From: "Boris (sales@home.example)" <boris@home.example>',
  'From: boris@home.example (Boris Bear)',
  'From: boris@home.example (Boris (at work) Bear)',
  'From: Boris (at work) <boris@home.example>',
  'From: Boris =?utf-8?q?B=C3=A4r?= <boris@home.example>',
  'From: =?utf-8?b?Qm9yaXMgQsOkcg==?= <boris@home.example>',
  'From: =?UTF-8?Q?Boris_B=C3=A4r?=\r\n =?UTF-8?Q?_der_Gro=C3=9Fe?= <boris@home.example>',
  'From: =?iso-8859-1?Q?Boris_B=E4r?= <boris@home.example>',
  'From: =?iso-2022-jp?B?GyRCJVwlaiU5GyhC?= <boris@home.example>',
  'From: =?koi8-r?B?4s/SydM=?= <boris@home.example>',
  'From: "=?utf-8?q?B=C3=A4r=2C_Boris?=" <boris@home.example>',
  'From: =?utf-8?q?boris=40home=2Eexample?= <boris@home.example>',
  'From: Boris B\u00e4r <boris@home.example>',
  'From: b\u00f6ris@home.example',
  'From: \u05d1\u05d5\u05e8\u05d9\u05e1\u200f <boris@home.example>',
  'From: "Boris \u{1f43b} Bear" <boris@home.example>',
  'From: Boris\r\n Bear\r\n\t<boris@home.example>',
  'From:\r\n boris@home.example',
  'From: [ACME] Support <sales@home.example>',
  "From: Boris O'Bear & Sons / Sales <sales@home.example>",
  'From: "Boris @ Work" <boris@home.example>',
  'From: "@boris" <boris@home.example>',
  'From: "Boris: Sales; Support" <sales@home.example>',
  'From: "" <boris@home.example>',
  'From: boris@home.example, sales@home.example',
  'From: Boris <boris@home.example>, Sales <sales@home.example>,',
  'From: Sales team: boris@home.example, sales@home.example;',
  'From: < boris@home.example >',
  latin1('From: Boris B\xe4r <boris@home.example>'),
  `${own}Reply-To: boss@home.example`,
  `${own}Sender: sales@home.example`,
  `${own}Sender: boss@home.example`,
  `${own}Resent-From: Boris <boris@home.example>`,
  `From boris@home.example Mon Jan  5 10:00:00 2026\r\n${own.trim()}`,
  `${own}Cc: boss@home.example\r\nSubject: from boss@home.example`,
  'From: Boris <boris@home.example> (at work)',
  'From: =?utf-8?Q?Boris_=28Home=29?= <boris@home.example>',
  'From: Dr. Boris & S\u00f6hne | Home <boris@home.example>',
  'From: "Boris | @boris.example" <boris@home.example>',
  'From: =?unknown-8bit?Q?B=F6ris?= <boris@home.example>',
  'From: =?X-UNKNOWN?Q?B=F6ris?= <boris@home.example>',
  'From: =?cp850?Q?B=94ris?= <boris@home.example>',
  'From: =?ibm437?Q?B=94ris?= <boris@home.example>',
  'From: =?cp932?B?jlKTYw==?= <boris@home.example>',
  'From: "\u{1f468}\u200d\u{1f469}\u200d\u{1f467} Boris" <boris@home.example>',
  `${own}Subject: a\r\n From: boss@home.example`,
  `${own}X-From: boss@home.example`,
  `${own}X-Forwarded-For: boss@home.example`,
];

test('a From in which some reader sees somebody else is refused with 550 5.7.1 and words', () => {
  const wrong = dishonest
    .map((header) => [outcome(header), String(header)] as const)
    .filter(([result]) => !/^550 5\.(7\.1 .*(address|sender)|5\.2 bare)/.test(result));
  assert.deepEqual(wrong, []);
  assert.ok(dishonest.length >= 60);
});

test('a From in which everybody sees its sender passes, whatever the name', () => {
  const wrong = honest
    .map((header) => [outcome(header), String(header)] as const)
    .filter(([result]) => result !== 'passes');
  assert.deepEqual(wrong, []);
  assert.ok(honest.length >= 45);
});

test('a Sender that names somebody else does not go on', () => {
  const table = [
    ['Sender: "boss@home.example" <boris@home.example>', 'boris@home.example'],
    ['Sender: =?utf-8?q?boss=40home.example?= <sales@home.example>', 'boris@home.example'],
    ['Sender: Sales <sales@home.example>', 'Sales <sales@home.example>'],
    ['', undefined],
  ] as const;
  for (const [field, expected] of table) {
    const octets = Buffer.from(`${own}${field === '' ? '' : `${field}\r\n`}`);
    const header = completed(octets, { identity: boris, hostname: 'relay.example', now: 0 });
    assert.ok(!('code' in header));
    assert.equal(/^Sender: (.*)\r$/m.exec(String(header))?.[1], expected, field);
  }
  const nameless = { ...boris, name: 'boris' };
  const octets = Buffer.from(`${own}Sender: boss@home.example\r\n`);
  const header = completed(octets, { identity: nameless, hostname: 'relay.example', now: 0 });
  assert.doesNotMatch(String(header), /boss/);
});

test('fields that are taken out may come in any order', () => {
  const octets = Buffer.from(
    `Bcc: a@b.example\r\nSender: boss@home.example\r\n${own}Bcc: c@d.example\r\nX-Last: 1\r\n`,
  );
  const header = completed(octets, { identity: boris, hostname: 'relay.example', now: 0 });
  assert.match(String(header), /Sender: boris@home\.example\r\nFrom: boris@home\.example\r\nX-Last: 1\r\n$/);
});

test('several authors have a Sender, whose it is', () => {
  const octets = Buffer.from('From: boris@home.example, sales@home.example\r\n');
  const header = completed(octets, { identity: boris, hostname: 'relay.example', now: 0 });
  assert.match(String(header), /^Sender: boris@home\.example\r$/m);
});

test('the address fields that cost most to read are read within their bound', () => {
  for (const text of ['@@', ',', '(', '"', '=?utf-8?q?', 'a@b.c ', '<', ':', ' @ . ']) {
    const octets = Buffer.from(`From: ${text.repeat(8000 / text.length)}\r\n`);
    const result = completed(octets, { identity: boris, hostname: 'relay.example', now: 0 });
    assert.ok('code' in result, text);
  }
});

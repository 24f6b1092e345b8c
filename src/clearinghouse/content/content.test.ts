import assert from 'node:assert/strict';
import { test } from 'node:test';
import { threadMs } from '../../base/testing.ts';
import { wordsInOrder } from './content.ts';
import { readContent } from './read.ts';
import { nameBounds } from './vocabulary.ts';

const plain = (body: string, header = '') =>
  Buffer.from(
    `From: a@shop.example.com\r\nTo: u@x.example\r\n${header}Content-Type: text/plain; charset=utf-8\r\n\r\n${body}\r\n`,
  );
const html = (body: string) =>
  Buffer.from(`From: a@b.example\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${body}\r\n`);
const words = (octets: Uint8Array) => wordsInOrder(readContent(octets)).join(' ');

test('a text is its words, in one spelling', () => {
  assert.equal(words(plain('Buy CHEAP pills, now!  2 for 1.')), 'buy cheap pills now for');
  assert.equal(
    words(plain('p\u200bi\u00adlls ｐｉｌｌｓ pіlls ρills píłls')),
    'pills pills pills pills piłls',
  );
  assert.equal(words(plain('buy V I A G R A and c.i.a.l.i.s here')), 'buy viagra and cialis here');
  assert.deepEqual(readContent(plain('v1agr4 costs 100')).folded, ['viagra', 'costs']);
});

test('Russian and Greek stay what they are', () => {
  assert.equal(words(plain('Купите сейчас, скидка')), 'купите сейчас скидка');
  assert.equal(words(plain('αγορά τώρα')), 'αγορά τώρα');
});

test('scripts without spaces come as pairs of characters', () => {
  assert.equal(words(plain('免费奖金')), '免费 费奖 奖金');
});

test('what is the recipient’s own, a greeting and what is quoted are left out', () => {
  const octets = plain(
    'Dear Anna Smith,\r\n\r\nanna, this is for anna.smith here and is what we all have to say\r\n> quoted text of another',
    'To: Anna Smith <anna.smith@x.example>\r\n',
  );
  assert.equal(
    wordsInOrder(readContent(octets, { recipients: ['anna.smith@x.example'] })).join(' '),
    'this is for here and is what we all have to say',
  );
});

test('a long line of a quotation is read to its end', () => {
  const content = readContent(plain(`> ${'word '.repeat(798)}http://evilexample.com/x end`));
  assert.deepEqual(content.actions, ['domain:evilexample.com', 'path:evilexample.com/x']);
  assert.equal(wordsInOrder(content).at(-1), 'end');
});

test('names are left out up to a bound, and no link is taken for a name', () => {
  const body = Array.from({ length: 12_000 }, (_, n) => `n${n}x`).join(' ');
  const many = Array.from({ length: 12_000 }, (_, n) => `n${n}x`).join('.');
  const to = 'To: url:shop.example@x.example\r\n';
  const octets = plain(`${body} see http://shop.example/`, to);
  const { words } = readContent(octets, { recipients: [`${many}@x.example`] });
  assert.equal(words[0], `n${nameBounds.count - 1}x`);
  assert.equal(words.at(-1), 'url:shop.example');
});

test('what is nothing but a quotation is read', () => {
  assert.equal(
    words(plain('> buy pills\r\n>> now and here\r\n| or never')),
    'buy pills now and here or never',
  );
});

test('links are their registrable domains, and what to act on is kept', () => {
  const { words: found, actions } = readContent(
    plain(
      'see https://win.prize.co.uk/claim/12345?x=1 or call +44 20 7946 0958, pay to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq, a@b.example',
    ),
  );
  assert.ok(found.includes('url:prize.co.uk'));
  for (const action of [
    'domain:prize.co.uk',
    'path:prize.co.uk/claim/#',
    'tel:079460958',
    'mail:a@b.example',
  ])
    assert.ok(actions.includes(action), `${action} in ${actions}`);
  assert.ok(actions.some((action) => action.startsWith('wallet:bc1')));
});

const hidden: readonly string[] = [
  '<p style="display:none">noise</p>',
  '<span style="visibility : hidden">noise</span>',
  '<div style="font-size:0px">noise</div>',
  '<div style="font: 1px arial">noise</div>',
  '<div style="max-height:0;overflow:hidden">noise</div>',
  '<div style="mso-hide:all">noise</div>',
  '<div style="text-indent:-9999px">noise</div>',
  '<div hidden>noise</div>',
  '<font color="#ffffff">noise</font>',
  '<table bgcolor="#000000"><tr><td><font color="#010101">noise</font></td></tr></table>',
  '<style>.x{display:none}</style><b class="x">noise</b>',
  '<style>p.y { color: #fff }</style><p class="y">noise</p>',
  '<!-- noise -->',
  '<!--[if mso]>noise<![endif]-->',
  '<script>noise</script>',
  '<title>noise</title>',
];

for (const text of hidden) {
  test(`not seen: ${text}`, () =>
    assert.equal(words(html(`<html><body>be<b>f</b>ore ${text} after</body></html>`)), 'before after'));
}

test('inline tags join letters, and blocks divide words', () => {
  assert.equal(words(html('v<b>ia</b><!-- x -->gra<br>now<p>today</p>here')), 'viagra now today here');
});

test('of several forms HTML is read, and parts in any encoding', () => {
  const octets = Buffer.from(
    [
      'From: a@b.example',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary="x y"',
      '',
      'preamble',
      '--x y',
      'Content-Type: multipart/alternative; boundary=inner',
      '',
      '--inner',
      'Content-Type: text/plain',
      '',
      'only plain',
      '--inner',
      'Content-Type: text/html; charset=iso-8859-1',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '<p>caf=E9 is ope=',
      'n</p>',
      '--inner--',
      '--x y',
      'Content-Type: application/pdf; name="=?utf-8?q?r=C3=A9sum=C3=A9.pdf?="',
      'Content-Transfer-Encoding: base64',
      '',
      'JVBERi0=',
      '--x y--',
    ].join('\r\n'),
  );
  const { words: found, leaves } = readContent(octets);
  assert.equal(found.join(' '), 'cafe is open');
  assert.deepEqual(
    leaves.map(({ type, isAttachment }) => [type, isAttachment]),
    [
      ['text/plain', false],
      ['text/html', false],
      ['application/pdf', true],
    ],
  );
  assert.equal(Buffer.from(leaves[2]?.octets ?? []).toString(), '%PDF-');
});

test('a hundred thousand parts, deep nesting and bombs cost little', () => {
  const many = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\nContent-Type: text/plain\r\n\r\nx\r\n'.repeat(100_000)}`;
  let deep = 'Content-Type: text/plain\r\n\r\nx';
  for (let n = 0; n < 500; n++)
    deep = `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n${deep}\r\n--b${n}--`;
  const tags = `Content-Type: text/html\r\n\r\n${'<div style="x">'.repeat(100_000)}x`;
  const line = `Subject: x\r\n\r\n${'a'.repeat(3_000_000)}`;
  const dots = `Subject: x\r\n\r\n${'a.'.repeat(500_000)} ${'a '.repeat(500_000)}`;
  for (const text of [many, deep, tags, line, dots]) {
    const octets = Buffer.from(text);
    const begun = threadMs();
    const content = readContent(octets);
    assert.ok(content.order.length <= 20_000 && content.leaves.length <= 1000);
    assert.ok(threadMs() - begun < 3000, `${text.slice(0, 50)}: ${threadMs() - begun} ms`);
  }
});

const sentence =
  'this is what somebody has to say to the others about the matter that was raised yesterday evening ';
const footers: Readonly<Record<string, readonly [text: string, isLeftOut: boolean]>> = {
  'a signature': ['-- \nAnna Abel\nHead of Things\nanna@office.example\n', true],
  'a signature with a link': ['-- \nAnna Abel\nhttp://www.office.example/\n', false],
  'a signature with a domain to write down': ['-- \nAnna Abel\nbuy at cheap-pills.com now\n', false],
  'a signature with a number to call': ['-- \nAnna Abel\ncall +1 800 555 0123 now\n', false],
  'an address elsewhere': [`${'-'.repeat(20)}\nwrite to boss@gmail.example now\n`, false],
  'a long text': [`-- \n${sentence.repeat(3)}\n`, false],
};

for (const [name, [footer, isLeftOut]] of Object.entries(footers))
  test(`${name} under a letter is ${isLeftOut ? 'left out' : 'read'}`, () => {
    const header = 'From: Anna <anna@office.example>\nReply-To: anna@office.example\nTo: b@there.example\n\n';
    const words = wordsInOrder(readContent(Buffer.from(`${header}${sentence.repeat(2)}\n${footer}`)));
    const alone = wordsInOrder(readContent(Buffer.from(`${header}${sentence.repeat(2)}\n`)));
    assert.equal(words.length === alone.length, isLeftOut, words.join(' '));
  });

test('a text that is nothing but what would be a footer is read', () => {
  const { words } = readContent(Buffer.from('From: a@b.example\n\n-- \nall that there is\n'));
  assert.deepEqual(words, ['all', 'that', 'there', 'is']);
});

test('a notification is no copy of the message that it returns', () => {
  const report =
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n' +
    '--b\n\nyour letter was not delivered\n--b\nContent-Type: message/delivery-status\n\nAction: failed\n' +
    '--b\nContent-Type: message/rfc822\n\nSubject: x\n\nbuy cheap watches\n--b--\n';
  assert.deepEqual(readContent(Buffer.from(report)).words, ['your', 'letter', 'was', 'not', 'delivered']);
  const forwarded = readContent(Buffer.from(report.replace('multipart/report', 'multipart/mixed')));
  assert.ok(forwarded.words.includes('watches'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { threadMs } from '../../base/testing.ts';
import { readPage } from './html.ts';

const seen = (html: string) => readPage(html).text.replace(/\s+/g, ' ').trim();
const targets = (html: string) => readPage(html).links.map(({ target }) => target);

/** Pages that show the word. */
const shown: Readonly<Record<string, readonly string[]>> = {
  'a size of letters that is like what is around': [
    '<p style="font-size:1em">word',
    '<p style="font-size:1rem">word',
    '<p style="font-size:.9em">word',
    '<p style="font-size:.875rem">word',
    '<p style="font-size:90%">word',
    '<p style="font:1em/1.4 Arial">word',
    '<p style="font:1rem Arial">word',
    '<p style="font:100 12px Arial">word',
    '<body style="font-size:1em"><p>word',
    '<p style="font-size:calc(10px + 1px)">word',
    `${'<small>'.repeat(20)}word`,
  ],
  'a size of its own within letters of none': [
    '<td style="font-size:0px"><div style="font-size:13px">word',
    '<table><tr><td style="font-size:0"><span style="font:bold 12px/1 Arial">word',
    '<div style="font-size:1px"><p style="font-size:1rem">word',
    '<div style="font-size:0"><p style="font-size:medium">word',
    '<div style="font-size:0"><font size=2>word',
    '<div style="font-size:0px"><p style="font-size:0">x</p><p style="font-size:12pt">word',
  ],
  'lines without height': ['<p style="line-height:0">word', '<p style="line-height:0px;font-size:13px">word'],
  'what is visible within what is not': [
    '<div style="visibility:hidden"><p style="visibility:visible">word',
    '<div style="color:transparent"><p style="color:black">word',
    '<font color=white><font color=black>word',
    '<div style="text-indent:-9999px"><p style="text-indent:0">word',
    '<div style="margin-left:-9999px"><p style="margin-left:9999px">word',
    '<p hidden style="display:block">word',
  ],
  'what programs show instead': ['<noscript>word</noscript>', '<object>word</object>', '<head><p>word'],
  'a table that grows to what it holds': [
    '<table><tr><td style="height:0">word',
    '<table><tr><td style="max-width:0">word',
    '<table><tr><td style="width:0;overflow:hidden">word',
    '<table style="height:0;overflow:hidden"><tr><td>word',
  ],
  'a box that does not clip, or not all': [
    '<div style="height:0">word',
    '<div style="max-height:0">word',
    '<span style="height:0;overflow:hidden">word</span>',
    '<div style="height:0;min-height:50px;overflow:hidden">word',
    '<div style="height:0;padding-bottom:50px;overflow:hidden">word',
    '<div style="height:0;height:auto;overflow:hidden">word',
  ],
  'a small move, or one without effect': [
    '<p style="margin-left:-100px">word',
    '<p style="margin:-10px -20px">word',
    '<p style="left:-9999px">word',
    '<p style="clip:rect(0 0 0 0)">word',
    '<p style="transform:translate(-50%,-50%)">word',
    '<p style="transform:scale(1.05)">word',
  ],
  'light letters over something dark, or over what nobody knows': [
    '<td background="x.png"><font color=white>word',
    '<p style="background-image:url(x.png);color:white">word',
    '<p style="background:#fff url(x.png) no-repeat;color:#fff">word',
    '<p style="background:linear-gradient(white, black)"><b style="color:white">word',
    '<body bgcolor=black><p style="color:white">word',
    '<body style="background:#012"><table><tr><td style="color:#FFF">word',
    '<p style="background:rgb(0 0 0 / 80%);color:white">word',
    '<p style="background:var(--x);color:white">word',
    '<p style="color:var(--x)">word',
    '<p style="background:#c00 0 0;color:#fff">word',
    '<p style="color:white"><a href="http://x.example">word</a>',
  ],
  'opacity that leaves something': ['<p style="opacity:.9">word', '<p style="opacity:90%">word'],
  'colours that are written for Outlook': ['<p style="color:windowtext;background:window">word'],
};

/** Pages that hide the word. */
const hidden: Readonly<Record<string, readonly string[]>> = {
  'no size of letters': [
    '<p style="font-size:0">word',
    '<p style="FONT-SIZE:0PX !IMPORTANT">word',
    '<p style="font-size:1px">word',
    '<p style="font-size:1pt">word',
    '<p style="font-size:.01em">word',
    '<p style="font-size:0%">word',
    '<p style="font-size:calc(0px)">word',
    '<p style="font-size:calc(1px - 1px)">word',
    '<p style="font:0/0 a">word',
    '<p style="font:bold 1px Arial">word',
    '<div style="font-size:0"><p style="font-size:2em">word',
    '<div style="font-size:0"><b><i>word',
    '<div style="font-size:0"><p style="font-size:inherit">word',
  ],
  'no colour': [
    '<p style="color:rgba(0,0,0,0)">word',
    '<p style="color:#ffffff00">word',
    '<p style="color:#fff0">word',
    '<p style="color:rgb(0 0 0 / 2%)">word',
    '<p style="color:transparent">word',
    '<div style="color:transparent"><p>word',
  ],
  'the colour of the background': [
    '<p style="color:hsl(0, 0%, 100%)">word',
    '<p style="color:hsla(0 0% 99% / 1)">word',
    '<p style="color:rgb(100%,100%,100%)">word',
    '<p style="color:rgb(250 250 250)">word',
    '<p style="color:ghostwhite">word',
    '<p style="color:fffffe">word',
    '<p style="COLOR:#FFFFFF !important">word',
    '<body bgcolor=midnightblue><font color="#191970">word',
    '<td bgcolor=ffffff><font color=ffffff>word',
    '<td bgcolor=#000><p style="color:#010101">word',
    '<div style="background:white"><p style="color:#fefefe">word',
    '<p style="background:url(x.png)"><b style="background:white;color:white">word',
    '<div style="background:rgba(0,0,0,.01)"><p style="color:white">word',
    '<p style="background-image:url(x);background-image:none;color:white">word',
    '<body text=white>word',
    '<body link=white><a href="http://x.example">word</a>',
  ],
  'away from the page': [
    '<p style="position:absolute;left:-99em">word',
    '<p style="position:absolute;top:-9999px">word',
    '<p style="position:fixed;right:-9999px">word',
    '<p style="position:relative;left:-400pt">word',
    '<p style="position:absolute;left:-100%">word',
    '<p style="position:absolute;left:-50rem">word',
    '<p style="margin-top:-9999px">word',
    '<p style="margin:-9999px 0 0 0">word',
    '<p style="margin:0 0 0 -999em">word',
    '<p style="text-indent:-9999px">word',
    '<p style="text-indent:9999px">word',
    '<div style="position:absolute;left:-300px"><div style="margin-left:-300px">word',
    '<p style="transform:translateX(-9999px)">word',
  ],
  'nothing left of it': [
    '<p style="transform:scale(0)">word',
    '<p style="-webkit-transform:scale(.01, 1)">word',
    '<p style="scale:0">word',
    '<p style="opacity:0%">word',
    '<p style="opacity:.01">word',
    '<div style="opacity:.3"><div style="opacity:.3">word',
    '<div style="opacity:0"><p style="opacity:1">word',
    '<p style="clip-path:circle(0)">word',
    '<p style="clip-path:circle(0 at 50% 50%)">word',
    '<p style="clip-path:inset(100%)">word',
    '<p style="clip-path:inset(50%)">word',
    '<p style="clip-path:polygon(0 0, 0 0, 0 0)">word',
    '<p style="position:absolute;clip:rect(0 0 0 0)">word',
    '<p style="position:absolute;clip:rect(1px, 1px, 1px, 1px)">word',
  ],
  'a box without size that clips': [
    '<div style="width:1px;height:1px;overflow:hidden">word',
    '<div style="max-height:0;overflow:hidden">word',
    '<div style="overflow:hidden;height:0"><p style="font-size:20px">word',
    '<span style="display:inline-block;width:0;overflow:hidden">word',
    '<span style="position:absolute;height:0;overflow:hidden">word',
    '<span style="float:left;max-width:0px;overflow:hidden">word',
    '<td style="display:block;height:0;overflow:hidden">word',
  ],
  'not there at all': [
    '<div hidden>word',
    '<p style="display:none">word',
    '<p style="display:none"><b style="display:block">word',
    '<p style="d\\69splay:none">word',
    '<p style="display:\\6eone">word',
    '<p style="dis/* x */play:/**/none">word',
    '<p style="display:n/* ; */one">word',
    '<p style="display:/* x */none">word',
    '<p style="color:red;;DISPLAY : NONE ! important;">word',
    '<p style="background:url(data:image/png;base64,xx);display:none">word',
    '<p style="visibility:hidden">word',
    '<p style="visibility:collapse">word',
    '<p style="mso-hide:all">word',
    '<p style="MSO-HIDE:ALL !important">word',
    '<p style="content-visibility:hidden">word',
    '<svg><text>word</text></svg>',
    '<style>word</style>',
    '<select><option>word</select>',
  ],
};

for (const [name, pages] of Object.entries(shown))
  for (const page of pages)
    test(`seen, for it has ${name}: ${page}`, () => assert.match(seen(page), /word$/));

for (const [name, pages] of Object.entries(hidden))
  for (const page of pages) test(`not seen, for it has ${name}: ${page}`, () => assert.equal(seen(page), ''));

test('links and pictures lead somewhere when there is something to see of them', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['<td style="font-size:0"><a href=a><img src=b></a>', ['a', 'b']],
    ['<td style="font-size:0"><a href=a><b style="font-size:12px">x</b></a>', ['a']],
    ['<td style="font-size:0"><a href=a>x</a><img src=b>', ['b']],
    ['<p style="color:white"><a href=a style="color:inherit">x</a><a href=b>x</a>', ['b']],
    ['<p style="display:none"><a href=a>x<img src=b></a>', []],
    ['<p style="opacity:0"><a href=a>x<img src=b></a>', []],
    ['<p style="visibility:hidden"><a href=a>x<img src=b></a>', []],
    ['<form action=a><input type=hidden name=b></form><map><area href=c></map>', ['a', 'c']],
  ];
  for (const [page, expected] of cases) assert.deepEqual(targets(page), expected, page);
});

test('a hidden field is no part of the structure', () => {
  assert.deepEqual(readPage('<input type=hidden><input type=HIDDEN><input type=text>').structure, ['input']);
});

test('what takes no place divides no word, and what is a block does', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['w<p style="display:none">x</p>ord', 'word'],
    ['w<div style="display:inline">or</div>d', 'word'],
    ['w<span style="font-size:0">x</span>ord', 'word'],
    ['one<span style="display:block">two</span>three', 'one two three'],
    ['one<p style="font-size:0">x</p>two', 'one two'],
    ['<td style="font-size:0"><div style="font-size:9px">one</div><div style="font-size:9px">two', 'one two'],
  ];
  for (const [page, expected] of cases) assert.equal(seen(page), expected, page);
});

test('where too many elements are open, what is around decides, and end tags still fit', () => {
  const deep = (tag: string, count: number) => `<${tag}>`.repeat(count);
  const ended = (tag: string, count: number) => `</${tag}>`.repeat(count);
  const cases: readonly (readonly [string, string])[] = [
    [`<div hidden>${deep('b', 400)}noise${ended('b', 400)}</div>word`, 'word'],
    [`${deep('div', 400)}one${ended('div', 400)}<p hidden>noise</p>word`, 'one word'],
    [`<div hidden>${deep('div', 400)}noise${ended('div', 401)}word`, 'word'],
    [`${deep('b', 300)}<style>noise{}</style><script>noise</script>word`, 'word'],
    [`${deep('b', 300)}<i>wo<u>r</u></i>d`, 'word'],
    [`<i hidden>${deep('b', 300)}<i>noise</i>noise</b>noise${ended('b', 299)}</i>word`, 'word'],
  ];
  for (const [page, expected] of cases) assert.equal(seen(page), expected, page.slice(0, 30));
});

const most = 1_000_000;
const rows = (count: number, row: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => row(n))
    .join('')
    .slice(0, most);

/** Pages of at most 1 MB that try to keep the reader busy. */
const busy: Readonly<Record<string, string>> = {
  'open elements and paragraphs': `${'<div>'.repeat(990)}${'<p>'.repeat(100_000)}`,
  'open elements and paragraphs of text': `${'<div>'.repeat(990)}${'<p>x'.repeat(100_000)}`,
  'open elements and end tags of others': `${'<div>'.repeat(250)}${'</b>'.repeat(200_000)}`,
  ...Object.fromEntries(
    ['<b>', '<p>', '<td>', '<div>', '<b></b>', '</p>', '<form>', '<svg>'].map((tag) => [
      `a page of ${tag}`,
      tag.repeat(200_000).slice(0, most),
    ]),
  ),
  'rules that hide': `<style>${rows(100_000, (n) => `.a${n}{display:none}`)}</style>`,
  'rules that say nothing': `<style>${rows(100_000, (n) => `.a${n}{x:y}`)}</style>`,
  'rules that all mean all': `<style>${'*{color:red}'.repeat(2000)}</style>${'<p>x'.repeat(100_000)}`,
  'rules that ask for what is around': `<style>${'div div div div div div div.x p{color:red}'.repeat(2000)}</style>${'<div>'.repeat(250)}${'<p>x'.repeat(100_000)}`,
  'rules that step back': `<style>${'.x > div div > div div > div div > p{color:red}'.repeat(1000)}</style>${'<div>'.repeat(250)}${'<p>x'.repeat(100_000)}`,
  'a long class and rules': `<style>${'.x b{color:red}'.repeat(2000)}</style><p class="${'xx '.repeat(200_000)}">${'<b>x</b>'.repeat(10_000)}`,
  'attributes on one tag': `<p ${rows(100_000, (n) => `a${n}=1 `)}>x`,
  'classes on one tag': `<style>.a{color:red}</style><p class="${rows(100_000, (n) => `a${n} `)}">x`,
  'styles that all differ': rows(100_000, (n) => `<p style="color:#${n}">`),
  'a style that goes on': `<p style="${rows(100_000, (n) => `top:${n};`)}">x`,
  'colours that all differ': rows(100_000, (n) => `<font color=${n}>x`),
  'backgrounds that all differ': rows(100_000, (n) => `<td bgcolor=#${n}>x`),
  links: rows(100_000, (n) => `<a href=x${n}>`),
  entities: '&amp;'.repeat(200_000),
  'entities in a style': `<p style="${'&quot;'.repeat(150_000)}">x`,
  ...Object.fromEntries(
    [
      '(',
      '"',
      "'",
      '{',
      '}',
      '\\',
      '/*',
      '[',
      '[a="',
      '@media ',
      '@media{',
      'a,',
      'a>',
      'p{a:',
      'url(',
    ].flatMap((text) => [
      [`a sheet of ${text}`, `<style>${text.repeat(most / text.length)}</style><p>x`],
      [`a style of ${text}`, `<p style='${text.replaceAll("'", '&#39;').repeat(most / 20)}'>x`],
    ]),
  ),
  ...Object.fromEntries(
    [
      'color:',
      'background:',
      'font:',
      'transform:',
      'clip-path:',
      'width:',
      'margin:',
      'font-size:calc(',
    ].flatMap((name) =>
      [' ', '(', '1', ' 1', ',1', 'a', '-', ')', 'scale(', 'e+1'].map((text) => [
        `${name} and ${JSON.stringify(text)}`,
        `<p style="${name}${text.repeat(200_000)}">x`,
      ]),
    ),
  ),
};

/** None of these takes 200 ms by itself; time that grows with the square of the length takes seconds. */
const maxMs = 1000;

for (const [name, page] of Object.entries(busy))
  test(`read in time that grows with its length: ${name}`, () => {
    const begun = threadMs();
    readPage(page);
    const ms = threadMs() - begun;
    assert.ok(ms < maxMs, `${Math.round(ms)} ms`);
  });

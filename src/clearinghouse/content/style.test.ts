import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageBounds, readPage } from './html.ts';
import { sheetBounds } from './style.ts';

const isSeen = (sheet: string, body: string) =>
  readPage(`<html><head><style>${sheet}</style></head><body>${body}</body></html>`).text.includes('word');

const none = '{display:none}';

/** Selectors that match the element with the word. */
const meant: readonly (readonly [selector: string, body: string])[] = [
  ['p', '<p>word'],
  ['P', '<p>word'],
  ['*', '<p>word'],
  ['.x', '<p class="a x b">word'],
  ['#y', '<p id=y>word'],
  ['p.x.y', '<p class="y x">word'],
  ['p#y.x', '<p id=y class=x>word'],
  ['[title]', '<p title>word'],
  ['p[title="a b"]', '<p title="a b">word'],
  ["p[title='a']", '<p title=a>word'],
  ['p[title=a]', '<p title=a>word'],
  ['[class~=x]', '<p class="a x">word'],
  ['[class*=ide]', '<p class=hidemyass>word'],
  ['[class^=hid]', '<p class=hidemyass>word'],
  ['[class$=ass]', '<p class=hidemyass>word'],
  ['[lang|=en]', '<p lang=en-US>word'],
  ['div p', '<div><b><p>word'],
  ['div > p', '<div><p>word'],
  ['div>p', '<div><p>word'],
  ['.x .b', '<div class=x><i><b class=b>word'],
  ['div div > p', '<div><div><p>word'],
  ['body > div p b', '<div><i><p><b>word'],
  ['a > b > p', '<a><b><i><a><b><p>word'],
  [':root p', '<p>word'],
  ['h1, p', '<p>word'],
  ['h1:hover,p', '<p>word'],
  ['h1,\n\tp', '<p>word'],
  ['.\\78', '<p class=x>word'],
  ['.é', '<p class="é">word'],
];

/** Selectors that mean something else. */
const others: readonly (readonly [selector: string, body: string])[] = [
  ['.x .b', '<b class=b>word'],
  ['div p', '<p>word'],
  ['div > p', '<div><b><p>word'],
  ['.x > .y', '<p class="x y">word'],
  ['p.x.y', '<p class=x>word'],
  ['h1.x', '<p class=x>word'],
  ['#y', '<p class=y>word'],
  ['#x#y', '<p id=y>word'],
  ['.x', '<p class="xx x-y">word'],
  ['[title]', '<p>word'],
  ['[title=b]', '<p title=a>word'],
  ['[constructor]', '<p>word'],
  ['[constructor^=f]', '<p>word'],
  ['p:hover', '<p>word'],
  ['p:not(.x)', '<p>word'],
  ['p::before', '<p>word'],
  ['h1 + p', '<h1></h1><p>word'],
  ['h1 ~ p', '<h1></h1><p>word'],
  ['p >', '<p>word'],
  ['> p', '<p>word'],
  ['p..x', '<p class=x>word'],
  [':root', '<p>word'],
  [':rooted', '<p>word'],
  ['', '<p>word'],
  [`${'div '.repeat(20)}p`, `${'<div>'.repeat(20)}<p>word`],
];

for (const [selector, body] of meant)
  test(`${selector} means the word in ${body}`, () => assert.equal(isSeen(selector + none, body), false));
for (const [selector, body] of others)
  test(`${selector} does not mean the word in ${body}`, () =>
    assert.equal(isSeen(selector + none, body), true));

const cascades: readonly (readonly [why: string, sheet: string, body: string, isSeen: boolean])[] = [
  ['the later rule wins', '.x{display:none} .x{display:block}', '<p class=x>word', true],
  ['a class is above a type', '.x{display:block} p{display:none}', '<p class=x>word', true],
  ['an id is above classes', '#y{display:none} p.x.z.a{display:block}', '<p id=y class="x z a">word', false],
  ['more of the same is above less', 'div p{display:none} p{display:block}', '<div><p>word', false],
  ['an own style is above the sheet', '#y{display:none}', '<p id=y style="display:block">word', true],
  [
    'what is important is above an own style',
    'p{display:none!important}',
    '<p style="display:block">word',
    false,
  ],
  [
    'an own style that is important is above all',
    'p{display:none!important}',
    '<p style="display:block ! important">word',
    true,
  ],
  [
    'what is important is above what is special',
    'p{display:none!important}#y{display:block}',
    '<p id=y>word',
    false,
  ],
  [
    'a rule is above an attribute',
    'td{background:#000}',
    '<table><tr><td bgcolor=white><font color=white>word',
    true,
  ],
  ['properties come from several rules', '.x{overflow:hidden} div{height:0}', '<div class=x>word', false],
  ['a child has a size of its own', 'td{font-size:0} .t{font-size:13px}', '<td><p class=t>word', true],
  ['a colour is inherited', '.x{color:#fff}', '<div class=x><p><b>word', false],
];

for (const [why, sheet, body, expected] of cascades)
  test(`${why}: ${sheet} and ${body}`, () => assert.equal(isSeen(sheet, body), expected));

const sheets: readonly (readonly [sheet: string, counts: boolean])[] = [
  ['@media print{p{display:none}}', false],
  ['@media only screen and (max-width:480px){p{display:none}}', false],
  ['@media (max-width: 600px) { .y{color:red} p{display:none} }', false],
  ['@media (prefers-color-scheme:dark){p{display:none}}', false],
  ['@media not screen{p{display:none}}', false],
  ['@media speech, print{p{display:none}}', false],
  ['@media print{.a{color:red}} p{display:none}', true],
  ['@media screen{p{display:none}}', true],
  ['@media all{p{display:none}}', true],
  ['@media{p{display:none}}', true],
  ['@MEDIA only Screen{p{display:none}}', true],
  ['@media print, screen{p{display:none}}', true],
  ['@media only screen and (min-width:480px){p{display:none}}', true],
  ['@media screen{@media all{p{display:none}}}', true],
  ['@media screen{@media print{p{display:none}}}', false],
  ['@import url("x.css"); p{display:none}', true],
  ['@charset "utf-8";p{display:none}', true],
  ['@font-face{font-family:x} p{display:none}', true],
  ['@keyframes x{from{opacity:0}} p{color:red}', false],
  ['<!-- p{display:none} -->', true],
  ['/* x{ */ p{display:none}', true],
  ['p/* } */{d\\69splay:none}', true],
  ['a{content:"}"} p{display:none}', true],
  ['a{content:"{"} p{display:none', true],
  ['p{color:red;display:none', true],
];

for (const [sheet, counts] of sheets)
  test(`${counts ? 'counts' : 'does not count'}: ${sheet}`, () =>
    assert.equal(isSeen(sheet, '<p>word'), !counts));

test('a sheet for print or of another language does not count', () => {
  for (const attributes of ['media=print', 'media="(max-width:400px)"', 'type="text/x-template"'])
    assert.equal(readPage(`<style ${attributes}>p{display:none}</style><p>word`).text, 'word\n', attributes);
  assert.equal(readPage('<style type="text/css" media=screen>p{display:none}</style><p>word').text, '');
});

test('of a page so many rules are read and no more', () => {
  const filler = (count: number) => '.a{color:red}'.repeat(count);
  assert.equal(isSeen(`${filler(sheetBounds.rules - 1)}p${none}`, '<p>word'), false);
  assert.equal(isSeen(`${filler(sheetBounds.rules)}p${none}`, '<p>word'), true);
  assert.equal(isSeen(`${'.a,'.repeat(sheetBounds.rules)}p${none}`, '<p>word'), true);
});

test('when the comparisons are used up no rule means anything', () => {
  const sheet = `p${none}${'i b{color:red}'.repeat(1900)}`;
  const filler = '<b></b>'.repeat(sheetBounds.comparisons / 1900 + 1);
  assert.equal(isSeen(sheet, '<b></b><p>word'), false);
  assert.equal(isSeen(sheet, `${filler}<p>word`), true);
});

test('when so many styles were read no further ones say anything', () => {
  const styles = Array.from({ length: sheetBounds.styles / 50 }, (_, n) => `<b style="top:${n}">`).join(
    '</b>',
  );
  assert.equal(isSeen('', `${styles}<p style="display:none;top:-1px">word`), true);
});

test('a sheet holds for what stands before it', () => {
  const late = `<p class=x>word</p><p class=y style="display:none">more</p><style>.x${none}.y{display:block!important}</style>`;
  assert.equal(readPage(late).text, 'more\n');
  assert.equal(readPage(`<body>word<style>body${none}</style>`).text, '');
  const early = `<style>p${none}</style><p>word</p><style>p{display:block}</style>`;
  assert.equal(readPage(early).text, 'word\n');
  assert.equal(readPage(`<div hidden><style>.x${none}</style></div><p class=x>word</p>`).text, '');
  assert.deepEqual(readPage(`<a href=x class=x>word</a><style>.x${none}</style>`).links, []);
  assert.equal(readPage(`${late}<!--${'x'.repeat(pageBounds.again)}-->`).text, 'word\n');
});

test('a newsletter as MJML writes it is seen, but for its preheader', () => {
  const { text, links } =
    readPage(`<!doctype html><html><head><title>x</title><!--[if mso]><style>p{display:none}</style><![endif]-->
    <style type="text/css">#outlook a{padding:0}body{margin:0}table,td{border-collapse:collapse}p{display:block;margin:13px 0}</style>
    <style type="text/css">@media only screen and (min-width:480px){.mj-column-per-100{width:100%!important;max-width:100%}}</style>
    <style type="text/css">@media only screen and (max-width:479px){td.full,p{display:none!important}}</style></head>
    <body style="word-spacing:normal;background-color:#222">
    <div style="display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0px;max-width:0px;opacity:0;overflow:hidden">before</div>
    <div style="background-color:#222"><!--[if mso | IE]><table><tr><td>outlook<![endif]-->
    <div style="margin:0px auto;max-width:600px"><table style="width:100%"><tbody><tr>
    <td class="full" style="direction:ltr;font-size:0px;padding:20px 0;text-align:center">
    <div class="mj-column-per-100" style="font-size:0px;text-align:left;display:inline-block;width:100%">
    <table width="100%"><tbody><tr><td align="left" style="font-size:0px;padding:10px 25px;word-break:break-word">
    <div style="font-family:Arial;font-size:20px;line-height:1;color:#F45E43"><p>word</p></div></td></tr>
    <tr><td style="font-size:0px"><a href="https://x.example/"><img src="https://x.example/a.png" style="font-size:13px"></a>
    </td></tr></tbody></table></div></td></tr></tbody></table></div></div></body></html>`);
  assert.equal(text.trim(), 'word');
  assert.deepEqual(
    links.map(({ target }) => target),
    ['https://x.example/', 'https://x.example/a.png'],
  );
});

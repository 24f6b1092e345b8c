import assert from 'node:assert/strict';
import { test } from 'node:test';
import { threadMs } from '../../base/testing.ts';
import { bodyWith, parseDccRequest } from './dccifd.ts';
import { parseFuzzyCommand } from './fuzzy-wire.ts';
import { parseRequest } from './pyzor.ts';
import { wholeMessage } from './razor-message.ts';
import { parseBatch, parseSis } from './razor-wire.ts';

/** Far more than any of these takes, and far less than time that grows with the square of the length. */
const maxMs = 200;
const octets = 400_000;

/** Beginnings whose end a parser might search for again and again. */
const repeated = [
  '\r',
  '\n',
  '\r\n',
  '\r\n.',
  '&',
  '%',
  '%4',
  '%41',
  '=',
  '=?',
  '&a=?',
  ',',
  ' ',
  '\t',
  ': ',
  '-',
  'a=c&',
  '\n\n',
  '\n ',
  '\rX-DCC-',
  'X-DCC-a-Metrics:',
  '\nX-DCC-a-Metrics:\n ',
  '-Metrics:',
  '\rcontent-type:',
  '\ncontent-type: ',
  '\r\nX-Razor2-Agent:',
];

const batches: readonly ((text: string) => string)[] = [
  (text) => `a=c${text}x`,
  (text) => `a=c${text}x\r\n.\r\n`,
  (text) => `a=?${text}&b=?\r\n${'1,2,3\r\n'.repeat(50_000)}.\r\n`,
  (text) => `a=?\r\n${text}x\r\n.\r\n`,
];
const messages: readonly ((text: string) => string)[] = [
  (text) => `${text}x`,
  (text) => `X-DCC-a${text}x`,
  (text) => `Content-Type: multipart/mixed${text}x\r\nX-Razor2-Agent: x\n\nx`,
  (text) => `Subject: x${text}\r\nX-Razor2-Agent:${text}x`,
];
const requests: readonly ((text: string) => string)[] = [
  (text) => `header\n\n\n\na@b${text}x\n\nx`,
  (text) => `header${text}x\n192.0.2.1${text}x\n\n\n\nx`,
];

/** Each reader, with the frames around the repeated text. */
const readers: Readonly<
  Record<string, readonly [(text: string) => unknown, readonly ((text: string) => string)[]]>
> = {
  'a line of Razor': [parseSis, batches],
  'a batch of Razor': [(text) => parseBatch(text, 50), batches],
  'a report of Razor': [(text) => wholeMessage(Buffer.from(text, 'latin1')), messages],
  'a request of dccifd': [(text) => parseDccRequest(Buffer.from(text, 'latin1')), requests],
  'a message that dccifd gives back': [(text) => bodyWith(Buffer.from(text, 'latin1'), 'X: y'), messages],
  'a datagram of Pyzor': [
    (text) => parseRequest(Buffer.from(text.slice(0, 8192))),
    [(text) => `Op: check\nThread: 1\n${text}`],
  ],
  'a datagram of rspamd': [(text) => parseFuzzyCommand(Buffer.from(text)), [(text) => text]],
};

for (const [name, [read, frames]] of Object.entries(readers))
  test(`${name} is read in time that grows with its length`, () => {
    for (const piece of repeated)
      for (const [at, frame] of frames.entries()) {
        const text = frame(piece.repeat(Math.ceil(octets / piece.length)));
        const begun = threadMs();
        read(text);
        const ms = threadMs() - begun;
        assert.ok(ms < maxMs, `${JSON.stringify(piece)} in frame ${at}: ${Math.round(ms)} ms`);
      }
  });

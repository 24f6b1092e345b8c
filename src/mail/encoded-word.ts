/** Decodes encoded words (RFC 2047), and text without a declared charset. */
import { isUtf8 } from 'node:buffer';

/** The charsets beside UTF-8 that readers guess for undeclared text. */
const guesses = ['windows-1252', 'gb18030', 'big5', 'shift_jis', 'euc-jp', 'euc-kr'];

/** The possible readings of octets: UTF-8 if they are valid, else a text for each usual guess. */
export function readings(octets: Buffer): string[] {
  if (isUtf8(octets)) return [octets.toString('utf8')];
  return guesses.map((charset) => new TextDecoder(charset).decode(octets));
}

/**
 * Decodes encoded words as lenient readers do (RFC 2047): in quotes too, with blanks inside, and twice. `undefined`
 * for a charset that we cannot read, but another reader may.
 */
export function decodeWords(text: string): string | undefined {
  let decoded = text;
  for (let round = 0; round < 3 && decoded.includes('=?'); round++) {
    let isReadable = true;
    decoded = decoded.replace(/(\?=)\s+(?==\?)/g, '$1').replace(runOfWords, (run) => {
      const result = decodeRun(run);
      isReadable &&= result !== undefined;
      return result ?? '';
    });
    if (!isReadable) return undefined;
  }
  return decoded;
}

const runOfWords = /(?:=\?[^?\s]+\?[bq]\?[^?]*\?=)+/gi;

/** Neighbours in one charset are one text: a character may begin in one and end in the next. */
function decodeRun(run: string): string | undefined {
  const texts: { charset: string; octets: Buffer }[] = [];
  for (const [, charset = '', encoding, word = ''] of run.matchAll(
    /=\?([^?\s*]+)[^?\s]*\?([bq])\?([^?]*)\?=/gi,
  )) {
    const octets = encoding?.toLowerCase() === 'b' ? Buffer.from(word, 'base64') : unquoted(word);
    const last = texts.at(-1);
    if (last?.charset === charset.toLowerCase()) last.octets = Buffer.concat([last.octets, octets]);
    else texts.push({ charset: charset.toLowerCase(), octets });
  }
  const decoded = texts.map(({ charset, octets }) => decodeAs(octets, charset));
  return decoded.includes(undefined) ? undefined : decoded.join('');
}

/**
 * Charsets without a decoder here, in which ASCII is ASCII: DOS code pages, and the names that Alpine and mutt give to
 * unknown octets.
 */
const likeAscii = /^(?:x-unknown|unknown-8bit|(?:cp|ibm)-?(?:437|737|775|85[0258]|86[0-9]))$/;

function decodeAs(octets: Buffer, charset: string): string | undefined {
  try {
    const known = likeAscii.test(charset) ? 'windows-1252' : charset === 'cp932' ? 'shift_jis' : charset;
    return new TextDecoder(known, { ignoreBOM: true }).decode(octets);
  } catch {
    return undefined;
  }
}

/** The Q encoding (RFC 2047 §4.2). */
function unquoted(word: string): Buffer {
  const octets = word
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, 'latin1');
}

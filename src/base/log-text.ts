/**
 * Octets that could do harm where a log is read: control characters (C0, DEL, C1), which move a terminal's
 * cursor or end a line; format characters (bidi controls, zero-width, tags), which make text look like other
 * text; line and paragraph separators; unpaired surrogates; and what Unicode has not assigned.
 */
const harmful = /[\p{C}\p{Zl}\p{Zp}]/gu;
const maybeHarmful = /[^\x20-\x7e]/;
const harmfulAboveAscii = /[\x7f-\x9f\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]/gu;
const aboveAscii = /[\x7f-\uffff]/;

/** Writes each UTF-16 unit of `text` as JSON does: `\u001b`, `\ud83d\ude00`. */
function jsonEscape(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) out += `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`;
  return out;
}

/** Makes text of a peer fit for one line of a log or a terminal; harmless text is returned as it is. */
export function harmlessText(text: string): string {
  return maybeHarmful.test(text) ? text.replace(harmful, jsonEscape) : text;
}

/** The same for text of several lines that a command prints: the ends of its lines stay. */
export function harmlessLines(text: string): string {
  return maybeHarmful.test(text) ? text.replace(/\r?\n|[\p{C}\p{Zl}\p{Zp}]/gu, keepLineEnd) : text;
}

function keepLineEnd(found: string): string {
  return found.endsWith('\n') ? found : jsonEscape(found);
}

/**
 * Does the same to a finished line of JSON. Every character above ASCII in it stands inside a string, where
 * its escape means the same, and JSON itself has escaped those below; the end of the line stays.
 */
export function harmlessJson(line: string): string {
  return aboveAscii.test(line) ? line.replace(harmfulAboveAscii, jsonEscape) : line;
}

/** A field's value as harmless text: strings are themselves, the rest is JSON; `undefined` and `null` are empty. */
export function fieldText(value: unknown): string {
  return harmlessText(plainText(value));
}

function plainText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  return typeof value === 'object' ? jsonText(value) : String(value);
}

/** A log must not throw: what JSON cannot print is named instead. */
function jsonText(value: object): string {
  try {
    return JSON.stringify(value);
  } catch {
    return '[unprintable]';
  }
}

/**
 * `key=value`. A value that could be read as more than one word, or as escaped when it is not, is a string of JSON: in
 * quotes, with quotes and backslashes escaped, and what is harmful as `\u001b`.
 */
export function keyValue(key: string, value: unknown): string {
  const text = plainText(value);
  const isWord = text !== '' && !/[\s"'`=\\]/.test(text) && harmlessText(text) === text;
  return `${key.replace(/[^\w.-]/g, '_')}=${isWord ? text : quote(text)}`;
}

function quote(text: string): string {
  return `"${harmlessText(text.replace(/["\\]/g, '\\$&'))}"`;
}

/** `smtp://user:…@host` for a URL that has a password; any other text as it is. What is shown may be nobody's secret. */
export function withoutPassword(text: string): string {
  return text.replace(/(\/\/[^\s/:]*):.*@/s, '$1:…@');
}

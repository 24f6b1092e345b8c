/** Makes text and values harmless where a log is read: in a line, in JSON, on a terminal. */

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

/** Every key so far as it stands in a line: they are words of this program, and few. */
const keys = new Map<string, string>();
const isPlainKey = /^\w+$/;
/** Text that stands in JSON as it is. */
const isPlain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A key in a line of JSON, with the signs around it: `,"key":`. */
export function jsonKey(key: string): string {
  let text = keys.get(key);
  if (text !== undefined) return text;
  text = `,${jsonString(key)}:`;
  if (isPlainKey.test(key) && keys.size < 1000) keys.set(key, text);
  return text;
}

/** A value in a line of JSON, harmless in a terminal too; an error is its name and message. */
export function jsonValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return jsonString(value);
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null';
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return value instanceof Error ? jsonString(plainText(value)) : harmlessJson(jsonText(value));
    default:
      return jsonString(String(value));
  }
}

function jsonString(text: string): string {
  return isPlain.test(text) ? `"${text}"` : harmlessJson(JSON.stringify(text));
}

/**
 * Does what `harmlessText` does to finished JSON. Every character above ASCII stands inside a string there, where its
 * escape means the same, and JSON itself has escaped those below.
 */
export function harmlessJson(json: string): string {
  return aboveAscii.test(json) ? json.replace(harmfulAboveAscii, jsonEscape) : json;
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
    return JSON.stringify(value) ?? '"[unprintable]"';
  } catch {
    return '"[unprintable]"';
  }
}

/**
 * `key=value`. A value that could be read as more than one word, or as escaped when it is not, is a string of JSON: in
 * quotes, with quotes and backslashes escaped, and harmful characters as `\u001b`.
 */
export function keyValue(key: string, value: unknown): string {
  const text = plainText(value);
  const isWord = text !== '' && !/[\s"'`=\\]/.test(text) && harmlessText(text) === text;
  return `${key.replace(/[^\w.-]/g, '_')}=${isWord ? text : quote(text)}`;
}

function quote(text: string): string {
  return `"${harmlessText(text.replace(/["\\]/g, '\\$&'))}"`;
}

/**
 * `smtp://user:…@host` for a URL that has a password; any other text as it is. A configured secret must not be shown.
 */
export function withoutPassword(text: string): string {
  return text.replace(/(\/\/[^\s/:]*):.*@/s, '$1:…@');
}

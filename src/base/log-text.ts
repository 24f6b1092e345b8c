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

/**
 * Does the same to a finished line of JSON. Every character above ASCII in it stands inside a string, where
 * its escape means the same, and JSON itself has escaped those below; the end of the line stays.
 */
export function harmlessJson(line: string): string {
  return aboveAscii.test(line) ? line.replace(harmfulAboveAscii, jsonEscape) : line;
}

/** A field's value as text: strings are themselves, the rest is JSON; `undefined` and `null` are empty. */
export function fieldText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return harmlessText(value);
  if (value instanceof Error) return harmlessText(`${value.name}: ${value.message}`);
  return harmlessText(typeof value === 'object' ? jsonText(value) : String(value));
}

/** A log must not throw: what JSON cannot print is named instead. */
function jsonText(value: object): string {
  try {
    return JSON.stringify(value);
  } catch {
    return '[unprintable]';
  }
}

/** `key=value`, quoted where a space, a quote or an equals sign would make it read as several fields. */
export function keyValue(key: string, value: unknown): string {
  const text = fieldText(value);
  return /[\s"=]/.test(text) || text === '' ? `${key}=${quote(text)}` : `${key}=${text}`;
}

function quote(text: string): string {
  return `"${text.replace(/"/g, '\\"')}"`;
}

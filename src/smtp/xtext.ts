/** The encodings of addresses in DSN parameters: xtext, and its forms for UTF-8. */

/** Decodes xtext (RFC 3461 §4): `+2B` is `+`. `undefined` when it is none. One character per octet. */
export function decodeXtext(text: string): string | undefined {
  if (!/^(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})*$/.test(text)) return undefined;
  if (!text.includes('+')) return text;
  return text.replace(/\+(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Encodes text of one character per octet as xtext. Throws `RangeError` for a character above 255. */
export function encodeXtext(text: string): string {
  return text.replace(/[^!-*,-<>-~]/g, (char) => {
    const code = char.charCodeAt(0);
    if (code > 255) throw new RangeError(`xtext has no form for the character ${code}`);
    return `+${code.toString(16).toUpperCase().padStart(2, '0')}`;
  });
}

/**
 * Decodes utf-8-addr-xtext and utf-8-addr-unitext (RFC 6533 §3): `\x{FC}` is `ü`. `undefined` when it is
 * neither, or stands for a control character or half of a surrogate pair.
 */
export function decodeUtf8Xtext(text: string): string | undefined {
  if (!/^(?:[!-*,-<>-[\]-~\u00a0-\u{10ffff}]|\\x\{[0-9A-Fa-f]{2,6}\})+$/u.test(text)) return undefined;
  let isValid = true;
  const decoded = text.replace(/\\x\{([0-9A-Fa-f]+)\}/g, (_, hex: string) => {
    const point = Number.parseInt(hex, 16);
    if (point > 0x10ffff) isValid = false;
    return point > 0x10ffff ? '' : String.fromCodePoint(point);
  });
  return isValid && decoded.isWellFormed() && !/[\p{Cc}\u2028\u2029]/u.test(decoded) ? decoded : undefined;
}

/** Encodes an address in the form that needs no SMTPUTF8 on the way. */
export function encodeUtf8Xtext(text: string): string {
  return text.replace(
    /[^!-*,-<>-[\]-~]/gu,
    (char) => `\\x{${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0')}}`,
  );
}

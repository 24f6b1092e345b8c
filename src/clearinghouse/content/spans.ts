/**
 * Cuts marked spans out of a text, and trims its end. Regular expressions would do the same, but in time that grows with
 * the square of the length for a text of many beginnings without an end.
 */

/** Leaves out each span between two marks, and the marks; a beginning without an end stays. */
export function withoutSpans(text: string, open: string, close: string): string {
  let kept = '';
  let from = 0;
  for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, from)) {
    const end = text.indexOf(close, at + open.length);
    if (end < 0) break;
    kept += text.slice(from, at);
    from = end + close.length;
  }
  return kept + text.slice(from);
}

/** The texts outside of tags (`<` to the next `>`), in order. */
export function outsideTags(text: string): string[] {
  const found: string[] = [];
  let from = 0;
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', from)) {
    const end = text.indexOf('>', at);
    if (end < 0) break;
    found.push(text.slice(from, at));
    from = end + 1;
  }
  found.push(text.slice(from));
  return found;
}

/** Without these characters at the end. */
export function trimmedEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/**
 * The same text by itself. A string that was cut out of another one keeps all of that in memory, so nothing that is kept
 * for longer than its message may be such a part.
 */
export function detached(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le');
}

/** Makes text fit for a notification: visible characters, bounded, in short lines. */

/** The number of characters of a peer's text that are worth repeating. */
const maxPeerText = 1000;

/**
 * Replaces characters that must not stand in a notification. Without `unicode` everything but printable ASCII becomes
 * `?`; with it, control and formatting characters do (they turn the direction of the text or hide a part).
 */
export function visible(text: string, options: { readonly unicode: boolean }): string {
  return options.unicode
    ? text.toWellFormed().replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]|\ufffd/gu, '?')
    : text.replace(/[\ud800-\udbff][\udc00-\udfff]|[^\x20-\x7e]/g, '?');
}

/** Makes a peer's text fit to be repeated: visible, one line, bounded. */
export function peerText(text: string, options: { readonly unicode: boolean }): string {
  // Cutting first bounds the work for any text of a peer.
  const line = visible(
    text
      .slice(0, maxPeerText * 2)
      .replace(/\s+/g, ' ')
      .trim(),
    options,
  );
  return line.length <= maxPeerText ? line : `${line.slice(0, maxPeerText - 3).toWellFormed()}...`;
}

/** Breaks text at spaces into lines of at most `width` characters; a longer word is broken where it must. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').flatMap((long) => long.match(/.{1,60}/gsu) ?? [])) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}

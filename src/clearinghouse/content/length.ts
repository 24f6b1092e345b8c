/** Reads lengths and font sizes of CSS as pixels. */

/** How many pixels the units of CSS have, of a page of 600 pixels and letters of 16. */
const units: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['px', 1],
  ['pt', 4 / 3],
  ['pc', 16],
  ['in', 96],
  ['cm', 37.8],
  ['mm', 3.78],
  ['q', 0.945],
  ['em', 16],
  ['rem', 16],
  ['ex', 8],
  ['ch', 8],
  ['%', 6],
  ['vw', 6],
  ['vh', 6],
  ['vmin', 6],
  ['vmax', 6],
]);
/** Units relative to the font size, in ems. */
const ofLetters: ReadonlyMap<string, number> = new Map([
  ['em', 1],
  ['%', 0.01],
  ['ex', 0.5],
  ['ch', 0.5],
]);

const quantity = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([a-z]*|%)$/;
/** No length is written longer. */
const maxLength = 200;

/** A length in pixels. Pages without a doctype may leave out the unit. */
export function pixels(text: string): number | undefined {
  if (text.length > maxLength) return undefined;
  if (text.startsWith('calc(')) return calculated(text);
  const found = quantity.exec(text);
  const unit = found === null ? undefined : units.get(found[2] ?? '');
  return unit === undefined ? undefined : Number(found?.[1]) * unit;
}

/** The value of `calc()` with sums only; undefined for any other expression. */
function calculated(text: string): number | undefined {
  const terms = text.slice('calc('.length, -1).trim().split(/\s+/);
  let sum = 0;
  for (let at = 0; at < terms.length; at += 2) {
    const sign = at === 0 ? '+' : terms[at - 1];
    const term = pixels(terms[at] ?? '');
    if (term === undefined || (sign !== '+' && sign !== '-')) return undefined;
    sum += sign === '+' ? term : -term;
  }
  return sum;
}

/** A font size: in pixels, or as a multiple of the inherited size. */
export type FontSize = { readonly px: number } | { readonly times: number };

const keywords: Readonly<Record<string, FontSize>> = {
  'xx-small': { px: 9 },
  'x-small': { px: 10 },
  small: { px: 13 },
  medium: { px: 16 },
  large: { px: 18 },
  'x-large': { px: 24 },
  'xx-large': { px: 32 },
  'xxx-large': { px: 48 },
  smaller: { times: 5 / 6 },
  larger: { times: 6 / 5 },
  inherit: { times: 1 },
  unset: { times: 1 },
  revert: { times: 1 },
  initial: { px: 16 },
};

export function readFontSize(text: string): FontSize | undefined {
  if (Object.hasOwn(keywords, text)) return keywords[text];
  const found = quantity.exec(text.slice(0, maxLength));
  const letters = ofLetters.get(found?.[2] ?? '');
  const size = letters === undefined ? pixels(text) : Number(found?.[1]) * letters;
  if (size === undefined || size < 0) return undefined;
  return letters === undefined ? { px: size } : { times: size };
}

/** The size in `font: bold 1em/1.4 Arial`, where a number without a unit is a weight unless it is 0. */
export function fontSizeOf(font: string): FontSize | undefined {
  const parts = font.slice(0, maxLength).split(/[\s/]+/);
  if (parts.length === 1) return Object.hasOwn(keywords, font) ? keywords[font] : undefined;
  for (const part of parts.slice(0, -1)) {
    if (/^[1-9]\d*$/.test(part)) continue;
    const size = readFontSize(part);
    if (size !== undefined) return size;
  }
  return undefined;
}

/** Whether a place is out of sight: left of the page, or far to its right. */
export function isAway(px: number): boolean {
  return px <= -400 || px >= 5000;
}

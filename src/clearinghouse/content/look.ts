/** Reads the declarations of a style as far as they decide whether something is seen. */
import { divided, plainCss } from './declarations.ts';
import { type Look, properties } from './properties.ts';
import { detached } from './spans.ts';

/** The declarations of a style, those with `!important` apart. */
export interface Style {
  readonly normal: Look;
  readonly important: Look | undefined;
}

/** Of one style so many declarations are read, and of a value so many characters. */
const limits = { declarations: 500, value: 1000 } as const;
/** Longer styles are read anew each time. */
const maxCachedLength = 500;
const cache = new Map<string, Style | undefined>();

/** The number of characters of styles that may still be read; styles beyond it are ignored. */
export interface StyleBudget {
  left: number;
}

/** Reads the declarations of a style; nothing when none of them matters. */
export function readStyle(text: string, budget: StyleBudget): Style | undefined {
  const known = cache.get(text);
  if (known !== undefined || cache.has(text)) return known;
  if (budget.left <= 0) return undefined;
  // One more is not for nothing, however short it is.
  budget.left -= 50 + text.length;
  if (text.length > maxCachedLength) return parseStyle(text);
  const style = parseStyle(text);
  if (cache.size >= 5000) cache.clear();
  cache.set(detached(text), style);
  return style;
}

function parseStyle(text: string): Style | undefined {
  let normal: Look | undefined;
  let important: Look | undefined;
  const declarations = divided(plainCss(text).toLowerCase(), ';');
  const count = Math.min(declarations.length, limits.declarations);
  for (let at = 0; at < count; at++) {
    const declaration = declarations[at] ?? '';
    const colon = declaration.indexOf(':');
    const read = colon < 0 ? undefined : properties.get(declaration.slice(0, colon).trim());
    if (read === undefined) continue;
    const value = declaration.slice(colon + 1).trim();
    const mark = value.endsWith('important') ? value.lastIndexOf('!') : -1;
    const look = read(
      value
        .slice(0, Math.min(mark < 0 ? value.length : mark, limits.value))
        .replace(/\s+/g, ' ')
        .trimEnd(),
    );
    if (look === undefined) continue;
    if (mark < 0) normal = normal === undefined ? look : { ...normal, ...look };
    else important = important === undefined ? look : { ...important, ...look };
  }
  return normal === undefined && important === undefined ? undefined : { normal: normal ?? {}, important };
}

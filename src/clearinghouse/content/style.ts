import { detached, withoutSpans } from './spans.ts';

/** What of a style decides whether something is seen. */
export interface Look {
  readonly isHidden: boolean;
  readonly color?: string;
  readonly background?: string;
}

/** Declarations by which something is there and not seen. */
const hiding: readonly RegExp[] = [
  /(?:^|;)display:none/,
  /(?:^|;)visibility:(?:hidden|collapse)/,
  /(?:^|;)opacity:0?(?:\.0\d*)?(?:;|$|!)/,
  /(?:^|;)font(?:-size)?:(?:[^;]*\s)?(?:0|1|0?\.\d+)(?:px|pt|em|rem|%)?(?:;|$|!|\/|\s)/,
  /(?:^|;)(?:max-)?(?:height|width):0(?:px|pt|em|%)?(?:;|$|!)/,
  /(?:^|;)line-height:0(?:px|pt|em|%)?(?:;|$|!)/,
  /(?:^|;)mso-hide:all/,
  /(?:^|;)(?:text-indent|left|right|top|margin-left):-\d{3,}/,
  /(?:^|;)(?:clip:rect\(0|clip-path:inset\((?:50|100)%)/,
  /(?:^|;)color:transparent/,
];

/** Of a selector so many characters are looked at, the last ones. */
const mostSelector = 200;
/** Longer styles are read anew each time. */
const mostCached = 500;
const cache = new Map<string, Look>();

/** Reads the declarations of a style. */
export function lookOf(style: string): Look {
  if (style.length > mostCached) return readLook(style);
  const known = cache.get(style);
  if (known !== undefined) return known;
  const own = detached(style);
  const look = readLook(own);
  if (cache.size > 5000) cache.clear();
  cache.set(own, look);
  return look;
}

function readLook(style: string): Look {
  const text = withoutSpans(style.toLowerCase(), '/*', '*/')
    .replace(/\s+/g, ' ')
    .replace(/ ?([:;,(]) ?/g, '$1')
    .trim();
  const color = /(?:^|;)color:([^;!]+)/.exec(text)?.[1];
  const background = /(?:^|;)background(?:-color)?:([^;!]+)/.exec(text)?.[1];
  return {
    isHidden: hiding.some((pattern) => pattern.test(text)),
    ...(color !== undefined && { color }),
    ...(background !== undefined && { background }),
  };
}

const names: Readonly<Record<string, string>> = {
  white: 'ffffff',
  black: '000000',
  red: 'ff0000',
  blue: '0000ff',
  green: '008000',
  yellow: 'ffff00',
  gray: '808080',
  grey: '808080',
  silver: 'c0c0c0',
  snow: 'fffafa',
  ivory: 'fffff0',
  whitesmoke: 'f5f5f5',
  ghostwhite: 'f8f8ff',
};

/** Whether text of this colour is seen on that background. Colours that cannot be read are different. */
export function isSameColor(color: string | undefined, background: string): boolean {
  const [front, back] = [rgb(color), rgb(background)];
  if (front === undefined || back === undefined) return false;
  return front.every((value, at) => Math.abs(value - (back[at] ?? 0)) <= 12);
}

function rgb(color: string | undefined): readonly number[] | undefined {
  const text = color?.trim().toLowerCase() ?? '';
  const hex = /^#?([0-9a-f]{6}|[0-9a-f]{3})\b/.exec(names[text] ?? text)?.[1];
  if (hex !== undefined) {
    const full = hex.length === 3 ? [...hex].map((digit) => digit + digit).join('') : hex;
    return [0, 2, 4].map((at) => Number.parseInt(full.slice(at, at + 2), 16));
  }
  const parts = /^rgba?\((\d{1,3})[, ]+(\d{1,3})[, ]+(\d{1,3})/.exec(text);
  return parts === null ? undefined : [1, 2, 3].map((at) => Number(parts[at]));
}

/** The rules of `<style>` that hide something or colour it, by the last part of their selectors: `.x`, `#y`, `p`. */
export class StyleSheet {
  readonly #looks = new Map<string, Look>();

  /** Reads a sheet, as far as it is simple; rules for print and for small screens do not count. */
  read(css: string): void {
    const text = withoutSpans(css.slice(0, 200_000), '/*', '*/')
      .replace(/<!--|-->/g, '')
      .replace(/@media[^{@]*\{(?:[^{}@]*\{[^{}]*\})*[^{}@]*\}/g, '');
    for (const rule of text.split('}').slice(0, -1)) {
      const [selectors, body] = rule.split('{').slice(-2);
      if (selectors === undefined || body === undefined) continue;
      if (this.#looks.size > 2000) return;
      const look = lookOf(body);
      if (!look.isHidden && look.color === undefined && look.background === undefined) continue;
      for (const selector of selectors.split(',')) {
        const simple = /^(?:.*[\s>])?([a-z0-9]*[.#][\w-]+|[a-z0-9]+)$/i.exec(
          selector.trim().slice(-mostSelector),
        )?.[1];
        if (simple !== undefined) this.#add(simple.replace(/^[a-z0-9]+(?=[.#])/i, '').toLowerCase(), look);
      }
    }
  }

  get isEmpty(): boolean {
    return this.#looks.size === 0;
  }

  /** What the rules say of an element. */
  of(tag: string, id: string | undefined, classes: string | undefined): Look | undefined {
    let found = this.#looks.get(tag);
    for (const name of classes?.toLowerCase().split(/\s+/) ?? [])
      found = merged(found, this.#looks.get(`.${name}`));
    return id === undefined ? found : merged(found, this.#looks.get(`#${id.toLowerCase()}`));
  }

  #add(selector: string, look: Look): void {
    const both = merged(this.#looks.get(selector), look);
    if (both !== undefined) this.#looks.set(selector, both);
  }
}

export function merged(one: Look | undefined, other: Look | undefined): Look | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return { ...one, ...other, isHidden: one.isHidden || other.isHidden };
}

/** The CSS properties that hide or show text, and how their values are read. */
import { type Color, readColor, transparent } from './color.ts';
import { divided } from './declarations.ts';
import { type FontSize, fontSizeOf, isAway, pixels, readFontSize } from './length.ts';

/** How an element takes its place: in a line, as a box of its own, as part of a table, or not at all. */
export type Display = 'none' | 'inline' | 'inline-block' | 'block' | 'table';

/** Declarations that decide whether an element is visible. Lengths are in pixels; an unbounded length is infinite. */
export interface Look {
  readonly display?: Display;
  readonly visibility?: 'visible' | 'hidden' | 'inherit';
  readonly opacity?: number;
  readonly fontSize?: FontSize;
  readonly color?: Color | 'inherit' | 'unknown';
  readonly background?: Color | 'unknown';
  /** Whether a picture lies over the background. */
  readonly hasPicture?: boolean;
  readonly isClipping?: boolean;
  readonly position?: 'static' | 'relative' | 'absolute';
  readonly isFloating?: boolean;
  readonly height?: number;
  readonly maxHeight?: number;
  readonly minHeight?: number;
  readonly width?: number;
  readonly maxWidth?: number;
  readonly minWidth?: number;
  /** The padding, in which clipped content is still visible. */
  readonly paddingRight?: number;
  readonly paddingBottom?: number;
  readonly left?: number;
  readonly right?: number;
  readonly top?: number;
  readonly bottom?: number;
  readonly marginLeft?: number;
  readonly marginTop?: number;
  readonly indent?: number;
  /** Scaled to nothing, or moved out of the page. */
  readonly isTransformedAway?: boolean;
  readonly isClippedAway?: boolean;
  readonly isClipPathAway?: boolean;
  /** Hidden by a property that only Outlook knows. */
  readonly isHiddenByOutlook?: boolean;
  readonly isContentHidden?: boolean;
}

/** Reads the value of a property; undefined for a value that no mail program follows. */
type Reader = (value: string) => Look | undefined;

const displays: ReadonlyMap<string, Display> = new Map([
  ['none', 'none'],
  ['inline', 'inline'],
  ['contents', 'inline'],
  ['inline-block', 'inline-block'],
  ['inline-flex', 'inline-block'],
  ['inline-grid', 'inline-block'],
  ['inline-table', 'table'],
  ['table', 'table'],
  ['table-cell', 'table'],
  ['table-row', 'table'],
  ['table-row-group', 'table'],
  ['table-caption', 'block'],
  ['block', 'block'],
  ['flow-root', 'block'],
  ['flex', 'block'],
  ['grid', 'block'],
  ['list-item', 'block'],
]);

function display(value: string): Look | undefined {
  const found = displays.get(value);
  return found === undefined ? undefined : { display: found };
}

function visibility(value: string): Look {
  if (value === 'hidden' || value === 'collapse') return { visibility: 'hidden' };
  return { visibility: value === 'visible' || value === 'initial' ? 'visible' : 'inherit' };
}

/** A number, also as a percentage. */
function share(value: string): number | undefined {
  const number = Number.parseFloat(value);
  if (Number.isNaN(number)) return undefined;
  return value.endsWith('%') ? number / 100 : number;
}

function opacity(value: string): Look | undefined {
  const found = share(value);
  return found === undefined ? undefined : { opacity: Math.min(1, Math.max(0, found)) };
}

function fontSize(value: string): Look | undefined {
  const found = readFontSize(value);
  return found === undefined ? undefined : { fontSize: found };
}

function font(value: string): Look | undefined {
  const found = fontSizeOf(value);
  return found === undefined ? undefined : { fontSize: found };
}

/** An unknown colour function is some colour, `unknown`; any other unreadable value is no declaration. */
function anyColor(value: string): Color | 'unknown' | undefined {
  return readColor(value) ?? (/^[a-z-]+\(/.test(value) ? 'unknown' : undefined);
}

function color(value: string): Look | undefined {
  if (value === 'inherit' || value === 'unset' || value === 'currentcolor') return { color: 'inherit' };
  const found = anyColor(value);
  return found === undefined ? undefined : { color: found };
}

const picture = /\b(?:url|image|image-set|cross-fade|[a-z-]{0,30}gradient)\(/;

/** The shorthand: a colour, a picture, both, or none. */
function background(value: string): Look {
  let own: Color | 'unknown' = transparent;
  // Without `#` a number is a position.
  for (const part of divided(value, ' '))
    if (!picture.test(part) && !/^\d/.test(part)) own = anyColor(part) ?? own;
  return { background: own, hasPicture: picture.test(value) };
}

function backgroundColor(value: string): Look | undefined {
  const found = anyColor(value);
  return found === undefined ? undefined : { background: found };
}

function position(value: string): Look {
  if (value === 'absolute' || value === 'fixed') return { position: 'absolute' };
  return { position: value === 'relative' || value.endsWith('sticky') ? 'relative' : 'static' };
}

/** The bounds of a box: `auto` and `none` are none. */
function extent(key: 'height' | 'maxHeight' | 'minHeight' | 'width' | 'maxWidth' | 'minWidth'): Reader {
  const none = key.startsWith('min') ? 0 : Infinity;
  return (value) => {
    const px = pixels(value) ?? (/^[a-z]/.test(value) ? none : undefined);
    return px === undefined ? undefined : { [key]: px };
  };
}

function offset(
  key:
    | 'left'
    | 'right'
    | 'top'
    | 'bottom'
    | 'marginLeft'
    | 'marginTop'
    | 'indent'
    | 'paddingRight'
    | 'paddingBottom',
): Reader {
  return (value) => {
    const px = lengthOrAuto(value);
    return px === undefined ? undefined : { [key]: px };
  };
}

function lengthOrAuto(value: string): number | undefined {
  return pixels(value) ?? (value === 'auto' ? 0 : undefined);
}

/** The four sides of a shorthand, from the top to the right. */
function sides(value: string): readonly [number, number, number, number] | undefined {
  const [top, right = top, bottom = top, left = right] = value.split(' ', 5).map(lengthOrAuto);
  if (top === undefined || right === undefined || bottom === undefined || left === undefined)
    return undefined;
  return [top, right, bottom, left];
}

function margin(value: string): Look | undefined {
  const found = sides(value);
  return found === undefined ? undefined : { marginTop: found[0], marginLeft: found[3] };
}

function padding(value: string): Look | undefined {
  const found = sides(value);
  return found === undefined ? undefined : { paddingRight: found[1], paddingBottom: found[2] };
}

const overflow: Reader = (value) => ({ isClipping: !value.startsWith('visible') });

/** Scaled to less than this, it is a dot. */
const minScale = 0.05;

function transform(value: string): Look {
  const scale = /\bscale(?:x|y|3d)?\(([^)]*)\)/.exec(value)?.[1]?.split(',') ?? [];
  const move = /\btranslate(?:x|y|3d)?\(([^)]*)\)/.exec(value)?.[1]?.split(',') ?? [];
  return {
    isTransformedAway:
      scale.some((part) => Math.abs(share(part) ?? 1) < minScale) ||
      move.some((part) => isAway(pixels(part.trim()) ?? 0)),
  };
}

/** `rect(top right bottom left)` with nothing in it. */
function clip(value: string): Look {
  const inside = /^rect\(([^)]*)\)$/.exec(value)?.[1] ?? '';
  const [top = 0, right, bottom, left = 0] = inside
    .trim()
    .split(/[\s,]+/)
    .map(pixels);
  return {
    isClippedAway: (bottom !== undefined && bottom - top <= 1) || (right !== undefined && right - left <= 1),
  };
}

function clipPath(value: string): Look {
  const [, shape, inside = ''] = /^([a-z]+)\(([^)]*)/.exec(value) ?? [];
  return { isClipPathAway: isEmptyShape(shape, inside.trim().split(/[\s,]+/)) };
}

function isEmptyShape(shape: string | undefined, parts: readonly string[]): boolean {
  switch (shape) {
    case 'circle':
    case 'ellipse':
      return (pixels(parts[0] ?? '') ?? Infinity) <= 1;
    case 'polygon':
      return parts.every((part) => Math.abs(pixels(part) ?? Infinity) <= 1);
    case 'inset': {
      const shares = parts.map((part) => (part.endsWith('%') ? (share(part) ?? 0) : 0));
      const [top = 0, right = top, bottom = top, left = right] = shares;
      return top + bottom >= 1 || left + right >= 1;
    }
    default:
      return false;
  }
}

/** Readers of the properties that can hide content. All other properties are ignored. */
export const properties: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['display', display],
  ['visibility', visibility],
  ['opacity', opacity],
  ['font-size', fontSize],
  ['font', font],
  ['color', color],
  ['background', background],
  ['background-color', backgroundColor],
  ['background-image', (value) => ({ hasPicture: picture.test(value) })],
  ['overflow', overflow],
  ['overflow-x', overflow],
  ['overflow-y', overflow],
  ['position', position],
  ['float', (value) => ({ isFloating: value === 'left' || value === 'right' })],
  ['height', extent('height')],
  ['max-height', extent('maxHeight')],
  ['min-height', extent('minHeight')],
  ['width', extent('width')],
  ['max-width', extent('maxWidth')],
  ['min-width', extent('minWidth')],
  ['padding', padding],
  ['padding-right', offset('paddingRight')],
  ['padding-bottom', offset('paddingBottom')],
  ['left', offset('left')],
  ['right', offset('right')],
  ['top', offset('top')],
  ['bottom', offset('bottom')],
  ['margin', margin],
  ['margin-left', offset('marginLeft')],
  ['margin-top', offset('marginTop')],
  ['text-indent', offset('indent')],
  ['transform', transform],
  ['-webkit-transform', transform],
  ['scale', (value) => ({ isTransformedAway: Math.abs(share(value) ?? 1) < minScale })],
  ['clip', clip],
  ['clip-path', clipPath],
  ['-webkit-clip-path', clipPath],
  ['mso-hide', (value) => ({ isHiddenByOutlook: value === 'all' })],
  ['content-visibility', (value) => ({ isContentHidden: value === 'hidden' })],
]);

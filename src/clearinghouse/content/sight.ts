/** Decides whether an element is visible within the elements around it. */
import { black, blended, type Color, isSameColor, legacyColor, linkBlue, white } from './color.ts';
import { isAway } from './length.ts';
import type { Display, Look } from './properties.ts';

/** The visible properties of text at a place of a page: those that an element inherits. */
export interface Sight {
  /** Whether a reader sees letters here. */
  readonly isSeen: boolean;
  /** Whether he sees a picture here. */
  readonly isShown: boolean;
  /** It has no place on the page, or none that is seen, and so has nothing in it. */
  readonly isGone: boolean;
  readonly isVisible: boolean;
  readonly opacity: number;
  readonly fontPx: number;
  /** Undefined if the colour is unknown, as of a function or a picture. */
  readonly color: Color | undefined;
  readonly background: Color | undefined;
  readonly linkColor: Color;
  /** How far it is out of its place. */
  readonly x: number;
  readonly y: number;
  readonly indent: number;
}

export const pageSight: Sight = {
  isSeen: true,
  isShown: true,
  isGone: false,
  isVisible: true,
  opacity: 1,
  fontPx: 16,
  color: black,
  background: white,
  linkColor: linkBlue,
  x: 0,
  y: 0,
  indent: 0,
};

/** The content of an element that is not rendered at all. */
export const goneSight: Sight = { ...pageSight, isSeen: false, isShown: false, isGone: true };

/** Letters below this size are invisible. */
const minFontPx = 2;
const minOpacity = 0.1;
/** Offsets below this are how pages are laid out. */
const minOffset = 100;

type Attributes = Readonly<Record<string, string>>;

const tables: ReadonlySet<string> = new Set('table tr td th tbody thead tfoot'.split(' '));
/** Elements that are not inline by default. */
const displays: ReadonlyMap<string, Display> = new Map([
  ...'p div br hr ul ol dl dt dd li h1 h2 h3 h4 h5 h6 blockquote pre center form section article header footer address body html'
    .split(' ')
    .map((tag) => [tag, 'block'] as const),
  ...[...tables].map((tag) => [tag, 'table'] as const),
]);
/** Font sizes of the elements that have one by default, as multiples of the inherited size. */
const sizes: ReadonlyMap<string, number> = new Map([
  ['small', 5 / 6],
  ['sub', 5 / 6],
  ['sup', 5 / 6],
  ['big', 6 / 5],
  ['h1', 2],
  ['h2', 1.5],
  ['h3', 1.17],
  ['h5', 0.83],
  ['h6', 0.67],
]);
/** Programs show no smaller letters where only a relation is asked for. */
const minRelativePx = 6;
const sizesOfFont = [10, 10, 13, 16, 18, 24, 32, 48] as const;

export function displayOf(tag: string, attributes: Attributes, look: Look | undefined): Display {
  if (look?.display !== undefined) return look.display;
  if (attributes.hidden !== undefined) return 'none';
  return displays.get(tag) ?? 'inline';
}

/** The visibility of an element within its parent. Returns `around` itself if nothing changes. */
export function sightOf(
  around: Sight,
  tag: string,
  attributes: Attributes,
  look: Look | undefined,
  display: Display,
): Sight {
  if (around.isGone) return around;
  if (display === 'none' || (look !== undefined && isGone(look, display))) return goneSight;
  const fontPx = fontPxOf(around, tag, attributes, look);
  const background = backgroundOf(around, tag, attributes, look);
  const linkColor = (tag === 'body' && readAttribute(attributes.link)) || around.linkColor;
  const color = colorOf(around, tag, attributes, look);
  if (
    look === undefined &&
    fontPx === around.fontPx &&
    background === around.background &&
    color === around.color &&
    linkColor === around.linkColor
  )
    return around;
  const isVisible = isVisibleWithin(around, look);
  const opacity = around.opacity * (look?.opacity ?? 1);
  const x = around.x + (look === undefined ? 0 : offsetX(look));
  const y = around.y + (look === undefined ? 0 : offsetY(look));
  const indent = look?.indent ?? around.indent;
  const isShown = isVisible && opacity >= minOpacity && !isAway(x) && y > -400 && !isAway(indent);
  const isSeen = isShown && fontPx >= minFontPx && !isFaint(color, background);
  return {
    isSeen,
    isShown,
    isGone: false,
    isVisible,
    opacity,
    fontPx,
    color,
    background,
    linkColor,
    x,
    y,
    indent,
  };
}

function isVisibleWithin(around: Sight, look: Look | undefined): boolean {
  const own = look?.visibility;
  return own === undefined || own === 'inherit' ? around.isVisible : own === 'visible';
}

function isFaint(color: Color | undefined, background: Color | undefined): boolean {
  if (color === undefined) return false;
  if (color.a < minOpacity) return true;
  return background !== undefined && isSameColor(blended(color, background), background);
}

/** Whether a box shows nothing of its content. */
function isGone(look: Look, display: Display): boolean {
  if (look.isTransformedAway || look.isClipPathAway || look.isHiddenByOutlook || look.isContentHidden)
    return true;
  if (look.isClippedAway && look.position === 'absolute') return true;
  if (!look.isClipping) return false;
  // Inline elements have no size of their own, and tables grow with their content.
  if (display === 'table') return false;
  if (display === 'inline' && look.position !== 'absolute' && !look.isFloating) return false;
  return (
    isFlat(look.height, look.maxHeight, look.minHeight, look.paddingBottom) ||
    isFlat(look.width, look.maxWidth, look.minWidth, look.paddingRight)
  );
}

function isFlat(size = Infinity, max = Infinity, min = 0, padding = 0): boolean {
  return Math.max(Math.min(size, max), min) <= 1 && padding <= 2;
}

/** The horizontal offset. Only an element that is positioned is moved by `left` and `right`. */
function offsetX({ marginLeft, position = 'static', left, right }: Look): number {
  return offset(marginLeft) + (position === 'static' ? 0 : offset(left ?? -(right ?? 0)));
}

function offsetY({ marginTop, position = 'static', top, bottom }: Look): number {
  return offset(marginTop) + (position === 'static' ? 0 : offset(top ?? -(bottom ?? 0)));
}

function offset(px = 0): number {
  return Math.abs(px) < minOffset ? 0 : px;
}

function fontPxOf(around: Sight, tag: string, attributes: Attributes, look: Look | undefined): number {
  const size = look?.fontSize;
  if (size !== undefined) return 'px' in size ? size.px : size.times * around.fontPx;
  if (tag === 'font' && attributes.size !== undefined) return fontAttribute(attributes.size) ?? around.fontPx;
  const times = sizes.get(tag);
  if (times === undefined) return around.fontPx;
  return Math.max(times * around.fontPx, Math.min(around.fontPx, minRelativePx));
}

/** `<font size=2>` and `<font size="-1">`: from 1 to 7, where 3 is the usual one. */
function fontAttribute(text: string): number | undefined {
  const found = /^\s*([+-]?)(\d{1,3})/.exec(text);
  if (found === null) return undefined;
  const value = Number(found[2]);
  const size = found[1] === '+' ? 3 + value : found[1] === '-' ? 3 - value : value;
  return sizesOfFont[Math.min(7, Math.max(1, size))];
}

function readAttribute(text: string | undefined): Color | undefined {
  return text === undefined ? undefined : legacyColor(text);
}

function colorOf(
  around: Sight,
  tag: string,
  attributes: Attributes,
  look: Look | undefined,
): Color | undefined {
  if (look?.color !== undefined) {
    if (look.color === 'inherit') return around.color;
    return look.color === 'unknown' ? undefined : look.color;
  }
  if (tag === 'font') return readAttribute(attributes.color) ?? around.color;
  if (tag === 'body') return readAttribute(attributes.text) ?? around.color;
  // A link has its own colour, independent of the text around it.
  return tag === 'a' && attributes.href !== undefined ? around.linkColor : around.color;
}

function backgroundOf(
  around: Sight,
  tag: string,
  attributes: Attributes,
  look: Look | undefined,
): Color | undefined {
  const hasOwn = tables.has(tag) || tag === 'body';
  if (look?.hasPicture ?? (hasOwn && (attributes.background ?? '') !== '')) return undefined;
  const own = look?.background ?? (hasOwn ? readAttribute(attributes.bgcolor) : undefined);
  if (own === undefined) return around.background;
  if (own === 'unknown') return undefined;
  if (own.a === 1) return own;
  if (own.a === 0 || around.background === undefined) return around.background;
  return blended(own, around.background);
}

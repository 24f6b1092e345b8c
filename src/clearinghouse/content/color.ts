/** Reads colours of CSS and of HTML attributes. */
import { colord, extend, type RgbaColor } from 'colord';
import names from 'colord/plugins/names';
import { detached } from './spans.ts';

/** Red, green and blue from 0 to 255, and how opaque it is from 0 to 1. */
export type Color = Readonly<RgbaColor>;

export const white: Color = { r: 255, g: 255, b: 255, a: 1 };
export const black: Color = { r: 0, g: 0, b: 0, a: 1 };
export const transparent: Color = { r: 0, g: 0, b: 0, a: 0 };
/** The default colour of a link. */
export const linkBlue: Color = { r: 0, g: 0, b: 238, a: 1 };

/** System colours that Outlook writes, and the colours they stand for. */
const ofSystem: ReadonlyMap<string, string> = new Map([
  ['window', 'white'],
  ['canvas', 'white'],
  ['windowtext', 'black'],
  ['canvastext', 'black'],
]);
/** No colour is written longer. */
const maxColorLength = 100;
const maxCachedColors = 5000;
const cache = new Map<string, Color | undefined>();

/** A colour of CSS in lower case, also without its `#` as pages without a doctype may write it. */
export function readColor(text: string): Color | undefined {
  if (text.length > maxColorLength) return undefined;
  const known = cache.get(text);
  if (known !== undefined || cache.has(text)) return known;
  // The second time this does nothing.
  extend([names]);
  const named = colord(ofSystem.get(text) ?? (/^(?:[0-9a-f]{3}){1,2}$/.test(text) ? `#${text}` : text));
  const color = named.isValid() ? named.rgba : undefined;
  if (cache.size >= maxCachedColors) cache.clear();
  cache.set(detached(text), color);
  return color;
}

/** A colour of an attribute, where everything is one (HTML Living Standard §2.3.6). */
export function legacyColor(text: string): Color | undefined {
  const name = text.slice(0, maxColorLength).trim().toLowerCase();
  if (name === '' || name === 'transparent') return undefined;
  const known = /^[a-z]+$/.test(name) ? readColor(name) : undefined;
  if (known !== undefined) return known;
  const own = name.startsWith('#') ? name.slice(1) : name;
  if (/^[0-9a-f]{6}$/.test(own)) return ofNumber(Number.parseInt(own, 16));
  const digits = own.replace(/[^0-9a-f]/g, '0');
  const length = Math.max(1, Math.ceil(digits.length / 3));
  const part = (at: number) =>
    digits
      .slice(at * length, (at + 1) * length)
      .padEnd(length, '0')
      .slice(-8)
      .slice(0, 2);
  // Of three digits each one stands for two.
  if (length === 1 && name.startsWith('#'))
    return ofNumber(Number.parseInt(digits.padEnd(3, '0').replace(/./g, '$&$&'), 16));
  return {
    r: Number.parseInt(part(0), 16),
    g: Number.parseInt(part(1), 16),
    b: Number.parseInt(part(2), 16),
    a: 1,
  };
}

function ofNumber(rgb: number): Color {
  return { r: rgb >> 16, g: (rgb >> 8) & 255, b: rgb & 255, a: 1 };
}

/** The visible colour where `front` lies over `back`. */
export function blended(front: Color, back: Color): Color {
  if (front.a === 1) return front;
  const mix = (one: number, other: number) => one * front.a + other * (1 - front.a);
  return { r: mix(front.r, back.r), g: mix(front.g, back.g), b: mix(front.b, back.b), a: 1 };
}

/** Whether the eye takes them for one. */
export function isSameColor(one: Color, other: Color): boolean {
  return (
    Math.abs(one.r - other.r) <= 12 && Math.abs(one.g - other.g) <= 12 && Math.abs(one.b - other.b) <= 12
  );
}

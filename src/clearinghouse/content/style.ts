/** Applies the style sheets of a page to its elements (CSS Cascade §6), within bounds. */
import { blocksOf, divided, plainCss } from './declarations.ts';
import { readStyle, type Style, type StyleBudget } from './look.ts';
import type { Look } from './properties.ts';
import { type Budget, type Element, matches, readSelector, type Selector } from './selector.ts';

interface Rule {
  readonly selector: Selector;
  readonly style: Style;
  readonly order: number;
}

/**
 * Bounds of the work for one page: characters read of one sheet; rules of all sheets; comparisons of selectors with
 * elements; characters of styles that are not in the cache. Anything beyond a bound is ignored.
 */
export const sheetBounds = { length: 200_000, rules: 2000, comparisons: 300_000, styles: 500_000 } as const;

/** Of one element so many classes are looked at. */
export const maxClasses = 50;
/** The width of the window in which a mail is read, in pixels. */
const viewport = 1280;

/** The style sheets of a page and the rules in them that decide whether an element is visible (CSS Cascade §6). */
export class StyleSheet {
  /** Rules by the rarest condition of their last compound: id, class or tag. */
  readonly #byId = new Map<string, Rule[]>();
  readonly #byClass = new Map<string, Rule[]>();
  readonly #byTag = new Map<string, Rule[]>();
  readonly #byAll: Rule[] = [];
  #budget: Budget = { left: sheetBounds.comparisons };
  #styles: StyleBudget = { left: sheetBounds.styles };
  #read = 0;
  #kept = 0;

  /** Reads a sheet for a window on a screen; its rules for print and for small screens are ignored. */
  read(css: string, media = ''): void {
    if (isForScreen(media))
      this.#blocks(plainCss(css.slice(0, sheetBounds.length)).replace(/<!--|-->/g, ''), 0);
  }

  #blocks(css: string, depth: number): void {
    for (const { head, body } of blocksOf(css)) {
      if (this.#read >= sheetBounds.rules) return;
      this.#read++;
      if (!head.startsWith('@')) this.#rule(head, body);
      else if (depth < 4 && /^@media\b/i.test(head) && isForScreen(head.slice('@media'.length)))
        this.#blocks(body, depth + 1);
    }
  }

  #rule(selectors: string, body: string): void {
    const style = readStyle(body, this.#styles);
    if (style === undefined) return;
    for (const text of divided(selectors, ',')) {
      if (this.#kept >= sheetBounds.rules) return;
      const selector = readSelector(text.trim());
      if (selector === undefined) continue;
      const rule = { selector, style, order: this.#kept++ };
      const { id, classes, tag } = selector.compounds[0] ?? {};
      const own = classes?.[0];
      if (id !== undefined) add(this.#byId, id, rule);
      else if (own !== undefined) add(this.#byClass, own, rule);
      else if (tag !== undefined) add(this.#byTag, tag, rule);
      else this.#byAll.push(rule);
    }
  }

  /** How many rules there are that may decide something. */
  get size(): number {
    return this.#kept;
  }

  /** The same rules for a new reading of the page. */
  again(): this {
    this.#budget = { left: sheetBounds.comparisons };
    this.#styles = { left: sheetBounds.styles };
    return this;
  }

  /** The declarations that apply to the last of these elements, each of which is within the one before it. */
  lookOf(path: readonly Element[]): Look | undefined {
    const element = path.at(-1);
    const text = element?.attributes.style;
    const own = text === undefined ? undefined : readStyle(text, this.#styles);
    if (element === undefined || this.#kept === 0 || this.#budget.left <= 0) return plainLook(own);
    const found = this.#rulesFor(element, path);
    return found.length === 0 ? plainLook(own) : cascaded(found, own);
  }

  #rulesFor({ tag, attributes: { id, class: classes } }: Element, path: readonly Element[]): readonly Rule[] {
    const found: Rule[] = [];
    this.#find(path, this.#byAll, found);
    this.#find(path, this.#byTag.get(tag), found);
    if (this.#byClass.size > 0 && classes !== undefined)
      for (const name of new Set(classes.split(/\s+/, maxClasses)))
        this.#find(path, this.#byClass.get(name), found);
    if (id !== undefined) this.#find(path, this.#byId.get(id), found);
    if (found.length > 1)
      found.sort(
        (one, other) => one.selector.specificity - other.selector.specificity || one.order - other.order,
      );
    return found;
  }

  #find(path: readonly Element[], rules: readonly Rule[] | undefined, found: Rule[]): void {
    if (rules === undefined) return;
    for (const rule of rules) if (matches(rule.selector, path, this.#budget)) found.push(rule);
  }
}

function add(index: Map<string, Rule[]>, key: string, rule: Rule): void {
  const rules = index.get(key);
  if (rules === undefined) index.set(key, [rule]);
  else rules.push(rule);
}

/** The declarations of an own style when no rule applies. */
function plainLook(style: Style | undefined): Look | undefined {
  if (style === undefined || style.important === undefined) return style?.normal;
  return { ...style.normal, ...style.important };
}

/** Important rules of a sheet override an own style, except its important declarations. */
function cascaded(rules: readonly Rule[], own: Style | undefined): Look {
  const [first] = rules;
  if (first !== undefined && rules.length === 1 && own === undefined && first.style.important === undefined)
    return first.style.normal;
  const look = {};
  for (const { style } of rules) Object.assign(look, style.normal);
  if (own !== undefined) Object.assign(look, own.normal);
  for (const { style } of rules) if (style.important !== undefined) Object.assign(look, style.important);
  return own?.important === undefined ? look : Object.assign(look, own.important);
}

/** Whether a media list includes a window of a usual size. */
function isForScreen(media: string): boolean {
  const queries = media.slice(0, 1000).trim().toLowerCase();
  return queries === '' || queries.split(',').some((query) => isQueryForScreen(query.trim()));
}

function isQueryForScreen(query: string): boolean {
  const [, kind = 'all', features = query] = /^(?:only\s+)?([a-z]+)(?:\s+and\s+(.*))?$/.exec(query) ?? [];
  if (kind !== 'all' && kind !== 'screen') return false;
  if (features === query && !query.startsWith('(')) return /^(?:only\s+)?(?:all|screen)$/.test(query);
  return features.split(/\s+and\s+/).every((feature) => {
    const [, bound, width] = /^\(\s*(min|max)-(?:device-)?width\s*:\s*([\d.]+)px\s*\)$/.exec(feature) ?? [];
    if (width === undefined) return false;
    return bound === 'min' ? Number(width) <= viewport : Number(width) >= viewport;
  });
}

/** Reads selectors of CSS and matches them with elements, within a budget. */

/** One element of a page, as far as selectors ask. */
export interface Element {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
}

interface AttributeTest {
  readonly name: string;
  readonly operator: string;
  readonly value: string;
}

/** The conditions that a selector puts on one element: `p.x[y]`. */
export interface Compound {
  readonly tag: string | undefined;
  readonly id: string | undefined;
  readonly classes: readonly string[];
  readonly attributes: readonly AttributeTest[];
  /** How the next one outside stands to this one. */
  readonly within: 'child' | 'descendant';
}

export interface Selector {
  /** From the element outwards. */
  readonly compounds: readonly Compound[];
  readonly specificity: number;
}

/** Of a list of words so many characters are looked at. */
const maxWords = 2000;
/** Longer selectors match nothing. */
const limits = { length: 300, compounds: 8 } as const;
const name = String.raw`(?:[\w-]|[^\x00-\x7f])+`;
const simple = new RegExp(
  String.raw`(\*)|(:root)(?![\w(-])|([.#]?)(${name})|\[\s*(${name})\s*(?:([~|^$*]?=)\s*(?:"([^"]*)"|'([^']*)'|(${name}))\s*(?:\s[is]\s*)?)?\]`,
  'y',
);

/** Reads one selector; undefined if it has parts that are not supported, and then it matches nothing. */
export function readSelector(text: string): Selector | undefined {
  if (text.length > limits.length) return undefined;
  const compounds: Compound[] = [];
  let specificity = 0;
  let within: Compound['within'] = 'descendant';
  for (let at = 0; at < text.length; ) {
    const found = readCompound(text, at, within);
    if (found === undefined || compounds.length >= limits.compounds) return undefined;
    compounds.unshift(found.compound);
    specificity += found.specificity;
    const combinator = /^\s*(>?)\s*/.exec(text.slice(found.end))?.[0] ?? '';
    at = found.end + combinator.length;
    if (at < text.length && combinator === '') return undefined;
    within = combinator.includes('>') ? 'child' : 'descendant';
    if (at === text.length && within === 'child') return undefined;
  }
  return compounds.length === 0 ? undefined : { compounds, specificity };
}

function readCompound(text: string, begin: number, within: Compound['within']) {
  let [tag, id]: (string | undefined)[] = [];
  const classes: string[] = [];
  const attributes: AttributeTest[] = [];
  let specificity = 0;
  let end = begin;
  simple.lastIndex = begin;
  for (let found = simple.exec(text); found !== null; found = simple.exec(text)) {
    const [, , root, mark, own = '', attribute, operator = '', ...values] = found;
    if (root !== undefined) tag = 'html';
    else if (mark === '.') classes.push(own);
    else if (mark === '#') id = id === undefined || id === own ? own : '\n';
    else if (attribute !== undefined)
      attributes.push({
        name: attribute.toLowerCase(),
        operator,
        value: values.find((value) => value !== undefined) ?? '',
      });
    else if (end > begin) return undefined;
    else if (mark === '') tag = own.toLowerCase();
    specificity +=
      mark === '#'
        ? 1e6
        : mark === '.' || root !== undefined || attribute !== undefined
          ? 1e3
          : mark === ''
            ? 1
            : 0;
    end = simple.lastIndex;
  }
  return end === begin ? undefined : { compound: { tag, id, classes, attributes, within }, specificity, end };
}

/** So much work is done for all elements of a page: then no selector matches any more. */
export interface Budget {
  left: number;
}

/** Whether a selector means the last one of these elements, which are within each other. */
export function matches(selector: Selector, path: readonly Element[], budget: Budget): boolean {
  if (!matchesFrom(selector.compounds, 0, path, path.length - 1, budget)) return false;
  // A match costs more than a comparison, since its rules have to be combined.
  budget.left -= 3;
  return true;
}

function matchesFrom(
  compounds: readonly Compound[],
  at: number,
  path: readonly Element[],
  depth: number,
  budget: Budget,
): boolean {
  const compound = compounds[at];
  const element = path[depth];
  if (compound === undefined) return true;
  if (element === undefined || budget.left <= 0) return false;
  budget.left -= 1 + (Math.min(element.attributes.class?.length ?? 0, maxWords) >>> 5);
  if (!isMeant(element, compound)) return false;
  const next = compounds[at + 1];
  if (next === undefined) return true;
  if (compound.within === 'child') return matchesFrom(compounds, at + 1, path, depth - 1, budget);
  for (let outer = depth - 1; outer >= 0; outer--)
    if (matchesFrom(compounds, at + 1, path, outer, budget)) return true;
  return false;
}

function isMeant({ tag, attributes }: Element, compound: Compound): boolean {
  return (
    (compound.tag === undefined || compound.tag === tag) &&
    (compound.id === undefined || compound.id === attributes.id) &&
    (compound.classes.length === 0 || compound.classes.every((name) => hasWord(attributes.class, name))) &&
    (compound.attributes.length === 0 ||
      compound.attributes.every((test) => isTrue(test, attributeOf(attributes, test.name))))
  );
}

/** Attribute names come from the message. */
function attributeOf(attributes: Element['attributes'], name: string): string | undefined {
  return Object.hasOwn(attributes, name) ? attributes[name]?.slice(0, 1000) : undefined;
}

function isTrue({ operator, value }: AttributeTest, own: string | undefined): boolean {
  if (own === undefined) return false;
  switch (operator) {
    case '':
      return true;
    case '=':
      return own === value;
    case '~=':
      return hasWord(own, value);
    case '|=':
      return own === value || own.startsWith(`${value}-`);
    case '^=':
      return value !== '' && own.startsWith(value);
    case '$=':
      return value !== '' && own.endsWith(value);
    case '*=':
      return value !== '' && own.includes(value);
    default:
      return false;
  }
}

/** Whether a word is in a list of words; the list is not split. */
function hasWord(list: string | undefined, word: string): boolean {
  if (list === undefined || word === '') return false;
  const words = list.length > maxWords ? list.slice(0, maxWords) : list;
  if (words === word) return true;
  for (let at = words.indexOf(word); at >= 0; at = words.indexOf(word, at + word.length)) {
    const [before, after] = [words.charCodeAt(at - 1), words.charCodeAt(at + word.length)];
    if ((at === 0 || before <= 32) && (at + word.length === words.length || after <= 32)) return true;
  }
  return false;
}

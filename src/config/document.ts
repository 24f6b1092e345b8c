/** Reads YAML 1.2 and keeps the place of each value. */
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Finding, KeyPath } from './problem.ts';

/** A place in the text, from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A configuration text as YAML: its value, its errors as YAML, and the place of each key. */
export interface YamlText {
  /** `undefined` when nothing of it can be used. */
  readonly value: unknown;
  readonly faults: readonly (Place & Pick<Finding, 'message' | 'hint'>)[];
  /** The offset of the first syntax error; the text before it is valid. */
  readonly brokenAt: number | undefined;
  locate(path: KeyPath, options?: { readonly isKey?: boolean }): Place;
}

/** Enough for anchors used by people, too few for a text that grows to gigabytes. */
const maxAliases = 100;

/** Reads YAML 1.2. Never throws. */
export function readYaml(text: string): YamlText {
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
    const place = (offset: number): Place => {
      const { line, col } = lines.linePos(offset);
      return { line: Math.max(1, line), column: Math.max(1, col) };
    };
    const faults = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
      ...place(pos[0]),
      message: code === 'DUPLICATE_KEY' ? `duplicate key "${wordAt(text, pos[0])}"` : lowerFirst(message),
    }));
    const breaks = document.errors.filter(({ code }) => code !== 'DUPLICATE_KEY').map(({ pos }) => pos[0]);
    return {
      value: document.toJS({ maxAliasCount: maxAliases }),
      faults,
      brokenAt: breaks.length === 0 ? undefined : place(Math.min(...breaks)).line,
      locate: (path, { isKey = false } = {}) => {
        const { key, value } = offsetsOf(document.contents, path, (node) => resolveAlias(node, document));
        return place(isKey ? key : value);
      },
    };
  } catch (error) {
    const message = lowerFirst(error instanceof Error ? error.message : String(error));
    const top = { line: 1, column: 1 };
    return { value: undefined, faults: [{ ...top, message }], brokenAt: 1, locate: () => top };
  }
}

function wordAt(text: string, offset: number): string {
  return /^["']?([^\s:"',{}[\]]{0,60})/.exec(text.slice(offset, offset + 64))?.[1] ?? '';
}

function lowerFirst(message: string): string {
  return message.slice(0, 1).toLowerCase() + message.slice(1);
}

function resolveAlias(node: unknown, document: ReturnType<typeof parseDocument>): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

/**
 * The offsets of the last key of a path and of its value: of a scalar or flow collection itself, of a block
 * collection its key. Where the path leads further than the text (a missing key, a single value for a list),
 * those of the last step that is there.
 */
function offsetsOf(
  contents: unknown,
  path: KeyPath,
  follow: (node: unknown) => unknown,
): { readonly key: number; readonly value: number } {
  let node: unknown = contents;
  let at = { key: startOf(node) ?? 0, value: startOf(node) ?? 0 };
  for (const step of path) {
    const parent = follow(node);
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (pair === undefined) return at;
      const key = startOf(pair.key) ?? at.key;
      at = { key, value: isInline(pair.value) ? (startOf(pair.value) ?? key) : key };
      node = pair.value;
    } else if (isSeq(parent) && parent.items[Number(step)] !== undefined) {
      node = parent.items[Number(step)];
      at = { key: startOf(node) ?? at.key, value: startOf(node) ?? at.value };
    } else {
      return at;
    }
  }
  return at;
}

/** Whether a value stands behind its key on the same line. */
function isInline(node: unknown): boolean {
  return isScalar(node) ? node.value !== null : (isMap(node) || isSeq(node)) && node.flow === true;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

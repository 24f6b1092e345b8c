/** Loads a configuration text: every problem at once, each with its place. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { z } from 'zod';
import { nearest } from '../base/index.ts';
import { crossProblems } from './cross-checks.ts';
import { readYaml, type YamlText } from './document.ts';
import { keysAt, type OptionNode, optionTree } from './option-tree.ts';
import { type Finding, formatPath, type KeyPath, type Problem, parsePath } from './problem.ts';
import { type Env, resolveConfig } from './resolve.ts';
import { type Config, type Parsed, schema, sectionProblems } from './sections.ts';
import { describe } from './values/value.ts';

/** A configuration, or everything that is wrong with it, in the order of the text. */
export type LoadResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** A check that another module makes. `path` as in `routes[0].via`. */
export type ConfigCheck = (config: Config) => readonly { readonly path: string; readonly message: string }[];

/** How a text is loaded. */
export interface LoadOptions {
  /** The name of the text in problems; its relative paths begin in the folder of this file. */
  readonly file: string;
  readonly env?: Partial<Env>;
  /** Run on the loaded part, if the YAML itself is sound. */
  readonly checks?: readonly ConfigCheck[];
}

const machine: Env = {
  get hostname() {
    return hostname();
  },
  read: (path) => readFileSync(path, 'utf8'),
};

/**
 * Loads a configuration text and the files it names. Never throws: every problem is in the result, at once, with its
 * line. If the YAML itself is broken, only the text before the break is checked.
 */
export function loadConfig(text: string, options: LoadOptions): LoadResult {
  const yaml = readYaml(text);
  const env = { ...machine, ...options.env };
  const { config, findings } = evaluate(yaml, { ...options, env });
  const syntax = yaml.faults.map((fault) => ({ file: options.file, path: '', ...fault }));
  const located = findings.map((finding) => locate(finding, yaml, options.file));
  const meant = located.filter(({ line }) => yaml.brokenAt === undefined || line < yaml.brokenAt);
  const problems = [...syntax, ...meant];
  if (problems.length === 0 && config !== undefined) return { ok: true, config };
  return { ok: false, problems: problems.sort((a, b) => order(a, b, options.file)) };
}

function evaluate(
  yaml: YamlText,
  options: LoadOptions & { readonly env: Env },
): { readonly config?: Config; readonly findings: readonly Finding[] } {
  if (yaml.value === undefined) return { findings: [] };
  // An empty file is a configuration of defaults.
  const value = yaml.value ?? {};
  const { parsed, issues, leftOut } = parseTolerantly(value);
  const findings = issues.flatMap((issue) => findingOf(issue, value));
  if (parsed === undefined || yaml.brokenAt !== undefined) return { findings };
  const resolved = resolveConfig(parsed, options.file, options.env);
  const broken = new Set(leftOut.map((path) => String(path[0])));
  const further = [
    ...sectionProblems(parsed, broken),
    ...crossProblems(parsed, broken),
    ...resolved.findings,
  ];
  const checked = (options.checks ?? []).flatMap((check) => check(resolved.config)).map(foreignFinding);
  const told = new Set(further.map(({ path }) => formatPath(path)));
  const fresh = [...further, ...checked.filter(({ path }) => !told.has(formatPath(path)))];
  // A finding about a key that was left out would be about its default.
  const isFair = ({ path }: Finding) => !leftOut.some((out) => out.every((step, i) => path[i] === step));
  return { config: resolved.config, findings: [...findings, ...fresh.filter(isFair)] };
}

function foreignFinding({ path, message }: { readonly path: string; readonly message: string }): Finding {
  return { path: parsePath(path), message };
}

/**
 * Parses a value, and where it is wrong what remains of it without the wrong keys, so that everything else
 * can be judged in the same run. A section that cannot do without a wrong key is left out as a whole.
 */
function parseTolerantly(value: object): {
  readonly parsed: Parsed | undefined;
  readonly issues: readonly Issue[];
  readonly leftOut: readonly KeyPath[];
} {
  const first = schema.safeParse(value);
  if (first.success) return { parsed: first.data, issues: [], leftOut: [] };
  const copy = structuredClone(value);
  const keys = first.error.issues.flatMap(wrongKeys);
  for (const path of keys) deleteAt(copy, path);
  const second = schema.safeParse(copy);
  const sections = (second.error?.issues ?? []).map((issue) => pathOf(issue).slice(0, 1));
  for (const path of sections) deleteAt(copy, path);
  const { data } = sections.length === 0 ? second : schema.safeParse(copy);
  const unknown = first.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? wrongKeys(issue) : [],
  );
  const leftOut = [...keys.filter((path) => !unknown.includes(path)), ...sections];
  return { parsed: data, issues: first.error.issues, leftOut };
}

type Issue = z.core.$ZodIssue;

function pathOf(issue: Issue): KeyPath {
  return issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
}

/** The keys to leave out; for a member of a list the key of the list. */
function wrongKeys(issue: Issue): KeyPath[] {
  const path = pathOf(issue);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...path, key]);
  return [path.slice(0, path.findLastIndex((step) => typeof step === 'string') + 1)];
}

function deleteAt(root: object, path: KeyPath): void {
  const parent = valueAt(root, path.slice(0, -1));
  const key = path.at(-1);
  if (typeof parent === 'object' && parent !== null && key !== undefined) Reflect.deleteProperty(parent, key);
}

function findingOf(issue: Issue, value: unknown): Finding[] {
  const path = pathOf(issue);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(path, key));
    case 'custom':
      return [{ path, message: issue.message, ...hintOf(issue.params) }];
    case 'invalid_type':
      return [{ path, ...wrongShape(path, valueAt(value, path)) }];
    default:
      return [{ path, message: issue.message }];
  }
}

function hintOf(params: Readonly<Record<string, unknown>> | undefined): { readonly hint?: string } {
  return typeof params?.hint === 'string' ? { hint: params.hint } : {};
}

function unknownKey(path: KeyPath, key: string): Finding {
  const siblings = keysAt(path).map((node) => node.key);
  const near = nearest(key, siblings) ?? elsewhere(key);
  const shown = key.slice(0, 60);
  const finding = { path: [...path, key], message: `unknown key "${shown}"`, isKey: true };
  return near === undefined ? finding : { ...finding, hint: `did you mean "${near}"?` };
}

/** A key that is known, but in another place. */
function elsewhere(key: string, nodes: readonly OptionNode[] = optionTree()): string | undefined {
  for (const node of nodes) {
    if (node.key === key) return node.path;
    const inside = elsewhere(key, node.children);
    if (inside !== undefined) return inside;
  }
  return undefined;
}

function wrongShape(path: KeyPath, value: unknown): Pick<Finding, 'message' | 'hint'> {
  if (value === null) return { message: 'has no value', hint: 'give it one or remove the key' };
  if (value === undefined) return { message: 'is missing' };
  const keys = keysAt(path).map(({ key }) => key);
  const known = keys.length > 8 ? `${keys.slice(0, 8).join(', ')} …` : keys.join(', ');
  const what = known === '' ? 'a mapping' : `a mapping (${known})`;
  // The text in place of a secret's file name may be the secret.
  const found = typeof value === 'string' ? 'text' : typeof value === 'number' ? 'a number' : describe(value);
  const hint = known === 'file' ? { hint: 'write { file: PATH }' } : {};
  return { message: `expected ${what}, found ${found}`, ...hint };
}

function valueAt(value: unknown, path: KeyPath): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return at;
    // A single value for a list: the step into the list leads nowhere.
    if (typeof step === 'number' && !Array.isArray(at)) continue;
    at = Reflect.get(at, step);
  }
  return at;
}

function locate({ path, message, hint, isKey = false, at }: Finding, yaml: YamlText, file: string): Problem {
  const place = at === undefined ? yaml.locate(path, { isKey }) : { line: at.line, column: 1 };
  const problem = { file: at?.file ?? file, ...place, path: formatPath(path), message };
  return hint === undefined ? problem : { ...problem, hint };
}

/** The configuration first, then the files it names. */
function order(a: Problem, b: Problem, file: string): number {
  if (a.file !== b.file) return a.file === file ? -1 : b.file === file ? 1 : a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

/**
 * Loads a configuration file. A file that cannot be read is a problem like any other, at line 1; whether it
 * is there at all is the question of `findConfig`.
 */
export function loadConfigFile(file: string, options: Omit<LoadOptions, 'file'> = {}): LoadResult {
  const read = options.env?.read ?? machine.read;
  try {
    return loadConfig(read(file), { ...options, file });
  } catch (error) {
    const message = `cannot read it: ${error instanceof Error ? error.message : String(error)}`;
    return { ok: false, problems: [{ file, line: 1, column: 1, path: '', message }] };
  }
}

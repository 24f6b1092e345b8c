/** Reads the files that a configuration names: aliases, recipients. */
import { parseMailbox } from '../mail/index.ts';
import type { Finding, KeyPath } from './problem.ts';

/** A line of a file that the configuration names, and its fault. */
interface LineFault {
  readonly line: number;
  readonly message: string;
}

/** The result of reading a list file. */
export interface ListFile<T> {
  readonly value: T;
  readonly faults: readonly LineFault[];
}

/** A wrong file has a fault in each line; no more than this are reported. */
const maxFaults = 20;

/**
 * Parses aliases(5): `name: target, target`; a line that begins with a blank continues the one before; `#`
 * begins a comment where a line or a word could begin. Names are local parts, targets are addresses or local
 * parts of the same domain. Commands, files and lists (`|`, `/`, `:include:`) are refused, not ignored.
 */
export function parseAliases(text: string): ListFile<Map<string, readonly string[]>> {
  const value = new Map<string, readonly string[]>();
  const faults: LineFault[] = [];
  for (const { line, content } of logicalLines(text)) {
    const colon = content.indexOf(':');
    const name = comparable(unquote(content.slice(0, Math.max(colon, 0)).trim()));
    const targets = splitTargets(content.slice(colon + 1));
    const fault =
      aliasFault(name, colon, targets) ?? (value.has(name) ? `"${name}" is here twice` : undefined);
    if (fault !== undefined) faults.push({ line, message: fault });
    else value.set(name, targets);
  }
  return { value, faults };
}

/** Also in quotes, as aliases(5) has it: `"|/usr/bin/procmail -t"`. */
function isCommand(target: string): boolean {
  return /^(?:[|/:]|"\s*(?:[|/]|:include:).*"$)/.test(target);
}

function aliasFault(name: string, colon: number, targets: readonly string[]): string | undefined {
  if (colon < 0) return 'expected "name: target, target"';
  if (!/^[^\s@:,]{1,64}$/.test(name)) return `not a local part: "${name}"`;
  if (targets.length === 0) return `"${name}" has no target`;
  const bad = targets.find((target) => isCommand(target) || !isTarget(target));
  if (bad === undefined) return undefined;
  return isCommand(bad)
    ? `programs, files and :include: are not possible: "${bad}"`
    : `not an address or local part: "${bad}"`;
}

function isTarget(target: string): boolean {
  if (/^[|/:]/.test(target)) return false;
  return (
    parseMailbox(target.includes('@') ? target : `${target}@localhost`, { smtputf8: true }) !== undefined
  );
}

/** Splits at commas outside quotes. */
function splitTargets(text: string): string[] {
  const words = text.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? [];
  return words.map((word) => word.trim()).filter((word) => word !== '');
}

/** Names are compared without regard to case and composition (NFC). */
function comparable(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

function unquote(text: string): string {
  return text.startsWith('"') && text.endsWith('"') && text.length > 1 ? text.slice(1, -1) : text;
}

function logicalLines(text: string): { line: number; content: string }[] {
  const lines: { line: number; content: string }[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const content = raw.replace(/(^|[\s,])#.*$/, '$1');
    const last = lines.at(-1);
    if (content.trim() === '') continue;
    if (/^[ \t]/.test(content) && last !== undefined) last.content += ` ${content.trim()}`;
    else lines.push({ line: index + 1, content: content.trim() });
  }
  return lines;
}

/** Parses one local part or address per line, with `#` comments; lower case. */
export function parseRecipientList(text: string): ListFile<Set<string>> {
  const value = new Set<string>();
  const faults: LineFault[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const name = comparable(raw.replace(/(^|\s)#.*$/, '').trim());
    if (name === '') continue;
    if (isTarget(name)) value.add(name);
    else faults.push({ line: index + 1, message: `not an address or local part: "${name.slice(0, 60)}"` });
  }
  return { value, faults };
}

/** The faults of a file as findings: their lines are those of the file, their path the key that names it. */
export function findingsOf(path: KeyPath, file: string, faults: readonly LineFault[]): Finding[] {
  const told = faults.slice(0, maxFaults).map(({ line, message }) => ({ path, message, at: { file, line } }));
  const rest = faults.length - told.length;
  return rest === 0 ? told : [...told, { path, message: `${file} has ${rest} more such lines` }];
}

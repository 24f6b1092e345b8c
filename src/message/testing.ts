/** A simple reading of a whole message and its edits, with which `Incoming` is compared. */
import type { Edit, FieldEdit } from './edit.ts';

/** Everything is text with one character an octet. `undefined` edits leave the message as it is. */
export function reference(content: string, trace: string, edits: readonly Edit[] | undefined) {
  const isBlank = /^[ \t]/.test(content);
  const end = isBlank ? 0 : (/(?<![^\n])(?:\r?\n)/.exec(content)?.index ?? content.length);
  const header = content.slice(0, end);
  let rest = (isBlank ? '\r\n' : '') + content.slice(end);
  const hops = header.match(/(?<![^\n])received[ \t]*:/gi)?.length ?? 0;
  if (edits === undefined) return { text: trace + header + rest, header, hops };
  let lines = [trace, ...linesOf(header)];
  for (const edit of edits) {
    if (edit.kind === 'body') rest = `\r\n${Buffer.from(edit.octets).toString('latin1')}`;
    else lines = apply(lines, trace, edit);
  }
  const whole = lines.map((line) => (line.endsWith('\n') ? line : `${line}\r\n`)).join('');
  return { text: whole + (rest === '' ? '\r\n' : rest), header, hops };
}

/** Lines with those that continue them. */
function linesOf(header: string): string[] {
  const lines: string[] = [];
  for (const line of header.split(/(?<=\n)/)) {
    const last = lines.length - 1;
    if (/^[ \t]/.test(line) && last >= 0) lines[last] += line;
    else if (line !== '') lines.push(line);
  }
  return lines;
}

function apply(lines: string[], trace: string, edit: FieldEdit): string[] {
  if (edit.kind === 'remove-own') return lines.filter((line) => !/^x-posthouse-/i.test(line));
  const text = 'value' in edit ? fieldOf(edit.name, edit.value) : '';
  if (edit.kind === 'add') return [...lines, text];
  if (edit.kind === 'insert') return [...lines.slice(0, edit.at), text, ...lines.slice(edit.at)];
  const isIt = (line: string) => line !== trace && new RegExp(`^${edit.name}[ \\t]*:`, 'i').test(line);
  if (edit.nth === 'all') return lines.filter((line) => !isIt(line));
  let count = 0;
  const at = lines.findIndex((line) => isIt(line) && ++count === edit.nth);
  if (edit.kind === 'change' && at < 0) return [...lines, text];
  return lines.flatMap((line, index) => (index !== at ? line : edit.kind === 'change' ? text : []));
}

function fieldOf(name: string, value: string): string {
  const folded = value
    .split(/\r\n|\r|\n/)
    .reduce((all, line) => `${all}\r\n${/^[ \t]/.test(line) ? '' : '\t'}${line}`);
  return Buffer.from(`${name}:${folded}\r\n`).toString('latin1');
}

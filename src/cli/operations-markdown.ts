/** Writes the tables of events into docs/operations.md, from their declarations. */
import { readFileSync } from 'node:fs';
import type { EventTable } from '../base/index.ts';
import { eventTables } from '../relay/index.ts';

const begin = '<!-- events: written by "npm run docs" from src/*/events.ts -->\n';
const end = '<!-- end of events -->\n';

/** docs/operations.md as it is, with the tables of today between the marks. */
export function operationsMarkdown(): string {
  const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [before, rest = ''] = text.split(begin);
  const [, after] = rest.split(end);
  if (before === undefined || after === undefined)
    throw new Error('docs/operations.md has no place for events');
  return `${before}${begin}\n${eventsMarkdown(eventTables)}${end}${after}`;
}

/** One table under each heading. */
function eventsMarkdown(tables: ReadonlyMap<string, EventTable>): string {
  return [...tables].map(([heading, table]) => `### ${heading}\n\n${tableMarkdown(table)}\n`).join('');
}

function tableMarkdown(table: EventTable): string {
  const rows = Object.entries(table).map(([event, { level, fields, when }]) => {
    const names = Object.entries(fields).map(([name, kind]) => `\`${name}\`${kind.endsWith('?') ? '?' : ''}`);
    return `| \`${event}\` | ${[level].flat().join(', ')} | ${names.join(', ')} | ${when} |\n`;
  });
  return `| event | level | fields | when |\n|---|---|---|---|\n${rows.join('')}`;
}

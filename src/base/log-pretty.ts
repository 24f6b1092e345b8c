/** Renders log lines for people. */
import type { LogFields } from './event-table.ts';
import { keyValue } from './log-text.ts';

/** One line before it is rendered. */
export interface LogRecord {
  readonly at: Date;
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: LogFields;
}

const colours = { info: '\x1b[32m', warn: '\x1b[33m', error: '\x1b[31m', dim: '\x1b[2m', off: '\x1b[0m' };

/** Lines for people: local time, event, `key=value`. Nothing that is undefined is shown. */
export function renderPretty(hasColour: boolean): (record: LogRecord) => string {
  const paint = (colour: keyof typeof colours, text: string) =>
    hasColour ? `${colours[colour]}${text}${colours.off}` : text;
  return ({ at, level, event, fields }) => {
    let line = `${paint('dim', clockTime(at))} ${paint(level, event.padEnd(14))}`;
    for (const [key, value] of Object.entries(fields)) {
      if (value === undefined) continue;
      const text = keyValue(key, value);
      line += ` ${paint('dim', text.slice(0, key.length + 1))}${text.slice(key.length + 1)}`;
    }
    return `${line}\n`;
  };
}

function clockTime(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const ms = String(at.getMilliseconds()).padStart(3, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

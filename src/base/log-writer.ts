/** Opens the log of the process in one of its formats. */
import type { AnyEvent, LogFields, LogLevel } from './event-table.ts';
import type { Log } from './log.ts';
import { type LogRecord, renderPretty } from './log-pretty.ts';
import { DescriptorSink, type LogSink } from './log-sink.ts';
import { jsonKey, jsonValue } from './log-text.ts';

/** The lines of one record, each with its end. */
export type RenderRecord = (record: LogRecord) => readonly string[];

/** `auto` is `pretty` on a terminal and `json` everywhere else; a function is any other format. */
export type LogFormat = 'auto' | 'json' | 'pretty' | RenderRecord;

/** Anything that takes text, for tests and for embedding. */
export interface LogStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** How a log is written. */
export interface LogOptions {
  readonly format: LogFormat;
  /** Where the lines go instead of standard error; each is written at once. */
  readonly stream?: LogStream;
}

/**
 * Opens the log of the process. `time` (RFC 3339), `level` and `event` are the names of its own fields and must not be
 * used for others. Disposing of it writes waiting lines; lines after that may be lost.
 */
export function openLog(options: LogOptions): Log<AnyEvent> & AsyncDisposable {
  const isTerminal = options.stream === undefined ? process.stderr.isTTY : options.stream.isTTY === true;
  const format = options.format === 'auto' ? (isTerminal ? 'pretty' : 'json') : options.format;
  const line = lineWriter(format, { isTerminal, sink: (text) => sink.write(text) });
  const sink = options.stream === undefined ? descriptorSink(format) : streamSink(options.stream);
  return {
    info: (event, fields) => line('info', event, fields),
    warn: (event, fields) => line('warn', event, fields),
    error: (event, fields) => line('error', event, fields),
    isVerbose: true,
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}

type WriteLine = (level: LogLevel, event: string, fields?: LogFields) => void;

interface LineOptions {
  readonly isTerminal: boolean;
  readonly sink: (line: string) => void;
}

function lineWriter(format: Exclude<LogFormat, 'auto'>, { isTerminal, sink }: LineOptions): WriteLine {
  if (format === 'json') return jsonWriter(sink);
  const render = format === 'pretty' ? prettyLines(isTerminal) : format;
  return (level, event, fields = {}) => {
    for (const line of render({ at: new Date(), level, event, fields })) sink(line);
  };
}

function prettyLines(isTerminal: boolean): RenderRecord {
  const hasColour = isTerminal && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  const render = renderPretty(hasColour);
  return (record) => [render(record)];
}

/** JSON lines, put together here: a library that does it took three times as long for the same line. */
function jsonWriter(sink: (line: string) => void): WriteLine {
  const time = timeField();
  return (level, event, fields) => {
    let line = `{"level":"${level}"${time()},"event":"${event}"`;
    for (const key in fields) {
      const value = fields[key];
      if (value !== undefined) line += jsonKey(key) + jsonValue(value);
    }
    sink(`${line}}\n`);
  };
}

/** `time` in RFC 3339 with milliseconds; lines of one millisecond share the text. */
function timeField(): () => string {
  let at = 0;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== at) {
      at = now;
      text = `,"time":"${new Date(now).toISOString()}"`;
    }
    return text;
  };
}

function descriptorSink(format: Exclude<LogFormat, 'auto'>): LogSink {
  return new DescriptorSink(2, (count) => {
    let text = '';
    const line = lineWriter(format, {
      isTerminal: false,
      sink: (part) => {
        text += part;
      },
    });
    line('warn', 'log-lines-dropped', { count });
    return text;
  });
}

function streamSink(stream: LogStream): LogSink {
  return { write: (line) => void stream.write(line), [Symbol.asyncDispose]: async () => {} };
}

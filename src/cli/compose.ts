/** Writes the message of `posthouse send`. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';

import { formatDate } from '../mail/index.ts';
import { CliError, exitCode } from './exit-code.ts';
import { encodeWords, newMessageId } from './submission.ts';

/** A message to be written by `posthouse send`. */
export interface Draft {
  /** Empty for the null reverse-path. */
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  /** Text in any form of line ends. */
  readonly body: string;
  /** Files to attach. */
  readonly attachments: readonly string[];
  readonly hostname: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Writes the message with header and CRLF line ends; a plain text, or a multipart with the files. Throws
 * `CliError` for a file that cannot be read.
 */
export async function composeMessage(draft: Draft): Promise<Buffer> {
  const header = [
    `Date: ${formatDate(draft.now)}`,
    `From: ${draft.from || `postmaster@${draft.hostname}`}`,
    `To: ${draft.to.join(',\r\n ')}`,
    `Subject: ${formatText(draft.subject)}`,
    `Message-ID: ${newMessageId(draft.hostname)}`,
    'MIME-Version: 1.0',
  ].join('\r\n');
  const text = textPart(draft.body);
  if (draft.attachments.length === 0) return Buffer.from(`${header}\r\n${text}`);
  const boundary = randomBytes(16).toString('hex');
  const files = await Promise.all(draft.attachments.map(filePart));
  const parts = [text, ...files].map((part) => `--${boundary}\r\n${part}\r\n`).join('');
  const type = `Content-Type: multipart/mixed; boundary="${boundary}"`;
  return Buffer.from(`${header}\r\n${type}\r\n\r\n${parts}--${boundary}--\r\n`);
}

function formatText(text: string): string {
  const line = text.replace(/\p{C}+/gu, ' ').trim();
  return /^[ -~]{0,900}$/.test(line) ? line : encodeWords(line);
}

/** Plain lines stay readable; anything that SMTP could not carry as it is becomes base 64. */
function textPart(body: string): string {
  const text = body.replace(/\r\n|\r|\n/g, '\r\n');
  const ended = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`;
  const isPlain = /^[\t\r\n -~]*$/.test(ended) && ended.split('\r\n').every((line) => line.length <= 998);
  if (isPlain) return `Content-Type: text/plain; charset=us-ascii\r\n\r\n${ended}`;
  return `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(Buffer.from(ended))}`;
}

async function filePart(path: string): Promise<string> {
  const content = await readFile(path).catch((cause: unknown) => {
    throw new CliError(
      exitCode.noInput,
      `cannot read the file to attach: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  });
  const name = basename(path);
  const type = types[extname(path).toLowerCase()] ?? 'application/octet-stream';
  const fileName = /^[\w .-]+$/.test(name)
    ? `filename="${name}"`
    : `filename*=utf-8''${encodeExtended(name)}`;
  return [
    `Content-Type: ${type}`,
    'Content-Transfer-Encoding: base64',
    `Content-Disposition: attachment; ${fileName}`,
    '',
    base64(content),
  ].join('\r\n');
}

/** RFC 5987 §3.2.1: `encodeURIComponent` leaves a few characters that are not allowed here. */
function encodeExtended(name: string): string {
  return encodeURIComponent(name).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
}

const types: Readonly<Record<string, string>> = {
  '.txt': 'text/plain; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.csv': 'text/csv',
  '.json': 'application/json',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.zip': 'application/zip',
};

function base64(octets: Buffer): string {
  return `${octets.toString('base64').replace(/.{76}(?=.)/g, '$&\r\n')}\r\n`;
}

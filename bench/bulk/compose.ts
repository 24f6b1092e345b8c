/** A whole RFC 5322 message from a body: headers, boundary, Message-ID and recipient of its own for each copy. */
import type { Random } from './random.ts';

export interface File {
  readonly name: string;
  readonly type: string;
  readonly octets: Uint8Array;
  /** Shown in the HTML by this Content-ID. */
  readonly contentId?: string;
}

export interface Body {
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
  readonly files?: readonly File[];
  /** Default: `utf-8`. */
  readonly charset?: Charset;
  /** Default: `7bit` where that is possible, else `quoted-printable`. */
  readonly encoding?: Encoding;
}

export type Charset = 'utf-8' | 'iso-8859-1' | 'windows-1251' | 'koi8-r' | 'gbk';
export type Encoding = '8bit' | 'quoted-printable' | 'base64';

export interface Addressee {
  readonly name: string;
  readonly address: string;
}

const firstNames =
  'Anna Boris Carla David Elena Frank Greta Henry Irene Jonas Karen Louis Maria Nigel Olga Peter Quentin Rosa Simon Tanya Ulrich Vera Walter Xenia Yuri Zoe'.split(
    ' ',
  );
const lastNames =
  'Abel Brandt Castle Dunn Ericson Fowler Garcia Hughes Ivanov Jensen Keller Larsen Miller Novak Olsen Parker Quist Rossi Schmidt Tanaka'.split(
    ' ',
  );

export function addressee(random: Random): Addressee {
  const first = random.pick(firstNames);
  const last = random.pick(lastNames);
  const address = `${first}.${last}${random.int(10_000)}@${random.pick(['mail', 'post', 'corp', 'home'])}${random.int(400)}.example`;
  return { name: `${first} ${last}`, address: address.toLowerCase() };
}

const crlf = (text: string): string => text.replace(/\r?\n/g, '\r\n');

/** The octets of the message, CRLF line ends. */
export function compose(body: Body, to: Addressee, random: Random): Buffer {
  const sender = addressee(random);
  const host = `h${random.hex(6)}.example`;
  const at = new Date(Date.UTC(2026, 10, 1) + random.int(20 * 86_400) * 1000).toUTCString();
  const address = `${random.int(223) + 1}.${random.int(256)}.${random.int(256)}.${random.int(256)}`;
  const header = [
    `Received: from ${host} ([${address}]) by mx.example with ESMTP id ${random.hex(10)}; ${at.replace('GMT', '+0000')}`,
    `From: "${sender.name}" <${sender.address}>`,
    `To: "${to.name}" <${to.address}>`,
    `Subject: ${encodeSubject(body.subject)}`,
    `Date: ${at.replace('GMT', '+0000')}`,
    `Message-ID: <${random.hex(20)}@${host}>`,
    'MIME-Version: 1.0',
  ];
  return Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n`), entity(body, random)]);
}

const encodeSubject = (subject: string): string =>
  /^[ -~]*$/.test(subject) ? subject : `=?utf-8?B?${Buffer.from(subject).toString('base64')}?=`;

function entity(body: Body, random: Random): Buffer {
  const charset = body.charset ?? 'utf-8';
  const texts = [
    ...(body.text === undefined ? [] : [textEntity('text/plain', body.text, { ...body, charset })]),
    ...(body.html === undefined ? [] : [textEntity('text/html', body.html, { ...body, charset })]),
  ];
  const [only] = texts;
  const text = texts.length === 1 && only !== undefined ? only : multipart('alternative', texts, random);
  const files = (body.files ?? []).map(fileEntity);
  if (files.length === 0) return text;
  return multipart(body.html === undefined ? 'mixed' : 'related', [text, ...files], random);
}

function multipart(kind: string, entities: readonly Buffer[], random: Random): Buffer {
  const boundary = `----=_${random.hex(16)}`;
  return Buffer.concat([
    Buffer.from(`Content-Type: multipart/${kind};\r\n\tboundary="${boundary}"\r\n\r\n`),
    ...entities.flatMap((one) => [Buffer.from(`--${boundary}\r\n`), one, Buffer.from('\r\n')]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
}

function textEntity(type: string, text: string, how: { charset: Charset; encoding?: Encoding }): Buffer {
  const octets = encodeCharset(crlf(text.endsWith('\n') ? text : `${text}\n`), how.charset);
  const isAscii = octets.every((octet) => octet < 128);
  const encoding = how.encoding ?? (isAscii ? '7bit' : 'quoted-printable');
  const header = `Content-Type: ${type}; charset=${isAscii ? 'us-ascii' : how.charset}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
  if (encoding === 'base64') return Buffer.from(`${header}${base64Lines(octets)}`);
  if (encoding === 'quoted-printable') return Buffer.from(`${header}${quotedPrintable(octets)}`);
  return Buffer.concat([Buffer.from(header), octets]);
}

function fileEntity(file: File): Buffer {
  const placed =
    file.contentId === undefined
      ? `Content-Disposition: attachment; filename="${file.name}"`
      : `Content-Disposition: inline; filename="${file.name}"\r\nContent-ID: <${file.contentId}>`;
  const header = `Content-Type: ${file.type}; name="${file.name}"\r\n${placed}\r\nContent-Transfer-Encoding: base64\r\n\r\n`;
  return Buffer.from(`${header}${base64Lines(file.octets)}`);
}

const base64Lines = (octets: Uint8Array): string =>
  Buffer.from(octets)
    .toString('base64')
    .replace(/.{1,76}/g, '$&\r\n');

/** RFC 2045 §6.7: lines of at most 76 columns. */
function quotedPrintable(octets: Uint8Array): string {
  const encodeLine = (line: string): string => {
    const units = Array.from(line, (char, i) =>
      /[!-<>-~]/.test(char) || (char === ' ' && i < line.length - 1)
        ? char
        : `=${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    );
    const lines = [''];
    for (const unit of units) {
      if ((lines.at(-1) ?? '').length + unit.length > 75) lines.push('');
      lines[lines.length - 1] += unit;
    }
    return lines.join('=\r\n');
  };
  return Buffer.from(octets).toString('latin1').split('\r\n').map(encodeLine).join('\r\n');
}

const encoders = new Map<Charset, ReadonlyMap<string, readonly number[]>>();

/** Node decodes the old charsets and does not encode them: its decoder, turned round. */
function encoderOf(charset: Charset): ReadonlyMap<string, readonly number[]> {
  const known = encoders.get(charset);
  if (known !== undefined) return known;
  const decoder = new TextDecoder(charset);
  const table = new Map<string, readonly number[]>();
  for (let lead = 0; lead < 256; lead++) {
    if (charset !== 'gbk' || lead < 128) table.set(decoder.decode(Uint8Array.of(lead)), [lead]);
    else {
      for (let trail = 0x40; trail < 0xff; trail++) {
        const char = decoder.decode(Uint8Array.of(lead, trail));
        if (char.length === 1) table.set(char, [lead, trail]);
      }
    }
  }
  encoders.set(charset, table);
  return table;
}

function encodeCharset(text: string, charset: Charset): Buffer {
  if (charset === 'utf-8' || /^[\0-\x7f]*$/.test(text)) return Buffer.from(text);
  const table = encoderOf(charset);
  return Buffer.from(Array.from(text).flatMap((char) => table.get(char) ?? [0x3f]));
}

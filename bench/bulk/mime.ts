/**
 * MIME as the old clients see it: enough for the peers and for taking texts from the corpus. It is not the product's
 * reader, and is not shared with it, so that neither hides the other's mistakes.
 */

export interface Part {
  /** Header fields as they came, in Latin 1, unfolded, LF between them. */
  readonly header: string;
  /** Lower case, without parameters. */
  readonly type: string;
  readonly charset: string;
  /** In Latin 1, LF line ends, transfer encoding still on. */
  readonly raw: string;
  /** Transfer encoding taken off. */
  readonly decoded: Buffer;
}

const maxDepth = 8;

/** The leaves of a message in their order. */
export function leaves(octets: Uint8Array): readonly Part[] {
  return walk(Buffer.from(octets).toString('latin1').replace(/\r+\n/g, '\n'), 0);
}

function walk(entity: string, depth: number): readonly Part[] {
  const end = entity.startsWith('\n') ? 0 : entity.indexOf('\n\n');
  const header = (end < 0 ? entity : entity.slice(0, end)).replace(/\n[ \t]+/g, ' ');
  const raw = end < 0 ? '' : entity.slice(end === 0 ? 1 : end + 2);
  const contentType = field(header, 'content-type') ?? 'text/plain';
  const type = (/^[^;\s]+/.exec(contentType)?.[0] ?? 'text/plain').toLowerCase();
  const boundary = parameter(contentType, 'boundary');
  if (type.startsWith('multipart/') && boundary !== undefined && depth < maxDepth) {
    return sections(raw, boundary).flatMap((section) => walk(section, depth + 1));
  }
  const encoding = (field(header, 'content-transfer-encoding') ?? '').trim().toLowerCase();
  const charset = parameter(contentType, 'charset')?.toLowerCase() ?? 'us-ascii';
  return [{ header, type, charset, raw, decoded: decode(raw, encoding) }];
}

function sections(raw: string, boundary: string): readonly string[] {
  const delimiter = `\n--${boundary}`;
  const [, ...rest] = `\n${raw}`.split(delimiter);
  const closed = rest.findIndex((one) => one.startsWith('--'));
  return (closed < 0 ? rest : rest.slice(0, closed)).map((one) => one.replace(/^[ \t]*\n/, ''));
}

export function field(header: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(header)?.[1];
}

function parameter(value: string, name: string): string | undefined {
  const found = new RegExp(`${name}\\s*=\\s*(?:"([^"]*)"|([^\\s;]+))`, 'i').exec(value);
  return found?.[1] ?? found?.[2];
}

function decode(raw: string, encoding: string): Buffer {
  if (encoding === 'base64') return Buffer.from(raw, 'base64');
  return Buffer.from(encoding === 'quoted-printable' ? decodeQuotedPrintable(raw) : raw, 'latin1');
}

export function decodeQuotedPrintable(text: string): string {
  return text
    .replace(/=[ \t]*\n/g, '')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Text in its charset; Latin 1 where that is unknown. */
export function partText(part: Part): string {
  try {
    return new TextDecoder(part.charset === 'us-ascii' ? 'latin1' : part.charset).decode(part.decoded);
  } catch {
    return part.decoded.toString('latin1');
  }
}

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  nbsp: ' ',
  copy: '©',
};

/** Tags, comments, scripts and styles taken off; nothing is known of what CSS hides. */
export function withoutTags(html: string): string {
  return html
    .replace(/<!--[\s\S]*?(?:-->|$)/g, '')
    .replace(/<(script|style|title)\b[\s\S]*?(?:<\/\1\s*>|$)/gi, '')
    .replace(/<\/?(?:p|div|br|tr|td|li|h[1-6]|table|center|hr)\b[^>]*>/gi, '\n')
    .replace(/<[a-z/!?][^>]*>/gi, '')
    .replace(/&#(\d{1,6});?/g, (_, code: string) => String.fromCodePoint(Math.min(Number(code), 0x10ffff)))
    .replace(/&([a-z]+);?/gi, (whole, name: string) => entities[name.toLowerCase()] ?? whole);
}

/** All text parts, one after the other, HTML without its tags. */
export function messageText(octets: Uint8Array): string {
  return leaves(octets)
    .filter((part) => part.type.startsWith('text/'))
    .map((part) => (part.type === 'text/html' ? withoutTags(partText(part)) : partText(part)))
    .join('\n');
}

export function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

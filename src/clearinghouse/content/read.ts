/** Reads a message as its reader sees it: the entry to this folder. */
import { unfold } from '../../mail/index.ts';
import { Actions, registrable } from './actions.ts';
import type { Content, Leaf, ReadOptions } from './content.ts';
import { withoutFooter } from './footer.ts';
import { type Page, readPage } from './html.ts';
import { walkMessage } from './mime.ts';
import { decodeBase64, decodeText, decodeWords } from './transfer.ts';
import { plainText } from './unicode.ts';
import { readWords } from './words.ts';

/** Of a field of the header so many characters are looked at. */
const maxField = 4000;
/** Bounds of the text that is examined: octets of the parts, and characters of the visible text. */
const maxTextOctets = 2 ** 20;
const maxText = 400_000;
/** Common test strings: the one of SpamAssassin, and ours. */
export const testStrings = [
  'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X',
  'XJS*POSTHOUSE*BULK*TEST*STRING*C.34X',
];

/** Reads the content of a message as its reader sees it. Never throws; time and memory are bounded for any octets. */
export function readContent(octets: Uint8Array, { recipients = [] }: ReadOptions = {}): Content {
  const { fields, leaves, isTruncated } = walkMessage(octets);
  const field = (name: string) => decodeWords(unfold(fields.get(name) ?? '').slice(0, maxField));
  const actions = new Actions();
  const seen = readLeaves(leaves, actions);
  const whole = seen.text.slice(0, maxText);
  const own = ownNames(recipients, field('to'));
  const sender = senderDomain(field('from'));
  const listId = /<([^<>]+)>/.exec(field('list-id'))?.[1]?.toLowerCase();
  // A page may have its links anywhere.
  const text = actions.list.length > 0 ? whole : withoutFooter(whole, sender);
  const reply = lastAddress(field('reply-to'));
  if (reply !== undefined) actions.add(`reply:${reply.toLowerCase()}`);
  actions.text(text);
  const { words, folded, order } = readWords(text, own, actions);
  return {
    words,
    folded,
    order,
    actions: actions.list,
    structure: seen.structure,
    leaves,
    pictures: seen.pictures.map((base64) => decodeBase64(Buffer.from(base64, 'latin1'))),
    ...(sender !== undefined && { senderDomain: sender }),
    ...(listId !== undefined && { listId }),
    ...(fields.has('message-id') && { messageKey: `${fields.get('message-id')}\n${fields.get('to') ?? ''}` }),
    isTest: testStrings.some(
      (text) => seen.text.includes(text) || leaves.some((leaf) => hasText(leaf, text)),
    ),
    isTruncated: isTruncated || seen.isTruncated || whole.length < seen.text.length,
  };
}

/** The text that a mail program shows: of several forms of the same, HTML. */
function readLeaves(leaves: readonly Leaf[], actions: Actions) {
  const withHtml = new Set(
    leaves.flatMap(({ type, alternative }) =>
      type === 'text/html' && alternative !== undefined ? [alternative] : [],
    ),
  );
  const structure: string[] = [];
  const pictures: string[] = [];
  let text = '';
  let left = maxTextOctets;
  for (const leaf of leaves) {
    if (!leaf.type.startsWith('text/') || leaf.isAttachment || left <= 0) continue;
    if (leaf.type === 'text/plain' && leaf.alternative !== undefined && withHtml.has(leaf.alternative))
      continue;
    const decoded = decodeText(leaf.octets.subarray(0, left), leaf.charset);
    left -= leaf.octets.length;
    const page = leaf.type === 'text/html' || looksLikeHtml(decoded) ? readPage(decoded) : undefined;
    text += `${page?.text ?? decoded}\n`;
    if (page === undefined) continue;
    notePage(page, structure, actions);
    pictures.push(...page.pictures);
  }
  return { text, structure, pictures, isTruncated: left <= 0 };
}

/** Whether the text is in a part that the reader may not see: another alternative, or a file. */
function hasText({ type, octets }: Leaf, text: string): boolean {
  if (!type.startsWith('text/')) return false;
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).includes(text);
}

/** The address around the last `@` of a text. */
function lastAddress(text: string): string | undefined {
  const at = text.lastIndexOf('@');
  const isInside = (place: number) => place >= 0 && place < text.length && !/[\s<>]/.test(text.charAt(place));
  let [from, to] = [at, at + 1];
  while (isInside(from - 1)) from--;
  while (isInside(to)) to++;
  return at > from && to > at + 1 ? text.slice(from, to) : undefined;
}

function notePage({ links, structure: tags }: Page, structure: string[], actions: Actions): void {
  for (const { kind, target } of links) actions.link(target, kind);
  structure.push(...tags);
}

/** Some senders forget to declare HTML. */
function looksLikeHtml(text: string): boolean {
  return /^\s*(?:<!doctype html|<html[\s>])/i.test(text.slice(0, 500));
}

/** The names of the recipients: local parts and the words in them, domains, display names. */
function ownNames(recipients: readonly string[], to: string): ReadonlySet<string> {
  const own = new Set<string>();
  const addresses = [
    ...recipients.slice(0, 50),
    ...(to.length < 2000 ? (to.match(/[^\s<>,;"]+@[^\s<>,;"]+/g) ?? []) : []),
  ];
  for (const address of addresses) {
    const [local = '', domain = ''] = plainText(address).split('@');
    own.add(local);
    own.add(domain);
    for (const part of local.split(/[._+-]/)) if (part.length > 2) own.add(part);
    const label = domain.split('.')[0] ?? '';
    if (label.length > 2) own.add(label);
  }
  if (to.length < 2000)
    for (const name of plainText(to.replace(/<[^>]*>/g, ' ')).match(/\p{L}{3,}/gu) ?? []) own.add(name);
  return own;
}

function senderDomain(from: string): string | undefined {
  const host = /@([^\s<>"',;]+)/.exec(from)?.[1]?.replace(/[>).]+$/, '');
  return host === undefined ? undefined : (registrable(host) ?? host.toLowerCase());
}

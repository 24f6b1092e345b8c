/** The transports that there are: a further one is a file of this folder and a line here. */
import { withoutPassword } from '../../base/index.ts';
import { capture } from './capture.ts';
import type { TransportKind, Via } from './kind.ts';
import { lmtp } from './lmtp.ts';
import { maildir } from './maildir.ts';
import { mx } from './mx.ts';
import { smtp } from './smtp.ts';

const transports: readonly TransportKind[] = [smtp, lmtp, maildir, capture, mx];

/** Parses a `via`. A string is its fault, for the reader of the configuration. */
export function parseVia(text: string): Via | string {
  const colon = text.indexOf(':');
  const scheme = colon < 0 ? text : text.slice(0, colon);
  const rest = colon < 0 ? undefined : text.slice(colon + 1);
  const kind = transports.find(({ schemes }) => schemes.includes(scheme));
  return kind?.parse(rest, text) ?? `unknown destination "${withoutPassword(text)}": expected ${known()}`;
}

function known(): string {
  const forms = transports.flatMap((each) => each.forms);
  return `${forms.slice(0, -1).join(', ')} or ${forms.at(-1)}`;
}

/** Options with values of mail: domains, mailboxes, recipients, reply codes. */
import { type Address, type Domain, parseDomain, parseMailbox } from '../../mail/index.ts';
import { describe, expected, Fault, nearestHint, scalar, textual } from './value.ts';

export const domainName = () =>
  textual('domain', (value): Domain | Fault => {
    return parseDomain(value) ?? new Fault(`not a domain: ${describe(value)}`);
  });

/** A domain of ours: never a pattern. */
export const ownDomain = () =>
  textual('domain', (value): Domain | Fault => {
    if (value.includes('*')) {
      return new Fault(
        `${describe(value)} would relay for anybody`,
        'that is relay.open; list your own domains',
      );
    }
    return parseDomain(value) ?? new Fault(`not a domain: ${describe(value)}`);
  });

export const mailbox = () =>
  textual('mail address', (value): Address | Fault => {
    return parseMailbox(value, { smtputf8: true }) ?? new Fault(`not a mail address: ${describe(value)}`);
  });

/** A permanent refusal: `550`, or an enhanced code, `5.1.1`. */
export const refusal = () =>
  textual('reply code', (code) =>
    /^5(?:\d\d|(?:\.\d{1,3}){2})$/.test(code) ? code : expected('a code such as 550 or 5.1.1', code),
  );

/** How a domain knows its recipients, before its file is read. */
export type RecipientsOption =
  | { readonly kind: 'any' | 'verify' }
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'list'; readonly names: readonly string[] };

export const recipients = () =>
  scalar('`any`, `verify`, `{ file: PATH }` or a list of names', (value): RecipientsOption | Fault => {
    if (value === 'any' || value === 'verify') return { kind: value };
    if (Array.isArray(value)) return recipientList(value);
    if (typeof value === 'object' && value !== null) {
      const [[key, file] = [], ...more] = Object.entries(value);
      if (key === 'file' && typeof file === 'string' && file !== '' && more.length === 0) {
        return { kind: 'file', file };
      }
      return new Fault('expected { file: PATH }');
    }
    const hint = typeof value === 'string' ? nearestHint(value, ['any', 'verify']) : undefined;
    return new Fault(
      `expected any, verify, { file: PATH } or a list of names, found ${describe(value)}`,
      hint,
    );
  });

function recipientList(list: readonly unknown[]): RecipientsOption | Fault {
  const bad = list.find((name) => typeof name !== 'string' || !/^\S+$/.test(name));
  if (bad !== undefined) return new Fault(`not a recipient: ${describe(bad)}`);
  return { kind: 'list', names: list.map((name) => String(name).normalize('NFC').toLowerCase()) };
}

/** `domains`: the domains of this site, to which any client may send. */
import { z } from 'zod';
import type { KnownRecipients, LocalDomain } from '../../policy/options.ts';
import { findingsOf, parseAliases, parseRecipientList } from '../files.ts';
import { type KeyPath, repeated } from '../problem.ts';
import { defined, type Site, section } from '../section.ts';
import { destination } from '../values/destination.ts';
import { mailbox, ownDomain, recipients } from '../values/mail.ts';
import { boolean, listOf, path, text } from '../values/value.ts';

/** One domain of this site: the names of its recipients, and the destination of their mail. */
export interface DomainConfig extends LocalDomain {
  /** The text that delivery parses. Absent: the routes decide. */
  readonly deliver?: string;
  readonly isBackup: boolean;
  /** `user` or `user:group`, not looked up. */
  readonly owner?: string;
}

const schema = z.strictObject({
  name: ownDomain().describe('The domain.'),
  deliver: destination()
    .optional()
    .describe(
      'Where its mail goes: `maildir:/var/mail/{local}` (also `{domain}`; both are made safe for a path), `lmtp://127.0.0.1:24`, `lmtp:/path/socket`, `smtp://host:port` or `capture`. Without it the routes decide.',
    ),
  recipients: recipients()
    .prefault('any')
    .describe(
      'The recipients of the domain. Others are refused at RCPT, so that no bounce is ever sent. `verify` asks the destination and remembers the answer; a file or list has one local part or address per line.',
    ),
  aliases: path()
    .optional()
    .describe(
      'A file of aliases(5): `name: target, target`, continuation lines, `#` comments. Targets are looked up like recipients of a client: they may be aliases, and a tag is taken off. A target that does not exist, or a circle, is an error that `check` reports.',
    ),
  catchAll: mailbox()
    .optional()
    .describe(
      'The address that gets mail for recipients that do not exist, instead of a refusal; it may be an alias. Default: none.',
    ),
  tagSeparator: text()
    .prefault('+')
    .describe('Characters that begin a tag: `user+shop` is `user`. `none` turns tags off.'),
  backup: boolean()
    .prefault(false)
    .describe('We are a backup MX: its mail waits here and goes on to its better exchangers.'),
  owner: text()
    .optional()
    .describe('The user, or `user:group`, that owns the Maildirs. Needs a start as root. Default: `user`.'),
});

type Parsed = z.output<typeof schema>;

export const domains = section({
  schema: listOf(schema).prefault([]).describe('Your own domains: any client may send to them.'),
  effect: 'reload',
  memberName: ({ name }: DomainConfig) => name,
  resolve: (value, site): readonly DomainConfig[] =>
    value.map((domain, i) => domainOf(domain, ['domains', i], site)),
  problems: (value) =>
    repeated(
      value.map(({ name }) => name),
      (i) => ['domains', i, 'name'],
      'is a domain',
    ),
});

function domainOf(domain: Parsed, path: KeyPath, site: Site): DomainConfig {
  const { name, deliver, catchAll, tagSeparator, backup, owner } = domain;
  return {
    name,
    ...defined('deliver', deliver),
    recipients: recipientsOf(domain, path, site),
    aliases: aliasesOf(domain, path, site),
    ...defined('catchAll', catchAll),
    tagSeparators: tagSeparator === 'none' ? '' : tagSeparator,
    // An LMTP server or another relay understands tags; a Maildir is found without one.
    keepsTag: deliver?.startsWith('maildir:') !== true,
    isBackup: backup,
    ...defined('owner', owner),
  };
}

function recipientsOf({ recipients }: Parsed, path: KeyPath, site: Site): KnownRecipients {
  if (recipients.kind === 'list') return { kind: 'list', names: new Set(recipients.names) };
  if (recipients.kind !== 'file') return { kind: recipients.kind };
  const at = [...path, 'recipients', 'file'];
  const { value, faults } = parseRecipientList(site.read(at, recipients.file) ?? '');
  site.report(findingsOf(at, site.path(recipients.file), faults));
  return { kind: 'list', names: value };
}

function aliasesOf({ aliases }: Parsed, path: KeyPath, site: Site): DomainConfig['aliases'] {
  if (aliases === undefined) return new Map();
  const at = [...path, 'aliases'];
  const { value, faults } = parseAliases(site.read(at, aliases) ?? '');
  site.report(findingsOf(at, site.path(aliases), faults));
  return value;
}

/** `postmaster`: the address for notices of the relay itself. */
import { type Address, type Domain, parseMailbox } from '../../mail/index.ts';
import { section } from '../section.ts';
import { mailbox } from '../values/mail.ts';

export const postmaster = section({
  schema: mailbox()
    .optional()
    .describe(
      'Gets the mail for postmaster and abuse of every domain, and the notices of the relay; it may be an alias. Default: `postmaster@` and the hostname.',
    ),
  effect: 'reload',
  resolve: (value, _, { hostname }: { readonly hostname: Domain }): Address =>
    value ??
    parseMailbox(`postmaster@${hostname}`, { smtputf8: false }) ?? {
      text: `postmaster@${hostname}`,
      localPart: 'postmaster',
      domain: hostname,
    },
});

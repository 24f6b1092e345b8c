/** `relay`: the clients that may relay to any domain, besides those that send to the domains of this site. */
import { z } from 'zod';
import type { Cidr } from '../../base/index.ts';
import { defined, section, type Warning } from '../section.ts';
import { ownNetwork } from '../values/place.ts';
import { boolean, listOf, sentence } from '../values/value.ts';
import {
  type CertificateConfig,
  certificateProblems,
  certificateSchema,
  certificatesOf,
} from './relay-certificates.ts';
import {
  eventsProblems,
  loopbackWarnings,
  type PopBeforeSmtpConfig,
  popBeforeSmtpOf,
  popBeforeSmtpSchema,
} from './relay-pop-before-smtp.ts';

/** The grounds on which a client may relay. */
export interface RelayConfig {
  readonly networks: readonly Cidr[];
  readonly authenticated: boolean;
  readonly certificates: readonly CertificateConfig[];
  /** The certificates of client authorities, PEM. */
  readonly clientAuthorities: readonly string[];
  readonly popBeforeSmtp?: PopBeforeSmtpConfig;
  readonly open: boolean;
  /** The operator's own words; logged at each start. */
  readonly openAcknowledgement?: string;
}

const schema = z.strictObject({
  networks: listOf(ownNetwork())
    .prefault([])
    .describe('Clients that may relay to every domain. Empty: no client may because of its address.'),
  authenticated: boolean().prefault(false).describe('Whether users may relay after a login (see `users`).'),
  certificates: listOf(certificateSchema)
    .prefault([])
    .describe('Clients that may relay because of their TLS certificate.'),
  popBeforeSmtp: popBeforeSmtpSchema
    .optional()
    .describe(
      'POP before SMTP: after a login to a mailbox (see `pop3`) the same address may relay for a while, as that user. Default: off.',
    ),
  open: boolean()
    .prefault(false)
    .describe(
      'Relaying for every client that can connect. It needs listeners on loopback or private addresses only, or `openAcknowledgement`; the guard stays on. Submission listeners stay closed.',
    ),
  openAcknowledgement: sentence()
    .optional()
    .describe(
      'A sentence of your own, five words or more, saying that you want an open relay on a public address. It is logged at each start. Default: none.',
    ),
});

export const relay = section({
  schema: schema.prefault({}).describe('The clients that may send to every domain, not only to yours.'),
  effect: 'reload',
  resolve: ({ certificates, popBeforeSmtp, openAcknowledgement, ...grounds }, site): RelayConfig => ({
    ...grounds,
    ...certificatesOf(certificates, site),
    ...defined('openAcknowledgement', openAcknowledgement),
    ...defined('popBeforeSmtp', popBeforeSmtp && popBeforeSmtpOf(popBeforeSmtp, site)),
  }),
  problems: ({ certificates, popBeforeSmtp }) => [
    ...certificateProblems(certificates),
    ...(popBeforeSmtp ? eventsProblems(popBeforeSmtp) : []),
  ],
  warnings: ({ open, openAcknowledgement, popBeforeSmtp }) => [
    ...(open ? [openWarning(openAcknowledgement)] : []),
    ...(popBeforeSmtp ? loopbackWarnings(popBeforeSmtp) : []),
  ],
});

function openWarning(acknowledgement: string | undefined): Warning {
  const said = acknowledgement === undefined ? '' : `; the operator says: "${acknowledgement}"`;
  return { path: 'relay.open', message: `anybody who can connect may relay${said}` };
}

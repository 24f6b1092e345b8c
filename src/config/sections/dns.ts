/** `dns`: the resolvers that are asked. */
import { z } from 'zod';
import { defaultTimeoutMs, type ResolverOptions } from '../../dns/options.ts';
import { defined, section } from '../section.ts';
import { hostPort, socketAddress } from '../values/place.ts';
import { duration, durationText } from '../values/quantity.ts';
import { boolean, listOf } from '../values/value.ts';

/** The options of the resolver, and whether delivery may follow a name into a private network. */
export type DnsConfig = Pick<ResolverOptions, 'servers' | 'timeoutMs'> & {
  readonly refusePrivateMx: boolean;
};

const schema = z.strictObject({
  servers: listOf(socketAddress(53))
    .optional()
    .describe('The recursive resolvers to ask. Default: those of the system.'),
  timeout: duration({ min: '100ms', max: '1m' })
    .prefault(durationText(defaultTimeoutMs))
    .describe('How long to wait for one answer before asking again.'),
  refusePrivateMx: boolean()
    .prefault(true)
    .describe(
      'Do not connect to mail exchangers on addresses that the whole Internet cannot reach: private ones, all others of the special-purpose registries of IANA, and IPv6 addresses that carry such an IPv4 address (NAT64, 6to4, Teredo, ISATAP). So a stranger’s DNS cannot point the relay at your own network. Routes may.',
    ),
});

export const dns = section({
  schema: schema.prefault({}).describe('How names are looked up.'),
  effect: 'reload',
  resolve: ({ servers, timeout, refusePrivateMx }): DnsConfig => ({
    ...defined('servers', servers?.map(hostPort)),
    timeoutMs: timeout,
    refusePrivateMx,
  }),
});

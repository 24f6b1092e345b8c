/** `pop3`: listeners for POP3, as a proxy or as a server. */
import { z } from 'zod';
import { isLoopback } from '../../base/index.ts';
import { defaultPopLimits, type PopListenerConfig, type PopUpstream } from '../../pop3/options.ts';
import { type KeyPath, repeated } from '../problem.ts';
import { defined, type Site, section } from '../section.ts';
import { hostPort, popServer, proxyNetwork, socketAddress, uniquePlace } from '../values/place.ts';
import { count, duration } from '../values/quantity.ts';
import { boolean, choice, listOf, path, text } from '../values/value.ts';

/** The POP3 listeners, and the limits of their clients. */
export interface Pop3Config {
  readonly listeners: readonly PopListenerConfig[];
  readonly connections: number;
  readonly connectionsPerClient: number;
}

const via = z.strictObject({
  server: popServer().describe(
    'The server behind: `pop3://host[:110]`, or `pop3s://host[:995]` for TLS from the first octet.',
  ),
  starttls: boolean()
    .optional()
    .describe('Whether to ask a `pop3://` server for TLS. Default: unless it is on this machine.'),
  verify: boolean().prefault(true).describe('Whether its certificate has to be valid for its name.'),
  ca: path()
    .optional()
    .describe('Authorities for its certificate besides those of the system, PEM. Default: none.'),
  proxyProtocol: boolean()
    .prefault(false)
    .describe(
      'Whether to tell the server of the client by the PROXY protocol, version 2 (`haproxy = yes` in Dovecot).',
    ),
  timeout: duration({ min: '1s', max: '5m' })
    .prefault('1m')
    .describe('For the connection, and for each answer before the login.'),
});

const listener = z.strictObject({
  address: socketAddress(110).describe(
    'The IP address and port to listen on; usually 110, and 995 with `implicit`.',
  ),
  name: text().optional().describe('The name in logs. Default: `pop3` and the address.'),
  tls: choice(['stls', 'implicit', 'none'])
    .optional()
    .describe(
      '`stls` offers TLS, `implicit` speaks it from the first octet. Default: `implicit` on port 995, else `stls` when `tls` has a certificate.',
    ),
  via: via
    .optional()
    .describe(
      'Be a proxy in front of this server. Default: serve the Maildirs of `domains` to the users of `users`.',
    ),
  plaintext: choice(['never', 'loopback'])
    .prefault('never')
    .describe('Whether passwords may come without TLS, from this machine only.'),
  proxyProtocolFrom: listOf(proxyNetwork())
    .prefault([])
    .describe('Proxies that begin a connection with the PROXY protocol (v1 or v2).'),
});

const schema = z.strictObject({
  listeners: listOf(listener).prefault([]).describe('Listeners for POP3 clients.'),
  connections: count(1, 100_000)
    .prefault(defaultPopLimits.connections)
    .describe('Connections at one time to one listener.'),
  connectionsPerClient: count(1, 100_000)
    .prefault(defaultPopLimits.connectionsPerClient)
    .describe('The same from one address.'),
});

type ParsedListener = z.output<typeof listener>;

export const pop3 = section({
  schema: schema.prefault({}).describe('POP3: a proxy in front of a server, or a server of its own.'),
  effect: 'rebind',
  resolve: ({ listeners, ...limits }, site, others: { readonly tls?: unknown }): Pop3Config => ({
    ...limits,
    listeners: listeners.map((each, i) => listenerOf(each, i, { site, hasTls: others.tls !== undefined })),
  }),
  problems: ({ listeners }) =>
    repeated(
      listeners.map(({ address }) => uniquePlace(address)),
      (i) => ['pop3', 'listeners', i, 'address'],
      'is listened on',
    ),
});

function listenerOf(
  { address, name, via, tls, ...listener }: ParsedListener,
  i: number,
  { site, hasTls }: { readonly site: Site; readonly hasTls: boolean },
): PopListenerConfig {
  const { port } = address;
  const usual = port === 995 ? 'implicit' : hasTls ? 'stls' : 'none';
  return {
    ...listener,
    name: name ?? `pop3 ${hostPort(address)}${port === 0 ? ` #${i + 1}` : ''}`,
    ...address,
    tls: tls ?? usual,
    ...defined('via', via && upstreamOf(via, ['pop3', 'listeners', i, 'via'], site)),
  };
}

function upstreamOf(
  { server, starttls, verify, ca, proxyProtocol, timeout }: z.output<typeof via>,
  path: KeyPath,
  site: Site,
): PopUpstream {
  const { host, port, isSecure } = server;
  if (isSecure && starttls !== undefined)
    site.find([...path, 'starttls'], 'pop3s is under TLS from the first octet');
  const isHere = host === 'localhost' || isLoopback(host);
  const tls = isSecure ? 'implicit' : (starttls ?? !isHere) ? 'stls' : 'none';
  const roots = ca === undefined ? undefined : site.read([...path, 'ca'], ca);
  return {
    host,
    port,
    tls,
    verify,
    ...(roots !== undefined && { ca: roots }),
    sendProxy: proxyProtocol,
    timeoutMs: timeout,
  };
}

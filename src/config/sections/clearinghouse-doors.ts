/** `clearinghouse.doors`: the protocols and clients of the clearinghouse. */
import { z } from 'zod';
import { type DoorConfig, defaultDoorLimits } from '../../clearinghouse/options.ts';
import type { Finding, KeyPath } from '../problem.ts';
import type { Site } from '../section.ts';
import { network, socketAddress } from '../values/place.ts';
import { count } from '../values/quantity.ts';
import { secretFile, tokenOf } from '../values/secret.ts';
import { choice, listOf, path, text } from '../values/value.ts';

const everybody = { means: 'anybody could ask and report', hint: 'list the networks of your filters' };

const limits = z
  .strictObject({
    connections: count(1, 100_000).prefault(defaultDoorLimits.connections).describe('Connections at once.'),
    perClient: count(1, 100_000)
      .prefault(defaultDoorLimits.connectionsPerClient)
      .describe('Connections of one address at once.'),
    requestsPerMinute: count(1, 100_000_000)
      .optional()
      .describe(
        'Requests of one address in a minute; a filter asks once for each message of its whole site. Default: 6000, and 60000 for this machine and for `known` networks.',
      ),
  })
  .prefault({});

const flags = z.strictObject({
  spam: count(1, 255)
    .prefault(1)
    .describe('The flag in answers about messages that were reported, or are bulk.'),
  ham: listOf(count(1, 255))
    .prefault([])
    .describe(
      'Flags of good mail: a client that learns a message with one of them revokes it. Every other flag is spam.',
    ),
});

/** One member of `doors`. */
export const doorSchema = z.strictObject({
  protocol: choice([
    'razor',
    'pyzor',
    'dccifd',
    'rspamd-razor',
    'rspamd-pyzor',
    'rspamd-fuzzy',
    'http',
  ]).describe(
    'The protocol: `razor` (razor-agents), `pyzor`, `dccifd` (SpamAssassin’s and rspamd’s DCC modules), `rspamd-razor` and `rspamd-pyzor` (external services of rspamd, with the whole message), `rspamd-fuzzy` (a fuzzy storage), `http`.',
  ),
  address: socketAddress(0)
    .optional()
    .describe(
      'The IP address and port to listen on. Default: 127.0.0.1 and the usual port (2703, 24441, 10045, 11342, 5953, 11335; 8111 for `http`).',
    ),
  socket: path().optional().describe('A unix socket instead, for protocols over TCP. Default: none.'),
  allow: listOf(network(everybody))
    .prefault(['127.0.0.0/8', '::1/128'])
    .describe('Clients that may connect.'),
  known: listOf(network(everybody))
    .prefault([])
    .describe('Networks whose reports are trusted from the start; others begin with little trust.'),
  limits: limits.describe(
    'Limits for clients; requests beyond them are refused. Over UDP only requests are limited.',
  ),
  accounts: path()
    .optional()
    .describe('`pyzor`: a file of `user : key` lines, the users that may whitelist. Default: none.'),
  publicName: text()
    .optional()
    .describe(
      '`razor`: the address that clients are told to use, `razor.example.org:2703`. Default: the address.',
    ),
  secret: secretFile(
    'A file that holds the private key, as `rspamadm keypair` writes it, or in hexadecimal digits.',
  )
    .optional()
    .describe(
      '`rspamd-fuzzy`: the key of the storage; then every request has to be encrypted. Default: none is.',
    ),
  flags: flags
    .prefault({})
    .describe('`rspamd-fuzzy`: the meaning of the flags in rspamd’s rules, by number.'),
  token: secretFile('A file that holds the token and nothing else; 16 characters or more.')
    .optional()
    .describe('`http`: the token of the callers; required there. Default: none.'),
});

type Parsed = z.output<typeof doorSchema>;

const usualPorts: Readonly<Record<DoorConfig['protocol'], number>> = {
  razor: 2703,
  pyzor: 24_441,
  dccifd: 10_045,
  'rspamd-razor': 11_342,
  'rspamd-pyzor': 5953,
  'rspamd-fuzzy': 11_335,
  http: 8111,
};

/** Reads accounts, keys and tokens. */
export function doorOf(door: Parsed, path: KeyPath, site: Site): DoorConfig {
  const { protocol, address, socket, allow, known, limits, accounts, publicName, token, secret, flags } =
    door;
  const { connections, perClient, requestsPerMinute } = limits;
  site.report(doorProblems(door, path));
  // Port 0 in so many words lets the system choose.
  const { host, port } = address ?? { host: '127.0.0.1', port: usualPorts[protocol] };
  return {
    protocol,
    at: socket === undefined ? { host, port } : { path: site.path(socket) },
    allow,
    known,
    flags,
    limits: { connections, perClient, ...(requestsPerMinute !== undefined && { requestsPerMinute }) },
    accounts: accountsOf(accounts, [...path, 'accounts'], site),
    ...(publicName !== undefined && { publicName }),
    ...(secret !== undefined && { secret: fuzzyKeyOf(secret.file, [...path, 'secret', 'file'], site) }),
    ...(token !== undefined && { token: tokenOf(token.file, [...path, 'token', 'file'], site) }),
  };
}

/** Contradictions in one door. */
function doorProblems({ protocol, address, socket, token, flags }: Parsed, path: KeyPath): Finding[] {
  const isOfAddresses = protocol === 'pyzor' || protocol === 'rspamd-fuzzy' || protocol === 'http';
  return [
    ...(address !== undefined && socket !== undefined
      ? [{ path: [...path, 'socket'], message: 'there is an address already', hint: 'use one of them' }]
      : []),
    ...(socket !== undefined && isOfAddresses
      ? [{ path: [...path, 'socket'], message: `${protocol} comes to an address` }]
      : []),
    ...(protocol === 'http' && token === undefined
      ? [{ path: [...path, 'token'], message: 'is missing', hint: 'token: { file: … }' }]
      : []),
    ...(flags.ham.includes(flags.spam)
      ? [{ path: [...path, 'flags', 'ham'], message: 'that is the list of spam' }]
      : []),
  ];
}

/** 64 hexadecimal digits, or 52 characters of rspamd's base 32. */
function fuzzyKeyOf(file: string, at: KeyPath, site: Site): string {
  const key = site.secret(at, file)?.trim() ?? '';
  if (key !== '' && !/^(?:[0-9a-fA-F]{64}|[ybndrfg8ejkmcpqxot1uwisza345h769]{52})$/.test(key))
    site.find(at, 'there is no private key in the file', 'the privkey of `rspamadm keypair`');
  return key;
}

/** `user : key` lines, as pyzord has them. */
function accountsOf(file: string | undefined, at: KeyPath, site: Site): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const text = file === undefined ? '' : (site.read(at, file) ?? '');
  for (const [number, line] of text.split('\n').entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const [, user, key] = /^\s*(\S+)\s*:\s*([0-9a-fA-F]+)\s*$/.exec(line) ?? [];
    if (user === undefined || key === undefined) site.find(at, `line ${number + 1} is not "user : key"`);
    else found.set(user, key);
  }
  return found;
}

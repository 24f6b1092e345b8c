import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { BulkRule, ClearinghouseConfig, Config, DoorConfig, FloodConfig } from './config.ts';
import type { KeyPath } from './problem.ts';
import type { Parsed } from './schema.ts';

interface Source {
  path(text: string): string;
  find(path: KeyPath, message: string, hint?: string): void;
  secret(path: KeyPath, file: string): string | undefined;
  read(path: KeyPath, file: string): string | undefined;
}

type ParsedFlood = NonNullable<NonNullable<Parsed['clearinghouse']>['flood']>;
type ParsedDoor = NonNullable<Parsed['clearinghouse']>['doors'][number];

const usualPorts: Readonly<Record<ParsedDoor['protocol'], number>> = {
  razor: 2703,
  pyzor: 24_441,
  dccifd: 10_045,
  'rspamd-razor': 11_342,
  'rspamd-pyzor': 5953,
  'rspamd-fuzzy': 11_335,
  http: 8111,
};
const minTokenLength = 16;

export function clearinghouseOf(
  parsed: Parsed['clearinghouse'],
  { data, listeners }: Pick<Config, 'data' | 'listeners'>,
  source: Source,
): ClearinghouseConfig | undefined {
  if (parsed === undefined) return undefined;
  const { folder, memory, bulk, shortBulk, allow, relay, doors, flood } = parsed;
  const flooding = flood && floodOf(flood, ['clearinghouse', 'flood'], source);
  return {
    folder: source.path(folder ?? `${data}/clearinghouse`),
    memory,
    bulk,
    shortBulk,
    allow,
    relay: relay.map((rule, i) => ruleOf(rule, ['clearinghouse', 'relay', i], { listeners, source })),
    ...(flooding !== undefined && { flood: flooding }),
    doors: doors.map((door, i) => doorOf(door, ['clearinghouse', 'doors', i], source)),
  };
}

/** A listener is named by its name, or with all others of its role. */
function ruleOf(
  { identities, bulk, when, ...rule }: NonNullable<Parsed['clearinghouse']>['relay'][number],
  path: KeyPath,
  { listeners, source }: { readonly listeners: Config['listeners']; readonly source: Source },
): BulkRule {
  return {
    ...rule,
    listeners: rule.listeners.flatMap((wanted) => {
      const found = listeners.filter(({ name, role }) => name === wanted || role === wanted);
      if (found.length === 0)
        source.find([...path, 'listeners'], `there is no listener "${wanted}"`, hintOf(listeners));
      return found.map(({ name }) => name);
    }),
    identities: identities.map((name) => name.toLowerCase()),
    ...(bulk !== undefined && { bulk }),
    ...(when !== undefined && { when }),
  };
}

function hintOf(listeners: Config['listeners']): string {
  return `there are ${listeners.map(({ name }) => `"${name}"`).join(', ')}`;
}

function doorOf(door: ParsedDoor, path: KeyPath, source: Source): DoorConfig {
  const { protocol, address, socket, allow, known, limits, accounts, publicName, token, secret, flags } =
    door;
  const { connections, perClient, requestsPerMinute } = limits;
  if (address !== undefined && socket !== undefined)
    source.find([...path, 'socket'], 'there is an address already', 'use one of them');
  if (socket !== undefined && (protocol === 'pyzor' || protocol === 'rspamd-fuzzy' || protocol === 'http'))
    source.find([...path, 'socket'], `${protocol} comes to an address`);
  if (protocol === 'http' && token === undefined)
    source.find([...path, 'token'], 'is missing', 'token: { file: … }');
  if (flags.ham.includes(flags.spam)) source.find([...path, 'flags', 'ham'], 'that is the list of spam');
  const host = address?.host ?? '127.0.0.1';
  const at =
    socket === undefined
      ? { host, port: address === undefined || address.port === 0 ? portOf(protocol, address) : address.port }
      : { path: source.path(socket) };
  return {
    protocol,
    at,
    allow,
    known,
    flags,
    limits: { connections, perClient, ...(requestsPerMinute !== undefined && { requestsPerMinute }) },
    accounts: accountsOf(accounts, [...path, 'accounts'], source),
    ...(publicName !== undefined && { publicName }),
    ...(secret !== undefined && { secret: fuzzyKeyOf(secret.file, [...path, 'secret', 'file'], source) }),
    ...(token !== undefined && { token: tokenOf(token.file, [...path, 'token', 'file'], source) }),
  };
}

function floodOf(flood: ParsedFlood, path: KeyPath, source: Source): FloodConfig | undefined {
  const { listen, peers } = flood;
  const certificate = source.read([...path, 'certificate'], flood.certificate);
  const key = source.read([...path, 'key'], flood.key);
  const networkKey = source.secret([...path, 'networkKey'], flood.networkKey);
  if (certificate === undefined || key === undefined || networkKey === undefined) return undefined;
  const own = fingerprintOf({ certificate, key }, path, source);
  if (!/^[0-9a-f]{32}$/i.test(networkKey)) {
    const hint = 'openssl rand -hex 16';
    source.find([...path, 'networkKey'], 'the file has to hold 32 hexadecimal digits', hint);
  }
  const known = new Set([own]);
  const resolved = peers.map(({ name, address, fingerprint, trust }, i) => {
    const at = [...path, 'peers', i];
    const digits = fingerprint.slice('sha256:'.length);
    if (known.has(digits))
      source.find([...at, 'fingerprint'], digits === own ? 'that is our own' : 'another peer has it');
    known.add(digits);
    if (address === undefined && listen === undefined)
      source.find(at, 'neither calls the other', 'give it an address, or listen');
    return { name, fingerprint: digits, trust, ...(address !== undefined && { address }) };
  });
  const secret = Buffer.from(networkKey, 'hex');
  return { certificate, key, networkKey: secret, peers: resolved, ...(listen !== undefined && { listen }) };
}

/** Of our own certificate; undefined where it, or its key, is of no use. */
function fingerprintOf(
  { certificate, key }: Pick<FloodConfig, 'certificate' | 'key'>,
  path: KeyPath,
  source: Source,
): string | undefined {
  let at = 'certificate';
  try {
    const x509 = new X509Certificate(certificate);
    at = 'key';
    if (!x509.checkPrivateKey(createPrivateKey(key))) throw new Error('it is of another certificate');
    return x509.fingerprint256.replaceAll(':', '').toLowerCase();
  } catch (error) {
    source.find([...path, at], `not usable: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** Port 0 in so many words lets the system choose. */
function portOf(protocol: ParsedDoor['protocol'], address: ParsedDoor['address']): number {
  return address === undefined ? usualPorts[protocol] : 0;
}

function tokenOf(file: string, at: KeyPath, source: Source): string {
  const token = source.secret(at, file)?.trim();
  if (token !== undefined && token.length < minTokenLength)
    source.find(at, `the token has fewer than ${minTokenLength} characters`, 'openssl rand -hex 32');
  return token ?? '';
}

/** 64 hexadecimal digits, or 52 characters of rspamd's base 32. */
function fuzzyKeyOf(file: string, at: KeyPath, source: Source): string {
  const key = source.secret(at, file)?.trim() ?? '';
  if (key !== '' && !/^(?:[0-9a-fA-F]{64}|[ybndrfg8ejkmcpqxot1uwisza345h769]{52})$/.test(key))
    source.find(at, 'there is no private key in the file', 'the privkey of `rspamadm keypair`');
  return key;
}

/** `user : key` lines, as pyzord has them. */
function accountsOf(file: string | undefined, at: KeyPath, source: Source): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const text = file === undefined ? '' : (source.read(at, file) ?? '');
  for (const [number, line] of text.split('\n').entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const [, user, key] = /^\s*(\S+)\s*:\s*([0-9a-fA-F]+)\s*$/.exec(line) ?? [];
    if (user === undefined || key === undefined) source.find(at, `line ${number + 1} is not "user : key"`);
    else found.set(user, key);
  }
  return found;
}

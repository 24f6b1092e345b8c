/** `listeners`: where mail comes in. */
import { z } from 'zod';
import type { Cidr } from '../../base/index.ts';
import { type Finding, repeated } from '../problem.ts';
import { defined, section } from '../section.ts';
import { hostPort, ownNetwork, proxyNetwork, socketAddress, uniquePlace } from '../values/place.ts';
import { boolean, choice, listOf, text } from '../values/value.ts';

/** One address to listen on. */
export interface ListenerConfig {
  /** Unique among the listeners. */
  readonly name: string;
  readonly role: 'mx' | 'internal' | 'submission' | 'submissions' | 'trap';
  /** A canonical IP address. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly tls: 'none' | 'starttls' | 'implicit';
  readonly proxyProtocolFrom: readonly Cidr[];
  /** Clients that may relay through this listener, besides those of `relay.networks`. */
  readonly networks: readonly Cidr[];
  /** The name of an interface of this machine: its networks count as `networks`. */
  readonly interface?: string;
  readonly offersAuth: boolean;
}

const schema = z.strictObject({
  role: choice(['mx', 'internal', 'submission', 'submissions', 'trap']).describe(
    '`mx` takes mail from the Internet, `internal` from machines of your own; who may relay is in `relay`. `submission` (STARTTLS) and `submissions` (TLS from the first octet) are for people and programs with a login: nobody sends there without one, not even to you. `trap` takes everything from everybody into an archive and delivers nothing: see `trap`.',
  ),
  address: socketAddress().describe(
    'The IP address and port to listen on. Port 0 lets the system choose; the ready line reports it.',
  ),
  name: text().optional().describe('The name in logs and for `explain --listener`. Default: role and port.'),
  tls: choice(['starttls', 'implicit', 'none'])
    .optional()
    .describe(
      '`starttls` offers TLS, `implicit` speaks it from the first octet. Default: `starttls` when `tls` has a certificate.',
    ),
  proxyProtocolFrom: listOf(proxyNetwork())
    .prefault([])
    .describe(
      'Proxies that begin a connection with the PROXY protocol (v1 or v2), which names the real client. These addresses must send it; no other address may.',
    ),
  networks: listOf(ownNetwork())
    .prefault([])
    .describe('Clients that may relay through this listener, besides `relay.networks`: those of a VPN.'),
  interface: text()
    .optional()
    .describe(
      'An interface of this machine, such as `wg0` or `tun0`: clients with an address in its networks may relay through this listener. Its public networks do not count. Default: none.',
    ),
  auth: boolean()
    .optional()
    .describe(
      'Whether AUTH is offered. Default: on `submission`, `submissions` and `internal`, when there are users.',
    ),
});

type Parsed = z.output<typeof schema>;

interface Others {
  readonly tls?: unknown;
  readonly users?: unknown;
}

const byDefault = { role: 'mx', host: '127.0.0.1', port: 2525 } as const;

/** Whether the listeners are those of a file that names none. */
export function listensByDefault(config: { readonly listeners: readonly ListenerConfig[] }): boolean {
  const [only, ...others] = config.listeners;
  const { role, host, port } = byDefault;
  return others.length === 0 && only?.role === role && only.host === host && only.port === port;
}

export const listeners = section({
  schema: listOf(schema)
    .prefault([{ role: byDefault.role, address: hostPort(byDefault) }])
    .describe('Where mail comes in.'),
  effect: 'rebind',
  // Several listeners may ask for port 0; their names differ.
  memberName: (listener: ListenerConfig) => (listener.port === 0 ? listener.name : hostPort(listener)),
  resolve(value, _, others: Others): readonly ListenerConfig[] {
    const taken = new Set(value.map(({ name }) => name));
    return value.map((listener) => listenerOf(listener, taken, others));
  },
  problems: conflicts,
});

function listenerOf(
  { role, address, name, tls, proxyProtocolFrom, networks, auth, ...listener }: Parsed,
  taken: Set<string | undefined>,
  others: Others,
): ListenerConfig {
  return {
    name: name ?? freeName(`${role} ${hostPort(address)}`, taken),
    role,
    ...address,
    tls: tls ?? usualTls(role, others.tls !== undefined),
    proxyProtocolFrom,
    networks,
    ...defined('interface', listener.interface),
    offersAuth: role !== 'trap' && (auth ?? (role !== 'mx' && others.users !== undefined)),
  };
}

function usualTls(role: ListenerConfig['role'], hasCertificate: boolean): ListenerConfig['tls'] {
  if (role === 'submissions') return 'implicit';
  return hasCertificate ? 'starttls' : 'none';
}

/** Several listeners may have port 0 and so the same usual name. */
function freeName(usual: string, taken: Set<string | undefined>): string {
  let name = usual;
  for (let round = 2; taken.has(name); round++) name = `${usual} #${round}`;
  taken.add(name);
  return name;
}

function conflicts(value: readonly Parsed[]): Finding[] {
  const places = value.map(({ address }) => uniquePlace(address));
  const names = value.map(({ name }) => name ?? '');
  return [
    ...repeated(places, (i) => ['listeners', i, 'address'], 'is listened on'),
    ...repeated(names, (i) => ['listeners', i, 'name'], 'is the name of a listener'),
    ...(value.length === 0 ? [{ path: ['listeners'], message: 'nothing to listen on' }] : []),
  ];
}

/**
 * Network namespaces: machines of their own, joined by pairs of interfaces. Loopback would be a special case, and a
 * policy may know it; here an address is really somebody else's. Everything is removed with the test that made it.
 */
import { searchPath } from './program.ts';
import { type Outcome, type Peers, run } from './support.ts';

/** The needs of a test with namespaces: the machine has to have these. */
export const netnsNeeds = ['root', 'ip'] as const;

/** Runs ip(8) and rejects with what it says when it fails. */
export async function ip(...args: readonly string[]): Promise<void> {
  const outcome = await run('ip', args, { env: { PATH: searchPath() } });
  if (outcome.code !== 0) throw new Error(`ip ${args.join(' ')}: ${outcome.stderr}`);
}

let serial = 0;

/** A namespace with its loopback up and no other interface. */
export class Netns implements AsyncDisposable {
  readonly name: string;
  /** The words before a command that runs inside. */
  readonly prefix: readonly string[];

  private constructor(name: string) {
    this.name = name;
    this.prefix = ['ip', 'netns', 'exec', name];
  }

  /** Makes one for the time of a test. `what` is a short word. */
  static async make(peers: Peers, what: string): Promise<Netns> {
    const netns = new Netns(`ph-${what}-${process.pid}-${++serial}`);
    await ip('netns', 'add', netns.name);
    peers.use(netns);
    await netns.ip('link', 'set', 'lo', 'up');
    return netns;
  }

  /** ip(8) inside. */
  async ip(...args: readonly string[]): Promise<void> {
    await ip('-n', this.name, ...args);
  }

  /** Runs a program inside to its end. */
  async run(
    command: string,
    args: readonly string[],
    options: Parameters<typeof run>[2] = {},
  ): Promise<Outcome> {
    const [program = '', ...prefix] = this.prefix;
    return run(program, [...prefix, command, ...args], {
      ...options,
      env: { PATH: searchPath(), ...options.env },
    });
  }

  /** Its interfaces go with it, and the other ends of their pairs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await run('ip', ['netns', 'delete', this.name], { env: { PATH: searchPath() } });
  }
}

/** One end of a pair of interfaces: `address` with its prefix, `10.77.0.1/24`. */
export interface End {
  readonly netns: Netns;
  readonly address: string;
  /** Default `eth0`. */
  readonly device?: string;
}

/** Joins two namespaces by a veth pair, both ends up and with their addresses. */
export async function join(a: End, b: End): Promise<void> {
  const [deviceA, deviceB] = [a.device ?? 'eth0', b.device ?? 'eth0'];
  const other = ['peer', 'name', deviceB, 'netns', b.netns.name];
  await ip('link', 'add', deviceA, 'netns', a.netns.name, 'type', 'veth', ...other);
  for (const [{ netns, address }, device] of [
    [a, deviceA],
    [b, deviceB],
  ] as const) {
    // Without `nodad` an IPv6 address is of no use for a second.
    const flags = address.includes(':') ? ['nodad'] : [];
    await netns.ip('address', 'add', address, 'dev', device, ...flags);
    await netns.ip('link', 'set', device, 'up');
  }
}

/** A relay and a stranger, each in a namespace of its own, that see each other. */
export async function relayAndStranger(
  peers: Peers,
  addresses: { readonly relay: string; readonly stranger: string },
): Promise<{ readonly relay: Netns; readonly stranger: Netns }> {
  const relay = await Netns.make(peers, 'relay');
  const stranger = await Netns.make(peers, 'stranger');
  await join({ netns: relay, address: addresses.relay }, { netns: stranger, address: addresses.stranger });
  return { relay, stranger };
}

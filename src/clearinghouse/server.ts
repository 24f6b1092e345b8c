/** The clearinghouse of a relay, with its doors and its flood. */
import { type Clock, formatHostPort, IpSet, type Log } from '../base/index.ts';
import type { Resolver } from '../dns/index.ts';
import { type Listener, ListenerSet, type PreparedListeners } from '../net/index.ts';
import type { ListeningAddress } from '../receiver/index.ts';
import type { ClearinghouseStatus } from './commands.ts';
import { openDccifd } from './doors/dccifd.ts';
import type { Door, DoorOptions } from './doors/door.ts';
import { parseFuzzyKey } from './doors/fuzzy-cipher.ts';
import { openHttpDoor } from './doors/http.ts';
import { openPyzor } from './doors/pyzor.ts';
import { openRazor } from './doors/razor.ts';
import { RazorAccounts } from './doors/razor-accounts.ts';
import { openRspamdPyzor, openRspamdRazor } from './doors/rspamd.ts';
import { openRspamdFuzzy } from './doors/rspamd-fuzzy.ts';
import type { ClearinghouseEvents } from './events.ts';
import { type Flood, openFlood } from './flood/flood.ts';
import { type OpenClearinghouse, openClearinghouse } from './open.ts';
import {
  type ClearinghouseConfig,
  type DoorConfig,
  defaultDoorLimits,
  defaultThresholds,
} from './options.ts';
import { createSignedBy } from './signers.ts';

/** The prefix in `allow` of a domain that has to sign the message. */
const dkimPrefix = 'dkim:';

/** The clearinghouse of a relay, with its doors. */
export class ClearinghouseServer implements AsyncDisposable {
  readonly clearinghouse: OpenClearinghouse;
  readonly #doors: ListenerSet<DoorConfig, OpenDoor>;
  readonly #flood: Flood | undefined;
  readonly #accounts: RazorAccounts;
  /** Names of the peers. */
  readonly #peers: readonly string[];

  private constructor(
    clearinghouse: OpenClearinghouse,
    {
      doors,
      flood,
      accounts,
      peers,
    }: {
      readonly doors: ListenerSet<DoorConfig, OpenDoor>;
      readonly accounts: RazorAccounts;
      readonly flood: Flood | undefined;
      readonly peers: readonly string[];
    },
  ) {
    this.clearinghouse = clearinghouse;
    this.#doors = doors;
    this.#flood = flood;
    this.#accounts = accounts;
    this.#peers = peers;
  }

  /** Opens it as configured. Rejects with the system's errors; then nothing stays open. */
  static async open(
    { folder, memory, bulk, shortBulk, allow, doors, flood: flooding }: ClearinghouseConfig,
    {
      clock,
      log,
      resolver,
    }: {
      readonly clock: Clock;
      readonly log: Log<ClearinghouseEvents>;
      readonly resolver: () => Pick<Resolver, 'lookup'>;
    },
  ): Promise<ClearinghouseServer> {
    await using opened = new AsyncDisposableStack();
    const thresholds = { ...defaultThresholds, bulk, shortBulk };
    const clearinghouse = opened.use(
      await openClearinghouse({
        folder,
        memory,
        thresholds,
        allowed: allow.filter((text) => !text.startsWith(dkimPrefix)),
        signers: {
          domains: allow.flatMap((text) =>
            text.startsWith(dkimPrefix) ? [text.slice(dkimPrefix.length)] : [],
          ),
          isSignedBy: createSignedBy(resolver),
        },
        ...(flooding !== undefined && {
          networkKey: flooding.networkKey,
          trusts: new Map(flooding.peers.map(({ fingerprint, trust }) => [fingerprint.toLowerCase(), trust])),
        }),
        clock,
        log,
      }),
    );
    const flood =
      flooding && opened.use(await openFlood({ ...flooding, folder, source: clearinghouse, clock, log }));
    // One for all doors: they write the same file.
    const accounts = opened.use(new RazorAccounts({ path: `${folder}/razor-accounts`, clock, log }));
    const open = new ListenerSet<DoorConfig, OpenDoor>({
      keyOf: doorKey,
      bind: (door) => bindDoor(door, { folder, accounts, clearinghouse, clock, log }),
      clock,
    });
    (await open.prepare(doors)).commit();
    opened.move();
    return new ClearinghouseServer(clearinghouse, {
      doors: open,
      flood,
      accounts,
      peers: flooding?.peers.map(({ name }) => name) ?? [],
    });
  }

  get addresses(): readonly ListeningAddress[] {
    return this.#doors.open.map(({ door: { name, address, port } }) => ({
      name,
      role: name,
      address,
      host: '',
      port,
    }));
  }

  /** Opens the new doors; `commit` closes the removed ones and changes the others. Rejects as `open` does. */
  prepare(doors: readonly DoorConfig[]): Promise<PreparedListeners> {
    return this.#doors.prepare(doors);
  }

  /** The size of the tables, and the counts of each door. Rejects with `ClearinghouseBusy`. */
  async status(): Promise<ClearinghouseStatus> {
    const linked = new Set(this.#flood?.linked ?? []);
    return {
      ...(await this.clearinghouse.stats()),
      doors: this.#doors.open.map(({ door: { name, address, counts } }) => ({ name, address, ...counts })),
      ...(this.#flood !== undefined && {
        peers: this.#peers.map((name) => ({ name, isLinked: linked.has(name) })),
      }),
    };
  }

  /** Closes the doors first, so that all answered questions are counted. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#doors.drain(AbortSignal.abort());
    await this.#accounts[Symbol.asyncDispose]();
    await this.#flood?.[Symbol.asyncDispose]();
    await this.clearinghouse[Symbol.asyncDispose]();
  }
}

/** A door as a member of the set. */
interface OpenDoor extends Listener<DoorConfig> {
  readonly door: Door;
}

/** The parts that all doors share. */
interface DoorParts {
  readonly folder: string;
  readonly accounts: RazorAccounts;
  readonly clearinghouse: OpenClearinghouse;
  readonly clock: Clock;
  readonly log: Log<ClearinghouseEvents>;
}

/** A door of another protocol is another door, at the same place too. */
function doorKey({ protocol, at }: DoorConfig): string {
  return `${protocol} ${'path' in at ? at.path : formatHostPort(at.host, at.port)}`;
}

async function bindDoor(config: DoorConfig, parts: DoorParts): Promise<OpenDoor> {
  const common = (of: DoorConfig) => doorOptions(of, parts);
  switch (config.protocol) {
    case 'razor':
      return member(config, openRazor, (of) => ({
        ...common(of),
        accounts: parts.accounts,
        publicName: of.publicName ?? ('path' in of.at ? of.at.path : formatHostPort(of.at.host, of.at.port)),
      }));
    case 'pyzor':
      return member(config, openPyzor, (of) => ({ ...common(of), accounts: of.accounts }));
    case 'dccifd':
      return member(config, openDccifd, common);
    case 'rspamd-razor':
      return member(config, openRspamdRazor, common);
    case 'rspamd-pyzor':
      return member(config, openRspamdPyzor, common);
    case 'rspamd-fuzzy':
      return member(config, openRspamdFuzzy, (of) => {
        const key = of.secret === undefined ? undefined : parseFuzzyKey(of.secret);
        return {
          ...common(of),
          file: `${parts.folder}/fuzzy-storage-${'port' in of.at ? of.at.port : 0}`,
          flags: { spam: of.flags.spam, ham: new Set(of.flags.ham) },
          ...(key !== undefined && { secret: key }),
        };
      });
    case 'http':
      return member(config, openHttpDoor, (of) => ({ ...common(of), token: of.token ?? '' }));
  }
}

/** Opens a door whose options are made of its part of the configuration, now and at each reload. */
async function member<Options extends DoorOptions>(
  config: DoorConfig,
  open: (options: Options) => Promise<Door<Options>>,
  optionsOf: (config: DoorConfig) => Options,
): Promise<OpenDoor> {
  const door = await open(optionsOf(config));
  return {
    door,
    serve: (next) => door.change(optionsOf(next)),
    async drain() {
      await door[Symbol.asyncDispose]();
    },
  };
}

function doorOptions(
  { protocol, at, allow, known, limits: { connections, perClient, requestsPerMinute } }: DoorConfig,
  { clearinghouse, clock, log }: DoorParts,
): DoorOptions {
  const access = { allowed: new IpSet(allow), known: new IpSet(known) };
  const limits = {
    ...defaultDoorLimits,
    connections,
    connectionsPerClient: perClient,
    ...(requestsPerMinute !== undefined && { requestsPerMinute, knownPerMinute: requestsPerMinute }),
  };
  return { name: protocol, at, clearinghouse, access, limits, clock, log };
}

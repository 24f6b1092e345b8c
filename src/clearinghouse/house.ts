/** The clearinghouse of a relay, with its doors and its flood. */
import { type Clock, IpSet, type Log } from '../base/index.ts';
import type { Resolver } from '../dns/index.ts';
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
import { type Flood, openFlood } from './flood/flood.ts';
import { type OpenClearinghouse, openClearinghouse } from './open.ts';
import {
  type ClearinghouseConfig,
  type DoorConfig,
  defaultDoorLimits,
  defaultThresholds,
} from './options.ts';
import { createSignedBy } from './signers.ts';

/** Before a domain in `allow`: whoever signs for it. */
const dkimPrefix = 'dkim:';

/** The clearinghouse of a relay, with its doors. */
export class RelayClearinghouse implements AsyncDisposable {
  readonly clearinghouse: OpenClearinghouse;
  readonly #doors: readonly Door[];
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
      readonly doors: readonly Door[];
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
    }: { readonly clock: Clock; readonly log: Log; readonly resolver: () => Pick<Resolver, 'lookup'> },
  ): Promise<RelayClearinghouse> {
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
    const open: Door[] = [];
    for (const door of doors) {
      const options = doorOptions(door, clearinghouse, { clock, log });
      open.push(opened.use(await openDoor(door, options, { folder, accounts })));
    }
    opened.move();
    return new RelayClearinghouse(clearinghouse, {
      doors: open,
      flood,
      accounts,
      peers: flooding?.peers.map(({ name }) => name) ?? [],
    });
  }

  get addresses(): readonly ListeningAddress[] {
    return this.#doors.map(({ name, address, port }) => ({ name, role: name, address, host: '', port }));
  }

  /** How much there is, and what happened at each door. Rejects with `ClearinghouseBusy`. */
  async status(): Promise<ClearinghouseStatus> {
    const linked = new Set(this.#flood?.linked ?? []);
    return {
      ...(await this.clearinghouse.stats()),
      doors: this.#doors.map(({ name, address, counts }) => ({ name, address, ...counts })),
      ...(this.#flood !== undefined && {
        peers: this.#peers.map((name) => ({ name, isLinked: linked.has(name) })),
      }),
    };
  }

  /** Closes the doors first, so that what was answered is counted. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#doors.map((door) => door[Symbol.asyncDispose]()));
    await this.#accounts[Symbol.asyncDispose]();
    await this.#flood?.[Symbol.asyncDispose]();
    await this.clearinghouse[Symbol.asyncDispose]();
  }
}

function doorOptions(
  { protocol, at, allow, known, limits: { connections, perClient, requestsPerMinute } }: DoorConfig,
  clearinghouse: OpenClearinghouse,
  parts: { readonly clock: Clock; readonly log: Log },
): DoorOptions {
  const access = { allowed: new IpSet(allow), known: new IpSet(known) };
  const limits = {
    ...defaultDoorLimits,
    connections,
    connectionsPerClient: perClient,
    ...(requestsPerMinute !== undefined && { requestsPerMinute, knownPerMinute: requestsPerMinute }),
  };
  return { name: protocol, at, clearinghouse, access, limits, ...parts };
}

function openDoor(
  { protocol, accounts, publicName, token = '', secret, flags, at }: DoorConfig,
  options: DoorOptions,
  { folder, accounts: registered }: { readonly folder: string; readonly accounts: RazorAccounts },
): Promise<Door> {
  switch (protocol) {
    case 'razor': {
      const own = 'path' in at ? at.path : `${at.host}:${at.port}`;
      return openRazor({ ...options, accounts: registered, publicName: publicName ?? own });
    }
    case 'pyzor':
      return openPyzor({ ...options, accounts });
    case 'dccifd':
      return openDccifd(options);
    case 'rspamd-razor':
      return openRspamdRazor(options);
    case 'rspamd-pyzor':
      return openRspamdPyzor(options);
    case 'rspamd-fuzzy': {
      const key = secret === undefined ? undefined : parseFuzzyKey(secret);
      return openRspamdFuzzy({
        ...options,
        file: `${folder}/fuzzy-storage-${'port' in at ? at.port : 0}`,
        flags: { spam: flags.spam, ham: new Set(flags.ham) },
        ...(key !== undefined && { secret: key }),
      });
    }
    case 'http':
      return openHttpDoor({ ...options, token });
  }
}

/** The trap of a relay: opens the archive and gives its intake to listeners. */
import { statfsSync } from 'node:fs';
import type { Background, Clock, Log } from '../base/index.ts';
import { type Reply, reply } from '../mail/index.ts';
import { maxWithheldTogether, Room } from '../message/index.ts';
import type { Intake } from '../receiver/index.ts';
import { openTrap, type Trap } from './archive.ts';
import type { TrapEvents } from './events.ts';
import type { ArchiveOptions } from './options.ts';

const notNow = reply(421, '3.2', 'shutting down');
const noSpace = reply(452, '3.1', 'insufficient system storage, try again later');
/** How long an answer about free space stands. */
const spaceMs = 1000;

/** The part of the configuration that the trap depends on. */
export interface TrapConfig {
  readonly listeners: readonly { readonly role: string }[];
  readonly trap: ArchiveOptions;
  readonly spool: { readonly floorBytes: number };
}

/** The parts that the trap of a relay needs: neither queue nor spool. */
export interface TrapArchiveParts {
  readonly clock: Clock;
  readonly log: Log<TrapEvents>;
  readonly background: Background;
  readonly isDraining: () => boolean;
}

/** The archive of trap listeners, opened when privileges have been given up; until then nothing is taken. */
export class TrapArchive implements AsyncDisposable {
  readonly #parts: TrapArchiveParts;
  #trap: Trap | undefined;
  #space = { lookAt: 0, isLow: false };
  readonly intake: Intake = {
    room: new Room(maxWithheldTogether),
    refusal: () => (this.#trap === undefined ? notNow : this.#trap.intake.refusal()),
    begin: () => {
      if (this.#trap === undefined) throw new Error('the trap is not open');
      return this.#trap.intake.begin();
    },
  };

  constructor(parts: TrapArchiveParts) {
    this.#parts = parts;
  }

  /** Does nothing when no listener is a trap. Rejects when the folder cannot be used. */
  async open({ listeners, trap, spool }: TrapConfig): Promise<void> {
    if (!listeners.some(({ role }) => role === 'trap')) return;
    const refusal = () => this.#refusal(trap.folder, spool.floorBytes);
    this.#trap = await openTrap(trap, { ...this.#parts, refusal });
    const { messages, bytes } = this.#trap.size;
    this.#parts.log.info('trap-open', { folder: trap.folder, messages, bytes });
  }

  /** The disk's other uses come first. */
  #refusal(folder: string, floorBytes: number): Reply | undefined {
    if (this.#parts.isDraining()) return notNow;
    const now = this.#parts.clock.now();
    if (now >= this.#space.lookAt) {
      const { bavail, bsize } = statfsSync(folder);
      this.#space = { lookAt: now + spaceMs, isLow: bavail * bsize < floorBytes };
    }
    return this.#space.isLow ? noSpace : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#trap?.[Symbol.asyncDispose]();
  }
}

/** Commands of our own clients that violate the standard: those that are accepted, and the event about them. */
import type { Log } from '../base/index.ts';
import { type Command, type CommandError, parseCommand, parseLeniently } from '../smtp/index.ts';
import type { ClientFacts, Policy } from './ask.ts';
import type { ReceiverEvents } from './events.ts';

const maxClients = 10_000;

/** Reads commands, and logs once for each client that an accepted one violates the standard. */
export class Lenience {
  readonly #log: Log<ReceiverEvents>;
  readonly #told = new Set<string>();

  constructor(log: Log<ReceiverEvents>) {
    this.#log = log;
  }

  /** Reads a command: from clients of ours as they always spoke (docs/decisions/0021), from strangers by the letter. */
  parse(line: string, client: ClientFacts, policy: Policy): Command | CommandError {
    const command = parseCommand(line);
    if (command.verb !== 'error' || !isOfOurs(client, policy)) return command;
    const meant = parseLeniently(line);
    if (meant === undefined) return command;
    this.#tell(client, command.of);
    return meant;
  }

  /** `said` is the verb; its arguments may be anything. */
  #tell({ address, listener }: ClientFacts, said: string): void {
    if (this.#told.has(address)) return;
    if (this.#told.size >= maxClients) this.#told.clear();
    this.#told.add(address);
    this.#log.info('lenient', {
      client: address,
      listener,
      verb: said.toUpperCase(),
      because:
        'the command is not of RFC 5321; it is taken from clients of ours, and would be refused from strangers',
    });
  }
}

function isOfOurs(client: ClientFacts, policy: Policy): boolean {
  switch (client.role) {
    case 'mx':
      return policy.trusts?.(client) === true;
    case 'trap':
      return false;
    default:
      return true;
  }
}

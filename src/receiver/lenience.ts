/** Reads commands of known clients as Postfix does, and tells of it once for each client. */
import type { Log } from '../base/index.ts';
import { type Command, type CommandError, parseCommand, parseLeniently } from '../smtp/index.ts';
import type { ClientFacts } from './ask.ts';
import type { Session } from './session.ts';

const maxClients = 10_000;

/** Tells once of each client that is let off with a command which is not of the standard. */
export class Lenience {
  readonly #log: Log;
  readonly #told = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** `said` is the verb; what came with it may be anything. */
  tell({ address, listener }: ClientFacts, said: string): void {
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

/** Reads a command: from clients of ours as they always spoke (docs/decisions/0021), from strangers by the letter. */
export function parseFor(session: Session, line: string): Command | CommandError {
  const command = parseCommand(line);
  if (command.verb !== 'error' || !isOfOurs(session)) return command;
  const meant = parseLeniently(line);
  if (meant === undefined) return command;
  session.lenience.tell(session.client, command.of);
  return meant;
}

function isOfOurs({ client, facts }: Session): boolean {
  switch (client.role) {
    case 'mx':
      return facts.settings.policy.trusts?.(client) === true;
    case 'trap':
      return false;
    default:
      return true;
  }
}

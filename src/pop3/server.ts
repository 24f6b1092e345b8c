/** Serves one connection of the embedded POP3 server. */
import { PopSession } from './session.ts';
import type { PopServerOptions, PopWire } from './session-options.ts';

/**
 * Serves one connection of the embedded server, from the greeting to the end. Never rejects. The mailbox is free
 * for the next session when it settles.
 */
export async function servePop3(connection: PopWire, options: PopServerOptions): Promise<void> {
  await new PopSession(connection, options).run();
}

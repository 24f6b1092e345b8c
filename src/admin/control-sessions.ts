import { z } from 'zod';

/** A client that is connected now. */
export const sessionShape = z.object({
  id: z.string(),
  protocol: z.enum(['smtp', 'pop3']),
  listener: z.string(),
  /** Where the client is, as far as it is known. */
  address: z.string(),
  port: z.number(),
  /** Who logged in, or was granted something by name. */
  user: z.string().exactOptional(),
  mechanism: z.string().exactOptional(),
  helo: z.string().exactOptional(),
  tls: z.string().exactOptional(),
  /** Milliseconds since 1970. */
  since: z.number(),
  /** Transactions that were begun, and messages that were accepted. */
  transactions: z.number().exactOptional(),
  accepted: z.number().exactOptional(),
});
export type SessionItem = z.infer<typeof sessionShape>;

/** Which sessions: `id:…`, `address:…` (of IPv6 also a /64), `user:…`; without its kind whatever it fits. */
export const whichSessionsShape = z.strictObject({ which: z.string().min(1).max(600) });
export type WhichSessions = z.infer<typeof whichSessionsShape>;

export const closedSessionsShape = z.object({ sessions: z.number() });

/** The part of `Control` that is about sessions. */
export interface SessionControl {
  /** Those of SMTP, then those of POP3. */
  sessionsList(): AsyncIterable<SessionItem>;
  /** Tells them 421 and closes; one that is being answered hears that answer first. Resolves with how many. */
  sessionsClose(which: WhichSessions): Promise<{ readonly sessions: number }>;
}

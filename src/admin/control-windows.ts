import { z } from 'zod';

/** Milliseconds since 1970. */
const instant = z.number();

/** A relay window of POP before SMTP. */
export const windowShape = z.object({
  /** An IP address; a network where the windows of IPv6 are for a /64. */
  address: z.string(),
  names: z.array(z.string()).readonly(),
  source: z.string(),
  openedAt: instant,
  lastAt: instant,
  expiresAt: instant,
  /** More people share the address than may without a login of their own. */
  needsAuth: z.boolean(),
});
export type Window = z.infer<typeof windowShape>;

/** Which windows: that of an address, or wherever somebody has one. */
export const whichWindowsShape = z.union([
  z.strictObject({ address: z.string().max(64) }),
  z.strictObject({ name: z.string().max(600) }),
]);
export type WhichWindows = z.infer<typeof whichWindowsShape>;

export const revokedShape = z.object({ windows: z.number() });

/** The part of `Control` that is about windows. */
export interface WindowControl {
  /** Those that are open now. */
  windowsList(): AsyncIterable<Window>;
  /** Resolves with how many were closed, or lost the name, when that is durable. `storage`. */
  windowsRevoke(which: WhichWindows): Promise<{ readonly windows: number }>;
}

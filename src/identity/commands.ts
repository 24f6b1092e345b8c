/** The commands of POP before SMTP: which windows are open, and closing them. */
import { z } from 'zod';
import { answering, type ControlOf, yielding } from '../admin/index.ts';

/** Milliseconds since 1970. */
const instant = z.number();

/** A relay window of POP before SMTP. */
const windowShape = z.object({
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

/** The windows to select: that of an address, or all windows of a user. */
const whichWindowsShape = z.union([
  z.strictObject({ address: z.string().max(64) }),
  z.strictObject({ name: z.string().max(600) }),
]);

const revokedShape = z.object({ windows: z.number() });

export const windowCommands = {
  /** The open windows. */
  windowsList: yielding('windows-list', { out: windowShape }),
  /** Answers how many were closed, or lost the name, when that is durable. `storage`. */
  windowsRevoke: answering('windows-revoke', { args: whichWindowsShape, out: revokedShape }),
};
export type WindowControl = ControlOf<typeof windowCommands>;

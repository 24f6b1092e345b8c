/** Options of the relay policy. */
import type { IpSet } from '../base/index.ts';
import type { Address, Pattern } from '../mail/index.ts';
import type { Later } from '../receiver/index.ts';
import type { RecipientOptions } from './domains.ts';

export type { KnownRecipients, LocalDomain } from './domains.ts';

/** Asks the destination of one of our domains whether it knows a recipient. The implementation caches answers. */
export type VerifyRecipient = (recipient: Address) => Promise<'known' | 'unknown' | 'unavailable'>;

/** A window of POP before SMTP: the users who have just read mail from an address. */
export interface RelayWindow {
  /** The logins, as they were typed and accepted. */
  readonly names: readonly string[];
  readonly source: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** More people share the address than may without a login of their own. */
  readonly needsAuth: boolean;
}

/** The permissions of a client certificate. */
export interface CertificateGrant {
  readonly name: string;
  /** The reverse-paths it is for; absent: any. */
  readonly senders?: readonly Pattern[];
}

/** The reason why an address does not identify its client, and the remedy. */
export interface Untruth {
  readonly because: string;
  readonly remedy: string;
}

/** The facts that the policy decides by. A reload replaces them as a whole. `Later` values and `verify` answer later. */
export interface PolicyOptions extends RecipientOptions {
  readonly verify: VerifyRecipient;
  readonly networks: IpSet;
  /** Whether the address is in the networks of one listener, by its name: those of a VPN come and go. */
  readonly listenerHas: (listener: string, address: string) => boolean;
  /** Proxies that should have named their client. */
  readonly proxies: IpSet;
  /** Whether an address cannot be a client's own: our gateway, a bridge of ours. */
  readonly untruth: (address: string) => Untruth | undefined;
  /** Whether users who logged in may relay. */
  readonly authenticated: boolean;
  readonly certificates: {
    readonly byFingerprint: ReadonlyMap<string, CertificateGrant>;
    /** Whether all clients with a certificate of the client authorities may relay. */
    readonly trusted: boolean;
  };
  /** The window of an address, asked for if no earlier rule has decided. */
  readonly window: (address: string) => Later<RelayWindow | undefined>;
  /** Whether the operator asked for an open relay on this listener. */
  readonly open: (listener: string) => boolean;
  /** Called for each client whose address gave a grant, with its HELO name. */
  readonly noteName?: (address: string, helo: string) => void;
}

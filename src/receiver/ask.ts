import type { Address, Envelope, QueueId, Reply, ReversePath } from '../mail/index.ts';

/** What is known of the peer, by facts of the connection; only `helo` is its own word. */
export interface ClientFacts {
  /** Canonical address; after PROXY or XCLIENT from a listed peer, the one that it vouches for. */
  readonly address: string;
  readonly port: number;
  /** The confirmed name of the address, when the lookup has ended and agreed. */
  readonly name?: string | undefined;
  readonly helo: string;
  readonly listener: string;
  readonly tls?: TlsFacts | undefined;
}

/** What was agreed in the handshake. */
export interface TlsFacts {
  readonly version: string;
  readonly cipher: string;
}

/** One question to the policy: may this client send to this recipient, and on what ground? */
export interface RelayRequest {
  readonly client: ClientFacts;
  readonly reversePath: ReversePath;
  readonly recipient: Address;
}

/** What a grant rests on. Exactly one of them; without one there is no relaying. */
export type Ground =
  | 'recipient'
  | 'network'
  | 'authenticated'
  | 'certificate'
  | 'pop-before-smtp'
  | 'open'
  | 'local';

/** The answer for one recipient. `because` is for our log; the reply is for the peer. */
export type Decision =
  | {
      readonly kind: 'grant';
      readonly ground: Ground;
      readonly because: string;
      /** Where it goes: usually the recipient itself, else what its alias stands for. */
      readonly to: readonly Address[];
    }
  | { readonly kind: 'refusal'; readonly reply: Reply; readonly because: string };

/** Decides about each recipient. May answer at once or, when it has to ask somebody, later. */
export interface Policy {
  decide(request: RelayRequest): Decision | Promise<Decision>;
}

/** A message on its way in. Nothing is kept of it unless `commit` resolves with a 250. */
export interface IncomingMessage {
  readonly id: QueueId;
  /** Takes octets, our trace field first; a promise asks the session to stop reading until it resolves. */
  write(octets: Uint8Array): Promise<void> | undefined;
  /** Makes it durable. The reply is what the peer is told; it never rejects. */
  commit(envelope: Envelope): Promise<Reply>;
  discard(): void;
}

/** Where accepted messages go. */
export interface Intake {
  /** The reply with which mail is refused right now (a full disk, shutting down), or `undefined`. */
  refusal(): Reply | undefined;
  begin(): IncomingMessage;
}

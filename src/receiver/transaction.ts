/** A transaction: from MAIL to the end of data. */
import {
  type Address,
  type ContentFacts,
  type Envelope,
  formatReceived,
  mailboxKey,
  needsSmtputf8,
  originalRecipientOf,
  type Recipient,
  type ReversePath,
} from '../mail/index.ts';
import type { MailParameters, RcptParameters } from '../smtp/index.ts';
import type { ClientFacts, Decision, Ground, Policy, SenderBinding } from './ask.ts';
import { type Disposition, dispositionAfter, type Ruling } from './screening.ts';

/** The client's HELO or EHLO. */
export interface Hello {
  readonly name: string;
  /** EHLO: the extensions may be used. */
  readonly isExtended: boolean;
}

/** MAIL … end of data: reverse-path, parameters and the recipients that were granted. */
export class Transaction {
  readonly reversePath: ReversePath;
  readonly parameters: MailParameters;
  readonly #policy: Pick<Policy, 'isOurs'>;
  readonly #recipients = new Map<string, Recipient>();
  /** Recipients as the peer named them, before aliases. */
  #named: Address | undefined;
  #namedCount = 0;
  #ground: Ground = 'recipient';
  #identity: string | undefined;
  #binding: SenderBinding | undefined;
  #disposition: Disposition | undefined;

  constructor(
    reversePath: ReversePath,
    parameters: MailParameters,
    {
      policy,
      disposition,
    }: { readonly policy: Pick<Policy, 'isOurs'>; readonly disposition?: Disposition | undefined },
  ) {
    this.reversePath = reversePath;
    this.parameters = parameters;
    this.#policy = policy;
    this.#disposition = disposition;
  }

  /** The checks' decision about the message so far. */
  get disposition(): Disposition | undefined {
    return this.#disposition;
  }

  keep(ruling: Ruling): void {
    this.#disposition = dispositionAfter(this.#disposition, ruling);
  }

  /** How many recipients the peer named and was granted. */
  get recipientCount(): number {
    return this.#namedCount;
  }

  /** The ground of the grants; `recipient` when all of them are ours. */
  get ground(): Ground {
    return this.#ground;
  }

  /** The senders that the header may name, where the grants say so. */
  get binding(): SenderBinding | undefined {
    return this.#binding;
  }

  /** Adds a granted recipient; a mailbox that is named twice is kept once, as it was named first. */
  add(named: Address, grant: Decision & { readonly kind: 'grant' }, parameters: RcptParameters): void {
    this.#named = named;
    this.#namedCount++;
    // A recipient of ours among others says nothing of why the others were granted.
    if (grant.ground !== 'recipient') {
      this.#ground = grant.ground;
      this.#binding = grant.binding;
    } else if (this.#ground === 'recipient') this.#binding ??= grant.binding;
    this.#identity ??= grant.identity;
    for (const address of grant.to) {
      const key = mailboxKey(address, this.#policy.isOurs?.(address.domain) !== true);
      if (this.#recipients.has(key)) continue;
      // RFC 3461 §5.2.7: reports name the address that the sender knows.
      const isRenamed = address !== named && parameters.originalRecipient === undefined;
      const recipient: Recipient = { address, ...parameters };
      this.#recipients.set(
        key,
        isRenamed ? { ...recipient, originalRecipient: originalRecipientOf(named) } : recipient,
      );
    }
  }

  /** The trace field to put before the message (RFC 5321 §4.4). */
  received(facts: TraceFacts): string {
    const { client, hello } = facts;
    return formatReceived({
      helo: hello.name,
      client: client.address,
      by: facts.hostname,
      protocol: hello.isExtended ? 'esmtp' : 'smtp',
      isAuthenticated: client.identity !== undefined,
      smtputf8: this.parameters.smtputf8,
      id: facts.id,
      at: facts.now,
      rdns: client.name,
      tls: client.tls,
      for: this.#onlyNamed(),
    });
  }

  /**
   * The recipient that the trace names. A name beyond ASCII is left out: it may be an alias, and then our own field
   * would keep the message from a server without SMTPUTF8.
   */
  #onlyNamed(): Address | undefined {
    const named = this.#namedCount === 1 ? this.#named : undefined;
    return named === undefined || needsSmtputf8(named) ? undefined : named;
  }

  envelope(facts: Omit<TraceFacts, 'hostname' | 'id'>, content: ContentFacts): Envelope {
    const { client, hello } = facts;
    const identity = client.identity?.name ?? this.#identity;
    const { body, smtputf8, ret, envid } = this.parameters;
    const origin = {
      client: client.address,
      helo: hello.name,
      listener: client.listener,
      ground: this.#ground,
      session: facts.session,
    };
    const envelope = {
      reversePath: this.reversePath,
      recipients: [...this.#recipients.values()],
      body,
      smtputf8,
      content,
      origin: identity === undefined ? origin : { ...origin, identity },
      receivedAt: facts.now,
    };
    if (ret === undefined && envid === undefined) return envelope;
    return { ...envelope, ...(ret === undefined ? {} : { ret }), ...(envid === undefined ? {} : { envid }) };
  }
}

/** The facts that a trace field needs besides the transaction. */
export interface TraceFacts {
  readonly client: ClientFacts;
  readonly hello: Hello;
  readonly session: string;
  readonly hostname: string;
  readonly id: string;
  readonly now: number;
}

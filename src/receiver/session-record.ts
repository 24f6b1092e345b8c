/** The state of a session: its client, the settings in force, the step of the dialogue, and its counts. */
import type { Reply } from '../mail/index.ts';
import type { CommandInput, Extensions } from '../smtp/index.ts';
import type { ClientFacts, Intake, Later, TlsFacts } from './ask.ts';
import type { Dialogue, SessionFacts, State, StatedClient, Wire } from './dialogue.ts';
import { offerTo } from './offer.ts';
import type { ReceiverParts, ReceiverSettings } from './options.ts';
import { adopted, stillTrusted } from './renew.ts';
import { type Disposition, dispositionAfter, type Ruling, type Screening } from './screening.ts';
import { spokenFor } from './spoken-for.ts';
import { intakeOf } from './trap-intake.ts';

/** Where a session hears, and where it can say that its client is another one. */
export interface SessionEnds {
  readonly input: CommandInput;
  readonly wire: Wire;
}

/** Changed by its methods only. */
export class SessionRecord implements Dialogue {
  readonly facts: SessionFacts;
  readonly parts: ReceiverParts;
  readonly intake: Intake;
  readonly #ends: SessionEnds;
  /** The configuration that was taken over last, and its part in force here. */
  #current: ReceiverSettings;
  #settings: ReceiverSettings;
  #state: State = { at: 'greeted' };
  #client: ClientFacts;
  /** As long as neither the client nor the settings change. */
  #extensions: Extensions | undefined;
  #dispositionAtConnect: Disposition | undefined;
  #dispositionAtHello: Disposition | undefined;
  #hasSpokenFor = false;
  #isSecured: boolean;
  #grantedTo: string | undefined;
  #transactions = 0;
  #accepted = 0;

  constructor(facts: SessionFacts, parts: ReceiverParts, ends: SessionEnds) {
    this.facts = facts;
    this.#current = facts.settings;
    this.#settings = facts.settings;
    this.parts = parts;
    this.intake = intakeOf(facts.listener.role, parts);
    this.#ends = ends;
    this.#isSecured = facts.tls !== undefined;
    this.#client = {
      address: facts.address,
      port: facts.port,
      helo: '',
      listener: facts.listener.name,
      role: facts.listener.role,
      isVouchedFor: facts.isVouchedFor ?? false,
      tls: this.#isProxied ? undefined : facts.tls,
    };
    this.#learnName();
  }

  get settings(): ReceiverSettings {
    return this.#settings;
  }

  get screening(): Screening | undefined {
    return this.facts.listener.role === 'trap' ? undefined : this.#settings.screening;
  }

  get state(): State {
    return this.#state;
  }

  get client(): ClientFacts {
    return this.#client;
  }

  readonly isKnown = (): Later<boolean> =>
    this.#client.role === 'local' || (this.#settings.policy.knows?.(this.#client) ?? false);

  get extensions(): Extensions {
    this.#extensions ??= offerTo(this);
    return this.#extensions;
  }

  get isSecured(): boolean {
    return this.#isSecured;
  }

  get hasSpokenFor(): boolean {
    return this.#hasSpokenFor;
  }

  get transactions(): number {
    return this.#transactions;
  }

  /** Messages that were taken. */
  get accepted(): number {
    return this.#accepted;
  }

  /** The name of the identity that was last granted anything, on any ground. */
  get grantedTo(): string | undefined {
    return this.#grantedTo;
  }

  get disposition(): Disposition | undefined {
    const [first, second] = [this.#dispositionAtConnect, this.#dispositionAtHello];
    return second === undefined ? first : dispositionAfter(first, second);
  }

  get hasBufferedInput(): boolean {
    return this.#ends.input.buffered > 0;
  }

  /** As Postfix does, by the address that is in force: a filter may hand on all that its client says, XCLIENT too. */
  get mayXclient(): boolean {
    return this.#settings.xclientFrom.has(this.#client.address);
  }

  /** The other end of the wire speaks for a client, so its TLS is not the client's. */
  get #isProxied(): boolean {
    return this.#hasSpokenFor || this.facts.hasProxyTls === true;
  }

  enter(state: State): void {
    if (this.#state.at !== 'closed') this.#state = state;
  }

  learn(client: ClientFacts): void {
    this.#client = client;
    this.#extensions = undefined;
  }

  adopt(): void {
    const now = this.facts.current?.();
    if (now === undefined || now === this.#current) return;
    this.#current = now;
    this.learn(stillTrusted(this.#client, this.#settings, now));
    this.#settings = adopted(this.#settings, now);
  }

  keep(stage: 'connect' | 'hello', ruling: Ruling): void {
    const disposition = dispositionAfter(undefined, ruling);
    if (stage === 'connect') this.#dispositionAtConnect = disposition;
    else this.#dispositionAtHello = disposition;
  }

  countTransaction(): void {
    this.#transactions++;
  }

  countAccepted(): void {
    this.#accepted++;
  }

  noteGrant(identity: string): void {
    this.#grantedTo = identity;
  }

  /** The handshake succeeded: everything said before is forgotten (RFC 3207 §4.2). */
  secured(tls: TlsFacts): void {
    this.#isSecured = true;
    const own = this.#isProxied ? undefined : tls;
    this.#beginAnew({ ...this.#client, helo: '', tls: own, identity: undefined });
  }

  impersonate(stated: StatedClient): Reply | undefined {
    this.#hasSpokenFor = true;
    this.#dispositionAtConnect = undefined;
    this.#beginAnew(spokenFor(this.#client, stated));
    if (stated.address === undefined) return undefined;
    if (stated.name === undefined) this.#learnName();
    return this.#ends.wire.admitAs?.(stated.address);
  }

  #beginAnew(client: ClientFacts): void {
    this.learn(client);
    this.#dispositionAtHello = undefined;
    this.enter({ at: 'greeted' });
  }

  #learnName(): void {
    const { address } = this.#client;
    const found = this.#settings.clientName?.(address)?.then((name) => {
      if (this.#client.address === address) this.learn({ ...this.#client, name });
    });
    if (found !== undefined) this.parts.background.run('client name', found);
  }
}

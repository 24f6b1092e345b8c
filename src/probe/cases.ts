/** The sender and recipient forms of known open-relay tests. */
import { type Form, helos, recipients, senders } from './battery.ts';
import { type SessionForm, sessionForms } from './session-forms.ts';

/** One case: the HELO name, the sender, the recipient and the kind of session. */
export interface Case {
  /** Made of the ids of its forms: `r02s05h1`, `r01s05h1f04`. */
  readonly id: string;
  readonly helo: Form;
  readonly sender: Form;
  readonly recipient: Form;
  readonly session?: SessionForm;
}

/** nmap's 16 tests, in its order: sender and recipient. */
export const nmapPairs: readonly (readonly [sender: string, recipient: string])[] = [
  ['s01', 'r01'],
  ['s03', 'r01'],
  ['s05', 'r01'],
  ...['r01', 'r03', 'r02', 'r08', 'r06', 'r12', 'r10', 'r11', 'r16', 'r15', 'r19', 'r21', 'r20'].map(
    (recipient) => ['s06', recipient] as const,
  ),
];

/** The 17 of abuse.net. */
export const abuseNetPairs: readonly (readonly [sender: string, recipient: string])[] = [
  ...['s01', 's02', 's03', 's05', 's06'].map((sender) => [sender, 'r01'] as const),
  ...['r02', 'r03', 'r08', 'r06', 'r11', 'r09', 'r12', 'r15', 'r16', 'r19', 'r20', 'r21'].map(
    (recipient) => ['s05', recipient] as const,
  ),
];

/** relay-test.mail-abuse.org and the NASL list after it, and those that mailradar added. */
export const mapsPairs: readonly (readonly [sender: string, recipient: string])[] = [
  ['s05', 'r08'],
  ...['s03', 's04', 's08', 's02', 's01', 's05', 's06', 's11', 's14'].map(
    (sender) => [sender, 'r01'] as const,
  ),
  ...['r02', 'r03', 'r11', 'r10', 'r12', 'r06', 'r13'].map((recipient) => ['s05', recipient] as const),
  ...['r15', 'r16', 'r21'].map((recipient) => ['s06', recipient] as const),
];

/** The sender with which those lists try recipients: one that claims to be of the target. */
const insider = 's05';
const stranger = 's03';
const honest = 'h1';
const plain = 'r01';
const percent = 'r02';
const route = 'r15';

function find(forms: readonly Form[], id: string): Form {
  const found = forms.find((form) => form.id === id);
  if (found === undefined) throw new Error(`no form "${id}" in the battery`);
  return found;
}

/** Collects cases, each once. */
class Collection {
  readonly #cases = new Map<string, Case>();

  add(
    sender: string,
    recipient: string,
    over: { readonly helo?: string; readonly session?: SessionForm } = {},
  ): void {
    const { helo = honest, session } = over;
    const id = `${recipient}${sender}${helo}${session?.id ?? ''}`;
    this.#cases.set(id, {
      id,
      helo: find(helos, helo),
      sender: find(senders, sender),
      recipient: find(recipients, recipient),
      ...(session === undefined ? {} : { session }),
    });
  }

  /** By HELO, so that a session can be used for many of them; session forms, which need their own, last. */
  get cases(): readonly Case[] {
    const rank = ({ helo, session }: Case) => (session === undefined ? helo.id : `z${session.id}`);
    return [...this.#cases.values()].sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
  }
}

/** The forty or so cases of earlier testers. */
export function classicCases(): readonly Case[] {
  const collection = new Collection();
  for (const [sender, recipient] of [...nmapPairs, ...abuseNetPairs, ...mapsPairs])
    collection.add(sender, recipient);
  return collection.cases;
}

/**
 * The union battery: the earlier lists; every recipient form from the null sender, a stranger and a sender that claims
 * to be of the target; every sender to a plain, a percent and a routed recipient; every sender under every HELO; every
 * session form, plain and percent.
 */
export function unionCases(): readonly Case[] {
  const collection = new Collection();
  for (const [sender, recipient] of [...nmapPairs, ...abuseNetPairs, ...mapsPairs])
    collection.add(sender, recipient);
  for (const { id } of recipients)
    for (const sender of ['s01', stranger, insider]) collection.add(sender, id);
  for (const { id } of senders)
    for (const recipient of [plain, percent, route]) collection.add(id, recipient);
  for (const { id: helo } of helos) for (const { id } of senders) collection.add(id, plain, { helo });
  for (const session of sessionForms) {
    for (const recipient of [plain, percent]) collection.add(insider, recipient, { session });
  }
  return collection.cases;
}

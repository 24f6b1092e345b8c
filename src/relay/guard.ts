import { type Background, type Clock, IpSet, type Log } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import {
  addressBudgets,
  addressCeiling,
  countedKinds,
  formatBudget,
  Guard,
  type GuardMemory,
  type GuardOptions,
  type HoldRecord,
  identityBudgets,
  isUnderCeiling,
  type Notice,
  networkBudgets,
  noticeToOwner,
  noticeToPostmaster,
} from '../guard/index.ts';
import { type Address, asciiMailbox, encodeText, formatDate, parseMailbox } from '../mail/index.ts';
import type { Operator, Queue } from '../queue/index.ts';
import type { Spool } from '../spool/index.ts';
import { acceptLocal, type LocalParts } from '../submission/index.ts';
import { createHeldMail } from './guard-mail.ts';

/** What the guard of a relay is made of. */
export interface RelayGuardParts {
  readonly spool: Spool;
  readonly queue: Queue;
  readonly operator: Operator;
  readonly memory: GuardMemory;
  readonly clock: Clock;
  readonly log: Log;
  readonly background: Background;
  /** How notices are sent: past the guard, for what is local has no budget. */
  readonly local: () => LocalParts;
  readonly config: () => Config;
}

/** The guard over the queue of this relay, its notices as mail. */
export function createGuard(parts: RelayGuardParts): Guard {
  const { memory, clock, log, background, config } = parts;
  const mail = createHeldMail(parts);
  const tell = (hold: HoldRecord) => tellOfHold(parts, hold);
  return new Guard({ memory, mail, tell, clock, log, background }, guardOptions(config()));
}

/** What the configuration says to the guard. */
export function guardOptions({ guard }: Pick<Config, 'guard'>): GuardOptions {
  const { identity, address, network, held } = guard;
  return {
    identity: { ...identity, budgets: { ...identity.budgets, reports: identityBudgets.reports } },
    address: { ...address, budgets: { ...address.budgets, reports: addressBudgets.reports } },
    network: {
      quietMs: network.quietMs,
      budgets: { ...network.budgets, reports: networkBudgets.reports },
      except: new IpSet(network.except),
    },
    held,
  };
}

/** Budgets of an open relay that are more than there are. */
export function guardProblems({
  guard,
}: Config): readonly { readonly path: string; readonly message: string }[] {
  return countedKinds.flatMap((kind) => {
    if (kind === 'reports' || isUnderCeiling(kind, guard.address.budgets[kind])) return [];
    const most = formatBudget(addressCeiling[kind]);
    return [{ path: `guard.address.${kind}`, message: `an open relay has a guard: ${most} is the most` }];
  });
}

/** Tells the postmaster and, where the identity is a mail address, its owner. */
async function tellOfHold(parts: RelayGuardParts, hold: HoldRecord): Promise<void> {
  const { hostname, postmaster } = parts.config();
  await send(parts, postmaster, noticeToPostmaster(hold, hostname));
  const owner = ownerOf(hold);
  if (owner !== undefined) await send(parts, owner, noticeToOwner(hold, hostname));
}

function ownerOf({ subject }: HoldRecord): Address | undefined {
  return subject.startsWith('identity:')
    ? parseMailbox(subject.slice('identity:'.length), { smtputf8: true })
    : undefined;
}

/** One notice, as mail that nobody answers (RFC 3834). One that is not accepted is in the log. */
async function send(
  { local, clock, log, config }: RelayGuardParts,
  to: Address,
  notice: Notice,
): Promise<void> {
  const { hostname, postmaster } = config();
  const now = clock.now();
  const body = encodeText(`${notice.lines.join('\r\n')}\r\n`);
  const header = [
    `From: "Mail relay ${hostname}" <${asciiMailbox(postmaster) ?? `postmaster@${hostname}`}>`,
    `To: <${asciiMailbox(to) ?? to.text}>`,
    `Subject: ${encodeWord(notice.subject)}`,
    `Date: ${formatDate(now)}`,
    `Message-ID: <guard.${now.toString(36)}.${Math.random().toString(36).slice(2)}@${hostname}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    `Content-Type: ${body.type}`,
    `Content-Transfer-Encoding: ${body.encoding}`,
  ];
  const outcome = await acceptLocal(local(), {
    reversePath: null,
    recipients: [{ address: to, notify: 'never' }],
    user: 'guard',
    octets: once(Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`), body.octets])),
  });
  if (outcome.kind === 'refused') {
    log.error('guard-notice-refused', { to: to.text, reply: outcome.reply.lines.join(' ') });
  }
}

/** A name beyond ASCII must not make the notice need SMTPUTF8 (RFC 2047 §2). */
function encodeWord(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  const pieces = text.match(/.{1,12}/gsu) ?? [];
  return pieces.map((piece) => `=?utf-8?B?${Buffer.from(piece).toString('base64')}?=`).join('\r\n ');
}

async function* once(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets;
}

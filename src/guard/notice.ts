/** The text of the notices about a hold. */
import { harmlessText } from '../base/index.ts';
import type { HoldRecord } from './hold.ts';
import { kindOf } from './subject.ts';

/** A notice as text, without the fields that depend on its recipient. */
export interface Notice {
  readonly subject: string;
  /** Without line ends; at most 78 characters each, names of people aside. */
  readonly lines: readonly string[];
}

const utc = (at: number) => `${new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')}`;

/** The notice to the postmaster: the event, and the commands that decide about it. */
export function noticeToPostmaster({ id, subject, since, because }: HoldRecord, hostname: string): Notice {
  const name = nameOf(subject);
  const who = {
    identity: `the user ${name}`,
    address: `the address ${name}, as a client of the open relay`,
    network: `the address ${name}, in a network that may relay`,
  }[kindOf(subject)];
  return {
    subject: `${hostname}: mail from ${name} is held`,
    lines: [
      `At ${utc(since)} ${who}`,
      `sent ${because}.`,
      '',
      'That is what a stolen password or an infected machine looks like. The message',
      'that exceeded the budget and everything that follows is accepted and kept, and',
      'so is what still waited in the queue. Mail of others goes on as before.',
      '',
      'What is kept:',
      `  posthouse guard show ${id}`,
      'If it is lawful, let it go. The budgets of the sender begin afresh:',
      `  posthouse guard release ${id}`,
      'If it is abuse, find out how it came to that, then remove it. The sender stays',
      'held until it is released:',
      `  posthouse guard remove ${id}`,
      'If the sender may send so much, for good:',
      `  posthouse guard allow ${quoted(harmlessText(subject))}`,
      '',
      'You are told once of each hold.',
    ],
  };
}

/** The notice to the owner of an identity. */
export function noticeToOwner({ id, subject, since, because }: HoldRecord, hostname: string): Notice {
  const name = nameOf(subject);
  return {
    subject: 'Your mail is being held',
    lines: [
      `Since ${utc(since)} the mail server ${hostname}`,
      `keeps the mail that is sent in your name (${name}), because`,
      `your account sent ${because}.`,
      '',
      'If that was you: nothing is lost. Write to your postmaster, who can let it go.',
      `Name this hold: ${id}`,
      '',
      'If it was not you, somebody knows your password. Change it now, and tell your',
      'postmaster.',
      '',
      'You are told once of each hold.',
    ],
  };
}

/** As one line: a name in a token or a certificate may contain anything. */
function nameOf(subject: string): string {
  return harmlessText(subject.slice(subject.indexOf(':') + 1)).slice(0, 200);
}

/** For a shell: a name may contain anything. */
function quoted(subject: string): string {
  return /^[\w@.:/+-]+$/.test(subject) ? subject : `'${subject.replaceAll("'", `'\\''`)}'`;
}

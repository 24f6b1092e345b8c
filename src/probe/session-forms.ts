/** The ways to reach RCPT that might carry trust over. */
import type { Form } from './battery.ts';

/**
 * A way to reach RCPT that might carry trust over from earlier commands. Lines are octets in latin1 with the
 * placeholders of `Names`. The replies to them do not matter; the outcome does.
 */
export interface SessionForm extends Omit<Form, 'text'> {
  /** Octets before the greeting is read. */
  readonly prelude?: string;
  /** Lines after EHLO and before MAIL. */
  readonly before?: readonly string[];
  /** STARTTLS after `before`, and EHLO again. */
  readonly startsTls?: true;
  /** Instead of `MAIL FROM:`. */
  readonly verb?: 'SEND FROM:' | 'SOML FROM:' | 'SAML FROM:';
  /** Lines between MAIL and RCPT. */
  readonly within?: readonly string[];
  /** How content goes out; `bdat` does so without waiting to be offered it. */
  readonly content?: 'data' | 'bdat';
  /** MAIL, RCPT and DATA in one write. */
  readonly isPipelined?: true;
  /** HELO instead of EHLO. */
  readonly isOld?: true;
}

/** A login of no user: `relay-test` with the password `relay-test`. */
const noLogin = Buffer.from('\0relay-test\0relay-test').toString('base64');
const user = Buffer.from('relay-test').toString('base64');

/** Session forms: each is tried with a plain recipient at a third party, and with the percent hack. */
export const sessionForms: readonly SessionForm[] = [
  { id: 'f01', origins: ['lore'], tests: 'HELO instead of EHLO', isOld: true },
  { id: 'f02', origins: ['lore'], tests: 'after a lawful recipient', within: ['RCPT TO:<{known}>'] },
  {
    id: 'f03',
    origins: ['lore'],
    tests: 'after RSET behind a lawful recipient',
    before: ['MAIL FROM:<spamtest@{T}>', 'RCPT TO:<{known}>', 'RSET'],
  },
  { id: 'f04', origins: ['lore'], tests: 'after a failed AUTH PLAIN', before: [`AUTH PLAIN ${noLogin}`] },
  {
    id: 'f05',
    origins: ['lore'],
    tests: 'after a failed AUTH LOGIN',
    before: ['AUTH LOGIN', user, user],
  },
  { id: 'f06', origins: ['lore'], tests: 'after a cancelled AUTH', before: ['AUTH LOGIN', '*'] },
  {
    id: 'f07',
    origins: ['lore'],
    tests: 'after AUTH and EHLO again',
    before: [`AUTH PLAIN ${noLogin}`, 'EHLO {T}'],
  },
  {
    id: 'f08',
    origins: ['lore'],
    tests: 'after AUTH ANONYMOUS',
    before: [`AUTH ANONYMOUS ${user}`],
  },
  { id: 'f09', origins: ['lore'], tests: 'after AUTH EXTERNAL', before: ['AUTH EXTERNAL ='] },
  {
    id: 'f10',
    origins: ['lore'],
    tests: 'after AUTH and STARTTLS',
    before: [`AUTH PLAIN ${noLogin}`],
    startsTls: true,
  },
  {
    id: 'f11',
    origins: ['lore'],
    tests: 'a transaction begun before STARTTLS',
    before: ['MAIL FROM:<spamtest@{T}>', 'RCPT TO:<{known}>'],
    startsTls: true,
  },
  { id: 'f12', origins: ['lore'], tests: 'BDAT instead of DATA', content: 'bdat' },
  {
    id: 'f13',
    origins: ['lore'],
    tests: 'BDAT behind a lawful recipient',
    within: ['RCPT TO:<{known}>'],
    content: 'bdat',
  },
  { id: 'f14', origins: ['lore'], tests: 'all in one write', isPipelined: true },
  {
    id: 'f15',
    origins: ['lore'],
    tests: 'all in one write, behind a lawful recipient',
    within: ['RCPT TO:<{known}>'],
    isPipelined: true,
  },
  {
    id: 'f16',
    origins: ['lore'],
    tests: 'XCLIENT from anybody',
    before: ['XCLIENT ADDR=127.0.0.1 NAME=localhost', 'EHLO localhost'],
  },
  {
    id: 'f17',
    origins: ['lore'],
    tests: 'XCLIENT with a login',
    before: ['XCLIENT LOGIN=postmaster', 'EHLO {T}'],
  },
  {
    id: 'f18',
    origins: ['lore'],
    tests: 'XFORWARD from anybody',
    before: ['XFORWARD ADDR=127.0.0.1 NAME=localhost'],
  },
  {
    id: 'f19',
    origins: ['lore'],
    tests: 'a PROXY header from anybody',
    prelude: 'PROXY TCP4 127.0.0.1 127.0.0.1 40000 25\r\n',
  },
  {
    id: 'f20',
    origins: ['lore'],
    tests: 'PROXY as a command',
    before: ['PROXY TCP4 127.0.0.1 127.0.0.1 40000 25'],
  },
  {
    id: 'f21',
    origins: ['lore'],
    tests: 'a binary PROXY header from anybody',
    prelude: '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\x9c\x40\0\x19',
  },
  { id: 'f22', origins: ['lore'], tests: 'SEND', verb: 'SEND FROM:' },
  { id: 'f23', origins: ['lore'], tests: 'SOML', verb: 'SOML FROM:' },
  { id: 'f24', origins: ['lore'], tests: 'SAML', verb: 'SAML FROM:' },
  { id: 'f25', origins: ['lore'], tests: 'after VRFY and EXPN', before: ['VRFY {u}@{D}', 'EXPN {u}@{D}'] },
  { id: 'f26', origins: ['lore'], tests: 'after ETRN and ATRN', before: ['ETRN {D}', 'ATRN {D}'] },
  { id: 'f27', origins: ['lore'], tests: 'after TURN', before: ['TURN'] },
  {
    id: 'f28',
    origins: ['lore'],
    tests: 'after a refused recipient of ours',
    within: ['RCPT TO:<no-such-user-{u}@{T}>'],
  },
  {
    id: 'f29',
    origins: ['lore'],
    tests: 'a lawful recipient comes last',
    within: ['RCPT TO:<{u}%{D}@{T}>', 'RCPT TO:<{known}>'],
  },
  { id: 'f30', origins: ['lore'], tests: 'MAIL twice', within: ['MAIL FROM:<spamtest@{T}>'] },
];

/** The forms of the open-relay battery: senders, HELO names and recipients. */

/** The source of a form: the lists of earlier testers of relays, and our own additions. */
export type Origin =
  /** nmap's `smtp-open-relay`, and Metasploit's extended test after it. */
  | 'nmap'
  | 'abuse.net'
  /** relay-test.mail-abuse.org, and `smtp_relay2.nasl` after it. */
  | 'maps'
  | 'mailradar'
  | 'orve'
  /** RFC 2505 §2.x: the gateways and routes that it warns of. */
  | 'rfc2505'
  /** Known mistakes of relays: parsers, suffixes, lists, parameters. */
  | 'lore';

/**
 * One way to write an argument. The text is octets in latin1, one character for one octet, with the
 * placeholders of `Names`; it is sent as it is, brackets or none.
 */
export interface Form {
  /** Stable; lower-case letters and digits, because it is part of a token. */
  readonly id: string;
  readonly text: string;
  readonly origins: readonly Origin[];
  /** The mistake of a relay that this form would reveal. */
  readonly tests: string;
  /** The path is one of the target's own, so taking it is right; only arrival at a third party is not. */
  readonly isLawful?: true;
}

/** The values of the placeholders in a form. */
export interface Names {
  /** Local part of the recipient; carries the token. */
  readonly u: string;
  /** The domain of the target. */
  readonly T: string;
  /** A domain of a third party, to which the target should not relay. */
  readonly D: string;
  /** Another third party. */
  readonly E: string;
  /** The target's address as a literal: `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
  readonly IP: string;
  /** A third party's address, bare, and both kinds of literal. */
  readonly L4: string;
  readonly L6: string;
  /** A mailbox that exists at the target. */
  readonly known: string;
}

/** Puts the names in. Octets as latin1. */
export function fill(text: string, names: Names): string {
  return text.replace(/\{(u|T|D|E|IP|L4|L6|known)\}/g, (_, key: keyof Names) => names[key]);
}

/** Sender forms: the argument after `MAIL FROM:`. */
export const senders: readonly Form[] = [
  { id: 's01', text: '<>', origins: ['nmap', 'abuse.net', 'maps'], tests: 'notifications may go anywhere' },
  {
    id: 's02',
    text: '<spamtest>',
    origins: ['abuse.net', 'maps'],
    tests: 'a sender without a domain is local',
  },
  { id: 's03', text: '<{u}@{D}>', origins: ['nmap', 'abuse.net', 'maps'], tests: 'a stranger to a stranger' },
  { id: 's04', text: '<{u}@{E}>', origins: ['maps'], tests: 'a sender at yet another place' },
  {
    id: 's05',
    text: '<spamtest@{T}>',
    origins: ['nmap', 'abuse.net', 'maps'],
    tests: 'who says to be ours is believed',
  },
  {
    id: 's06',
    text: '<spamtest@{IP}>',
    origins: ['nmap', 'abuse.net', 'maps'],
    tests: 'our address as the domain',
  },
  { id: 's07', text: '<spamtest@[IPv6:::1]>', origins: ['lore'], tests: 'loopback as the domain, IPv6' },
  { id: 's08', text: '<spamtest@localhost>', origins: ['maps'], tests: 'localhost is trusted' },
  {
    id: 's09',
    text: '<spamtest@localhost.localdomain>',
    origins: ['lore'],
    tests: 'the long name of localhost',
  },
  { id: 's10', text: '<spamtest@[127.0.0.1]>', origins: ['lore'], tests: 'loopback as the domain' },
  { id: 's11', text: '<postmaster@{T}>', origins: ['maps'], tests: 'postmaster may do anything' },
  { id: 's12', text: '<postmaster>', origins: ['lore'], tests: 'the bare postmaster of RFC 5321' },
  { id: 's13', text: '<{known}>', origins: ['lore'], tests: 'an existing user needs no login' },
  {
    id: 's14',
    text: ' <spamtest@{T}>',
    origins: ['maps'],
    tests: 'a space after the colon gets another policy',
  },
  { id: 's15', text: 'spamtest@{T}', origins: ['maps'], tests: 'no brackets get another policy' },
  { id: 's16', text: '<@{T}:{u}@{D}>', origins: ['lore'], tests: 'a source route in the sender' },
  { id: 's17', text: '<"spamtest@{T}"@{D}>', origins: ['lore'], tests: 'our domain inside quotes' },
  { id: 's18', text: '<spamtest@{T}> AUTH=<>', origins: ['lore'], tests: 'AUTH= is taken for a login' },
  {
    id: 's19',
    text: '<spamtest@{T}> AUTH={known}',
    origins: ['lore'],
    tests: 'AUTH= names a user (RFC 4954 §5)',
  },
];

/** HELO forms: the argument after `EHLO `. */
export const helos: readonly Form[] = [
  { id: 'h1', text: '{D}', origins: ['nmap'], tests: 'an honest stranger' },
  { id: 'h2', text: '{T}', origins: ['lore'], tests: 'who greets as the target is the target' },
  { id: 'h3', text: 'localhost', origins: ['lore'], tests: 'localhost is trusted' },
  { id: 'h4', text: '[127.0.0.1]', origins: ['lore'], tests: 'loopback is trusted' },
  { id: 'h5', text: '{IP}', origins: ['lore'], tests: "the target's own address is trusted" },
  { id: 'h6', text: 'mail.{T}', origins: ['lore'], tests: 'a name in a list of permitted HELOs' },
  { id: 'h7', text: '10.0.0.1', origins: ['lore'], tests: 'a private address as a name' },
  { id: 'h8', text: '', origins: ['lore'], tests: 'no name at all' },
];

/** Recipient forms: the argument after `RCPT TO:`. Each of them means a recipient at a third party. */
export const recipients: readonly Form[] = [
  {
    id: 'r01',
    text: '<{u}@{D}>',
    origins: ['nmap', 'abuse.net', 'maps', 'mailradar', 'orve'],
    tests: 'plain',
  },
  { id: 'r02', text: '<{u}%{D}@{T}>', origins: ['nmap', 'abuse.net', 'maps'], tests: 'percent hack' },
  {
    id: 'r03',
    text: '<{u}%{D}@{IP}>',
    origins: ['nmap', 'abuse.net', 'maps'],
    tests: 'percent hack, by address',
  },
  { id: 'r04', text: '<{u}%{D}@localhost>', origins: ['lore'], tests: 'percent hack, by localhost' },
  { id: 'r05', text: '<{u}%{D}>', origins: ['lore'], tests: 'percent hack, no domain' },
  {
    id: 'r06',
    text: '<"{u}%{D}">',
    origins: ['nmap', 'abuse.net', 'mailradar'],
    tests: 'percent in quotes, no domain',
  },
  { id: 'r07', text: '<"{u}%{D}"@{T}>', origins: ['lore'], tests: 'percent in quotes' },
  {
    id: 'r08',
    text: '<"{u}@{D}">',
    origins: ['nmap', 'abuse.net', 'maps'],
    tests: 'an address in quotes, no domain',
  },
  { id: 'r09', text: '<"{u}@{D}"@{T}>', origins: ['abuse.net', 'mailradar'], tests: 'an address in quotes' },
  {
    id: 'r10',
    text: '<"{u}@{D}"@{IP}>',
    origins: ['nmap', 'maps'],
    tests: 'an address in quotes, by address',
  },
  { id: 'r11', text: '<{u}@{D}@{T}>', origins: ['nmap', 'abuse.net', 'maps'], tests: 'two @: first or last' },
  { id: 'r12', text: '<{u}@{D}@{IP}>', origins: ['nmap', 'abuse.net', 'maps'], tests: 'two @, by address' },
  { id: 'r13', text: '<{u}@{D}@>', origins: ['mailradar'], tests: 'the last domain is empty' },
  { id: 'r14', text: '<{u}@{D}@localhost>', origins: ['lore'], tests: 'two @, by localhost' },
  { id: 'r15', text: '<@{T}:{u}@{D}>', origins: ['nmap', 'abuse.net', 'maps'], tests: 'source route' },
  {
    id: 'r16',
    text: '<@{IP}:{u}@{D}>',
    origins: ['nmap', 'abuse.net', 'maps'],
    tests: 'source route, by address',
  },
  { id: 'r17', text: '<@{T},@{D}:{u}@{D}>', origins: ['lore'], tests: 'source route of two hosts' },
  { id: 'r18', text: '<@:{u}@{D}>', origins: ['lore'], tests: 'source route of nobody' },
  { id: 'r19', text: '<{D}!{u}>', origins: ['nmap', 'abuse.net'], tests: 'bang path, no domain' },
  { id: 'r20', text: '<{D}!{u}@{T}>', origins: ['nmap', 'abuse.net'], tests: 'bang path' },
  {
    id: 'r21',
    text: '<{D}!{u}@{IP}>',
    origins: ['nmap', 'abuse.net', 'maps'],
    tests: 'bang path, by address',
  },
  { id: 'r22', text: '<"{D}!{u}"@{T}>', origins: ['lore'], tests: 'bang path in quotes' },
  { id: 'r23', text: '<{T}!{D}!{u}>', origins: ['lore'], tests: 'bang path that begins with the target' },
  { id: 'r24', text: '<{D}!{u}%{D}@{T}>', origins: ['lore'], tests: 'bang and percent mixed' },
  { id: 'r25', text: '<{u}%{D}%{T}@{T}>', origins: ['lore'], tests: 'percent hack within the percent hack' },
  { id: 'r26', text: '<{u}%{D}@{E}@{T}>', origins: ['lore'], tests: 'percent and two @' },
  { id: 'r27', text: '<{u}@{D}.>', origins: ['lore'], tests: 'a dot at the end of the domain' },
  { id: 'r28', text: '<{u}@[{L4}]>', origins: ['lore'], tests: 'an address literal of a third party' },
  { id: 'r29', text: '<{u}@[IPv6:{L6}]>', origins: ['lore'], tests: 'an IPv6 literal of a third party' },
  { id: 'r30', text: '<{u}@{D}%{T}>', origins: ['lore'], tests: 'percent behind the @' },
  { id: 'r31', text: '< {u}@{D}>', origins: ['lore'], tests: 'a space inside, in front' },
  { id: 'r32', text: '<{u}@{D} >', origins: ['lore'], tests: 'a space inside, behind' },
  { id: 'r33', text: '<<{u}@{D}>>', origins: ['lore'], tests: 'brackets twice' },
  { id: 'r34', text: '{u}@{D}', origins: ['lore'], tests: 'no brackets' },
  { id: 'r35', text: ' <{u}@{D}>', origins: ['maps'], tests: 'a space after the colon' },
  {
    id: 'r36',
    text: '<{u}@{D}> ORCPT=rfc822;{known}',
    origins: ['lore'],
    tests: 'a parameter names one of ours',
  },
  {
    id: 'r37',
    text: '<{known}> ORCPT=rfc822;{u}@{D}',
    origins: ['lore'],
    tests: 'a parameter names the third party',
    isLawful: true,
  },
  { id: 'r38', text: '<{u}@{D}> NOTIFY=NEVER', origins: ['lore'], tests: 'a parameter ends the policy' },
  { id: 'r39', text: '<{u}\\@{D}@{T}>', origins: ['lore'], tests: 'a backslash outside quotes' },
  { id: 'r40', text: '<"{u}\\@{D}"@{T}>', origins: ['lore'], tests: 'a quoted pair' },
  { id: 'r41', text: '<"{u}\\%{D}"@{T}>', origins: ['lore'], tests: 'a quoted pair, percent' },
  { id: 'r42', text: '<{known},{u}@{D}>', origins: ['lore'], tests: 'a list in one path' },
  { id: 'r43', text: '<{known}><{u}@{D}>', origins: ['lore'], tests: 'two paths in one command' },
  { id: 'r44', text: '<{known}> <{u}@{D}>', origins: ['lore'], tests: 'a second path as a parameter' },
  { id: 'r45', text: '<{known}>,<{u}@{D}>', origins: ['lore'], tests: 'a list of paths' },
  { id: 'r46', text: '<{u}@sub.{T}>', origins: ['lore'], tests: 'suffix: a name below ours' },
  { id: 'r47', text: '<{u}@x{T}>', origins: ['lore'], tests: 'suffix: a name that ends as ours' },
  { id: 'r48', text: '<{u}@{T}.{D}>', origins: ['lore'], tests: 'prefix: a name that begins as ours' },
  { id: 'r49', text: '<{u}@{T}(comment)@{D}>', origins: ['lore'], tests: 'a comment between domains' },
  { id: 'r50', text: '<{u}(@{T})@{D}>', origins: ['lore'], tests: 'a comment in the local part' },
  { id: 'r51', text: '<{u}@{D}(@{T})>', origins: ['lore'], tests: 'a comment behind' },
  { id: 'r52', text: '<{u}@{D}\0@{T}>', origins: ['lore'], tests: 'NUL before our domain' },
  { id: 'r53', text: '<{u}@{T}\0.{D}>', origins: ['lore'], tests: 'NUL behind our domain' },
  { id: 'r54', text: '<{u}\xfc@{D}>', origins: ['lore'], tests: 'an octet that is no UTF-8' },
  { id: 'r55', text: '<{u}\xc3\xbc@{D}>', origins: ['lore'], tests: 'UTF-8 without SMTPUTF8' },
  {
    id: 'r56',
    text: '<{u}@{T}\xe3\x80\x82{D}>',
    origins: ['lore'],
    tests: 'the ideographic full stop as a dot',
  },
  { id: 'r57', text: '<{u}@{D}\r@{T}>', origins: ['lore'], tests: 'a bare CR' },
  { id: 'r58', text: '<"/dd.rfc-822={u}(a){D}/"@{T}>', origins: ['rfc2505'], tests: 'X.400 in a local part' },
  {
    id: 'r59',
    text: '<"gw::smtp%\\"{u}@{D}\\""@{T}>',
    origins: ['rfc2505'],
    tests: 'DECnet in a local part',
  },
  { id: 'r60', text: '<"<{u}@{D}>"@{T}>', origins: ['lore'], tests: 'a path in a local part' },
  {
    id: 'r61',
    text: '<{u}={D}@{T}>',
    origins: ['lore'],
    tests: 'a forwarding prefix (VERP, SRS) taken for a route',
  },
  { id: 'r62', text: '<{u}+{u}%{D}@{T}>', origins: ['lore'], tests: 'percent behind a tag' },
  { id: 'r63', text: '<{u}@{L4}>', origins: ['lore'], tests: 'an address that is no literal' },
  { id: 'r64', text: '<{u}:{D}@{T}>', origins: ['lore'], tests: 'a colon as a route' },
  { id: 'r65', text: '<postmaster@{D}>', origins: ['lore'], tests: "another's postmaster" },
  { id: 'r66', text: '<{u}%{D}@{D}>', origins: ['lore'], tests: 'percent hack by the third party itself' },
];

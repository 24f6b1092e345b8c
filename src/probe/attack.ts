/** Tries the cases of the battery on one server. */
import { attempt, isTaken, type Sending, Transcript } from './attempt.ts';
import { fill, type Names } from './battery.ts';
import type { Case } from './cases.ts';
import type { Dialogue, Heard } from './dialogue.ts';
import { formatToken } from './token.ts';
import { type Verdict, verdictOf, verdictOfGreeting } from './verdict.ts';

/** An attack on one server. */
export interface AttackOptions {
  /** The name of the target in tokens. */
  readonly target: string;
  readonly cases: readonly Case[];
  /** `u` is the token of each case. */
  readonly names: Omit<Names, 'u'>;
  /** Opens a connection; `prelude` goes out before the greeting. One is open at a time. */
  readonly open: (prelude?: string) => Promise<{ readonly dialogue: Dialogue; readonly greeting: Heard }>;
  /** STARTTLS, where it is offered or not, before anything else. */
  readonly startsTls?: boolean;
  readonly sending: Sending;
  /** The local part that carries a token; default: the token itself. */
  readonly localPart?: (token: string) => string;
  /** The message of a case; CRLF, latin1. */
  readonly message: (token: string, names: Names) => string;
  readonly secret: Uint8Array;
  readonly now: () => number;
  /** Cases of one connection: fewer than any usual limit of errors. */
  readonly perConnection: number;
  /** Waits before each case, as the manners of the test demand. */
  readonly pause?: () => Promise<void>;
}

/** The time for which a server may still send unasked lines. */
const settleMs = 200;

/**
 * The result of one case. `relayed`, `kept` and `bounced` depend on the mail that arrives, and are added by the
 * caller.
 */
export interface AttackResult {
  readonly one: Case;
  readonly token: string;
  readonly verdict: Verdict;
  readonly evidence: readonly string[];
  /** Content was taken, so something has to become of it. */
  readonly isTaken: boolean;
}

/**
 * Tries one case after the other, several in a session as long as it goes on well, a lost one again in a session of
 * its own. Ends early when the greeting refuses us: the last result then says so, and the rest was not tried. Rejects
 * only when `open` does.
 */
export async function* attack(options: AttackOptions): AsyncGenerator<AttackResult> {
  const line = new Line(options);
  try {
    for (const one of options.cases) {
      await options.pause?.();
      const result = await tryCase(options, line, one);
      yield result;
      if (line.isTurnedAway) return;
    }
  } finally {
    await line.leave();
  }
}

async function tryCase(options: AttackOptions, line: Line, one: Case): Promise<AttackResult> {
  const token = formatToken({ target: options.target, caseId: one.id, at: options.now() }, options.secret);
  const names: Names = { ...options.names, u: options.localPart?.(token) ?? token };
  const attempting = { one, names, sending: options.sending, message: options.message(token, names) };
  for (let times = 1; ; times++) {
    const wasFresh = one.session !== undefined || !line.isUsable(one);
    const ready =
      one.session === undefined ? await line.greeted(one, names) : await line.prepared(one, names);
    if ('turnedAway' in ready) return { one, token, ...ready.turnedAway, isTaken: false };
    const { decisive, evidence, isTaken } = await attempt(ready.dialogue, attempting, ready.transcript);
    const verdict = decided(decisive, { one, evidence });
    if (isTaken || verdict !== 'disconnected' || wasFresh || times > 1)
      return { one, token, verdict, evidence, isTaken };
    // An error limit, perhaps: by itself the form may be answered.
    await line.leave();
  }
}

/** A session that opens with nonsense and is closed after a reply was refused. */
function decided(
  decisive: Heard | undefined,
  { one, evidence }: { readonly one: Case; readonly evidence: readonly string[] },
): Verdict {
  const verdict = verdictOf(decisive);
  const wasTold = evidence.some((text) => /^S: 5\d\d/.test(text));
  return verdict === 'disconnected' && one.session !== undefined && wasTold ? 'refused' : verdict;
}

type Ready =
  | { readonly dialogue: Dialogue; readonly transcript: Transcript }
  | { readonly turnedAway: { readonly verdict: Verdict; readonly evidence: readonly string[] } };

/** The one connection that is open. */
class Line {
  readonly #options: AttackOptions;
  #dialogue: Dialogue | undefined;
  #helo = '';
  #count = 0;
  isTurnedAway = false;

  constructor(options: AttackOptions) {
    this.#options = options;
  }

  /** The session that is open can take another case of this HELO. */
  isUsable(one: Case): boolean {
    return (
      this.#dialogue?.isOpen === true &&
      this.#helo === one.helo.id &&
      this.#count < this.#options.perConnection
    );
  }

  /** The session of a plain case: the open one, or a new one. */
  async greeted(one: Case, names: Names): Promise<Ready> {
    const transcript = new Transcript();
    const open = this.#dialogue;
    if (open !== undefined && this.isUsable(one)) {
      this.#count++;
      const reset = await open.say('RSET');
      if (isTaken(reset)) return { dialogue: open, transcript };
    }
    const ready = await this.#begin(names, transcript);
    if ('turnedAway' in ready) return ready;
    this.#helo = one.helo.id;
    await this.#hello(ready.dialogue, fill(`EHLO ${one.helo.text}`, names), transcript);
    if (this.#options.startsTls === true)
      await this.#secure(ready.dialogue, fill(`EHLO ${one.helo.text}`, names), transcript);
    return ready;
  }

  /** A session of its own for a session form, up to MAIL. */
  async prepared({ session, helo }: Case, names: Names): Promise<Ready> {
    const transcript = new Transcript();
    const ready = await this.#begin(names, transcript, session?.prelude);
    if ('turnedAway' in ready) return ready;
    const { dialogue } = ready;
    // Not for other cases.
    this.#helo = '';
    const hello = fill(`${session?.isOld === true ? 'HELO' : 'EHLO'} ${helo.text}`, names);
    await this.#hello(dialogue, hello, transcript);
    if (this.#options.startsTls === true) await this.#secure(dialogue, hello, transcript);
    for (const line of session?.before ?? []) await transcript.ask(dialogue, fill(line, names));
    if (session?.startsTls === true && !dialogue.isSecure) await this.#secure(dialogue, hello, transcript);
    return ready;
  }

  async leave(): Promise<void> {
    const open = this.#dialogue;
    this.#dialogue = undefined;
    await open?.quit();
  }

  async #begin(names: Names, transcript: Transcript, prelude?: string): Promise<Ready> {
    await this.leave();
    const filled = prelude === undefined ? undefined : fill(prelude, names);
    if (filled !== undefined) transcript.said(filled.trimEnd());
    const { dialogue, greeting } = await this.#options.open(filled);
    this.#dialogue = dialogue;
    this.#count = 1;
    transcript.heard(greeting);
    if (prelude !== undefined) await this.#settle(dialogue, transcript);
    else if (!isTaken(greeting)) {
      this.isTurnedAway = true;
      return { turnedAway: { verdict: verdictOfGreeting(greeting), evidence: transcript.lines } };
    }
    return { dialogue, transcript };
  }

  /** A prelude may have had replies of its own: those up to the one to NOOP are not about the commands that follow. */
  async #settle(dialogue: Dialogue, transcript: Transcript): Promise<void> {
    dialogue.write('\r\nNOOP\r\n');
    for (let replies = 0; replies < 8 && dialogue.isOpen; replies++) {
      const heard = transcript.heard(await dialogue.hear());
      if (heard.kind === 'reply' && heard.code === 250) break;
    }
    // Where everything is answered with 250, the one of NOOP is among others.
    for (const heard of await dialogue.rest(settleMs)) transcript.heard(heard);
  }

  /** EHLO; a server that wants none of it may be old. */
  async #hello(dialogue: Dialogue, hello: string, transcript: Transcript): Promise<void> {
    const heard = await transcript.ask(dialogue, hello);
    if (isTaken(heard) || !dialogue.isOpen || !hello.startsWith('EHLO')) return;
    await transcript.ask(dialogue, hello.replace('EHLO', 'HELO'));
  }

  /** STARTTLS and the handshake; if it is refused the session goes on in clear. */
  async #secure(dialogue: Dialogue, hello: string, transcript: Transcript): Promise<void> {
    if (!isTaken(await transcript.ask(dialogue, 'STARTTLS'))) return;
    if (await dialogue.secure()) await this.#hello(dialogue, hello, transcript);
  }
}

/** Carries out one case in a session, and keeps the dialogue as evidence. */
import { fill, type Names } from './battery.ts';
import type { Case } from './cases.ts';
import type { Dialogue, Heard } from './dialogue.ts';

/** Whether content goes out behind the recipients. */
export type Sending =
  /** Nothing is ever sent. */
  | 'none'
  /** When the recipient was taken. */
  | 'accepted'
  /** When any recipient was: a refused one must not be in the envelope either. */
  | 'any';

/** How one case is carried out. */
export interface Attempt {
  readonly one: Case;
  readonly names: Names;
  readonly sending: Sending;
  /** The message with CRLF line ends, in latin1; no line begins with a dot. */
  readonly message: string;
}

/** The dialogue of a case, and its outcome. */
export interface Attempted {
  /** The reply that decided; `undefined` when everything was taken. */
  readonly decisive: Heard | undefined;
  /** The dialogue of this case: `C: …` and `S: …`, escaped. */
  readonly evidence: readonly string[];
  /** The server accepted content, for whichever recipient. */
  readonly isTaken: boolean;
}

/** Keeps the lines of both sides as evidence. */
export class Transcript {
  readonly lines: string[] = [];

  said(line: string): void {
    this.lines.push(`C: ${escaped(line)}`);
  }

  heard(heard: Heard): Heard {
    this.lines.push(`S: ${heard.kind === 'closed' ? `(${heard.because})` : heard.text}`);
    return heard;
  }

  async ask(dialogue: Dialogue, line: string): Promise<Heard> {
    this.said(line);
    return this.heard(await dialogue.say(line));
  }
}

export function isTaken(heard: Heard | undefined): boolean {
  return heard?.kind === 'reply' && heard.code < 400;
}

/** Carries out MAIL, RCPT and content of one case in a session that was greeted. Never rejects. */
export async function attempt(
  dialogue: Dialogue,
  options: Attempt,
  transcript = new Transcript(),
): Promise<Attempted> {
  const { one, names } = options;
  const { session } = one;
  const mail = `${session?.verb ?? 'MAIL FROM:'}${fill(one.sender.text, names)}`;
  const within = (session?.within ?? []).map((line) => fill(line, names));
  const rcpt = `RCPT TO:${fill(one.recipient.text, names)}`;
  if (session?.isPipelined === true)
    return pipelined(dialogue, options, { lines: [mail, ...within, rcpt], transcript });
  const mailed = await transcript.ask(dialogue, mail);
  const done = (decisive: Heard | undefined): Attempted => ({
    decisive,
    evidence: transcript.lines,
    isTaken: false,
  });
  if (!isTaken(mailed)) return done(mailed);
  let isAny = false;
  for (const line of within) isAny = isTaken(await transcript.ask(dialogue, line)) || isAny;
  const asked = await transcript.ask(dialogue, rcpt);
  if (!mayEnd(options.sending, { isAccepted: isTaken(asked), isAny }))
    return done(isTaken(asked) ? undefined : asked);
  const ended =
    session?.content === 'bdat'
      ? await bdat(dialogue, options, transcript)
      : await data(dialogue, options, transcript);
  // A refused recipient stays refused, also when the message is accepted for others.
  const decisive = isTaken(asked) ? (isTaken(ended) ? undefined : ended) : asked;
  return { decisive, evidence: transcript.lines, isTaken: isTaken(ended) };
}

function mayEnd(
  sending: Sending,
  { isAccepted, isAny }: { readonly isAccepted: boolean; readonly isAny: boolean },
) {
  if (sending === 'none') return false;
  return isAccepted || (sending === 'any' && isAny);
}

async function data(dialogue: Dialogue, { message }: Attempt, transcript: Transcript): Promise<Heard> {
  const begun = await transcript.ask(dialogue, 'DATA');
  return isTaken(begun) ? content(dialogue, message, transcript) : begun;
}

async function content(dialogue: Dialogue, message: string, transcript: Transcript): Promise<Heard> {
  dialogue.write(message);
  transcript.said('(the message)');
  return transcript.heard(await dialogue.say('.'));
}

async function bdat(dialogue: Dialogue, { message }: Attempt, transcript: Transcript): Promise<Heard> {
  const line = `BDAT ${message.length} LAST`;
  dialogue.write(`${line}\r\n${message}`);
  transcript.said(line);
  return transcript.heard(await dialogue.hear());
}

/** All commands in one write; DATA is among them only where content may follow. */
async function pipelined(
  dialogue: Dialogue,
  options: Attempt,
  { lines, transcript }: { readonly lines: readonly string[]; readonly transcript: Transcript },
): Promise<Attempted> {
  const all = options.sending === 'none' ? lines : [...lines, 'DATA'];
  dialogue.write(all.map((line) => `${line}\r\n`).join(''));
  const heard: Heard[] = [];
  for (const line of all) {
    transcript.said(line);
    heard.push(transcript.heard(await dialogue.hear()));
  }
  const replies = heard.slice(0, lines.length);
  const refused = isTaken(replies[0]) ? [replies.at(-1)].find((one) => !isTaken(one)) : replies[0];
  const begun = options.sending === 'none' ? undefined : heard.at(-1);
  // After 354 there is no way back but a message.
  const ended = isTaken(begun) ? await content(dialogue, options.message, transcript) : begun;
  const decisive = refused ?? (begun === undefined || isTaken(ended) ? undefined : ended);
  return { decisive, evidence: transcript.lines, isTaken: isTaken(ended) };
}

/** Our own line in printable form: latin1, with control characters escaped as in a string. */
function escaped(line: string): string {
  return line.replace(/[^ -~]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

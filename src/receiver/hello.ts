/** The greeting of the server, and that of the client: EHLO and HELO. */
import type { Reply } from '../mail/index.ts';
import { formatExtensions } from '../smtp/index.ts';
import type { Dialogue, Outcome, Step } from './dialogue.ts';
import { logRefusal, logRuling } from './refusal.ts';
import type { Ruling, ScreenedSession } from './screening.ts';
import type { Hello } from './transaction.ts';

/** The greeting, once the checks have nothing against the client. */
export function greet(dialogue: Dialogue): Step {
  const ask = dialogue.screening?.connect;
  if (ask === undefined) return greeting(dialogue);
  const ruling = ask(subjectOf(dialogue));
  return ruling instanceof Promise
    ? ruling.then((made) => connected(dialogue, made))
    : connected(dialogue, ruling);
}

function connected(dialogue: Dialogue, ruling: Ruling): Outcome {
  if (ruling.kind === 'refuse') {
    const { because } = ruling;
    // RFC 5321 §3.1, §3.8: no other code stands in the place of a greeting.
    const reply = { ...ruling.reply, code: ruling.reply.code < 500 ? 421 : 554 };
    logRefusal(dialogue, { stage: 'connect', reply, because });
    return { reply, next: 'close' };
  }
  dialogue.keep('connect', ruling);
  return greeting(dialogue);
}

function greeting({ settings }: Dialogue): Reply {
  return { code: 220, lines: [`${settings.hostname} ESMTP Posthouse`] };
}

/** EHLO or HELO (RFC 5321 §4.1.1.1). */
export function hello(dialogue: Dialogue, said: Hello): Step {
  dialogue.adopt();
  dialogue.learn({ ...dialogue.client, helo: said.name });
  const ask = dialogue.screening?.hello;
  if (ask === undefined) return identify(dialogue, said);
  // Until the checks have answered, and when they refuse, it is as if no greeting had been sent.
  dialogue.enter({ at: 'greeted' });
  const ruling = ask(subjectOf(dialogue));
  return ruling instanceof Promise
    ? ruling.then((made) => introduced(dialogue, said, made))
    : introduced(dialogue, said, ruling);
}

function introduced(dialogue: Dialogue, said: Hello, ruling: Ruling): Reply {
  if (ruling.kind === 'refuse') return logRuling(dialogue, { stage: 'hello', ruling });
  dialogue.keep('hello', ruling);
  return identify(dialogue, said);
}

function identify(dialogue: Dialogue, said: Hello): Reply {
  dialogue.enter({ at: 'identified', hello: said });
  const { hostname } = dialogue.settings;
  return {
    code: 250,
    lines: said.isExtended ? [hostname, ...formatExtensions(dialogue.extensions)] : [hostname],
  };
}

function subjectOf({ facts, client, isKnown }: Dialogue): ScreenedSession {
  return { session: facts.id, client, isKnown };
}

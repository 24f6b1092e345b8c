/** Reads and plays dialogue scripts. */
import assert from 'node:assert/strict';
import type { ReceiverLimits } from '../../src/receiver/index.ts';
import type { MemoryIntake } from './intake.ts';
import type { Peer } from './peer.ts';
import { networks, type ServerOptions } from './server.ts';

/**
 * A dialogue, one step a line:
 *
 * - `# text` is for the reader; the first one is the name of the test.
 * - `@ limit NAME NUMBER`, `@ xclient`, `@ no-tls` set the server up. `@ pipelined` says that the peer may
 *   send on without waiting up to each command that has to be the last of its group.
 * - `C: line` sends a line in UTF-8. `C+ octets` sends octets as they are, with JSON's escapes, up to U+00FF.
 *   `C* number octets` repeats them.
 * - `S: text` is the beginning of the next line of the server, `S~ pattern` matches the whole of it.
 *   `S* code` is the next reply, however many lines it has.
 * - `M: count 2` counts the accepted messages; `M: from|to|body|ret|envid|smtputf8|notify|orcpt|octets value`
 *   looks at the last one.
 * - `TLS` begins TLS. `END` expects that the server closes and says nothing more.
 */
export interface Dialogue {
  readonly name: string;
  readonly options: ServerOptions;
  readonly isPipelined: boolean;
  readonly steps: readonly Step[];
}

interface Step {
  readonly lineNumber: number;
  readonly mark: string;
  readonly text: string;
}

/** How octets are sent: what was said since the last reply at once, octet by octet, or in whole groups. */
export type Sending = 'whole' | 'octets' | 'pipelined';

export function parseDialogue(text: string): Dialogue {
  const all = text.split('\n').map((line, i) => {
    const [, mark = '', rest = ''] = /^(\S+)\s?(.*)$/.exec(line) ?? [];
    return { lineNumber: i + 1, mark, text: rest };
  });
  const limits: { -readonly [K in keyof ReceiverLimits]?: number } = {};
  const settings = all.filter(({ mark }) => mark === '@').map((step) => step.text);
  for (const setting of settings) {
    const [, name, value] = /^limit (\w+) (\d+)$/.exec(setting) ?? [];
    if (name !== undefined) Object.assign(limits, { [name]: Number(value) });
    else assert.ok(['pipelined', 'xclient', 'no-tls'].includes(setting), `not a setting: ${setting}`);
  }
  return {
    name: all.find(({ mark }) => mark === '#')?.text ?? 'a dialogue',
    isPipelined: settings.includes('pipelined'),
    options: {
      limits,
      ...(settings.includes('xclient') ? { settings: { xclientFrom: networks('127.0.0.1') } } : {}),
      ...(settings.includes('no-tls') ? { listener: { tls: 'none' } } : {}),
    },
    steps: all.filter(({ mark }) => mark !== '' && mark !== '#' && mark !== '@'),
  };
}

/** The commands after which a peer has to wait (RFC 2920 §3.1, RFC 3207 §4). */
const lastOfGroup = /^(?:EHLO|HELO|DATA|STARTTLS|XCLIENT|VRFY|EXPN|NOOP|QUIT)\b/i;

/** Plays a dialogue to its end. Rejects with the line of the script where the server did something else. */
export async function playDialogue(
  dialogue: Dialogue,
  sending: Sending,
  sides: { readonly peer: Peer; readonly intake: MemoryIntake },
): Promise<void> {
  for (const group of groups(dialogue.steps, sending)) {
    speak(sides.peer, group.filter(isSpoken).map(octetsOf), sending);
    for (const step of group.filter((each) => !isSpoken(each))) {
      try {
        await hear(step, sides);
      } catch (error) {
        const because = error instanceof Error ? error.message : String(error);
        throw new Error(`line ${step.lineNumber} (${step.mark} ${step.text}): ${because}`);
      }
    }
  }
}

const isSpoken = ({ mark }: Step) => mark.startsWith('C');

/** Lines that are sent in one go, with the replies expected. */
function groups(steps: readonly Step[], sending: Sending): Step[][] {
  const found: Step[][] = [[]];
  let mayGoOn = false;
  for (const step of steps) {
    const group = found.at(-1) ?? [];
    const hasHeard = group.some((each) => !isSpoken(each));
    if (isSpoken(step) && hasHeard && !(sending === 'pipelined' && mayGoOn)) found.push([step]);
    else group.push(step);
    if (step.mark === 'C:') mayGoOn = !lastOfGroup.test(step.text);
    if (!isSpoken(step) && !step.mark.startsWith('S')) mayGoOn = false;
  }
  return found;
}

function octetsOf({ mark, text }: Step): Buffer {
  if (mark === 'C:') return Buffer.from(`${text}\r\n`);
  const literal = (escaped: string) => Buffer.from(String(JSON.parse(`"${escaped}"`)), 'latin1');
  if (mark === 'C+') return literal(text);
  const [, number, octets = ''] = /^(\d+) (.*)$/.exec(text) ?? [];
  assert.equal(mark, 'C*');
  return Buffer.from(literal(octets).toString('latin1').repeat(Number(number)), 'latin1');
}

function speak(peer: Peer, pieces: readonly Buffer[], sending: Sending): void {
  const octets = Buffer.concat(pieces);
  if (sending !== 'octets') peer.send(octets);
  else for (let i = 0; i < octets.length; i++) peer.send(octets.subarray(i, i + 1));
}

async function hear(
  { mark, text }: Step,
  { peer, intake }: { readonly peer: Peer; readonly intake: MemoryIntake },
): Promise<void> {
  switch (mark) {
    case 'S:': {
      const line = await peer.line();
      assert.equal(line.slice(0, text.length), text, `it said ${JSON.stringify(line)}`);
      return;
    }
    case 'S~':
      assert.match(await peer.line(), new RegExp(`^(?:${text})$`));
      return;
    case 'S*':
      assert.equal((await peer.reply()).slice(0, text.length), text);
      return;
    case 'M:':
      lookAt(intake, text);
      return;
    case 'TLS':
      await peer.startTls();
      return;
    case 'END':
      await peer.over();
      return;
    default:
      throw new Error('not a step');
  }
}

function lookAt(intake: MemoryIntake, text: string): void {
  const [what = '', ...words] = text.split(' ');
  const expected = words.join(' ');
  if (what === 'count') {
    assert.equal(intake.messages.length, Number(expected));
    return;
  }
  const last = intake.messages.at(-1);
  assert.ok(last !== undefined, 'no message was accepted');
  const { envelope } = last;
  const facts: Readonly<Record<string, string>> = {
    from: `<${envelope.reversePath?.text ?? ''}>`,
    to: envelope.recipients.map(({ address }) => `<${address.text}>`).join(' '),
    body: envelope.body,
    smtputf8: String(envelope.smtputf8),
    ret: envelope.ret ?? '',
    envid: envelope.envid ?? '',
    notify: envelope.recipients.map(({ notify }) => String(notify ?? '')).join(' '),
    orcpt: envelope.recipients
      .map(({ originalRecipient: each }) => `${each?.type};${each?.address}`)
      .join(' '),
    octets: JSON.stringify(last.sent.toString('latin1')).slice(1, -1),
    received: last.octets
      .toString('latin1')
      .slice(0, -last.sent.length || undefined)
      .replace(/\r\n\t/g, ' ')
      .trim(),
  };
  const found = facts[what];
  assert.ok(found !== undefined, `no such fact: ${what}`);
  if (what === 'received') assert.match(found, new RegExp(expected));
  else assert.equal(found, expected);
}

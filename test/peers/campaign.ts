/** Campaigns whose copies all differ, and the plainest way to ask about them. */
import { once } from 'node:events';
import { connect } from 'node:net';

const words =
  'offer money today account winner prize claim urgent transfer bank million release fund lawyer trust'.split(
    ' ',
  );

/** A text of a hundred words, the same for a seed. */
export function campaign(seed: number): string[] {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state;
  };
  return Array.from({ length: 100 }, () => `${words[next() % words.length]}${next() % 40 < 10 ? 's' : ''}`);
}

/** A copy: the text between noise that no other copy has. */
export function copy(text: readonly string[], n: number): string {
  const noise = (at: string) =>
    Array.from({ length: 60 }, (_, i) => `${at}${n}x${(i * 7919) % 997}`).join(' ');
  const lines = [
    `Hello u${n},`,
    '',
    noise('bla'),
    text.slice(0, 50).join(' '),
    noise('foo'),
    text.slice(50).join(' '),
    '',
  ];
  return `From: a${n}@spam${n}.example\nTo: u${n}@ours.example\nSubject: ${noise('s').slice(0, 30)}\nMessage-ID: <${n}@x.example>\n\n${lines.join('\n').replace(/(.{50,70}) /g, '$1\n')}`;
}

/** Sends a message, ends, and gives the whole answer. */
export async function asked(port: number, text: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  await once(socket, 'connect');
  socket.end(text);
  let answer = '';
  for await (const piece of socket) answer += String(piece);
  return answer;
}

export function dcc(port: number, text: string, n: number): Promise<string> {
  return asked(port, `header\n192.0.2.${n % 250}\nhelo\na@spam.example\nu${n}@ours.example\n\n${text}`);
}

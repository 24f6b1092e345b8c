/** Sends one message by SMTP, the octets as they are. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Sending {
  readonly port: number;
  readonly from: string;
  readonly to: readonly string[];
  readonly content: Buffer;
  /** With a login over TLS. */
  readonly login?: { readonly user: string; readonly password: string };
}

/** The last reply, which is the one to the content unless something was refused before. */
export async function sendMessage({ port, from, to, content, login }: Sending): Promise<string> {
  const options = { host: '127.0.0.1', port };
  const socket =
    login === undefined ? connectTcp(options) : connectTls({ ...options, rejectUnauthorized: false });
  try {
    const replies = repliesOf(socket);
    const ask = async (command: string | Buffer): Promise<string> => {
      socket.write(command);
      return (await replies.next()).value ?? '';
    };
    await replies.next();
    let last = await ask('EHLO bench.test\r\n');
    const commands = [
      ...(login === undefined ? [] : [`AUTH PLAIN ${plain(login)}`]),
      `MAIL FROM:<${from}>`,
      ...to.map((recipient) => `RCPT TO:<${recipient}>`),
      'DATA',
    ];
    for (const command of commands) {
      last = await ask(`${command}\r\n`);
      if (!/^[23]/.test(last)) return last;
    }
    return await ask(Buffer.concat([stuffed(content), Buffer.from('.\r\n')]));
  } finally {
    socket.destroy();
  }
}

function plain({ user, password }: { readonly user: string; readonly password: string }): string {
  return Buffer.from(`\0${user}\0${password}`).toString('base64');
}

function stuffed(content: Buffer): Buffer {
  if (!content.includes('\r\n.')) return content;
  return Buffer.from(content.toString('latin1').replaceAll('\r\n.', '\r\n..'), 'latin1');
}

async function* repliesOf(socket: Socket): AsyncGenerator<string, undefined> {
  const chunks: Buffer[] = [];
  let lines = '';
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = once(socket, 'close').catch(() => {});
  for (;;) {
    const end = /^\d{3}(?: .*)?\r\n/m.exec(lines);
    if (end !== null) {
      yield lines.slice(end.index, end.index + end[0].length - 2);
      lines = lines.slice(end.index + end[0].length);
      continue;
    }
    if (chunks.length === 0) await Promise.race([once(socket, 'data'), ended]);
    if (chunks.length === 0) return undefined;
    lines += Buffer.concat(chunks.splice(0)).toString('latin1');
  }
}

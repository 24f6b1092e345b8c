/** Judges the health of a server by the end of a session. */
import type { SendResult } from '../client/index.ts';
import { formatReplyText, isPermanent, isPositive, type Reply, reply } from '../mail/index.ts';

/**
 * A session that has carried mail will carry no more: the server closed it, said so now, or refuses MAIL, as
 * those do that take only so many messages on one connection. Nothing was taken, so the same is worth another
 * connection at once. That the content went out in the same write as MAIL makes no difference: who answers
 * neither has read neither, and waiting for the next attempt would not be any safer.
 */
export function isTired(result: SendResult): boolean {
  const { ending, accepted, mail } = result;
  if (accepted > 0) return false;
  switch (ending.kind) {
    case 'closing':
      return true;
    case 'complete':
      return !isPositive(mail);
    case 'lost':
      return ending.error.code === 'closed';
    case 'in-doubt':
      return isUnheard(result);
    case 'unsendable':
      return false;
  }
}

/** A message whose envelope went out behind the content of another was not begun for that reason. */
export function isNotFollowed({ ending, mail }: SendResult): boolean {
  if (ending.kind === 'lost') return ending.error.code === 'closed';
  return ending.kind !== 'complete' || mail.code === 503;
}

/** The server answered nothing at all of a transaction, not even MAIL, and closed or let us wait. */
export function isUnheard({ ending }: SendResult): boolean {
  if (ending.kind !== 'lost' && ending.kind !== 'in-doubt') return false;
  const { code, phase } = ending.error;
  // A slow server may still take the whole message.
  const isEnd = code === 'closed' || (code === 'timeout' && ending.kind === 'lost');
  return isEnd && (phase === 'mail' || phase === 'idle');
}

/**
 * The same result if a server that is spoken to in clear, because its TLS broke, refuses permanently a message that it
 * would take under TLS: that is transient. `undefined` in all other cases.
 */
export function wantsTls(result: SendResult): SendResult | undefined {
  const { mail, recipients } = result;
  if (![mail, ...recipients].some(isDemand)) return undefined;
  return { ...result, mail: deferred(mail), recipients: recipients.map(deferred) };
}

/** 530 (RFC 3207 §4), 538 (RFC 4954 §6), 5.7.10 (encryption needed), and words for the rest. */
function isDemand(value: Reply): boolean {
  if (!isPermanent(value)) return false;
  const isCode = value.code === 530 || value.code === 538 || value.detail === '7.10';
  return isCode || /\b(?:start)?tls\b|encrypt/i.test(value.lines.join(' '));
}

function deferred(value: Reply): Reply {
  return isDemand(value) ? reply(451, '7.5', `TLS broke, and in clear: ${formatReplyText(value)}`) : value;
}

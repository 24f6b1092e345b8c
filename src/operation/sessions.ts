/** Lists and ends sessions for an operator. */
import { blockOf, canonicalIp, type Log } from '../base/index.ts';
import { isSameName } from '../identity/index.ts';
import type { PopListeners } from '../pop3/index.ts';
import type { Receiver } from '../receiver/index.ts';
import type { SessionControl, SessionItem } from './commands.ts';
import type { OperationEvents } from './events.ts';

/** The parts of the relay that have sessions. */
export interface SessionSources {
  readonly receiver: Pick<Receiver, 'sessions' | 'closeSessions'>;
  readonly pop3: Pick<PopListeners, 'sessions' | 'closeSessions'>;
  readonly log: Log<OperationEvents>;
}

type Who = Pick<SessionItem, 'id' | 'address' | 'user'>;

/** Ends all sessions of the user of this name, in any state; returns their number. */
export function closeSessionsOf(sources: SessionSources, user: string): number {
  return closeThose(sources, `user:${user}`);
}

/** Answers the commands about sessions. */
export function createSessionControl(sources: SessionSources): SessionControl {
  return {
    async *sessionsList() {
      for (const session of sources.receiver.sessions()) yield { ...session, protocol: 'smtp' };
      for (const session of sources.pop3.sessions()) yield { ...session, protocol: 'pop3' };
    },
    sessionsClose: async ({ which }) => ({ sessions: closeThose(sources, which) }),
  };
}

function closeThose({ receiver, pop3, log }: SessionSources, which: string): number {
  const fits = selectorOf(which);
  const count = receiver.closeSessions(fits) + pop3.closeSessions(fits);
  log.info('sessions-closed', { which, sessions: count });
  return count;
}

/** `id:…`, `address:…`, `user:…`; without a kind it may be any of them. */
function selectorOf(which: string): (session: Who) => boolean {
  const [, kind, text = ''] = /^(?:(id|address|user):)?(.*)$/s.exec(which) ?? [];
  const isBlock = text.endsWith('/64');
  const ip = canonicalIp(text.replace(/\/64$/, ''));
  const own = (session: Who) => ({
    id: session.id === text,
    address:
      ip !== undefined && (isBlock ? blockOf(session.address) === blockOf(ip) : session.address === ip),
    user: session.user !== undefined && isSameName(session.user, text),
  });
  return (session) => {
    const { id, address, user } = own(session);
    if (kind === undefined) return id || address || user;
    return kind === 'id' ? id : kind === 'address' ? address : user;
  };
}

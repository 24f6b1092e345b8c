/** `posthouse sendmail`, and the links `sendmail`, `mailq` and `newaliases`. */
import type { Arguments } from './command.ts';
import { loadSite } from './configuration.ts';
import { exitCode } from './exit-code.ts';
import { type Io, resolvePath } from './io.ts';
import { connectQueue, openQueue } from './queue-access.ts';
import { listQueue } from './queue-list.ts';
import { runSendmail } from './sendmail.ts';

const help = `Take a message on standard input, as sendmail(1) does, whether or not the relay runs.

usage: posthouse sendmail [options] [ADDRESS …]

  -t                take the recipients of To, Cc and Bcc too (of Resent-To … for a resent message)
  -i, -oi           a line with a single dot does not end the message
  -f, -r ADDRESS    the sender of the envelope; <> for the null reverse-path
  -F NAME           the full name for a From field that is missing
  -N WORDS          never, or success,failure,delay: when to be notified
  -R full|hdrs      what a notification returns
  -V ID             the envelope id of notifications
  -B 7BIT|8BITMIME  the kind of body
  -G                names without a domain are not ours: the header stays as it is
  -C FILE           the configuration
  -v                say what was queued
  -bs               speak SMTP on standard input and output
  -bp, mailq        list the queue
  -q                try everything in the queue now; -qIID one message, -qRDOMAIN what waits for a domain
  -bi, newaliases   nothing to do: aliases are read from their text

ADDRESS is a list: a@example.org,b@example.net or "Anna <a@example.org>"; a name alone is at this host. Options may
follow addresses, too: put -- before addresses that somebody else wrote. Other options of sendmail(1) are ignored.

Exit 0 means that the message is safe on disk. 64: wrong usage; 65: bad message; 67: bad address;
75: try again later; 77: no permission; 78: bad configuration.
`;

/** `posthouse sendmail`, and its links `sendmail`, `mailq` and `newaliases`. */
export async function sendmailCommand(argv: readonly string[], io: Io): Promise<number> {
  if (argv[0] === '--help') {
    await io.out(help);
    return exitCode.ok;
  }
  return runSendmail(argv, io, {
    site: async (configFile) => {
      const site = loadSite(io, resolved(io, configFile));
      return {
        hostname: site.hostname,
        maildrop: site.sendmail.maildrop,
        maxMessageBytes: site.sendmail.maxMessageBytes,
        limits: site.limits,
        postmasterDomain: site.postmaster.domain,
      };
    },
    listQueue: async (configFile) => {
      const args = locationOf(configFile);
      await using queue = await openQueue(args, io);
      return await listQueue(args, io, queue);
    },
    flushQueue: async (configFile, selector) => {
      const control = connectQueue(locationOf(configFile), io);
      for await (const _ of control.change({ change: { verb: 'flush' }, selector }));
      return exitCode.ok;
    },
  });
}

function resolved(io: Io, file: string | undefined): string | undefined {
  return file === undefined ? undefined : resolvePath(io, file);
}

/** The arguments of a queue command that names nothing but its configuration. */
function locationOf(configFile: string | undefined): Arguments {
  return {
    text: (name) => (name === 'config' ? configFile : undefined),
    texts: () => [],
    has: () => false,
    rest: [],
  };
}

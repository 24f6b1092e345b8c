import { z } from 'zod';
import {
  choice,
  count,
  fingerprint,
  hostAndPort,
  listOf,
  network,
  path,
  share,
  size,
  socketAddress,
  text,
} from './scalar.ts';

const everybody = { means: 'anybody could ask and report', hint: 'list the networks of your filters' };

const limits = z
  .strictObject({
    connections: count(1, 100_000).prefault(500).describe('Connections at once.'),
    perClient: count(1, 100_000).prefault(100).describe('Connections of one address at once.'),
    requestsPerMinute: count(1, 100_000_000)
      .optional()
      .describe(
        'Requests of one address in a minute; a filter asks once for each message of its whole site. Default: 6000, and 60000 for this machine and for `known` networks.',
      ),
  })
  .prefault({});

const door = z.strictObject({
  protocol: choice([
    'razor',
    'pyzor',
    'dccifd',
    'rspamd-razor',
    'rspamd-pyzor',
    'rspamd-fuzzy',
    'http',
  ]).describe(
    'What is spoken there: `razor` (razor-agents), `pyzor`, `dccifd` (SpamAssassin’s and rspamd’s DCC modules), `rspamd-razor` and `rspamd-pyzor` (external services of rspamd, with the whole message), `rspamd-fuzzy` (a fuzzy storage), `http`.',
  ),
  address: socketAddress(0)
    .optional()
    .describe(
      'The IP address and port to listen on. Default: 127.0.0.1 and the usual port (2703, 24441, 10045, 11342, 5953, 11335; 8111 for `http`).',
    ),
  socket: path().optional().describe('A unix socket instead, for protocols over TCP. Default: none.'),
  allow: listOf(network(everybody)).prefault(['127.0.0.0/8', '::1/128']).describe('Who may come.'),
  known: listOf(network(everybody))
    .prefault([])
    .describe('Whose reports count as those of somebody known; others begin with little trust.'),
  limits: limits.describe('What visitors may use; what is beyond is refused. Over UDP requests alone count.'),
  accounts: path()
    .optional()
    .describe('`pyzor`: a file of `user : key` lines, who may whitelist. Default: nobody.'),
  publicName: text()
    .optional()
    .describe(
      '`razor`: what clients are told to come back to, `razor.example.org:2703`. Default: the address.',
    ),
  secret: z
    .strictObject({
      file: path().describe(
        'A file that holds the private key, as `rspamadm keypair` writes it, or in hexadecimal digits.',
      ),
    })
    .optional()
    .describe(
      '`rspamd-fuzzy`: the key of the storage; then every request has to be encrypted. Default: none is.',
    ),
  flags: z
    .strictObject({
      spam: count(1, 255)
        .prefault(1)
        .describe('The list that is answered for what others have reported, or is bulk.'),
      ham: listOf(count(1, 255))
        .prefault([])
        .describe('Lists of what is good: who writes there revokes. Every other list is of spam.'),
    })
    .prefault({})
    .describe('`rspamd-fuzzy`: what the flags of its rules are, by number.'),
  token: z
    .strictObject({
      file: path().describe('A file that holds the token and nothing else; 16 characters or more.'),
    })
    .optional()
    .describe('`http`: what callers have to know; required there. Default: none.'),
});

const rule = z.strictObject({
  grounds: listOf(choice(['open', 'network', 'recipient', 'authenticated', 'certificate', 'pop-before-smtp']))
    .prefault([])
    .describe(
      'Mail that is accepted on one of these grounds; `open` is that of an open relay. Default: all.',
    ),
  listeners: listOf(text())
    .prefault([])
    .describe('Mail of these listeners, by name or by role. Default: all.'),
  identities: listOf(text()).prefault([]).describe('Mail of these users. Default: all.'),
  bulk: count(2, 1_000_000)
    .optional()
    .describe('Distinct recipients from which on it is bulk here. Default: `clearinghouse.bulk`.'),
  when: choice(['bulk', 'reported'])
    .optional()
    .describe(
      'Whether bulk is enough, or it has to be reported as well. Default: `bulk` for mail of nobody who is known by name, `reported` for a user’s, whose bulk may be a newsletter.',
    ),
  action: choice(['tag', 'hold', 'refuse', 'defer'])
    .prefault('tag')
    .describe(
      '`tag` adds the header only; `hold` accepts it and keeps it for an operator; `refuse` is 550, `defer` 451. Ordinary letters may be called bulk, so let anything but `tag` wait for reports (`when: reported`).',
    ),
  unavailable: choice(['pass', 'hold', 'defer'])
    .prefault('pass')
    .describe(
      'What becomes of mail that cannot be looked at: the clearinghouse does not answer within two seconds, or its thread is being started again. It is logged either way.',
    ),
});

const peer = z.strictObject({
  name: text().describe('What it is called in the log.'),
  address: hostAndPort()
    .optional()
    .describe('Where it listens, `bulk.example.org:2704`. Default: it is not called, it calls us.'),
  fingerprint: fingerprint().describe(
    '`sha256:` and the hexadecimal digits of its certificate, which is all that it is known by.',
  ),
  trust: share()
    .prefault(0.5)
    .describe(
      'What its word weighs: of the recipients that it claims so much is counted, and its reports weigh so much at most. 1 is for machines of your own.',
    ),
});

const flood = z.strictObject({
  listen: socketAddress()
    .optional()
    .describe('The IP address and port to listen on for peers. Default: none; it calls them.'),
  certificate: path().describe(
    'The certificate that peers know it by, PEM; it may be signed by its own key.',
  ),
  key: path().describe('The key of the certificate, PEM.'),
  networkKey: path().describe(
    'A file that holds the secret of all these clearinghouses, 32 hexadecimal digits (`openssl rand -hex 16`). What was counted under another one is lost.',
  ),
  peers: listOf(peer).prefault([]).describe('The other clearinghouses that it exchanges counts with.'),
});

/** `clearinghouse`. */
export const clearinghouse = z.strictObject({
  folder: path().optional().describe('Where its state is kept. Default: `clearinghouse` in `data`.'),
  memory: size({ min: '16MB', max: '64GB' })
    .prefault('256MB')
    .describe('What everything that is counted may take up. It is allocated at the start and never grows.'),
  bulk: count(2, 1_000_000)
    .prefault(10)
    .describe(
      'Distinct recipients from which on copies are bulk. They are forgotten in a day, those of more than nine copies in thirty.',
    ),
  shortBulk: count(2, 1_000_000)
    .prefault(100)
    .describe('The same for messages of a few words, which people write alike.'),
  allow: listOf(text())
    .prefault([])
    .describe(
      'Whose bulk is wanted: nothing follows from its counts. `dkim:example.org` is whoever signs for that domain, or one below it (DKIM); a domain or address alone is that of From, of the reverse-path, or a List-Id, which anybody can write.',
    ),
  relay: listOf(rule)
    .prefault([])
    .describe(
      'What this relay does with its own mail: the first rule that is about a message decides, and mail of no rule is not looked at. Every message that a rule is about gets a header `X-Posthouse-Bulk`. Default: none.',
    ),
  flood: flood
    .optional()
    .describe(
      'Exchange of counts with other clearinghouses, over TLS: hashes and sketches of what at least three recipients here have got, no text and no addresses. Default: none.',
    ),
  doors: listOf(door)
    .prefault([])
    .describe('Who can ask it, and how. Every door is closed unless it is listed.'),
});

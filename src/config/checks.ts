import { isPrivate } from '../base/index.ts';
import type { Finding, KeyPath } from './problem.ts';
import { hasUsers } from './resolve-users.ts';
import type { SocketAddress } from './scalar.ts';
import type { Parsed } from './schema.ts';

type Section = keyof Parsed;

/** The rules that concern more than one key, and the sections of the file they look at. None reads a file. */
const checks: readonly {
  readonly reads: readonly Section[];
  readonly find: (parsed: Parsed) => Finding[];
}[] = [
  { reads: ['listeners', 'pop3'], find: listenerConflicts },
  { reads: ['listeners', 'tls'], find: listenerTls },
  { reads: ['listeners', 'relay'], find: openRelay },
  { reads: ['relay'], find: certificateShape },
  { reads: ['listeners', 'tls', 'users', 'relay'], find: submissionNeeds },
  { reads: ['pop3', 'tls', 'users', 'relay', 'domains'], find: popNeeds },
  { reads: ['relay'], find: eventsPlace },
  { reads: ['domains'], find: domainConflicts },
  { reads: ['domains', 'routes'], find: domainDelivery },
  { reads: ['queue'], find: retryOrder },
  { reads: ['sendmail', 'limits'], find: limitOrder },
];

/** Everything that does not fit together, as far as it can be told without the sections in `broken`. */
export function crossCheck(parsed: Parsed, broken: ReadonlySet<string>): Finding[] {
  return checks
    .filter(({ reads }) => !reads.some((section) => broken.has(section)))
    .flatMap(({ find }) => find(parsed));
}

function listenerConflicts({ listeners, pop3 }: Parsed): Finding[] {
  const addresses = listeners.map(placeOf);
  const popPlaces = pop3.listeners.map(placeOf);
  return [
    ...repeated(addresses, ['listeners'], 'address', 'is listened on'),
    ...repeated(popPlaces, ['pop3', 'listeners'], 'address', 'is listened on'),
    ...popPlaces.flatMap((place, i) =>
      addresses.includes(place) && place !== ''
        ? [{ path: ['pop3', 'listeners', i, 'address'], message: `${place} is listened on already` }]
        : [],
    ),
    ...repeated(
      listeners.map(({ name }) => name ?? ''),
      ['listeners'],
      'name',
      'is the name of a listener',
    ),
    ...(listeners.length === 0 ? [{ path: ['listeners'], message: 'nothing to listen on' }] : []),
  ];
}

function placeOf({ address: { host, port } }: { readonly address: SocketAddress }): string {
  return port === 0 ? '' : `${host} port ${port}`;
}

function repeated(values: readonly string[], path: KeyPath, key: string, what: string): Finding[] {
  return values.flatMap((value, i) =>
    value !== '' && values.indexOf(value) < i
      ? [{ path: [...path, i, key], message: `${value} ${what} already` }]
      : [],
  );
}

function listenerTls({ listeners, tls }: Parsed): Finding[] {
  if (tls !== undefined) return [];
  return listeners.flatMap((listener, i) =>
    listener.tls === 'implicit' || listener.tls === 'starttls'
      ? [
          {
            path: ['listeners', i, 'tls'],
            message: 'there is no certificate',
            hint: 'set tls.cert and tls.key',
          },
        ]
      : [],
  );
}

/** RFC 2505 §2.1: an open relay is somebody's decision, never an accident. */
function openRelay({ listeners, relay }: Parsed): Finding[] {
  const path = ['relay', 'open'];
  const { open, openAcknowledgement } = relay;
  if (!open) return [];
  const words = openAcknowledgement?.trim().split(/\s+/).length ?? 0;
  if (openAcknowledgement !== undefined && words < 5) {
    return [{ path: ['relay', 'openAcknowledgement'], message: 'is too short', hint: 'write a sentence' }];
  }
  const exposed = listeners.find(
    ({ role, address: { host } }) => (role === 'mx' || role === 'internal') && !isPrivateHost(host),
  );
  if (exposed === undefined || openAcknowledgement !== undefined) return [];
  return [
    {
      path,
      message: `anybody could relay through ${exposed.address.host}`,
      hint: 'listen on private addresses only, or write relay.openAcknowledgement',
    },
  ];
}

/** The unspecified addresses are all addresses of the machine. */
function isPrivateHost(host: string): boolean {
  return host !== '0.0.0.0' && host !== '::' && isPrivate(host);
}

function certificateShape({ relay: { certificates } }: Parsed): Finding[] {
  return certificates.flatMap(({ fingerprint, ca, name, senders }, i) => {
    const path = ['relay', 'certificates', i];
    if ((fingerprint === undefined) === (ca === undefined))
      return [{ path, message: 'needs either a fingerprint or a ca' }];
    const isOdd = ca !== undefined && (name !== undefined || senders !== undefined);
    return isOdd ? [{ path, message: 'name and senders are of one certificate: give its fingerprint' }] : [];
  });
}

function submissionNeeds({ listeners, tls, users, relay }: Parsed): Finding[] {
  const canBeKnown = hasUsers(users) || relay.certificates.length > 0 || relay.popBeforeSmtp !== undefined;
  return listeners.flatMap((listener, i): Finding[] => {
    const { role } = listener;
    if (role !== 'submission' && role !== 'submissions') {
      return listener.auth === true && !hasUsers(users)
        ? [{ path: ['listeners', i, 'auth'], message: 'there are no users', hint: 'set users' }]
        : [];
    }
    const path = ['listeners', i];
    if (tls === undefined)
      return [{ path, message: 'a submission listener needs a certificate', hint: 'set tls' }];
    if (!canBeKnown)
      return [
        { path, message: 'nobody can log in', hint: 'set users, relay.certificates or relay.popBeforeSmtp' },
      ];
    const wrong =
      role === 'submissions'
        ? listener.tls !== undefined && listener.tls !== 'implicit'
        : listener.tls === 'none';
    return wrong ? [{ path: [...path, 'tls'], message: `${role} protects passwords by TLS` }] : [];
  });
}

/** A proxy needs windows to open; a server needs users, mailboxes, and a way for passwords to come. */
function popNeeds({ pop3, tls, users, relay, domains }: Parsed): Finding[] {
  return pop3.listeners.flatMap((listener, i): Finding[] => {
    const path = ['pop3', 'listeners', i];
    const { via, plaintext, address } = listener;
    const isSecured = (listener.tls ?? (address.port === 995 || tls ? 'stls' : 'none')) !== 'none';
    if (isSecured && tls === undefined)
      return [{ path, message: 'there is no certificate', hint: 'set tls.cert and tls.key' }];
    if (via !== undefined)
      return relay.popBeforeSmtp === undefined
        ? [
            {
              path: [...path, 'via'],
              message: 'a proxy opens relay windows',
              hint: 'set relay.popBeforeSmtp',
            },
          ]
        : [];
    if (!hasUsers(users)) return [{ path, message: 'nobody can log in', hint: 'set users, or via' }];
    if (!domains.some(({ deliver, backup }) => !backup && hasMailboxes(deliver)))
      return [
        {
          path,
          message: 'there are no mailboxes to read',
          hint: 'a domain needs deliver: maildir:/path/{local}; or set via',
        },
      ];
    return isSecured || plaintext === 'loopback'
      ? []
      : [{ path, message: 'passwords need TLS', hint: 'set tls, or plaintext: loopback to try it here' }];
  });
}

/** Whether each recipient has a Maildir of its own. */
function hasMailboxes(deliver: string | undefined): boolean {
  return deliver?.startsWith('maildir:') === true && deliver.includes('{local}');
}

/** Whoever reads the token opens windows for anybody. */
function eventsPlace({ relay: { popBeforeSmtp } }: Parsed): Finding[] {
  const host = popBeforeSmtp?.events?.address.host;
  return host === undefined || isPrivateHost(host)
    ? []
    : [
        {
          path: ['relay', 'popBeforeSmtp', 'events', 'address'],
          message: 'the token would travel in clear',
          hint: 'use a loopback or private address',
        },
      ];
}

function domainConflicts({ domains }: Parsed): Finding[] {
  return repeated(
    domains.map(({ name }) => name),
    ['domains'],
    'name',
    'is a domain',
  );
}

function domainDelivery({ domains, routes }: Parsed): Finding[] {
  return domains.flatMap((domain, i): Finding[] => {
    const { deliver, backup, owner, catchAll, recipients } = domain;
    const path = ['domains', i];
    if (backup && deliver !== undefined) {
      return [
        { path: [...path, 'backup'], message: 'a backup domain goes on by MX', hint: 'remove deliver' },
      ];
    }
    if (owner !== undefined && !deliver?.startsWith('maildir:')) {
      return [{ path: [...path, 'owner'], message: 'only a Maildir has an owner' }];
    }
    if (backup) {
      // The policy does not look at these, and a key without effect must not seem to have one.
      return (['recipients', 'aliases', 'catchAll'] as const).flatMap((key) =>
        isSet(domain, key)
          ? [{ path: [...path, key], message: `not available yet: ${key} of a backup domain` }]
          : [],
      );
    }
    if (catchAll !== undefined && recipients.kind === 'any') {
      return [
        {
          path: [...path, 'catchAll'],
          message: 'with recipients: any nobody is left for the catch-all',
          hint: 'give recipients a file or a list',
        },
      ];
    }
    if (deliver !== undefined || routes.length > 0) return [];
    return [{ path, message: 'nothing says where its mail goes', hint: 'set deliver or backup: true' }];
  });
}

function isSet(domain: Parsed['domains'][number], key: 'recipients' | 'aliases' | 'catchAll'): boolean {
  return key === 'recipients' ? domain.recipients.kind !== 'any' : domain[key] !== undefined;
}

function retryOrder({ queue: { retry, lanes } }: Parsed): Finding[] {
  const path = ['queue', 'retry'];
  return [
    ...(retry.min > retry.max ? [{ path: [...path, 'min'], message: 'is longer than max' }] : []),
    ...(retry.warnAfter >= retry.maxAge
      ? [{ path: [...path, 'warnAfter'], message: 'is not before maxAge', hint: '0s turns the warning off' }]
      : []),
    ...(lanes.concurrency > lanes.total
      ? [{ path: ['queue', 'lanes', 'concurrency'], message: 'is more than total' }]
      : []),
  ];
}

function limitOrder({ limits, sendmail }: Parsed): Finding[] {
  return [
    ...(sendmail.maxMessage !== undefined && sendmail.maxMessage > limits.messageSize
      ? [{ path: ['sendmail', 'maxMessage'], message: 'is more than limits.messageSize' }]
      : []),
  ];
}

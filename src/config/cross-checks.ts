/** The rules that concern more than one section of the configuration. None of them reads a file. */
import { IpSet, isPrivate } from '../base/index.ts';
import type { Finding } from './problem.ts';
import type { Warning } from './section.ts';
import { hasUsers } from './sections/users.ts';
import type { Config, Parsed } from './sections.ts';
import { isPrivateHost, uniquePlace } from './values/place.ts';

type Section = keyof Parsed;

/** The rules, and the sections that they look at. */
const rules: readonly {
  readonly reads: readonly Section[];
  readonly find: (parsed: Parsed) => readonly Finding[];
}[] = [
  { reads: ['listeners', 'pop3'], find: sharedPlaces },
  { reads: ['listeners', 'tls'], find: listenerTls },
  { reads: ['listeners', 'relay'], find: openRelay },
  { reads: ['listeners', 'tls', 'users', 'relay'], find: submissionNeeds },
  { reads: ['pop3', 'tls', 'users', 'relay', 'domains'], find: popNeeds },
  { reads: ['domains', 'routes'], find: domainDelivery },
  { reads: ['sendmail', 'limits'], find: sizeOrder },
];

/** All contradictions between sections, as far as they can be judged without the sections in `broken`. */
export function crossProblems(parsed: Parsed, broken: ReadonlySet<string>): Finding[] {
  return rules
    .filter(({ reads }) => !reads.some((section) => broken.has(section)))
    .flatMap(({ find }) => find(parsed));
}

function sharedPlaces({ listeners, pop3 }: Parsed): Finding[] {
  const places = listeners.map(({ address }) => uniquePlace(address));
  return pop3.listeners.flatMap(({ address }, i) => {
    const place = uniquePlace(address);
    const isTaken = place !== '' && places.includes(place);
    return isTaken
      ? [{ path: ['pop3', 'listeners', i, 'address'], message: `${place} is listened on already` }]
      : [];
  });
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

/** RFC 2505 §2.1: an open relay is a decision of its operator, never an accident. */
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
          message: 'with recipients: any the catch-all is never used',
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

function sizeOrder({ limits, sendmail }: Parsed): Finding[] {
  return sendmail.maxMessage !== undefined && sendmail.maxMessage > limits.messageSize
    ? [{ path: ['sendmail', 'maxMessage'], message: 'is more than limits.messageSize' }]
    : [];
}

/** Warnings about several sections together. */
export function crossWarnings(config: Config): Warning[] {
  return [...networkWarnings(config), ...loginWarnings(config), ...windowWarnings(config)];
}

/** Networks that count for less, or for more, than they seem to. */
function networkWarnings({ relay, listeners }: Config): Warning[] {
  const path = 'relay.networks';
  const networks = [...relay.networks, ...listeners.flatMap((listener) => listener.networks)];
  const trusted = new IpSet(networks);
  const proxies = listeners.flatMap(({ proxyProtocolFrom }) => proxyProtocolFrom);
  const listed = proxies.filter(({ address }) => trusted.has(address)).map(({ address }) => address);
  const wide = networks.filter(
    ({ address, prefix, family }) => !isPrivate(address) && prefix < (family === 'ipv4' ? 24 : 48),
  );
  return [
    ...[...new Set(listed)].map((address) => ({
      path,
      message: `${address} is a listed proxy: it gives a grant only to the clients that it names`,
    })),
    ...wide.map(({ address, prefix }) => ({
      path,
      message: `${address}/${prefix} is a large public network: is all of it yours?`,
    })),
  ];
}

function loginWarnings({ users, relay, listeners }: Config): Warning[] {
  const isOffered = listeners.some(({ offersAuth }) => offersAuth);
  if (users === undefined || relay.authenticated || !isOffered) return [];
  return [
    { path: 'relay.authenticated', message: 'users may log in, and then send to your own domains only' },
  ];
}

function windowWarnings({ relay: { popBeforeSmtp }, pop3 }: Config): Warning[] {
  if (popBeforeSmtp === undefined || pop3.listeners.length > 0 || popBeforeSmtp.events !== undefined)
    return [];
  const message = 'nothing opens a window: there is no pop3 listener and no events';
  return [{ path: 'relay.popBeforeSmtp', message }];
}

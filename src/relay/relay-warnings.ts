import { IpSet, isPrivate, readOwnNetwork } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { untruthOf } from '../policy/index.ts';

/** Something that works and is perhaps not meant. */
export interface RelayWarning {
  readonly path: string;
  readonly message: string;
}

/** What is odd about who may relay: an open relay, and networks that count for less than they seem to. */
export function relayWarnings(config: Config, own = readOwnNetwork()): readonly RelayWarning[] {
  return [
    ...openWarnings(config),
    ...networkWarnings(config, own),
    ...loginWarnings(config),
    ...windowWarnings(config),
    ...bulkWarnings(config),
  ];
}

function openWarnings({ relay: { open, openAcknowledgement } }: Config): RelayWarning[] {
  if (!open) return [];
  const said = openAcknowledgement === undefined ? '' : `; the operator says: "${openAcknowledgement}"`;
  return [{ path: 'relay.open', message: `anybody who can connect may relay${said}` }];
}

/** Addresses that are trusted by the networks, and cannot be a client's own. */
function networkWarnings(
  { relay, listeners }: Config,
  own: ReturnType<typeof readOwnNetwork>,
): RelayWarning[] {
  const networks = [...relay.networks, ...listeners.flatMap((listener) => listener.networks)];
  const trusted = new IpSet(networks);
  const shared = [...own].flatMap(([address, kind]): RelayWarning[] => {
    if (!trusted.has(address)) return [];
    const { because, remedy } = untruthOf(kind);
    return [{ path: 'relay.networks', message: `${address} gives no grant: it is ${because} (${remedy})` }];
  });
  const proxies = listeners.flatMap(({ proxyProtocolFrom }) => proxyProtocolFrom);
  const listed = proxies.filter(({ address }) => trusted.has(address)).map(({ address }) => address);
  const isWide = networks.filter(({ address }) => !isPrivate(address));
  return [
    ...shared,
    ...[...new Set(listed)].map((address) => ({
      path: 'relay.networks',
      message: `${address} is a listed proxy: it gives a grant only to the clients that it names`,
    })),
    ...isWide
      .filter(({ prefix, family }) => prefix < (family === 'ipv4' ? 24 : 48))
      .map(({ address, prefix }) => ({
        path: 'relay.networks',
        message: `${address}/${prefix} is a large public network: is all of it yours?`,
      })),
  ];
}

function loginWarnings({ users, relay, listeners }: Config): RelayWarning[] {
  const isOffered = listeners.some(({ offersAuth }) => offersAuth);
  if (users === undefined || relay.authenticated || !isOffered) return [];
  return [
    { path: 'relay.authenticated', message: 'users may log in, and then send to your own domains only' },
  ];
}

function windowWarnings({ relay: { popBeforeSmtp }, pop3 }: Config): RelayWarning[] {
  const path = 'relay.popBeforeSmtp';
  if (popBeforeSmtp === undefined) return [];
  const isFed = pop3.listeners.length > 0 || popBeforeSmtp.events !== undefined;
  return [
    ...(isFed ? [] : [{ path, message: 'nothing opens a window: there is no pop3 listener and no events' }]),
    ...(popBeforeSmtp.windows.allowLoopback
      ? [{ path: `${path}.allowLoopback`, message: 'a login here lets every program of this machine relay' }]
      : []),
  ];
}

/** Letters that people write alike are taken for copies too often for more than a header to follow from it. */
function bulkWarnings({ clearinghouse }: Config): RelayWarning[] {
  return (clearinghouse?.relay ?? []).flatMap(({ action, when }, i) =>
    action === 'tag' || when === 'reported'
      ? []
      : [
          {
            path: `clearinghouse.relay[${i}]`,
            message: `action "${action}" is for what is merely bulk, and ordinary letters may be called that: "when: reported" is safer`,
          },
        ],
  );
}

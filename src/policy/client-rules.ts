/** The rules about the client: trap, submission, login, certificate, window, network, open. */
import { matchesPath, ownPattern, type Pattern, type ReversePath, reply } from '../mail/index.ts';
import type { ClientFacts, Decision, Ground, Later, RelayRequest, SenderBinding } from '../receiver/index.ts';
import type { CertificateGrant, PolicyOptions, RelayWindow } from './options.ts';
import { nearly, type Outcome, once, pass, type Rule } from './rule.ts';

const needsLogin = reply(530, '7.0', 'authentication required');
const notATrap = pass('the listener is no trap');
const mayBeAnybody = pass('the listener asks for no login');
const identified = pass('the client is known by name');
const notLoggedIn: Outcome = {
  kind: 'refusal',
  reply: needsLogin,
  because: 'no login on a submission listener',
};
const noLogin = pass('the client did not log in');
const noCertificate = pass('no certificate was shown');
const noWindow = pass('no window is open for the address');
const notListed = pass('the address is in none of them');
const submissionOnly = pass('a submission listener asks for more than an address');
const notOpen = pass('the relay is not open');

/** A trap keeps everything for study and delivers nothing. */
export const trap: Rule = {
  name: 'trap',
  looksAt: ({ client }) => `the role of the listener, ${client.role}`,
  judge: ({ client, recipient }) =>
    client.role === 'trap'
      ? { kind: 'grant', ground: 'trap', because: 'a trap takes everything', to: [recipient] }
      : notATrap,
};

/** RFC 5068 §3.1, RFC 6409 §4.3: on a submission listener every client has to log in, also for local recipients. */
export const submission: Rule = {
  name: 'submission',
  looksAt: ({ client }) => `the role of the listener, ${client.role}, and the client’s identity`,
  judge(request, options) {
    if (!isSubmission(request.client)) return mayBeAnybody;
    return once(bindingsOf(request, options), (found) => (found.length > 0 ? identified : notLoggedIn));
  },
};

export const authenticated: Rule = {
  name: 'authenticated',
  looksAt: ({ client: { identity } }) => (identity === undefined ? 'login: none' : `login: ${identity.name}`),
  judge({ client: { identity }, reversePath, recipient }, options) {
    if (identity === undefined) return noLogin;
    if (!options.authenticated) return nearly(`${identity.name} logged in, but relay.authenticated is off`);
    if (!isBound(identity.senders, reversePath)) return nearly(`${identity.name} may not send as that`);
    const because = `${identity.name} logged in with ${identity.mechanism}`;
    return { kind: 'grant', ground: 'authenticated', identity: identity.name, because, to: [recipient] };
  },
};

export const certificate: Rule = {
  name: 'certificate',
  looksAt: ({ client: { tls } }) =>
    `the certificate of the client: ${tls?.certificate?.fingerprint ?? 'none'}`,
  judge({ client, reversePath, recipient }, options) {
    const shown = client.tls?.certificate;
    if (shown === undefined) return noCertificate;
    const grant = certificateGrant(client, options);
    if (grant === undefined)
      return nearly(`the certificate ${shown.fingerprint} is not in relay.certificates`);
    if (!isBound(grant.senders, reversePath))
      return nearly(`the certificate of ${grant.name} is not for that sender`);
    const because = `the certificate of ${grant.name}`;
    const { name, senders } = grant;
    const binding = senders && { binding: { name, senders } };
    return { kind: 'grant', ground: 'certificate', identity: name, because, ...binding, to: [recipient] };
  },
};

/** The grant goes to any client at the address, so only the addresses of the users who logged in may be senders. */
export const popBeforeSmtp: Rule = {
  name: 'pop-before-smtp',
  looksAt: ({ client }) => `mailbox logins from ${client.address}`,
  judge: (request, options) =>
    once(options.window(request.client.address), (window) => judgeWindow(window, request, options)),
};

function judgeWindow(
  window: RelayWindow | undefined,
  request: RelayRequest,
  options: PolicyOptions,
): Outcome {
  if (window === undefined) return noWindow;
  const because = windowFault(window, request, options);
  if (because !== undefined) return nearly(because);
  const { client, reversePath, recipient } = request;
  const { name, senders } = windowBinding(window, reversePath, options);
  return {
    kind: 'grant',
    ground: 'pop-before-smtp',
    identity: windowOwner(window, reversePath, options),
    because: `${window.names.join(', ')} read mail from ${client.address} (${window.source})`,
    binding: { name, senders },
    to: [recipient],
  };
}

export const network: Rule = {
  name: 'network',
  looksAt: ({ client }) => `the address ${client.address}, in relay.networks and those of ${client.listener}`,
  judge(request, options) {
    const { client, recipient } = request;
    if (!isListed(client, options)) return notListed;
    if (isSubmission(client)) return submissionOnly;
    const untrue = untruthOf(client, options);
    if (untrue !== undefined) return nearly(untrue);
    options.noteName?.(client.address, client.helo);
    const because = `${client.address} is in networks`;
    return { kind: 'grant', ground: 'network', because, to: [recipient] };
  },
};

export const open: Rule = {
  name: 'open',
  looksAt: ({ client }) => `relay.open on ${client.listener}`,
  judge({ client, recipient }, options) {
    if (!options.open(client.listener)) return notOpen;
    if (isSubmission(client)) return submissionOnly;
    return { kind: 'grant', ground: 'open', because: 'the relay is open', to: [recipient] };
  },
};

export function isSubmission({ role }: ClientFacts): boolean {
  return role === 'submission' || role === 'submissions';
}

/** A name by which the client is known, on which ground, and the senders that it is for; absent: any. */
interface Binding {
  readonly ground: Ground;
  readonly name: string;
  readonly senders?: readonly Pattern[];
}

/** The identities of the client, a login before all others; none for an unknown client. */
export function bindingsOf(
  request: Omit<RelayRequest, 'recipient'>,
  options: PolicyOptions,
): Later<readonly Binding[]> {
  const { identity, address } = request.client;
  if (identity !== undefined) return [{ ground: 'authenticated', ...identity }];
  return once(options.window(address), (window) => namesAt(window, request, options));
}

function namesAt(
  window: RelayWindow | undefined,
  { client, reversePath }: Omit<RelayRequest, 'recipient'>,
  options: PolicyOptions,
): readonly Binding[] {
  const found: Binding[] = [];
  const grant = certificateGrant(client, options);
  if (grant !== undefined) found.push({ ground: 'certificate', ...grant });
  if (window !== undefined && !window.needsAuth && addressFault(client, options) === undefined)
    found.push({ ground: 'pop-before-smtp', ...windowBinding(window, reversePath, options) });
  return found;
}

/** The grant, bound to the sender addresses of the client's identities. */
export function boundGrant<T extends Decision>(
  grant: T,
  request: RelayRequest,
  options: PolicyOptions,
): Later<T> {
  return once(bindingsOf(request, options), (found) => {
    const own = found.find(({ senders }) => isBound(senders, request.reversePath));
    return own?.senders === undefined
      ? grant
      : { ...grant, binding: { name: own.name, senders: own.senders } };
  });
}

/**
 * The null reverse-path belongs to nobody, so everybody may use it (RFC 6409 §4.2: it must not be refused). The author
 * is then taken from the header.
 */
export function isBound(senders: readonly Pattern[] | undefined, reversePath: ReversePath): boolean {
  if (senders === undefined || reversePath === null) return true;
  return senders.some((pattern) => matchesPath(pattern, reversePath));
}

function certificateGrant(
  { tls }: ClientFacts,
  { certificates }: PolicyOptions,
): CertificateGrant | undefined {
  const shown = tls?.certificate;
  if (shown === undefined) return undefined;
  const listed = certificates.byFingerprint.get(shown.fingerprint);
  if (listed !== undefined) return listed;
  return certificates.trusted && shown.isTrusted ? { name: shown.names[0] ?? shown.subject } : undefined;
}

function windowFault(window: RelayWindow, request: RelayRequest, options: PolicyOptions): string | undefined {
  if (window.needsAuth) return 'too many users share the address: each has to log in';
  const { client, reversePath } = request;
  const untrue = addressFault(client, options);
  if (untrue !== undefined) return untrue;
  return isBound(windowSenders(window, options), reversePath)
    ? undefined
    : 'the sender is not one of those who read mail from there';
}

/** A login that is an address sends as that; a bare one as itself at any domain of ours. */
function windowSenders({ names }: Pick<RelayWindow, 'names'>, { domains }: PolicyOptions): Pattern[] {
  return names.flatMap((name): Pattern[] => {
    const own = ownPattern(name);
    if (own !== undefined) return [own];
    if (name.includes('@')) return [];
    const localPart = name.normalize('NFC').toLowerCase();
    return [...domains.keys()].map((domain) => ({ kind: 'mailbox', localPart, domain }));
  });
}

function windowBinding(window: RelayWindow, reversePath: ReversePath, options: PolicyOptions): SenderBinding {
  const name = windowOwner(window, reversePath, options) || window.names.join(', ');
  return { name, senders: windowSenders(window, options) };
}

function windowOwner({ names }: RelayWindow, reversePath: ReversePath, options: PolicyOptions): string {
  return names.find((name) => isBound(windowSenders({ names: [name] }, options), reversePath)) ?? '';
}

/** Whether the client is in one of the trusted networks, by an address of its own. */
export function isTrusted(client: ClientFacts, options: PolicyOptions): boolean {
  return isListed(client, options) && addressFault(client, options) === undefined;
}

/** Whether it is known who the client is, by a name or as somebody of a trusted network. */
export function isKnown(client: ClientFacts, options: PolicyOptions): Later<boolean> {
  if (isTrusted(client, options)) return true;
  return once(bindingsOf({ client, reversePath: null }, options), (found) => found.length > 0);
}

function isListed({ address, listener }: ClientFacts, options: PolicyOptions): boolean {
  return options.networks.has(address) || options.listenerHas(listener, address);
}

/** The reason why the address does not identify the client (docs: the truth of the client address). */
function addressFault(client: ClientFacts, options: PolicyOptions): string | undefined {
  const { address, isVouchedFor, isStandIn } = client;
  if (isStandIn) return `${address} is a proxy that speaks for a client and did not say XCLIENT ADDR`;
  if (!isVouchedFor && options.proxies.has(address)) {
    return `${address} is a listed proxy that did not say for whom it speaks (let it send the PROXY protocol)`;
  }
  const untruth = options.untruth(address);
  return untruth && `${address} is ${untruth.because} (${untruth.remedy})`;
}

function untruthOf(client: ClientFacts, options: PolicyOptions): string | undefined {
  const fault = addressFault(client, options);
  return fault && `in networks, but ${fault}`;
}

/** The rules of the configuration that concern several keys of a route. */
import { isIP } from 'node:net';
import { isLoopback } from '../base/index.ts';
import type { DeliveryRoute, OauthOptions } from './options.ts';
import { parsePin, passwordFor, type SmtpServer } from './transport.ts';
import type { Via } from './transports/kind.ts';

/** Reports a fault in a key of the route. */
type Report = (key: string, message: string) => void;

/** The destinations of a route, parsed. */
export interface RouteHosts {
  readonly vias: readonly Via[];
  readonly fallback: readonly Via[];
}

/** The rules that concern more than one key of a route. */
export function checkRoute(route: DeliveryRoute, { vias, fallback }: RouteHosts, at: Report): void {
  if (vias.length === 0) at('via', 'no destination');
  if (vias.length > 1 && vias.some(({ server }) => server === undefined))
    at('via', 'only smtp and smtps can be in a list');
  if (fallback.some(({ server }) => server === undefined))
    at('fallback', 'only smtp and smtps can be a fallback');
  else if (fallback.length > 0 && vias.some(({ mayFallBack }) => mayFallBack !== true))
    at('fallback', 'only smtp, smtps and mx can have a fallback');
  const hosts = [...vias, ...fallback].flatMap(({ server }) => server ?? []);
  checkCredentials(route, hosts, at);
  checkTls(route, hosts, at);
  checkWeights(route, vias, at);
  const source = isIP(route.source ?? '');
  if (route.source !== undefined && source === 0) at('source', `not an address: "${route.source}"`);
  else if ((source === 4 && route.addresses === 'ipv6') || (source === 6 && route.addresses === 'ipv4')) {
    at('addresses', 'the source address is of the other family');
  }
}

function checkCredentials(route: DeliveryRoute, hosts: readonly SmtpServer[], at: Report): void {
  const { password, passwords = {}, oauth } = route;
  const withUser = hosts.filter(({ user }) => user !== undefined);
  const [bare] = withUser.filter(({ host }) => passwordFor(host, route) === undefined);
  if (oauth === undefined && bare !== undefined)
    at('password', withUser.length === 1 ? 'there is a user, but no password' : `none for ${bare.host}`);
  const stranger = Object.keys(passwords).find((name) => !withUser.some(({ host }) => host === name));
  if (stranger !== undefined) at('passwords', `no host of the route with a user is called "${stranger}"`);
  if (withUser.length === 0 && password !== undefined) at('password', 'there is a password, but no user');
  if (oauth === undefined) return;
  if (withUser.length === 0) at('oauth', 'there is no user to log in: write smtp://user@host');
  if (password !== undefined || route.passwords !== undefined)
    at('oauth', 'a user logs in with a token or with a password');
  checkOauth(oauth, at);
}

function checkOauth(oauth: OauthOptions, at: Report): void {
  const url = URL.parse(oauth.tokenUrl);
  const isClear = url?.protocol === 'http:';
  if (url === null || !(isClear || url.protocol === 'https:')) at('oauth.tokenUrl', 'not an https address');
  else if (isClear && !isLoopback(url.hostname.replace(/^\[|\]$/g, '')))
    at('oauth.tokenUrl', 'secrets need https');
  else if (url.username !== '' || url.password !== '')
    at('oauth.tokenUrl', 'a user or password has no place in an address: use clientId and clientSecret');
  const { grant, clientSecret, refreshTokenFile } = oauth;
  if (grant === 'client-credentials' && clientSecret === undefined)
    at('oauth.clientSecret', 'client-credentials need one');
  if (grant === 'refresh-token' && refreshTokenFile === undefined)
    at('oauth.refreshToken', 'the grant refresh-token needs one');
  if (grant === 'client-credentials' && refreshTokenFile !== undefined)
    at('oauth.refreshToken', 'client-credentials have none');
}

function checkTls(route: DeliveryRoute, hosts: readonly SmtpServer[], at: Report): void {
  const isWeak = route.tls === 'none' || route.tls === 'opportunistic';
  const inClear = hosts.some(({ user, isImplicitTls }) => user !== undefined && !isImplicitTls);
  if (inClear && isWeak) at('tls', 'credentials need TLS: use "required" or smtps://');
  if (route.verify === true && isWeak)
    at('verify', 'a certificate can only be verified where TLS is required');
  const pins = route.fingerprint === undefined ? [] : [route.fingerprint].flat();
  if (pins.length > 0 && isWeak) at('fingerprint', 'a certificate can only be pinned where TLS is required');
  const bad = pins.find((pin) => parsePin(pin) === undefined);
  if (bad !== undefined) at('fingerprint', `not "sha256:" and 64 hexadecimal digits: "${bad.slice(0, 100)}"`);
}

function checkWeights({ balance, weights }: DeliveryRoute, vias: readonly Via[], at: Report): void {
  if (weights === undefined && balance !== 'weighted') return;
  if (balance !== 'weighted') at('weights', 'they need balance: weighted');
  else if (weights === undefined) at('balance', 'weighted needs weights');
  else if (vias.some(({ server }) => server === undefined)) at('balance', 'only smtp and smtps are balanced');
  else if (weights.length !== vias.length) at('weights', `${weights.length} for ${vias.length} hosts`);
  else if (weights.some((weight) => !Number.isInteger(weight) || weight < 1))
    at('weights', 'each is a whole number from 1');
}

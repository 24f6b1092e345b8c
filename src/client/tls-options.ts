/** The TLS options of a client, and the check of its server's certificate. */
import { isIP } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { certificateNameFault } from '../base/index.ts';
import type { ClientOptions } from './options.ts';
import type { ClientTls } from './session.ts';

/** TLS 1.2 at least, SNI, and the certificate checked against the name of the next hop (RFC 8997, RFC 6125). */
export function tlsOptions(options: ClientOptions): ConnectionOptions {
  const { serverName, secureContext, ca } = options;
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: options.verify === 'name',
    checkServerIdentity: (_host, certificate) => certificateNameFault(serverName, certificate),
    // An address is no name to indicate (RFC 6066 §3).
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(secureContext === undefined ? {} : { secureContext }),
    ...(ca === undefined ? {} : { ca }),
  };
}

export function describeTls(socket: TLSSocket): ClientTls {
  return {
    version: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName,
    authorized: socket.authorized,
  };
}

/** The reason why the certificate is none of the pinned ones; `undefined` when it is one, or none is pinned. */
export function pinFailure(
  socket: TLSSocket,
  fingerprints: readonly string[] | undefined,
): string | undefined {
  if (fingerprints === undefined) return undefined;
  const { fingerprint256 } = socket.getPeerCertificate();
  const shown = fingerprint256 ? `sha256:${fingerprint256.replaceAll(':', '').toLowerCase()}` : 'none';
  return fingerprints.includes(shown)
    ? undefined
    : `the certificate is another one: its fingerprint is ${shown}`;
}

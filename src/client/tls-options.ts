import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type TLSSocket } from 'node:tls';
import type { ClientOptions } from './options.ts';
import type { ClientTls } from './session.ts';

/** TLS 1.2 at least, SNI, and the certificate checked against the name of the next hop (RFC 8997, RFC 6125). */
export function tlsOptions(options: ClientOptions): ConnectionOptions {
  const { serverName, secureContext, ca } = options;
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: options.verify === 'name',
    checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
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

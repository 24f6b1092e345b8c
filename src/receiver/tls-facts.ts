/** The protocol, cipher and certificates of a TLS handshake. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { CertificateFacts, TlsFacts } from './ask.ts';

/** The facts of a handshake that has just succeeded, with the client's certificate. */
export function tlsFacts(
  socket: TLSSocket,
  { hasAuthorities }: { readonly hasAuthorities: boolean },
): TlsFacts {
  const version = socket.getProtocol() ?? 'unknown';
  const shown = socket.getPeerX509Certificate();
  const certificate = shown && describe(shown, hasAuthorities && isVerified(socket));
  return {
    version,
    cipher: socket.getCipher().standardName,
    ...(certificate && { certificate }),
    channelBinding: (type) => (type === 'tls-exporter' ? exporter(socket, version) : undefined),
  };
}

function describe(certificate: X509Certificate, isTrusted: boolean): CertificateFacts {
  const names = (certificate.subjectAltName ?? '').split(', ').flatMap((name) => {
    const match = /^(?:DNS|email):([^\s"]+)$/i.exec(name);
    return match?.[1] === undefined ? [] : [match[1].toLowerCase()];
  });
  return {
    fingerprint: `sha256:${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`,
    subject: certificate.subject.replaceAll('\n', ', '),
    isTrusted,
    names,
  };
}

/**
 * Whether the chain ends at an authority of ours. The socket of a `tls.Server` would have this in `authorized`; one
 * that takes over a connection only has the result of the library, and without it no client is trusted.
 */
function isVerified(socket: TLSSocket): boolean {
  const { ssl } = socket as { readonly ssl?: { readonly verifyError?: () => unknown } };
  return ssl?.verifyError !== undefined && ssl.verifyError() === null;
}

/** RFC 9266 §2. Before TLS 1.3 the value is safe only with extended master secrets, which cannot be seen here. */
function exporter(socket: TLSSocket, version: string): Buffer | undefined {
  if (version !== 'TLSv1.3') return undefined;
  return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
}

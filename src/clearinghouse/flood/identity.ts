/** The identity of a node: its certificate, key and fingerprint. */
import { createPrivateKey, type KeyObject, sign, verify, X509Certificate } from 'node:crypto';

/** The identity of a node: its certificate, by which others know it, and its private key. */
export interface Identity {
  /** SHA-256 of the certificate, hexadecimal. */
  readonly origin: string;
  /** DER. */
  readonly certificate: Buffer;
  sign(body: Buffer): Buffer;
}

/** Another node, known by its certificate. */
export interface Origin {
  readonly origin: string;
  readonly certificate: Buffer;
  hasSigned(body: Buffer, signature: Buffer): boolean;
}

const maxCertificate = 16 * 1024;

/** Reads certificate and key in PEM. Throws if they are malformed. */
export function identityOf(certificate: string | Buffer, key: string | Buffer): Identity {
  const x509 = new X509Certificate(certificate);
  const privateKey = createPrivateKey(key);
  if (!x509.checkPrivateKey(privateKey)) throw new Error('the certificate is of another key');
  const algorithm = digestFor(privateKey);
  return {
    origin: originOf(x509),
    certificate: x509.raw,
    sign: (body) => sign(algorithm, body, privateKey),
  };
}

/** Reads a certificate in DER as received; the origin id follows from its octets. Undefined if it is malformed. */
export function readOrigin(certificate: Buffer): Origin | undefined {
  if (certificate.length > maxCertificate) return undefined;
  try {
    const x509 = new X509Certificate(certificate);
    const key = x509.publicKey;
    const algorithm = digestFor(key);
    return {
      origin: originOf(x509),
      certificate: x509.raw,
      hasSigned: (body, signature) => isSignature(() => verify(algorithm, body, key, signature)),
    };
  } catch {
    return undefined;
  }
}

function originOf(x509: X509Certificate): string {
  return x509.fingerprint256.replaceAll(':', '').toLowerCase();
}

/** A key may be of a kind that signs and forbid this way of it: OpenSSL throws then. */
function isSignature(verified: () => boolean): boolean {
  try {
    return verified();
  } catch {
    return false;
  }
}

/** Edwards curves hash by themselves. Throws for keys that are not for signing. */
function digestFor({ asymmetricKeyType: type }: KeyObject): string | null {
  if (type === 'ed25519' || type === 'ed448') return null;
  if (type === 'ec' || type === 'rsa') return 'sha256';
  throw new Error(`a key of type ${type} is not for signing: ed25519, ec or rsa is wanted`);
}

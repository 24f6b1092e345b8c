/** The identity of a node: its certificate, key and fingerprint. */
import { createPrivateKey, type KeyObject, sign, verify, X509Certificate } from 'node:crypto';

/** Who a node is: its certificate, by which others know it, and the key of it. */
export interface Identity {
  /** SHA-256 of the certificate, hexadecimal. */
  readonly origin: string;
  /** DER. */
  readonly certificate: Buffer;
  sign(body: Buffer): Buffer;
}

/** Somebody whose certificate is known. */
export interface Origin {
  readonly origin: string;
  readonly certificate: Buffer;
  hasSigned(body: Buffer, signature: Buffer): boolean;
}

const maxCertificate = 16 * 1024;

/** From PEM. Throws for what is none. */
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

/** From DER, as somebody sends it: whose it is follows from the octets. Undefined for what is no certificate. */
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

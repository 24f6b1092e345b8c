/** Makes a self-signed certificate. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** A self-signed certificate and its key, PEM. */
export interface SelfSigned {
  readonly cert: string;
  readonly key: string;
}

const yearsValid = 10;
/** The longest common name (RFC 5280, appendix A.1); a longer one is only in the alternative names. */
const maxCommonName = 64;

/**
 * Makes one for a host name (ASCII), `localhost` and the loopback addresses, for a machine where a developer
 * tries things out: X.509 version 3, P-256, ECDSA with SHA-256 (RFC 5280, RFC 5758 §3.2).
 */
export function selfSigned(hostname: string, now: Date = new Date()): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid.ecdsaWithSha256);
  const name = distinguishedName(hostname.length > maxCommonName ? 'localhost' : hostname);
  const until = new Date(now);
  until.setUTCFullYear(until.getUTCFullYear() + yearsValid);
  const toBeSigned = sequence(
    tagged(0xa0, integer(Buffer.of(2))),
    integer(serialNumber()),
    algorithm,
    name,
    sequence(time(now), time(until)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(alternativeNames(hostname))),
  );
  const signature = Buffer.concat([Buffer.of(0), sign('sha256', toBeSigned, privateKey)]);
  const certificate = sequence(toBeSigned, algorithm, tagged(0x03, signature));
  const lines = certificate.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** Object identifiers as DER has them, with their tag and length. */
const oid = {
  /** 1.2.840.10045.4.3.2 */
  ecdsaWithSha256: Buffer.from('06082a8648ce3d040302', 'hex'),
  /** 2.5.4.3 */
  commonName: Buffer.from('0603550403', 'hex'),
  /** 2.5.29.17 */
  subjectAltName: Buffer.from('0603551d11', 'hex'),
} as const;

function distinguishedName(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(oid.commonName, tagged(0x0c, Buffer.from(commonName)))));
}

function alternativeNames(hostname: string): Buffer {
  const dns = [...new Set([hostname, 'localhost'])].map((name) => tagged(0x82, Buffer.from(name, 'latin1')));
  const addresses = [Buffer.of(127, 0, 0, 1), Buffer.concat([Buffer.alloc(15), Buffer.of(1)])];
  const names = sequence(...dns, ...addresses.map((octets) => tagged(0x87, octets)));
  return sequence(oid.subjectAltName, tagged(0x04, names));
}

/** Positive and in its shortest form: the first octet is neither 0 nor above 127. */
function serialNumber(): Buffer {
  const octets = randomBytes(16);
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40;
  return octets;
}

/** UTCTime until 2049, GeneralizedTime after it (RFC 5280 §4.1.2.5). */
function time(at: Date): Buffer {
  const text = `${at.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return at.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(text.slice(2)))
    : tagged(0x18, Buffer.from(text));
}

function integer(octets: Buffer): Buffer {
  return tagged(0x02, octets);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

/** A tag, the length in its shortest form (up to 65535 octets), and the content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...head), content]);
}

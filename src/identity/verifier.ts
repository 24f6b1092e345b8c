/** Makes and checks the verifiers of SCRAM. */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import saslprep from '@mongodb-js/saslprep';

const derive = promisify(pbkdf2);

/** The verifier of a password for SCRAM-SHA-256 (RFC 5802 §3, RFC 7677): enough to check a login, not to log in. */
export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** RFC 7677 §4 asks for at least 4096; the client does this work. */
export const scramIterations = 10_000;

export function hmac(key: Buffer, text: string | Buffer): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

export function sha256(octets: Buffer): Buffer {
  return createHash('sha256').update(octets).digest();
}

/** RFC 4013. A forbidden password is taken as it is: nobody can have chosen it here, and a wrong password is wrong. */
export function preparePassword(password: string): string {
  try {
    return saslprep(password, { allowUnassigned: true });
  } catch {
    return password;
  }
}

/** `password` is prepared already. */
export async function makeScramVerifier(
  password: string,
  { iterations = scramIterations, salt = randomBytes(16) } = {},
): Promise<ScramVerifier> {
  const salted = await derive(password, salt, iterations, 32, 'sha256');
  return {
    iterations,
    salt,
    storedKey: sha256(hmac(salted, 'Client Key')),
    serverKey: hmac(salted, 'Server Key'),
  };
}

/** Whether the proof of a client shows that it knows the password (RFC 5802 §3). */
export function isProof(verifier: ScramVerifier, authMessage: string, proof: Buffer): boolean {
  if (proof.length !== 32) return false;
  const signature = hmac(verifier.storedKey, authMessage);
  const clientKey = Buffer.from(proof.map((octet, i) => octet ^ (signature[i] ?? 0)));
  return timingSafeEqual(sha256(clientKey), verifier.storedKey);
}

/** Application passwords are made by us with 128 random bits: no slow hash could make them harder to guess. */
export function makeDevicePassword(): { readonly password: string; readonly hash: string } {
  const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';
  const letters = Array.from(randomBytes(28), (octet) => alphabet[octet % alphabet.length] ?? '');
  const password = letters.join('').replace(/(.{4})(?=.)/g, '$1-');
  return { password, hash: hashDevicePassword(password, randomBytes(16)) };
}

export function hashDevicePassword(password: string, salt: Buffer): string {
  return `sha256$${salt.toString('base64')}$${hmac(salt, password).toString('base64')}`;
}

export function isDevicePassword(hash: string, password: string): boolean {
  const [kind, salt = ''] = hash.split('$');
  const own = Buffer.from(hashDevicePassword(password, Buffer.from(salt, 'base64')));
  const kept = Buffer.from(hash);
  return kind === 'sha256' && own.length === kept.length && timingSafeEqual(own, kept);
}

/** The encryption of rspamd's fuzzy storage, and its keys as text. */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { poly1305 } from '@noble/ciphers/_poly1305.js';
import { hchacha, xchacha20 } from '@noble/ciphers/chacha.js';

/** `rsfe`, the beginning of our public key, the client's public key, nonce, authenticator. */
const magic = 'rsfe';
const [idOctets, keyOctets, nonceOctets, macOctets] = [8, 32, 24, 16] as const;
const headOctets = magic.length + idOctets + keyOctets + nonceOctets + macOctets;

/** The DER prefix of the 32 octets of an X25519 key (RFC 8410). */
const privatePrefix = Buffer.from('302e020100300506032b656e04220420', 'hex');
const publicPrefix = Buffer.from('302a300506032b656e032100', 'hex');

/** A request that was opened, and how the reply is sealed. */
export interface OpenedRequest {
  readonly octets: Buffer;
  seal(reply: Buffer): Buffer;
}

/**
 * The encryption of rspamd's fuzzy storage: X25519 between the key of the storage and one that the client makes,
 * HChaCha20 of the shared secret, XChaCha20 whose first block is the key of Poly1305.
 */
export class FuzzyCipher {
  readonly #privateKey: KeyObject;
  readonly #publicKey: Buffer;

  /** `secret` has 32 octets. */
  constructor(secret: Uint8Array) {
    this.#privateKey = createPrivateKey({
      key: Buffer.concat([privatePrefix, secret]),
      format: 'der',
      type: 'pkcs8',
    });
    this.#publicKey = createPublicKey(this.#privateKey)
      .export({ format: 'der', type: 'spki' })
      .subarray(-keyOctets);
  }

  /** The public key with which clients are configured. */
  get publicKey(): Buffer {
    return Buffer.from(this.#publicKey);
  }

  static isEncrypted(datagram: Buffer): boolean {
    return datagram.toString('latin1', 0, magic.length) === magic;
  }

  /** Opens a datagram. Undefined if it was not encrypted for this key, or was changed on its way. */
  open(datagram: Buffer): OpenedRequest | undefined {
    if (datagram.length <= headOctets || !FuzzyCipher.isEncrypted(datagram)) return undefined;
    let at = magic.length;
    const next = (length: number) => {
      at += length;
      return datagram.subarray(at - length, at);
    };
    const id = next(idOctets);
    const theirs = next(keyOctets);
    const [nonce, mac, sealed] = [next(nonceOctets), next(macOctets), datagram.subarray(headOctets)];
    if (!id.equals(this.#publicKey.subarray(0, idOctets))) return undefined;
    const shared = this.#agree(theirs);
    if (shared === undefined || !timingSafeEqual(macOf(shared, nonce, sealed), mac)) return undefined;
    return {
      octets: Buffer.from(xchacha20(shared, nonce, sealed, undefined, 1)),
      seal: (reply) => {
        const own = randomBytes(nonceOctets);
        const octets = xchacha20(shared, own, reply, undefined, 1);
        return Buffer.concat([own, macOf(shared, own, octets), octets]);
      },
    };
  }

  /** Undefined for a point that agrees with every key. */
  #agree(theirs: Buffer): Uint8Array | undefined {
    try {
      const publicKey = createPublicKey({
        key: Buffer.concat([publicPrefix, theirs]),
        format: 'der',
        type: 'spki',
      });
      return derive(diffieHellman({ privateKey: this.#privateKey, publicKey }));
    } catch {
      return undefined;
    }
  }
}

const sigma = wordsOf(Buffer.from('expand 32-byte k'));

function derive(secret: Buffer): Uint8Array {
  const out = new Uint32Array(8);
  hchacha(sigma, wordsOf(secret), new Uint32Array(4), out);
  const key = Buffer.alloc(32);
  for (const [at, word] of out.entries()) key.writeUInt32LE(word, 4 * at);
  return key;
}

function wordsOf(octets: Buffer): Uint32Array {
  return Uint32Array.from({ length: octets.length / 4 }, (_, at) => octets.readUInt32LE(4 * at));
}

/** The Poly1305 tag of the sealed octets; its key is the first half block of the stream. */
function macOf(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array {
  return poly1305(sealed, xchacha20(key, nonce, new Uint8Array(32), undefined, 0));
}

const alphabet = 'ybndrfg8ejkmcpqxot1uwisza345h769';

/** A key as `rspamadm keypair` writes it (base 32, the low bits first) or in hexadecimal digits; undefined otherwise. */
export function parseFuzzyKey(text: string): Buffer | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  if (text.length !== 52) return undefined;
  const key = Buffer.alloc(33);
  for (let at = 0; at < text.length; at++) {
    const value = alphabet.indexOf(text.charAt(at));
    if (value < 0) return undefined;
    const bit = 5 * at;
    const both = value << (bit & 7);
    key[bit >> 3] = (key[bit >> 3] ?? 0) | (both & 0xff);
    key[(bit >> 3) + 1] = (key[(bit >> 3) + 1] ?? 0) | (both >> 8);
  }
  return key.subarray(0, 32);
}

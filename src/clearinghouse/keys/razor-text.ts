/** Razor's base 64 and its random numbers. */
import { hash } from 'node:crypto';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Razor's base 64 of hexadecimal digits: three digits at a time, each with its lowest bit first. */
export function hexBase64(hex: string): string {
  let text = '';
  for (let at = 0; at < hex.length; at += 3) {
    let bits = 0;
    for (let digit = 0; digit < 3; digit++) {
      const value = Number.parseInt(hex[at + digit] ?? '0', 16);
      for (let bit = 0; bit < 4; bit++) bits = (bits << 1) | ((value >> bit) & 1);
    }
    text += (alphabet[bits >> 6] ?? '') + (alphabet[bits & 63] ?? '');
  }
  return text;
}

export function sha1(text: string): string {
  return hash('sha1', Buffer.from(text, 'latin1'));
}

/** The linear congruential generator of POSIX `drand48`, seeded as `srand48` does; 0 ≤ r < 1. */
export function drand48(seed: number): () => number {
  let state = (BigInt(seed) << 16n) + 0x330en;
  return () => {
    state = (0x5deece66dn * state + 0xbn) & 0xffff_ffff_ffffn;
    return Number(state) / 2 ** 48;
  };
}

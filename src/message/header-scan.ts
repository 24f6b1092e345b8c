/** Finds the end of a header while it arrives, in one pass, and counts the hops and our own fields on the way. */
import { ownPrefix } from './edit.ts';

const lf = 10;
const cr = 13;
const blank = 32;
const tab = 9;
const colon = 58;
const received = Buffer.from('received');
const ownName = Buffer.from(ownPrefix);

/** Where in a line the octets stand: at its start, behind a CR there, within a name that counts, further on. */
type Place = 'start' | 'empty' | 'name' | 'rest';

/**
 * The header ends before its empty line. A message whose first line begins with a blank has no header: the line
 * would continue the field above it, which is ours (RFC 5322 §2.2.3). The result does not depend on where the octets
 * are cut.
 */
export class HeaderScan {
  /** Octets of the header so far, without the empty line. */
  length = 0;
  isComplete = false;
  /** Received fields: the hops so far (RFC 5321 §6.3). */
  hops = 0;
  /** The number of lines that only we may write. */
  own = 0;
  #place: Place = 'start';
  #name: Buffer = received;
  #matched = 0;

  /** Takes the next octets of the message; true when the header ends in them. */
  read(octets: Buffer): boolean {
    for (let at = 0; at < octets.length; ) {
      const octet = octets[at] ?? 0;
      switch (this.#place) {
        case 'start':
          if (octet === lf) return this.#end(at);
          if (at + this.length === 0 && (octet === blank || octet === tab)) return this.#end(0);
          this.#begin(octet);
          at++;
          break;
        case 'empty':
          if (octet === lf) return this.#end(at - 1);
          this.#place = 'rest';
          break;
        case 'name':
          this.#place = this.#match(octet);
          if (this.#place === 'name') at++;
          break;
        case 'rest': {
          const next = octets.indexOf(lf, at);
          at = next < 0 ? octets.length : next + 1;
          if (next >= 0) this.#place = 'start';
        }
      }
    }
    this.length += octets.length;
    return false;
  }

  #begin(octet: number): void {
    const letter = octet | 0x20;
    this.#name = letter === ownName[0] ? ownName : received;
    this.#matched = 1;
    this.#place = octet === cr ? 'empty' : letter === this.#name[0] ? 'name' : 'rest';
  }

  /** The next place, after one more octet of a line that may have the name. */
  #match(octet: number): Place {
    if (this.#matched < this.#name.length) {
      if ((octet | 0x20) !== this.#name[this.#matched]) return 'rest';
      this.#matched++;
      if (this.#name !== ownName || this.#matched < ownName.length) return 'name';
      this.own++;
      return 'rest';
    }
    if (octet === blank || octet === tab) return 'name';
    if (octet === colon) this.hops++;
    return 'rest';
  }

  #end(at: number): true {
    this.length += at;
    this.isComplete = true;
    return true;
  }
}

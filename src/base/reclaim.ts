/** Keeps memory flat while large messages stream through. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** So many octets of dead buffers are waited for before the young generation is collected. */
const everyBytes = 6 * 2 ** 20;

/** The collector as V8 offers it to programs, or nothing where it does not. */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('gc');
  return typeof found === 'function' ? () => found({ type: 'minor', execution: 'sync' }) : () => {};
}

/**
 * Keeps memory flat while large messages stream through. Their buffers lie outside the heap and die at once, but V8
 * looks for dead ones only after 64 MB of them: four messages of 100 MB then need 97 MB where their buffers in use are
 * 1 MB. Callers report the octets that they stream; a collection of the young generation now and then (about 1 ms
 * each) gives the dead ones back.
 */
export class Reclaimer {
  #collect: (() => void) | undefined;
  #bytes = 0;

  passed(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < everyBytes) return;
    this.#bytes = 0;
    this.#collect ??= youngCollector();
    this.#collect();
  }
}

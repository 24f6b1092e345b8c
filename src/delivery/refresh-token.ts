/** A refresh token in a file. */
import { open, readFile, realpath, rename, rm } from 'node:fs/promises';

/**
 * A refresh token in a file. It is read each time, so that an operator can put another one there; a new one from the
 * server is written back, and used even if that fails.
 */
export class RefreshToken {
  readonly #path: string;
  /** The token in use, and the content of the file when it was last read or written. */
  #known: { readonly value: string; readonly file: string } | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The token in use, for code that has to keep it out of a message. */
  get value(): string | undefined {
    return this.#known?.value;
  }

  /** The token in use, unless an operator put another one into the file. Rejects when there is none. */
  async read(): Promise<string> {
    const known = this.#known;
    const file = await readFile(this.#path, 'utf8').then(
      (text) => text.trim(),
      (error: unknown) => {
        if (known === undefined) throw new Error(`cannot read ${this.#path}: ${String(error)}`);
        return known.file;
      },
    );
    if (known !== undefined && known.file === file) return known.value;
    this.#known = { value: file, file };
    return file;
  }

  /** Uses another one from now on. Rejects when it cannot be written. */
  async keep(value: string): Promise<void> {
    if (value === this.#known?.value) return;
    this.#known = { value, file: this.#known?.file ?? '' };
    await replaceFile(this.#path, `${value}\n`);
    this.#known = { value, file: value };
  }
}

/** Replaces a file, or the target of a link, as a whole; only its owner may read it. */
async function replaceFile(path: string, text: string): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const fresh = `${target}.new`;
  await rm(fresh, { force: true });
  const file = await open(fresh, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, target);
}

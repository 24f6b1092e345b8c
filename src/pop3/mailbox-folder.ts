/** Opens a Maildir safely and reads its names. */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** An open folder. `path` leads to it even when another folder, or a link, is put in its place. */
export interface Folder extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly path: string;
  readonly facts: Stats;
}

/** The folders of a Maildir that have messages. */
export interface Maildir extends AsyncDisposable {
  /** The same for every path that leads to it. */
  readonly key: string;
  readonly new: Folder;
  readonly cur: Folder;
  /** Opens a message; rejects with `ENOENT`, or with `EINVAL` if it is no file of this mailbox. */
  readonly openFile: (folder: 'new' | 'cur', name: string) => Promise<FileHandle>;
}

/** Opens a Maildir; `undefined` when it is not there yet. Rejects with the system's error: a link is `ENOTDIR`. */
export async function openMaildir(path: string): Promise<Maildir | undefined> {
  await using opened = new AsyncDisposableStack();
  const folders: Folder[] = [];
  try {
    const root = opened.use(await openFolder(path));
    for (const name of ['new', 'cur']) folders.push(opened.use(await openFolder(join(root.path, name))));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const [unseen, seen] = folders;
  if (unseen === undefined || seen === undefined) return undefined;
  const kept = opened.move();
  const { dev, ino, uid } = seen.facts;
  return {
    key: `${dev}:${ino}`,
    new: unseen,
    cur: seen,
    openFile: (folder, name) => openFile(join((folder === 'new' ? unseen : seen).path, name), uid),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function openFolder(path: string): Promise<Folder> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const facts = await handle.stat();
    const held = `/proc/self/fd/${handle.fd}`;
    // Where there is no such file system the path has to do.
    const isHeld = await stat(held).then(
      ({ dev, ino }) => dev === facts.dev && ino === facts.ino,
      () => false,
    );
    return {
      handle,
      facts,
      path: isHeld ? held : path,
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Opens a plain file that is no link. In a mailbox of another owner every file has to be theirs: a hard link would
 * otherwise show them a file that only the relay may read.
 */
async function openFile(path: string, owner: number): Promise<FileHandle> {
  // A named pipe would wait for its other end for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const facts = await file.stat();
    const isForeign = owner !== process.geteuid?.() && facts.uid !== owner;
    if (facts.isFile() && !isForeign) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  throw Object.assign(new Error(`no file of this mailbox: "${path}"`), { code: 'EINVAL' });
}

/** Names of possible messages. A name that begins with a dot is none (the Maildir rule). */
export async function* messageNames(folder: Folder): AsyncGenerator<string> {
  for await (const entry of await opendir(folder.path)) {
    const { name } = entry;
    if (name.startsWith('.') || name.startsWith(':') || name.includes('\ufffd')) continue;
    if (entry.isDirectory() || entry.isSymbolicLink()) continue;
    yield name;
  }
}

/** The part of a file's name that stays the same for the life of the message; its flags follow it. */
export function uniquePart(name: string): string {
  const colon = name.indexOf(':');
  return colon < 0 ? name : name.slice(0, colon);
}

export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unexpected';
}

/** Follows the trees of an LMDB file. */
import { StoreError } from './error.ts';
import { type PageFile, pageFlag, pageHeaderBytes, parseRoot, type TreeRoot } from './page-file.ts';

/** One record that a tree leads to. */
export interface TreeRecord {
  readonly table: string;
  readonly key: Buffer;
  /** Reads the value, a frame. Throws `StoreError` `corrupt` when the file ends before. */
  value(): Buffer;
}

/** Something in the file that LMDB would trip over, or that it would silently leave out. */
export interface PageProblem {
  readonly table: string;
  readonly page: number;
  readonly detail: string;
}

export interface TreeVisitor {
  onRecord(record: TreeRecord): void;
  onProblem(problem: PageProblem): void;
}

const nodeHeaderBytes = 8;
const nodeFlag = { overflow: 0x01, table: 0x02 } as const;
const maxDepth = 32;

/**
 * Follows every tree of the file from its newest meta page. After a walk without a problem, every page
 * number, offset and length that LMDB would follow points to where it should, no page is used twice or
 * both used and free, and every record can be found by its key. Values are not looked at.
 */
export function walkTrees(file: PageFile, visitor: TreeVisitor): void {
  const { meta } = file;
  if (meta === undefined) {
    visitor.onProblem({ table: '', page: 0, detail: 'neither meta page can be read' });
    return;
  }
  const walk = new TreeWalk(file, visitor);
  const tables: { name: string; root: TreeRoot }[] = [];
  // The keys of the free list are numbers in the order of the machine, not of their octets.
  const freeLists: Buffer[] = [];
  walk.tree({ table: '(free)', root: meta.free, isOrdered: false }, (node) => {
    freeLists.push(Buffer.from(readValue(file, node)));
  });
  walk.tree({ table: '(tables)', root: meta.main, isOrdered: true }, (node) => {
    const name = node.key.toString('latin1').replace(/\0$/, '');
    check((node.flags & nodeFlag.table) !== 0 && node.inline.length >= 48, `${name} is no table`);
    tables.push({ name, root: parseRoot(node.inline) });
  });
  for (const { name, root } of tables) {
    walk.tree({ table: name, root, isOrdered: true }, (node) => {
      visitor.onRecord({ table: name, key: node.key, value: () => readValue(file, node) });
    });
  }
  for (const list of freeLists) walk.free(list);
}

interface Tree {
  readonly table: string;
  readonly root: TreeRoot;
  readonly isOrdered: boolean;
}

interface LeafNode {
  readonly key: Buffer;
  readonly flags: number;
  readonly inline: Buffer;
  /** Set when the value is on pages of its own. */
  readonly overflow: { readonly page: number; readonly bytes: number } | undefined;
}

class TreeWalk {
  readonly #file: PageFile;
  readonly #visitor: TreeVisitor;
  /** One bit for each page that some tree uses. */
  readonly #used: Uint8Array;
  readonly #lastPage: number;

  constructor(file: PageFile, visitor: TreeVisitor) {
    this.#file = file;
    this.#visitor = visitor;
    const inFile = Math.floor(file.fileBytes / file.pageBytes) - 1;
    this.#lastPage = Math.min(file.meta?.lastPage ?? 0, inFile);
    // The pages at the end may be free and not in the file.
    const pages = Math.max(file.meta?.lastPage ?? 0, 0);
    this.#used = new Uint8Array((Math.min(pages, 2 ** 32) >> 3) + 1);
  }

  tree(tree: Tree, visit: (node: LeafNode) => void): void {
    const { root, depth, entries } = tree.root;
    if (root === undefined) return;
    let seen = 0;
    this.#page(tree, { page: root, depth }, (node) => {
      visit(node);
      seen++;
    });
    if (seen !== entries) this.#problem(tree, root, `${seen} of ${entries} records can be reached`);
  }

  /**
   * Checks one record of the free list: a count, then page numbers, where a negative number is the length
   * of a run whose first page follows, and 0 is nothing. A page that is in use as well would be overwritten.
   */
  free(list: Buffer): void {
    const tree: Tree = { table: '(free)', root: { depth: 1, entries: 0, root: 0 }, isOrdered: false };
    try {
      const count = Number(list.readBigUInt64LE(0));
      for (let at = 1; at <= count; at++) {
        const entry = Number(list.readBigInt64LE(at * 8));
        if (entry === 0) continue;
        const first = entry > 0 ? entry : Number(list.readBigInt64LE(++at * 8));
        this.#mark(first, entry > 0 ? 1 : -entry, this.#file.meta?.lastPage ?? 0);
      }
    } catch (error) {
      if (!(error instanceof StoreError || error instanceof RangeError)) throw error;
      this.#problem(tree, 0, `the free list: ${error.message}`);
    }
  }

  #problem(tree: Tree, page: number, detail: string): void {
    this.#visitor.onProblem({ table: tree.table, page, detail });
  }

  #page(
    tree: Tree,
    at: { readonly page: number; readonly depth: number },
    visit: (node: LeafNode) => void,
  ): void {
    try {
      check(at.depth >= 1 && at.depth <= maxDepth, `a depth of ${at.depth} is impossible`);
      const page = this.#claim(at.page, 1);
      const wanted = at.depth === 1 ? pageFlag.leaf : pageFlag.branch;
      const flags = page.readUInt16LE(18);
      check((flags & 0x2f) === wanted, `flags ${flags.toString(16)} where ${wanted} should be`);
      let last: Buffer | undefined;
      for (const offset of nodeOffsets(page)) {
        if (at.depth > 1) {
          this.#page(tree, { page: childPage(page, offset), depth: at.depth - 1 }, visit);
          continue;
        }
        const node = leafNode(page, offset);
        if (node.overflow !== undefined) this.#overflow(node.overflow);
        // A record out of order is there and is never found.
        if (tree.isOrdered && last !== undefined) check(last.compare(node.key) < 0, 'keys are out of order');
        last = node.key;
        visit(node);
      }
    } catch (error) {
      if (!(error instanceof StoreError || error instanceof RangeError)) throw error;
      this.#problem(tree, at.page, error.message);
    }
  }

  #overflow(run: { readonly page: number; readonly bytes: number }): void {
    const pages = Math.ceil((pageHeaderBytes + run.bytes) / this.#file.pageBytes);
    const head = this.#claim(run.page, pages);
    check((head.readUInt16LE(18) & pageFlag.overflow) !== 0, `page ${run.page} is no overflow page`);
    check(head.readUInt32LE(20) >= pages, `the value at page ${run.page} is longer than its pages`);
  }

  #mark(first: number, pages: number, lastPage: number): void {
    check(first >= 2 && first + pages - 1 <= lastPage, `page ${first} is outside the file`);
    for (let page = first; page < first + pages; page++) {
      const bits = this.#used[page >> 3] ?? 0;
      check((bits & (1 << (page & 7))) === 0, `page ${page} is used twice`);
      this.#used[page >> 3] = bits | (1 << (page & 7));
    }
  }

  /** Marks pages as used and reads the first one. */
  #claim(first: number, pages: number): Buffer {
    this.#mark(first, pages, this.#lastPage);
    const head = this.#file.page(first);
    check(head.readBigUInt64LE(0) === BigInt(first), `page ${first} has the number of another`);
    return head;
  }
}

/** The values that lie in a leaf page itself, as far as its index can be read. */
export function* leafValues(page: Buffer): Generator<Buffer> {
  for (const offset of readable(() => nodeOffsets(page)) ?? []) {
    const node = readable(() => leafNode(page, offset));
    if (node !== undefined && node.overflow === undefined) yield node.inline;
  }
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof StoreError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Where the nodes of a page begin. */
function nodeOffsets(page: Buffer): number[] {
  const lower = page.readUInt16LE(20);
  check(lower % 2 === 0 && pageHeaderBytes + lower <= page.length, 'the page has an impossible size');
  check(lower > 0, 'the page is empty');
  const offsets: number[] = [];
  for (let at = pageHeaderBytes; at < pageHeaderBytes + lower; at += 2) {
    const offset = page.readUInt16LE(at) + pageHeaderBytes;
    check(offset >= pageHeaderBytes + lower, 'a node lies in the index of its page');
    offsets.push(offset);
  }
  return offsets;
}

function childPage(page: Buffer, at: number): number {
  return page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 2 ** 32;
}

function leafNode(page: Buffer, at: number): LeafNode {
  const bytes = page.readUInt32LE(at);
  const flags = page.readUInt16LE(at + 4);
  const keyAt = at + nodeHeaderBytes;
  const valueAt = keyAt + page.readUInt16LE(at + 6);
  const isOverflow = (flags & nodeFlag.overflow) !== 0;
  check(valueAt + (isOverflow ? 24 : bytes) <= page.length, 'a node is longer than its page');
  check(valueAt > keyAt, 'a node has no key');
  return {
    key: page.subarray(keyAt, valueAt),
    flags,
    inline: isOverflow ? page.subarray(0, 0) : page.subarray(valueAt, valueAt + bytes),
    overflow: isOverflow ? { page: Number(page.readBigUInt64LE(valueAt)), bytes } : undefined,
  };
}

function readValue(file: PageFile, node: LeafNode): Buffer {
  if (node.overflow === undefined) return node.inline;
  return file.read(node.overflow.page * file.pageBytes + pageHeaderBytes, node.overflow.bytes);
}

function check(isRight: boolean, problem: string): void {
  if (!isRight) throw new StoreError('corrupt', problem);
}

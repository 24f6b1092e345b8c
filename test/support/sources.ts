/** Reads the source files of a checkout: their imports, the circles among them, and their first lines. */
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { basename, dirname, join, normalize } from 'node:path';

export interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

/** The TypeScript files under `src`, `test` and `bench`, by their path in the checkout. */
export async function sourcesOf(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const pattern of ['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts']) {
    for await (const file of glob(pattern, { cwd: root, exclude: ['**/.cache', '**/node_modules'] }))
      found.push(file);
  }
  return found;
}

/** The imports of some files of a checkout. */
export function importsAmong(root: string, files: readonly string[]): Import[] {
  return files.flatMap((file) => importsOf(file, readFileSync(join(root, file), 'utf8')));
}

/** The relative imports of a text. One with braces full of types is a value import: it runs the module. */
export function importsOf(from: string, text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const statement = /^(?:import|export)\s+(type\s)?(?:[^;'"]*?\sfrom\s+)?'(\.[^']*)'/gm;
  const dynamic = /\bimport\('(\.[^']*)'\)/g;
  return [
    ...code
      .matchAll(statement)
      .map(([, type, to = '']) => ({ from, to: target(from, to), isType: type !== undefined })),
    ...code.matchAll(dynamic).map(([, to = '']) => ({ from, to: target(from, to), isType: false })),
  ];
}

function target(from: string, to: string): string {
  return normalize(join(dirname(from), to));
}

/** The folder under `src`, or the top folder for anything else. */
export function folderOf(file: string): string {
  const [top = '', folder = ''] = file.split('/');
  return top === 'src' ? folder : top;
}

/** Code that only tests use: it is not published, and may be imported past an `index.ts`. */
export function isForTests(file: string): boolean {
  if (!file.startsWith('src/')) return true;
  const name = basename(file);
  return (
    name.endsWith('.test.ts') ||
    /^testing(?:-\w+)?\.ts$/.test(name) ||
    ['fuzz.ts', 'contract.ts'].includes(name) ||
    /\/(?:contract|fault|testdata|golden)\//.test(file)
  );
}

/**
 * The circles: sets of files each of which leads to all others of its set by imports of values or types
 * (Tarjan's strongly connected components of more than one file).
 */
export function circlesIn(imports: readonly Import[]): string[][] {
  const next = Map.groupBy(imports, ({ from }) => from);
  const order = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (file: string): number => {
    const own = order.size;
    order.set(file, own);
    let lowest = own;
    stack.push(file);
    for (const { to } of next.get(file) ?? []) {
      if (!order.has(to)) lowest = Math.min(lowest, visit(to));
      else if (stack.includes(to)) lowest = Math.min(lowest, order.get(to) ?? own);
    }
    if (lowest === own) {
      const circle = stack.splice(stack.indexOf(file)).sort();
      if (circle.length > 1) circles.push(circle);
    }
    return lowest;
  };
  for (const file of next.keys()) if (!order.has(file)) visit(file);
  return circles;
}

/**
 * Whether the file begins with a comment of its own: an empty line, an import or a re-export follows it, for a comment
 * right above anything else belongs to that.
 */
export function saysWhatFor(text: string): boolean {
  return /^(?:#!.*\n)?\/\*\*(?: |\n \* )\S(?:[^*]|\*(?!\/))*\*\/\n(?:\n|import |export (?:type )?[*{][^=;]* from )/.test(
    text,
  );
}

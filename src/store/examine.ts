/** Checks an LMDB file before it is mapped. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { StoreError } from './error.ts';
import { PageFile } from './page-file.ts';
import { type PageProblem, walkTrees } from './page-walk.ts';

/**
 * Looks at an LMDB file before it is mapped. A file that was closed and is as long as its meta page says is
 * taken as it is. Any other is read page by page first, and then read by LMDB in a child process, so that a
 * SIGBUS or a failed assertion ends that one. Throws `StoreError` `corrupt`.
 */
export async function examine(file: string, options: { readonly isSuspect: boolean }): Promise<void> {
  const pages = PageFile.open(file);
  try {
    if (pages.fileBytes === 0) return;
    if (pages.isWhole && !options.isSuspect) return;
    const problems = pageProblems(pages);
    const first = problems[0];
    if (first !== undefined) throw corrupt(file, `${first.detail} (${problems.length} problems in all)`);
  } finally {
    pages.close();
  }
  const end = await tryInChild(file);
  if (end !== undefined) throw corrupt(file, end);
}

/** Everything that a walk through the trees finds wrong. */
function pageProblems(pages: PageFile): PageProblem[] {
  const problems: PageProblem[] = [];
  walkTrees(pages, { onRecord: () => {}, onProblem: (problem) => problems.push(problem) });
  return problems;
}

/** How the child ended, when not well. */
function tryInChild(file: string): Promise<string | undefined> {
  const name = import.meta.filename.endsWith('.ts') ? 'trial.ts' : 'trial.js';
  const script = fileURLToPath(new URL(name, import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(0, 500);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(undefined);
      else resolve(`reading it ended a trial process with ${signal ?? `code ${code}`}: ${complaint.trim()}`);
    });
  });
}

function corrupt(file: string, detail: string): StoreError {
  return new StoreError('corrupt', `${JSON.stringify(file)} is damaged: ${detail}`);
}

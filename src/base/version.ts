/** The version in package.json. */
import { readFileSync } from 'node:fs';

/** The version in package.json, which lies two folders above this file in `src` and in `dist` alike. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version }: { readonly version?: unknown } = JSON.parse(text);
  return String(version);
}

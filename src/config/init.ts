/** The commented configurations of `posthouse init`. */
import { readFileSync } from 'node:fs';

/** The roles of `posthouse init`, each with its file in `examples/`. */
const roles: Readonly<Record<string, string>> = {
  local: 'local.yaml',
  'smarthost-client': 'smarthost-client.yaml',
  mx: 'mx-with-maildir.yaml',
  submission: 'submission.yaml',
  'open-lab': 'open-lab.yaml',
  trap: 'trap.yaml',
  clearinghouse: 'clearinghouse.yaml',
};

/** The roles that have a text. */
export const initRoles: readonly string[] = Object.keys(roles);

/**
 * The text of a commented configuration for a role. It loads as it is; the values that a site has to change are
 * marked. The texts are the files in `examples/`, which lie beside `src` and `dist` alike.
 */
export function initConfig(
  role: string,
): { readonly ok: true; readonly text: string } | { readonly ok: false; readonly message: string } {
  const file = Object.hasOwn(roles, role) ? roles[role] : undefined;
  if (file !== undefined) {
    return { ok: true, text: readFileSync(new URL(`../../examples/${file}`, import.meta.url), 'utf8') };
  }
  return { ok: false, message: `unknown role "${role}": expected ${initRoles.join(', ')}` };
}

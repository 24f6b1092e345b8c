/** Makes a configuration of a file that was parsed: each section is resolved once, when it is first looked at. */
import { dirname, resolve as resolvePath } from 'node:path';
import type { Finding, KeyPath } from './problem.ts';
import { because, type Site } from './section.ts';
import { type Config, type Parsed, type SectionKey, sectionKeys, sectionTable } from './sections.ts';

/** The facts that a configuration takes from the machine. */
export interface Env {
  /** The machine's name. */
  readonly hostname: string;
  /** The text of a file; throws as `readFileSync` does. */
  readonly read: (path: string) => string;
}

/** The site of one file. */
class FileSite implements Site {
  readonly findings: Finding[] = [];
  readonly #folder: string;
  readonly #env: Env;

  constructor(file: string, env: Env) {
    this.#folder = dirname(file);
    this.#env = env;
  }

  get machineName(): string {
    return this.#env.hostname;
  }

  path(text: string): string {
    return resolvePath(this.#folder, text);
  }

  find(path: KeyPath, message: string, hint?: string): void {
    this.findings.push(hint === undefined ? { path, message } : { path, message, hint });
  }

  report(findings: readonly Finding[]): void {
    this.findings.push(...findings);
  }

  secret(path: KeyPath, file: string): string | undefined {
    return this.read(path, file)?.replace(/\r?\n$/, '');
  }

  read(path: KeyPath, file: string): string | undefined {
    try {
      return this.#env.read(this.path(file)).replace(/^\ufeff/, '');
    } catch (error) {
      this.find(path, `cannot read ${this.path(file)}: ${because(error)}`);
      return undefined;
    }
  }
}

/** Fills in values that depend on other keys or on the machine, and reads the named files. */
export function resolveConfig(
  parsed: Parsed,
  file: string,
  env: Env,
): { readonly config: Config; readonly findings: readonly Finding[] } {
  const path = resolvePath(file);
  const site = new FileSite(path, env);
  const config = { file: path } as Config;
  for (const key of sectionKeys) resolveWhenAsked(key, { parsed, site, config });
  for (const key of sectionKeys) if (config[key] === undefined) Reflect.deleteProperty(config, key);
  return { config, findings: site.findings };
}

/** Puts a getter in the place of a section, which the value takes when it is there. */
function resolveWhenAsked<K extends SectionKey>(
  key: K,
  { parsed, site, config }: { readonly parsed: Parsed; readonly site: Site; readonly config: Config },
): void {
  Object.defineProperty(config, key, {
    configurable: true,
    enumerable: true,
    get() {
      const value = sectionTable[key].resolve(parsed[key], site, config);
      Object.defineProperty(config, key, { value, configurable: true, enumerable: true, writable: true });
      return value;
    },
  });
}

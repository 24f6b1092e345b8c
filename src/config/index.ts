/**
 * The configuration: one YAML file, the single source of truth. `findConfig` says where it is, `loadConfig`
 * turns it into a `Config` with every default filled in and every file it names read, and `diffConfig` says
 * what a reload would change. The schema states each option once, with its default and its prose, from which
 * docs/configuration.md is made.
 *
 * Invariants: unknown keys, empty keys and keys of features that are not built yet are errors, never ignored.
 * A `Config` is complete and is never changed: a reload makes a new one. Relative paths begin in the folder
 * of the file.
 *
 * On failure: loading never throws. All problems come at once, each with file, line and column, also those in
 * the alias and recipient files. If the YAML itself is broken, only the text before the break is
 * checked; if a section is invalid, the others are checked all the same. A file that was asked for and is
 * missing is never replaced by the local profile.
 */
export { type ConfigChange, diffConfig } from './diff.ts';
export { configName, type FoundConfig, findConfig } from './find.ts';
export { initConfig, initRoles } from './init.ts';
export { type ConfigCheck, type LoadOptions, type LoadResult, loadConfig, loadConfigFile } from './load.ts';
export { hasLocalLogin, type LocalFiles, localFiles, localName, localProfile, localUser } from './local.ts';
export { configurationMarkdown } from './markdown.ts';
export { formatProblem, type Problem } from './problem.ts';
export type { Env } from './resolve.ts';
export type { Effect, Warning } from './section.ts';
export { listensByDefault } from './sections/listeners.ts';
export type { Config } from './sections.ts';
export { warningsOf } from './warnings.ts';

/** What works in a configuration and is perhaps not meant, as far as it can be told from the configuration alone. */
import { crossWarnings } from './cross-checks.ts';
import type { Warning } from './section.ts';
import { type Config, sectionWarnings } from './sections.ts';

/** Those of the sections, then those about several of them. */
export function warningsOf(config: Config): readonly Warning[] {
  return [...sectionWarnings(config), ...crossWarnings(config)];
}

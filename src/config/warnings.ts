/** Warns of settings that work and are perhaps not meant, as far as the configuration alone shows them. */
import { crossWarnings } from './cross-checks.ts';
import type { Warning } from './section.ts';
import { type Config, sectionWarnings } from './sections.ts';

/** Warnings about single sections, then those about several sections together. */
export function warningsOf(config: Config): readonly Warning[] {
  return [...sectionWarnings(config), ...crossWarnings(config)];
}

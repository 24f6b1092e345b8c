/** The security releases of Node that the running one may lack. */

/** The first releases of each line with the fixes of October 2026: Brotli, names in certificates, NUL in names. */
const fixed: readonly (readonly [major: number, minor: number, patch: number])[] = [
  [24, 22, 1],
  [26, 12, 1],
];

/** Why this version of Node should be replaced; undefined when nothing is known against it. */
export function runtimeFault(version: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.replace(/^v/, '').split('.').map(Number.parseFloat);
  const newest = fixed.at(-1)?.[0] ?? 0;
  const line = fixed.find(([of]) => of === major);
  const isFixed =
    line === undefined ? major > newest : minor > line[1] || (minor === line[1] && patch >= line[2]);
  if (isFixed) return undefined;
  const remedy = fixed.map((one) => one.join('.')).join(' or ');
  return `Node ${version} lacks security fixes of October 2026: run it with ${remedy}, or later`;
}

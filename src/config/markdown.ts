/** Writes docs/configuration.md from the schema. */
import { type OptionNode, optionTree } from './option-tree.ts';

const intro = `# Configuration

<!-- Generated from src/config/sections by \`npm run docs\`. Do not edit. -->

One YAML file. \`posthouse start --config FILE\` names it; without \`--config\` it is \`posthouse.yaml\` in the
current folder, then \`/etc/posthouse/posthouse.yaml\`. When there is neither, the *local profile* runs: it
listens on 127.0.0.1:2525, relays for this machine only and keeps every message in the capture inbox.
\`posthouse check\` reports everything that is wrong, with file and line; \`posthouse init ROLE\` writes a
commented file to begin with; the folder \`examples\` has more.

* Unknown keys are errors. So are keys of features that are not built yet (\`not available yet: users\`).
* Durations are written \`30s\`, \`5m\`, \`4h\`, \`5d\`. Sizes are decimal: \`10MB\` is 10,000,000 octets.
* Where a list is expected, a single value stands for a list of one.
* Relative paths begin in the folder of the configuration file.
* Networks are written \`10.8.0.0/24\` or \`2001:db8::/32\`; a single address is a network too.
`;

/** The text of docs/configuration.md. */
export function configurationMarkdown(): string {
  const tree = optionTree();
  const plain = tree.filter(({ children }) => children.length === 0);
  const sections = tree.filter(({ children }) => children.length > 0);
  return [
    intro,
    '## Top level\n',
    table(plain),
    ...sections.flatMap((node) => [`## ${node.key}\n`, sectionProse(node), table(flatten(node))]),
  ].join('\n');
}

function sectionProse(node: OptionNode): string {
  const list = node.isList ? ` A list; each member has these keys.${defaultOf(node)}` : '';
  return `${node.prose}${list}\n`;
}

function defaultOf(node: OptionNode): string {
  const value = formatValue(node.default);
  return value === '' ? '' : ` Default: ${value}.`;
}

/** The options of a section; inner mappings are rows of their own, followed by theirs. */
function flatten(node: OptionNode): OptionNode[] {
  return node.children.flatMap((child) => [child, ...flatten(child)]);
}

function table(nodes: readonly OptionNode[]): string {
  const rows = nodes.map((node) => `| ${cells(node).map(escapeCell).join(' | ')} |`);
  return ['| key | value | default | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}

function cells(node: OptionNode): string[] {
  const key = node.path.replace(/^[^.]*\./, '');
  const fallback = node.isRequired
    ? 'required'
    : formatValue(node.children.length > 0 ? undefined : node.default);
  const prose = node.isAvailable ? node.prose : `${node.prose} *Not available yet.*`;
  return [`\`${key}\``, describeValue(node), fallback, prose];
}

function describeValue(node: OptionNode): string {
  if (node.children.length > 0) return node.isList ? 'list of mappings' : 'mapping';
  if (node.type === undefined) return '';
  return node.isList ? `list of: ${node.type}` : node.type;
}

/** A value as it would be written in the file, in flow style. */
function formatValue(value: unknown): string {
  return value === undefined || (isEmpty(value) && !Array.isArray(value)) ? '' : `\`${flow(value)}\``;
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{ ${Object.entries(value)
      .map(([key, member]) => `${key}: ${flow(member)}`)
      .join(', ')} }`;
  }
  return value === '*' ? '"*"' : String(value);
}

function escapeCell(cell: string): string {
  return cell.replaceAll('|', '\\|');
}

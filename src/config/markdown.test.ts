import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './index.ts';
import { configurationMarkdown } from './markdown.ts';
import { type OptionNode, optionTree } from './option-tree.ts';

function all(nodes: readonly OptionNode[]): OptionNode[] {
  return nodes.flatMap((node) => [node, ...all(node.children)]);
}

test('every option has prose, and a default unless it is required or says what stands for it', () => {
  for (const node of all(optionTree())) {
    assert.match(node.prose, /\.$/, node.path);
    const hasDefault = node.default !== undefined || node.isRequired || !node.isAvailable;
    const isExplained =
      /Default:|Without|also `user:group`|to find|looked up|Reverse-paths|A file|gets the mail|address to connect|Trusted roots|password/.test(
        node.prose,
      );
    assert.ok(hasDefault || isExplained, node.path);
  }
});

test('the document has every option once', () => {
  const text = configurationMarkdown();
  for (const node of all(optionTree())) {
    const key = node.path.replace(/^[^.]*\./, '');
    assert.ok(text.includes(`| \`${key}\` |`) || text.includes(`## ${key}\n`), node.path);
  }
});

test('the defaults that are printed are those that are in force', () => {
  const load = (text: string) => loadConfig(text, { file: '/p.yaml', env: { hostname: 'box.example' } });
  const bare = load('');
  assert.ok(bare.ok);
  const inForce = new Map<string, unknown>(Object.entries(bare.config));
  const lines = optionTree().flatMap(({ key, children }) => {
    const members = children.filter((child) => child.default !== undefined && child.children.length === 0);
    // Defaults of lists are those of their members, and without its key an optional section comes to nothing.
    const isSection = inForce.has(key) && !Array.isArray(inForce.get(key));
    return members.length === 0 || !isSection
      ? []
      : [
          `${key}: { ${members.map((child) => `${child.key}: ${JSON.stringify(child.default)}`).join(', ')} }`,
        ];
  });
  assert.ok(lines.length > 10);
  assert.deepEqual(load(lines.join('\n')), bare);
});

/** The keys of the schema as a tree, for the documentation and for hints. */
import { z } from 'zod';
import { schema } from './sections.ts';

/** One key of the schema, for the documentation and for hints. */
export interface OptionNode {
  readonly key: string;
  /** `queue.retry.min`; members of lists are `listeners[].role`. */
  readonly path: string;
  readonly prose: string;
  /** The name of the value's type; absent for a mapping. */
  readonly type?: string;
  readonly isList: boolean;
  readonly isRequired: boolean;
  /** As it would be written in the file. */
  readonly default?: unknown;
  readonly isAvailable: boolean;
  readonly children: readonly OptionNode[];
}

/** All keys, in the order of the schema. */
export function optionTree(): readonly OptionNode[] {
  return childrenOf(schema, '');
}

function childrenOf(object: z.ZodObject, prefix: string): OptionNode[] {
  return Object.entries(object.shape).map(([key, value]) => nodeOf(key, value as z.ZodType, prefix));
}

function nodeOf(key: string, option: z.ZodType, prefix: string): OptionNode {
  const path = `${prefix}${key}`;
  const { inner, fallback, isOptional } = unwrap(option);
  const item = itemOf(inner);
  const value = item === undefined ? inner : unwrap(item).inner;
  const type = value.meta()?.type;
  const children =
    value instanceof z.ZodObject ? childrenOf(value, `${path}${item === undefined ? '' : '[]'}.`) : [];
  const isAvailable = children.length > 0 || type !== undefined;
  return {
    key,
    path,
    prose: option.description ?? '',
    ...(typeof type === 'string' ? { type } : {}),
    isList: item !== undefined,
    isRequired: isAvailable && !isOptional,
    ...(fallback === undefined ? {} : { default: fallback }),
    isAvailable,
    children,
  };
}

/** Removes the wrappers that make a value optional. */
function unwrap(option: z.ZodType): { inner: z.ZodType; fallback?: unknown; isOptional: boolean } {
  if (option instanceof z.ZodPrefault) {
    return { inner: option.def.innerType as z.ZodType, fallback: option.def.defaultValue, isOptional: true };
  }
  if (option instanceof z.ZodOptional) return { inner: option.def.innerType as z.ZodType, isOptional: true };
  return { inner: option, isOptional: false };
}

/** The member of a `listOf`. */
function itemOf(option: z.ZodType): z.ZodType | undefined {
  const list = option instanceof z.ZodPipe ? option.def.out : option;
  return list instanceof z.ZodArray ? (list.element as z.ZodType) : undefined;
}

/** The keys of the mapping that a path of the file leads to; empty when there is none. */
export function keysAt(path: readonly (string | number)[]): readonly OptionNode[] {
  let nodes = optionTree();
  for (const step of path) {
    if (typeof step === 'string') nodes = nodes.find(({ key }) => key === step)?.children ?? [];
  }
  return nodes;
}

// SPDX-License-Identifier: Apache-2.0
// Python's own types of data, for PickleRules.globals.
import { types } from 'node:util';
import { Global, OrderedDict, type Call } from './machine.js';

function items({ args, charge, fail }: Call): readonly unknown[] {
  if (args.length > 1 || (args.length === 1 && !Array.isArray(args[0]))) return fail('expected a list of items');
  const list = (args[0] ?? []) as unknown[];
  charge(list.length);
  return list;
}

function dict(call: Call): OrderedDict {
  const result = new OrderedDict();
  for (const pair of items(call)) {
    if (!Array.isArray(pair) || pair.length !== 2) return call.fail('expected a list of pairs');
    result.set(hashable(pair[0], call), pair[1]);
  }
  return result;
}

function hashable(value: unknown, { fail }: Call): unknown {
  if (value instanceof Map || value instanceof Set) fail('a key that cannot be one');
  return value;
}

// How Python 3 writes bytes in protocol 2.
function encode({ args: [text, encoding], charge, fail }: Call): Uint8Array {
  if (typeof text !== 'string' || encoding !== 'latin1') return fail('expected a string, to be encoded as latin1');
  charge(text.length);
  // eslint-disable-next-line no-control-regex -- the range of bytes
  if (!/^[\x00-\xff]*$/.test(text)) return fail('a string that is no latin1');
  return Uint8Array.from(Buffer.from(text, 'latin1'));
}

function bytes({ args: [value], charge, fail }: Call): Uint8Array {
  if (value === undefined) return new Uint8Array(0);
  if (!types.isUint8Array(value)) return fail('expected bytes');
  charge(value.length);
  return Uint8Array.from(value);
}

/** Containers and bytes; `__builtin__` is Python 2's name of `builtins`. */
export const pythonGlobals: readonly Global[] = [
  new Global('collections.OrderedDict', dict),
  new Global('_codecs.encode', encode),
  ...['builtins', '__builtin__'].flatMap((module) => [
    new Global(`${module}.set`, (call) => new Set(items(call).map((item) => hashable(item, call)))),
    new Global(`${module}.frozenset`, (call) => new Set(items(call).map((item) => hashable(item, call)))),
    new Global(`${module}.bytes`, bytes),
    new Global(`${module}.bytearray`, bytes),
  ]),
];

/** A table of PickleRules.globals. */
export function globalsTable<T extends { name: string }>(...lists: readonly (readonly T[])[]): Map<string, T> {
  return new Map(lists.flat().map((entry) => [entry.name, entry]));
}

// SPDX-License-Identifier: Apache-2.0
// From what a pickle holds to plain JavaScript values.
import { types } from 'node:util';
import type { OrderedDict } from './machine.js';

/** Whether a dict becomes an object: its keys are strings and integers, and no two of them the same property. */
function hasPropertyKeys(dict: ReadonlyMap<unknown, unknown>): boolean {
  const seen = new Set<string>();
  for (const key of dict.keys()) {
    if (typeof key !== 'string' && !Number.isInteger(key)) return false;
    seen.add(String(key));
  }
  return seen.size === dict.size;
}

/**
 * Dicts as objects without prototype where their keys are strings and integers, else as Maps; lists and tuples as
 * arrays; sets as Sets. What occurs in several places, or inside itself, is one object afterwards, too.
 *
 * @param leaf what becomes of other objects; called once for each
 * @param made called for each dict with what has become of it
 */
export function toPlain(
  root: unknown,
  leaf: (value: object) => unknown,
  made: (dict: OrderedDict | Map<unknown, unknown>, plain: object) => void = () => undefined,
): unknown {
  const results = new Map<object, unknown>();
  // A list of what is still to be filled and no recursion, as nothing bounds how deep a pickle is nested.
  const open: (() => void)[] = [];

  function convert(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || types.isUint8Array(value)) return value;
    if (results.has(value)) return results.get(value);
    let result: unknown;
    if (Array.isArray(value)) {
      const items: unknown[] = (result = []);
      open.push(() => value.forEach((item) => items.push(convert(item))));
    } else if (value instanceof Set) {
      const items = (result = new Set<unknown>());
      open.push(() => value.forEach((item) => items.add(convert(item))));
    } else if (!(value instanceof Map)) {
      result = leaf(value);
    } else if (hasPropertyKeys(value)) {
      const object = (result = Object.create(null) as Record<string, unknown>);
      open.push(() => value.forEach((item, key) => (object[String(key)] = convert(item))));
      made(value, object);
    } else {
      const map = (result = new Map<unknown, unknown>());
      open.push(() => value.forEach((item, key) => map.set(convert(key), convert(item))));
      made(value, map);
    }
    results.set(value, result);
    return result;
  }

  const result = convert(root);
  for (let fill = open.pop(); fill; fill = open.pop()) fill();
  return result;
}

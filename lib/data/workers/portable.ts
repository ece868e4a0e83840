// SPDX-License-Identifier: Apache-2.0
// What a worker thread can be given: built-in datasets and transforms by their parts, and whatever a module exports by
// the module's address.
import { pathToFileURL } from 'node:url';
import { ArgumentError, LenodeError } from '../../native/errors.js';
import { noMore } from '../../native/options.js';

/** A dataset or transform that cannot be made again in a worker thread. */
export class NotPortableError extends ArgumentError {}

/** A module, or an export of it, that cannot be used. */
export class ModuleError extends LenodeError {}

/** An object of a class that workers know. */
export interface Portable {
  /** What fromParts() of its class makes the same object of. */
  parts(): unknown;
}

interface PortableClass {
  readonly name: string;
  readonly prototype: Portable;
  fromParts(parts: unknown): unknown;
}

interface Origin {
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

// What a value becomes on its way: plain values pass; these are made again.
type Encoded = { portable: string; parts: unknown } | { origin: Origin } | { list: unknown[] } | { record: [string, unknown][] } | { plain: unknown };

const classes = new Map<string, PortableClass>();
const origins = new WeakMap<object, Origin>();

/** Makes classes known to workers: they must be registered when their module is loaded. */
export function registerPortable(...all: PortableClass[]): void {
  for (const one of all) classes.set(one.name, one);
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

/** @throws NotPortableError for what a worker could not make again; `what` names it in the message */
export function encode(value: unknown, what: string): Encoded {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return { plain: value };
  const origin = origins.get(value);
  if (origin) return { origin };
  if (typeof value === 'function')
    throw new NotPortableError(
      `DataLoader: ${what} contains a function, which a worker thread cannot get. Export it from a module and use ` +
        `workerFunction(new URL('./module.js', import.meta.url), 'name'), make the whole dataset with workerDataset(), ` +
        'or set numWorkers to 0',
    );
  if (Array.isArray(value)) return { list: value.map((entry, i) => encode(entry, `${what}[${i}]`)) };
  if (ArrayBuffer.isView(value)) return { plain: value };
  if (isPlain(value)) return { record: Object.entries(value).map(([key, entry]) => [key, encode(entry, `${what}.${key}`)]) };
  const name = value.constructor.name;
  if (classes.get(name) === (value.constructor as unknown))
    return { portable: name, parts: encode((value as Portable).parts(), name) };
  throw new NotPortableError(
    `DataLoader: ${what} is or contains a ${name}, which a worker thread cannot make again. Make it in a module and use ` +
      `workerDataset(new URL('./module.js', import.meta.url), 'name'), or set numWorkers to 0`,
  );
}

/** The value that encode() was given, made again. */
export async function decode(encoded: unknown): Promise<unknown> {
  const e = encoded as Encoded;
  if ('plain' in e) return e.plain;
  if ('list' in e) return Promise.all(e.list.map(decode));
  if ('record' in e) return Object.fromEntries(await Promise.all(e.record.map(async ([key, v]) => [key, await decode(v)] as const)));
  if ('origin' in e) return fromModule(e.origin.module, e.origin.name, ...e.origin.args);
  const known = classes.get(e.portable);
  if (!known) throw new ModuleError(`a worker does not know the class ${e.portable}`);
  return known.fromParts(await decode(e.parts));
}

const address = (module: URL | string): string => {
  if (module instanceof URL) return module.href;
  return /^(file|data|node):/.test(module) ? module : pathToFileURL(module).href;
};

async function exported(module: string, name: string): Promise<unknown> {
  let all: Record<string, unknown>;
  try {
    all = (await import(module)) as Record<string, unknown>;
  } catch (cause) {
    throw new ModuleError(`${module} could not be loaded: ${(cause as Error).message}`, { cause });
  }
  if (!(name in all)) throw new ModuleError(`${module} has no export '${name}'; it has ${Object.keys(all).join(', ') || 'none'}`);
  return all[name];
}

// What is made from a class, a function or an object. `args` undefined: the export itself, function or not.
async function fromModule(module: string, name: string, ...args: readonly unknown[]): Promise<unknown> {
  const value = await exported(module, name);
  if (args.length === 0) return value;
  if (typeof value !== 'function') return value;
  const isClass = /^class\b/.test(Function.prototype.toString.call(value));
  return isClass
    ? new (value as new (...a: readonly unknown[]) => unknown)(...(args[0] as unknown[]))
    : (value as (...a: readonly unknown[]) => unknown)(...(args[0] as unknown[]));
}

/**
 * A dataset that worker threads can make too: the export of a module, which each of them loads. The export is a class
 * (it is constructed), a function (it is called and may return a promise), or the dataset itself.
 *
 * ```ts
 * const dataset = await workerDataset(new URL('./my-dataset.js', import.meta.url), 'MyDataset', '/data/cells');
 * const loader = new DataLoader(dataset, { batchSize: 64, numWorkers: 4 });
 * ```
 *
 * @param module an address (file: or data:) or a path
 * @param args for the class or function; what structuredClone() can copy
 * @throws ModuleError when the module cannot be loaded or has no such export
 */
export async function workerDataset<D extends object>(module: URL | string, name = 'default', ...args: unknown[]): Promise<D> {
  const href = address(module);
  const made = await fromModule(href, name, args);
  if (typeof made !== 'object' || made === null) throw new ModuleError(`${href}: '${name}' gave no dataset, but ${String(made)}`);
  origins.set(made, { module: href, name, args: [args] });
  return made as D;
}

/**
 * A function that worker threads can have too: the export of a module. For Lambda transforms, `loader`s of
 * DatasetFolder and `workerInitFn`.
 *
 * @throws ModuleError when the module cannot be loaded or has no such function
 */
export async function workerFunction<F extends (...args: never[]) => unknown>(module: URL | string, name = 'default'): Promise<F> {
  noMore('workerFunction', arguments.length > 2);
  const href = address(module);
  const value = await exported(href, name);
  if (typeof value !== 'function') throw new ModuleError(`${href}: '${name}' is no function`);
  origins.set(value, { module: href, name, args: [] });
  return value as F;
}

// SPDX-License-Identifier: Apache-2.0
// Options objects: which keys an operation knows and what may stand in them, declared once beside it. TypeScript sees
// neither a key that was spread into the object nor a caller in JavaScript, and a misspelt option that is ignored trains
// another network than the one that was written.
import { ArgumentError } from './errors.js';

/** What may stand in an option. `undefined` always may: it means the default. */
export interface Kind<T> {
  /** As in "keepdim must be ...". */
  readonly what: string;
  readonly test: (value: unknown) => value is T;
  readonly required?: boolean;
}

/** A kind of one's own; `test` may be looser than T: the operation then says what is out of range. */
export const kind = <T>(what: string, test: (value: unknown) => boolean): Kind<T> => ({ what, test: test as Kind<T>['test'] });

export const boolean = kind<boolean>('true or false', (v) => typeof v === 'boolean');
/** Any number but NaN. */
export const number = kind<number>('a number', (v) => typeof v === 'number' && v === v);
export const integer = kind<number>('an integer', Number.isSafeInteger);
export const count = kind<number>('a non-negative integer', (v) => Number.isSafeInteger(v) && (v as number) >= 0);
export const text = kind<string>('a string', (v) => typeof v === 'string');
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export const callable = kind<any>('a function', (v) => typeof v === 'function');
/** Anything: the operation itself says what it cannot take. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export const checked = kind<any>('a value', () => true);

const alternatives = (names: readonly string[]) => names.join(', ').replace(/, ([^,]*)$/, ' or $1');
export const oneOf = <const C extends string>(...choices: readonly C[]): Kind<C> =>
  kind(alternatives(choices.map((c) => `'${c}'`)), (v) => choices.includes(v as C));
export const either = <A, B>(a: Kind<A>, b: Kind<B>): Kind<A | B> =>
  kind(`${a.what} or ${b.what}`, (v) => a.test(v) || b.test(v));
export const nullable = <T>(of: Kind<T>): Kind<T | null> => kind(`${of.what} or null`, (v) => v === null || of.test(v));
export const arrayOf = <T>(of: Kind<T>, length?: number): Kind<readonly T[]> =>
  kind(
    length === undefined ? `an array, each ${of.what}` : `an array of ${length}, each ${of.what}`,
    (v) => Array.isArray(v) && (length === undefined || v.length === length) && Array.from(v).every((x) => of.test(x)),
  );
export const instance = <T>(Class: abstract new (...args: never[]) => T, what: string): Kind<T> =>
  kind(what, (v) => v instanceof Class);
/** An object with these methods, whatever its class. */
export const withMethods = <T>(what: string, ...methods: readonly string[]): Kind<T> =>
  kind(what, (v) => typeof v === 'object' && v !== null && methods.every((m) => typeof (v as never)[m] === 'function'));
export const required = <T>(of: Kind<T>): Kind<T> => ({ ...of, required: true });

type Keys<O> = O extends unknown ? keyof O & string : never;
type Value<O, K> = O extends unknown ? (K extends keyof O ? Exclude<O[K], undefined> : never) : never;
/** A kind for each key of O, no more and no fewer. */
export type Schema<O> = { readonly [K in Keys<O>]-?: Kind<Value<O, K>> };

/**
 * Checks an options object and returns it, or an empty one for undefined.
 *
 * @param extra whether the caller was given more arguments than it has parameters: `arguments.length > n`
 * @throws ArgumentError for anything but an object, a key that is not in the schema, a value of another kind, a required
 * one that is missing, and for extra arguments
 */
export interface OptionsOf<O> {
  <G extends O>(where: string, given: G | undefined, extra?: boolean): G;
  /** For the schema of an operation that has these options and others. */
  readonly schema: Schema<O>;
}

const NONE: object = Object.freeze({});

/** Declares the options of an operation, or of several that have the same. */
export function optionsOf<O extends object>(schema: NoInfer<Schema<O>>): OptionsOf<O> {
  // Without a prototype: 'constructor' and its like are no options.
  const kinds = Object.assign(Object.create(null), schema) as Readonly<Record<string, Kind<unknown>>>;
  const needed = Object.keys(kinds).filter((key) => kinds[key]!.required);
  const check = <G extends O>(where: string, given: G | undefined, extra = false): G => {
    if (given !== undefined || needed.length > 0) inspect(where, given, kinds, needed);
    if (extra) noMore(where, extra, `options are given as one object: { ${listed(kinds)} }`);
    return given ?? (NONE as G);
  };
  return Object.assign(check, { schema });
}

/** Options without those that are undefined, to be laid over defaults. */
export function given<O extends object>(options: O | undefined): O {
  return Object.fromEntries(Object.entries(options ?? NONE).filter(([, value]) => value !== undefined)) as O;
}

/** A schema from an object that has the default of every option: the values are to be of the same types. */
export function kindsOf<D extends object>(defaults: D): Schema<D> {
  return Object.fromEntries(Object.entries(defaults).map(([key, value]) => [key, kindLike(value)])) as unknown as Schema<D>;
}

function kindLike(value: unknown): Kind<unknown> {
  if (Array.isArray(value) && value.every((x) => typeof x === 'number')) return arrayOf(number, value.length);
  return typeof value === 'number' ? number : typeof value === 'boolean' ? boolean : typeof value === 'string' ? text : checked;
}

/** @throws ArgumentError if `extra`, which is `arguments.length > n`: for functions without options */
export function noMore(where: string, extra: boolean, hint = ''): void {
  if (extra) throw new ArgumentError(`${where}: too many arguments${hint === '' ? '' : `; ${hint}`}`);
}

function listed(kinds: object): string {
  const keys = Object.keys(kinds);
  return keys.length > 4 ? `${keys.slice(0, 4).join(', ')}, ...` : keys.join(', ');
}

function inspect(where: string, given: unknown, kinds: Readonly<Record<string, Kind<unknown>>>, needed: readonly string[]): void {
  if (typeof given !== 'object' || given === null) misplaced(where, given, kinds);
  let empty = true;
  for (const key in given) {
    empty = false;
    const expected = kinds[key];
    if (expected === undefined) unknownKey(where, key, given, kinds);
    const value = (given as Record<string, unknown>)[key];
    if (value !== undefined && !expected.test(value))
      throw new ArgumentError(`${where}: ${key} must be ${expected.what}, got ${show(value)}`);
  }
  if (empty && !isPlain(given)) misplaced(where, given, kinds);
  for (const key of needed)
    if ((given as Record<string, unknown>)[key] === undefined)
      throw new ArgumentError(`${where}: the option ${key} must be given: ${kinds[key]!.what}`);
}

/** Whether it is an object as {} makes it, of any realm. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || (Object.getPrototypeOf(prototype) === null && !Array.isArray(value));
}

function misplaced(where: string, given: unknown, kinds: Readonly<Record<string, Kind<unknown>>>): never {
  const keys = Object.keys(kinds);
  if (keys.length === 0) noMore(where, true);
  const wants = keys.filter((k) => kinds[k]!.required);
  const fits = keys.find((k) => kinds[k] !== checked && kinds[k]!.test(given)) ?? keys.find((k) => kinds[k]!.test(given)) ?? keys[0]!;
  const simple = typeof given === 'number' || typeof given === 'boolean' || typeof given === 'string';
  const example = wants.length > 0 ? wants.join(', ') : simple && kinds[fits]!.test(given) ? `${fits}: ${show(given)}` : `${keys[0]!}: ...`;
  throw new ArgumentError(
    `${where}: the options must be an object such as { ${example} }, got ${show(given)} (options: ${keys.join(', ')})`,
  );
}

function unknownKey(where: string, key: string, given: object, kinds: Readonly<Record<string, Kind<unknown>>>): never {
  if (!isPlain(given)) misplaced(where, given, kinds);
  const known = Object.keys(kinds);
  const meant = nearest(key, known);
  throw new ArgumentError(
    `${where}: no option '${brief(key)}'${meant === undefined ? '' : `; did you mean '${meant}'?`} (options: ${known.join(', ')})`,
  );
}

const brief = (s: string) => (s.length > 60 ? `${s.slice(0, 60)}...` : s);

/** @throws ArgumentError for anything but a function */
export function checkCallable(value: unknown, where: string, name: string): void {
  if (typeof value !== 'function') throw new ArgumentError(`${where}: ${name} must be a function, got ${show(value)}`);
}

/** A value as an error message names it; runs none of its code. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${brief(value)}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value))
    return value.length <= 8 && value.every((x) => typeof x !== 'object' || x === null) ? `[${value.map(show).join(', ')}]` : `an array of ${value.length}`;
  if (isPlain(value)) return 'an object';
  const name: unknown = (Object.getPrototypeOf(value) as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== '' ? `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${brief(name)}` : 'an object';
}

/** The name among `known` that `name` may be a misspelling of, PyTorch's spelling, or an abbreviation. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const given = plain(name).slice(0, 60);
  let best: string | undefined;
  const most = Math.max(1, Math.floor(given.length / 3));
  let least = most + 1;
  for (const option of known) {
    const candidate = plain(option);
    if (candidate === given) return option;
    const letters = editDistance(given, candidate);
    const distance = letters > most && related(name, option, given, candidate) ? most : letters;
    if (distance < least) [best, least] = [option, distance];
  }
  return best;
}

const plain = (name: string) => name.replaceAll(/[^a-zA-Z0-9]/g, '').toLowerCase();
const initials = (name: string) => name.replaceAll(/(?:^|_)(.)|([A-Z])|[^_A-Z]/g, '$1$2').toLowerCase();

// 'learningRate' and 'lr', 'wd' and 'weightDecay', 'smoothing' and 'labelSmoothing'.
function related(name: string, option: string, given: string, candidate: string): boolean {
  if (given.length > 1 && (initials(name) === candidate || initials(option) === given)) return true;
  return (given.length > 3 && candidate.includes(given)) || (candidate.length > 3 && given.includes(candidate));
}

/** How many letters are to be put in, left out, replaced or exchanged with their neighbour. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j]!, before[j - 2]! + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}

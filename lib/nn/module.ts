// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';
import { withoutGrad } from '../autograd/mode.js';
import { ArgumentError, DTypeError, UninitializedError } from '../native/errors.js';
import { boolean, checkCallable, noMore, optionsOf, show, text } from '../native/options.js';
import { DROPPED, recordingNow, stepDependsOn } from '../native/recording.js';
import { NO_SHAPE_YET } from '../native/run.js';
import { to, toOptions, type ToOptions } from '../ops/view.js';
import { device as toDevice, type DeviceLike } from '../tensor/device.js';
import { checkDType, dtypes, isFloating, type DType, type FloatDType } from '../tensor/dtype.js';
import { checkTensor, Tensor } from '../tensor/tensor.js';
import type { ModuleGradients } from './backward-hooks.js';
import { isDeferred, materialize } from './deferred.js';
import { addHook } from './hooks.js';
import { locateErrors } from './locate.js';
import { Parameter, rebind } from './parameter.js';
import { checkFit, stageValues, versionsOf, type FitRules, type KeyReport, type StateDict, type TensorInfo } from './state.js';

/** A module of any signature. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- only any stands for every A and R at once
export type AnyModule = Module<any, any>;

export interface NamesOptions {
  /** Put before every name. */
  prefix?: string;
  /** Whether children's are included. Default true. */
  recurse?: boolean;
}
const namesOptions = optionsOf<NamesOptions>({ prefix: text, recurse: boolean });
const bufferOptions = optionsOf<{ persistent?: boolean; key?: string }>({ persistent: boolean, key: text });
const loadOptions = optionsOf<{ strict?: boolean }>({ strict: boolean });

/**
 * Base class of layers and networks. A subclass assigns Parameters and other modules to properties and computes in
 * forward(); the names of the properties, joined by dots, are the names of its parameters.
 *
 * ```ts
 * class Classifier extends nn.Module {
 *   hidden = new nn.Linear(784, 100);
 *   output = new nn.Linear(100, 10);
 *   forward(x: Tensor) { return this.output.forward(F.relu(this.hidden.forward(x.flatten(1)))); }
 * }
 * ```
 *
 * @typeParam A what forward() takes
 * @typeParam R what forward() returns
 */
export abstract class Module<A extends unknown[] = [x: Tensor], R = Tensor> {
  #training = true;
  // By property.
  readonly #buffers = new Map<string, { key: string; persistent: boolean }>();

  constructor() {
    locateErrors(new.target.prototype, Module.prototype);
    // A class without a constructor hands over what it was given.
    noMore(new.target.name, arguments.length > 0);
  }

  /** Whether layers such as Dropout act as in training. Set by train() and eval(). Default true. */
  get training(): boolean {
    stepDependsOn(this, () => this.#training);
    return this.#training;
  }
  set training(mode: boolean) {
    this.#training = mode;
  }

  /** Computes the result. Hooks run whenever and by whomever it is called. */
  abstract forward(...args: A): R;

  // ---- parts -------------------------------------------------------------------------------------------------

  /**
   * Makes a tensor part of the module that is no parameter: it moves with the module and is saved with it. It becomes
   * the property `name`, which the class should declare.
   *
   * @param options persistent: whether it belongs to the state dict, default true. key: what it is called there, by
   * default as the property: for PyTorch's `running_mean` in `runningMean`.
   */
  registerBuffer(name: string, tensor: Tensor | null, options?: { persistent?: boolean; key?: string }): void {
    const { persistent = true, key = name } = bufferOptions('registerBuffer', options, arguments.length > 3);
    if (tensor !== null) checkTensor(tensor, 'registerBuffer', name);
    this.#define('registerBuffer', name, tensor);
    this.#buffers.set(name, { key, persistent });
  }

  /** Makes a parameter the property `name`; as an assignment, for names that are computed. */
  registerParameter(name: string, parameter: Parameter | null): void {
    if (parameter !== null && !(parameter instanceof Parameter))
      throw new ArgumentError(`registerParameter: ${name} must be a Parameter or null`);
    this.#define('registerParameter', name, parameter);
  }

  /** Makes a module the property `name`; as an assignment, for names that are computed. */
  addModule(name: string, module: AnyModule): void {
    if (!(module instanceof Module)) throw new ArgumentError(`addModule: ${name} must be a Module`);
    this.#define('addModule', name, module);
  }

  #define(where: string, name: string, value: unknown): void {
    if (typeof name !== 'string' || name === '' || name.includes('.'))
      throw new ArgumentError(`${where}: a name must not be empty or contain a dot, got '${String(name)}'`);
    if (name in this && !Object.hasOwn(this, name))
      throw new ArgumentError(`${where}: '${name}' is a method of ${this.constructor.name}`);
    Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
  }

  *#own<T>(kind: abstract new (...args: never[]) => T): Generator<[name: string, value: T]> {
    for (const [name, value] of Object.entries(this)) if (value instanceof kind) yield [name, value];
  }

  #ownModules(): Generator<[name: string, module: AnyModule]> {
    return this.#own(Module) as Generator<[string, AnyModule]>;
  }

  *#ownTensors(kind: 'parameters' | 'buffers' | 'state'): Generator<[name: string, value: Tensor]> {
    if (kind !== 'buffers')
      for (const [name, p] of this.#own(Parameter)) if (!this.#buffers.has(name)) yield [name, p as Tensor];
    if (kind === 'parameters') return;
    const values = this as unknown as Record<string, unknown>;
    for (const [name, { key, persistent }] of this.#buffers) {
      const value = values[name];
      if (value instanceof Tensor && (persistent || kind === 'buffers')) yield [key, value as Tensor];
    }
  }

  /** The modules assigned to this one's properties, each once. */
  children(): AnyModule[] {
    return this.namedChildren().map(([, child]) => child);
  }
  /** The modules assigned to this one's properties, with the properties' names. */
  namedChildren(): [name: string, module: AnyModule][] {
    return unique(this.#ownModules());
  }

  /** This module, its children, theirs, and so on, each once. */
  modules(): AnyModule[] {
    return this.namedModules().map(([, module]) => module);
  }
  /** As modules(), with names: '' for this one, 'features.0' for a grandchild. */
  namedModules(prefix = ''): [name: string, module: AnyModule][] {
    return unique(this.#walk(prefix));
  }

  // Without `ancestors`, each module once; with them, under each of its names.
  *#walk(prefix: string, seen = new Set<AnyModule>(), ancestors?: Set<AnyModule>): Generator<[string, AnyModule]> {
    if (ancestors?.has(this)) throw new ArgumentError(`${this.constructor.name}: a module contains itself: ${prefix}`);
    if (!ancestors && seen.has(this)) return;
    seen.add(this);
    ancestors?.add(this);
    yield [prefix, this];
    for (const [name, child] of this.#ownModules()) yield* child.#walk(join(prefix, name), seen, ancestors);
    ancestors?.delete(this);
  }

  *#tensors(kind: 'parameters' | 'buffers' | 'state', prefix: string, recurse = true): Generator<[string, Tensor]> {
    const ancestors = kind === 'state' ? new Set<AnyModule>() : undefined;
    const self: Iterable<[string, AnyModule]> = [[prefix, this]];
    const modules = recurse ? this.#walk(prefix, new Set(), ancestors) : self;
    for (const [path, module] of modules)
      for (const [name, t] of module.#ownTensors(kind)) yield [join(path, name), t];
  }

  /** The module at a path such as 'features.0'. @throws ArgumentError when there is none */
  getSubmodule(path: string): AnyModule {
    return (path === '' ? [] : path.split('.')).reduce<AnyModule>((module, name) => {
      const child = Object.hasOwn(module, name) ? (module as unknown as Record<string, unknown>)[name] : undefined;
      if (child instanceof Module) return child;
      throw new ArgumentError(`getSubmodule: ${module.constructor.name} has no module '${name}' (in '${path}')`);
    }, this);
  }

  /** The parameter at a path such as 'features.0.weight'. @throws ArgumentError when there is none */
  getParameter(path: string): Parameter {
    return this.#lookUp('getParameter', path, 'parameters') as Parameter;
  }
  /** The buffer at a path, under its name in the state dict. @throws ArgumentError when there is none */
  getBuffer(path: string): Tensor {
    return this.#lookUp('getBuffer', path, 'buffers');
  }

  #lookUp(where: string, path: string, kind: 'parameters' | 'buffers'): Tensor {
    const at = path.lastIndexOf('.');
    const module = this.getSubmodule(at < 0 ? '' : path.slice(0, at));
    for (const [name, t] of module.#ownTensors(kind)) if (name === path.slice(at + 1)) return t;
    throw new ArgumentError(`${where}: ${module.constructor.name} has no ${kind.slice(0, -1)} '${path.slice(at + 1)}' (in '${path}')`);
  }

  /** All parameters, each once: what an optimizer is given. */
  parameters(recurse = true): Parameter[] {
    return this.namedParameters({ recurse }).map(([, p]) => p);
  }
  namedParameters(options?: NamesOptions): [name: string, parameter: Parameter][] {
    const { prefix = '', recurse = true } = namesOptions('namedParameters', options, arguments.length > 1);
    return unique(this.#tensors('parameters', prefix, recurse)) as [string, Parameter][];
  }
  /** All buffers, persistent or not, each once. */
  buffers(recurse = true): Tensor[] {
    return this.namedBuffers({ recurse }).map(([, b]) => b);
  }
  namedBuffers(options?: NamesOptions): [name: string, buffer: Tensor][] {
    const { prefix = '', recurse = true } = namesOptions('namedBuffers', options, arguments.length > 1);
    return unique(this.#tensors('buffers', prefix, recurse));
  }

  // ---- state -------------------------------------------------------------------------------------------------

  /**
   * Parameters and persistent buffers by name, under PyTorch's names for PyTorch's networks. The tensors share the
   * module's memory: clone() what is to be kept while training goes on.
   */
  stateDict(prefix = ''): StateDict {
    const result = Object.create(null) as StateDict;
    for (const [name, t] of this.#tensors('state', prefix)) {
      if (isDeferred(t)) throw new UninitializedError(`stateDict: ${name} ${NO_SHAPE_YET}`);
      result[name] = t.detach();
    }
    return result;
  }

  /**
   * Copies values into the parameters and persistent buffers, converted to their dtypes, devices and memory layouts.
   *
   * As in PyTorch, `num_batches_tracked` may be missing in a dictionary that tells no versions of its modules, or old
   * ones; the count is then kept.
   *
   * @param options strict: whether missing and unexpected names are errors; default true
   * @returns the missing and the unexpected names
   * @throws StateDictError that lists what is missing, unexpected or misshapen; the module is then as it was
   */
  loadStateDict(state: Readonly<StateDict>, options?: { strict?: boolean }): KeyReport {
    const { strict = true } = loadOptions('loadStateDict', options, arguments.length > 2);
    const { report, commit } = this.prepareLoad(state, { strict });
    commit();
    return report;
  }

  /** @internal Checks everything; `commit` does the loading. */
  prepareLoad(state: Readonly<StateDict>, rules: FitRules): { report: KeyReport; commit: () => void } {
    const where = 'loadStateDict';
    if (typeof state !== 'object' || state === null)
      throw new ArgumentError(`${where}: expected an object of tensors, got ${String(state)}`);
    const present = new Map(this.#tensors('state', ''));
    const offered = new Map(Object.entries(state).map(([name, t]) => [name, checkTensor(t, where, name)]));
    // What has no shape yet takes that of its values.
    const fitted = new Map<string, TensorInfo>(
      [...present].map(([name, t]) => [name, { dtype: t.dtype, shape: (isDeferred(t) && offered.get(name)?.shape) || t.shape }]),
    );
    const report = checkFit(fitted, offered, `${where}: the values do not fit ${this.constructor.name}:`, {
      versions: versionsOf(state),
      ...rules,
    });
    const pairs = [...present].flatMap(([name, t]) => (offered.has(name) ? [[t, offered.get(name)!] as const] : []));
    const copy = stageValues(pairs, where);
    const commit = () => {
      for (const [t, source] of pairs) if (isDeferred(t)) materialize(t, source.shape);
      copy();
    };
    return { report, commit };
  }

  // ---- modes and places --------------------------------------------------------------------------------------

  /** Sets `training` here and in all modules below. */
  train(mode = true): this {
    if (typeof mode !== 'boolean') throw new ArgumentError(`train: mode must be true or false, got ${show(mode)}`);
    for (const module of this.modules()) module.training = mode;
    return this;
  }
  /** train(false): layers such as Dropout act as in use. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Moves parameters, buffers and gradients to a device, converts those that are floating to a dtype, or both. They
   * stay the same objects, so an optimizer may have been made before.
   *
   * @throws DTypeError for a dtype that is not floating; DeviceError when the device cannot be used
   */
  to(target: FloatDType | DeviceLike | { dtype?: FloatDType; device?: DeviceLike }): this {
    noMore('to', arguments.length > 1, 'a dtype and a device are given as one object');
    const options = targetOf(target);
    if (options.dtype !== undefined && !isFloating(checkDType(options.dtype, 'to')))
      throw new DTypeError(`to: a module's dtype must be floating, got ${options.dtype}`);
    if (options.device !== undefined) options.device = toDevice(options.device);
    withoutGrad(() => {
      for (const t of [...this.parameters(), ...this.buffers()]) {
        const grad = t.grad;
        if (convert(t as Tensor, options) && grad) convert(grad as Tensor, options);
      }
    });
    return this;
  }

  /** to('float32') */
  float(): this {
    return this.to('float32');
  }
  /** to('float64') */
  double(): this {
    return this.to('float64');
  }
  /** to('float16') */
  half(): this {
    return this.to('float16');
  }
  /** to('bfloat16') */
  bfloat16(): this {
    return this.to('bfloat16');
  }
  /** to('cpu') */
  cpu(): this {
    return this.to('cpu');
  }
  /** to('cuda'), or another GPU by number. @throws DeviceError when there is none */
  cuda(index = 0): this {
    return this.to(`cuda:${index}`);
  }

  /** Forgets all gradients and frees their memory. */
  zeroGrad(): void {
    for (const p of this.parameters()) dropGrad(p as Tensor);
  }

  /** Sets requiresGrad of all parameters: false freezes the module. */
  requiresGrad_(value = true): this {
    for (const p of this.parameters()) p.requiresGrad = value;
    return this;
  }

  /** Calls `fn` with every module below and then with this one: to initialise them, for instance. */
  apply(fn: (module: AnyModule) => void): this {
    checkCallable(fn, 'apply', 'fn');
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  // ---- hooks -------------------------------------------------------------------------------------------------

  /**
   * Calls `hook` before every forward(); what it returns, if anything, replaces the arguments.
   * @returns a function that removes the hook
   */
  registerForwardPreHook(hook: (module: this, args: A) => A | void): () => void {
    return addHook(this, 'before', hook);
  }
  /**
   * Calls `hook` after every forward(); what it returns, if anything, replaces the result.
   * @returns a function that removes the hook
   */
  registerForwardHook(hook: (module: this, args: A, output: R) => R | void): () => void {
    return addHook(this, 'after', hook);
  }

  /**
   * Calls `hook` when the gradients with respect to the module's results are there, before its own are computed; what it
   * returns, if anything, replaces them.
   *
   * @param hook gradOutput: one for each result, null where it has none
   * @returns a function that removes the hook
   */
  registerFullBackwardPreHook(
    hook: (module: this, gradOutput: ModuleGradients) => ModuleGradients | Tensor | void,
  ): () => void {
    return addHook(this, 'beforeBackward', hook);
  }
  /**
   * Calls `hook` when the gradients with respect to the module's arguments have been computed; what it returns, if
   * anything, replaces them. Arguments and results are looked at one level deep: tensors inside objects are not.
   *
   * @param hook gradInput: one for each argument, null for what is no tensor or needs no gradient; gradOutput: one for
   * each result
   * @returns a function that removes the hook
   * @throws ArgumentError, from forward(), when the module returns neither a tensor nor an array of tensors
   */
  registerFullBackwardHook(
    hook: (module: this, gradInput: ModuleGradients, gradOutput: ModuleGradients) => ModuleGradients | Tensor | void,
  ): () => void {
    return addHook(this, 'afterBackward', hook);
  }

  // ---- printing ----------------------------------------------------------------------------------------------

  /** What toString() says of the module itself, beside its children. */
  extraRepr(): string {
    return '';
  }

  /** The children as toString() shows them. */
  protected childLines(): string[] {
    return [...this.#ownModules()].map(([name, child]) => `(${name}): ${indent(child.toString())}`);
  }

  /** The module's structure, as PyTorch prints it. */
  toString(): string {
    const extra = this.extraRepr();
    const children = this.childLines();
    const name = this.constructor.name;
    if (children.length === 0 && !extra.includes('\n')) return `${name}(${extra})`;
    const lines = [...(extra ? extra.split('\n') : []), ...children];
    return `${name}(\n  ${lines.join('\n  ')}\n)`;
  }
  [inspect.custom](): string {
    return this.toString();
  }
}

function unique<T>(entries: Iterable<[string, T]>): [string, T][] {
  const seen = new Set<T>();
  return [...entries].filter(([, value]) => !seen.has(value) && seen.add(value));
}

const join = (prefix: string, name: string): string => (prefix === '' ? name : `${prefix}.${name}`);

/** @internal The lines after the first moved right, as PyTorch does. */
export const indent = (text: string): string => text.replaceAll('\n', '\n  ');

function targetOf(target: unknown): ToOptions {
  if (typeof target === 'string')
    return dtypes.includes(target as DType) ? { dtype: target as DType } : { device: target as DeviceLike };
  if (typeof target !== 'object' || target === null)
    throw new ArgumentError(`to: expected a device, a dtype or both, got ${String(target)}`);
  return 'type' in target ? { device: target as DeviceLike } : { ...toOptions('to', target) };
}

// Says whether anything changed.
function convert(t: Tensor, { dtype, device }: ToOptions): boolean {
  const options: ToOptions = { ...(device === undefined ? {} : { device }) };
  if (dtype !== undefined && isFloating(t.dtype)) options.dtype = dtype;
  if (isDeferred(t)) {
    Object.assign(t, options);
    return false;
  }
  const moved = to(t, options);
  if (moved === t) return false;
  rebind(t, moved);
  moved.dispose();
  return true;
}

/** @internal Forgets a gradient and frees its memory, without waiting for a collection. */
export function dropGrad(t: Tensor): void {
  const leaves = recordingNow()?.leaves;
  if (leaves && !leaves.has(t)) leaves.set(t, DROPPED);
  t.grad?.dispose();
  t.grad = null;
}

// SPDX-License-Identifier: Apache-2.0
// Containers of modules and parameters for a module that uses them itself.
import { ArgumentError, UnsupportedError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { Module, type AnyModule } from './module.js';
import { Parameter } from './parameter.js';

// The properties of a container that are of a kind, by name.
function entriesOf<T>(container: object, kind: abstract new (...args: never[]) => T): [name: string, value: T][] {
  return Object.entries(container).filter((entry): entry is [string, T] => entry[1] instanceof kind);
}

// The names and values of an object, a Map or a list of pairs.
function pairsOf<T>(values: Readonly<Record<string, T>> | Iterable<readonly [string, T]>): Iterable<readonly [string, T]> {
  return Symbol.iterator in values ? values : Object.entries(values);
}

/** Modules by name, for a network that calls them itself. */
export class ModuleDict<M extends AnyModule = Module> extends Module<never, never> implements Iterable<[string, M]> {
  constructor(modules: Readonly<Record<string, M>> | Iterable<readonly [string, M]> = {}) {
    noMore(new.target.name, arguments.length > 1);
    super();
    this.update(modules);
  }

  get size(): number {
    return this.entries().length;
  }
  has(name: string): boolean {
    return Object.hasOwn(this, name) && (this as unknown as Record<string, unknown>)[name] instanceof Module;
  }
  /** The module of a name. @throws ArgumentError when there is none */
  get(name: string): M {
    if (!this.has(name)) throw new ArgumentError(`get: there is no module '${name}' among ${this.keys().join(', ') || 'none'}`);
    return (this as unknown as Record<string, M>)[name]!;
  }
  /** Adds a module, or puts it in the place of the one of that name. */
  set(name: string, module: M): this {
    this.addModule(name, module);
    return this;
  }
  /** Adds several. */
  update(modules: Readonly<Record<string, M>> | Iterable<readonly [string, M]>): this {
    for (const [name, module] of pairsOf(modules)) this.addModule(name, module);
    return this;
  }
  /** Takes a module out and returns it. @throws ArgumentError when there is none */
  pop(name: string): M {
    const module = this.get(name);
    delete (this as unknown as Record<string, unknown>)[name];
    return module;
  }
  keys(): string[] {
    return this.entries().map(([name]) => name);
  }
  values(): M[] {
    return this.entries().map(([, module]) => module);
  }
  entries(): [string, M][] {
    return entriesOf<AnyModule>(this, Module) as [string, M][];
  }
  [Symbol.iterator](): ArrayIterator<[string, M]> {
    return this.entries()[Symbol.iterator]();
  }

  forward(): never {
    throw new UnsupportedError('ModuleDict: it computes nothing by itself; call its modules');
  }
}

const describe = (p: Parameter): string => {
  const name = { float16: 'Half', bfloat16: 'BFloat16', float32: 'Float', float64: 'Double' }[p.dtype as string];
  return `Parameter containing: [torch.${name}Tensor of size ${p.shape.join('x')}${p.device.type === 'cuda' ? ` (${String(p.device)})` : ''}]`;
};

const parameterOf = (value: Tensor): Parameter => (value instanceof Parameter ? value : new Parameter(value as Tensor));

/** Parameters in order, named '0', '1' and so on, for a module that uses them itself. */
export class ParameterList extends Module<never, never> implements Iterable<Parameter> {
  /** @param values parameters, or tensors to make parameters of */
  constructor(values: Iterable<Tensor> = []) {
    noMore(new.target.name, arguments.length > 1);
    super();
    this.append(...values);
  }

  #all(): Parameter[] {
    return entriesOf(this, Parameter).map(([, p]) => p);
  }
  get length(): number {
    return this.#all().length;
  }
  /** The parameter at a position; negative ones count from the end. @throws ArgumentError when there is none */
  at(index: number): Parameter {
    const all = this.#all();
    const found = Number.isInteger(index) ? all.at(index) : undefined;
    if (!found) throw new ArgumentError(`at: there is no parameter ${index} among ${all.length}`);
    return found;
  }
  /** Puts another parameter in the place of one. @throws ArgumentError when there is none */
  set(index: number, value: Tensor): this {
    this.at(index);
    this.registerParameter(String(index < 0 ? index + this.length : index), parameterOf(value));
    return this;
  }
  append(...values: Tensor[]): this {
    for (const value of values) this.registerParameter(String(this.length), parameterOf(checkTensor(value, 'append', 'a parameter')));
    return this;
  }
  [Symbol.iterator](): ArrayIterator<Parameter> {
    return this.#all()[Symbol.iterator]();
  }

  forward(): never {
    throw new UnsupportedError('ParameterList: a list computes nothing by itself');
  }
  protected override childLines(): string[] {
    return this.#all().map((p, i) => `(${i}): ${describe(p)}`);
  }
}

/** Parameters by name, for a module that uses them itself. */
export class ParameterDict extends Module<never, never> implements Iterable<[string, Parameter]> {
  /** @param values parameters, or tensors to make parameters of */
  constructor(values: Readonly<Record<string, Tensor>> | Iterable<readonly [string, Tensor]> = {}) {
    noMore(new.target.name, arguments.length > 1);
    super();
    for (const [name, value] of pairsOf(values)) this.set(name, value);
  }

  get size(): number {
    return this.entries().length;
  }
  has(name: string): boolean {
    return Object.hasOwn(this, name) && (this as unknown as Record<string, unknown>)[name] instanceof Parameter;
  }
  /** The parameter of a name. @throws ArgumentError when there is none */
  get(name: string): Parameter {
    if (!this.has(name)) throw new ArgumentError(`get: there is no parameter '${name}' among ${this.keys().join(', ') || 'none'}`);
    return (this as unknown as Record<string, Parameter>)[name]!;
  }
  set(name: string, value: Tensor): this {
    this.registerParameter(name, parameterOf(checkTensor(value, 'set', 'a parameter')));
    return this;
  }
  /** Takes a parameter out and returns it. @throws ArgumentError when there is none */
  pop(name: string): Parameter {
    const parameter = this.get(name);
    delete (this as unknown as Record<string, unknown>)[name];
    return parameter;
  }
  keys(): string[] {
    return this.entries().map(([name]) => name);
  }
  values(): Parameter[] {
    return this.entries().map(([, p]) => p);
  }
  entries(): [string, Parameter][] {
    return entriesOf(this, Parameter);
  }
  [Symbol.iterator](): ArrayIterator<[string, Parameter]> {
    return this.entries()[Symbol.iterator]();
  }

  forward(): never {
    throw new UnsupportedError('ParameterDict: it computes nothing by itself');
  }
  protected override childLines(): string[] {
    return this.entries().map(([name, p]) => `(${name}): ${describe(p)}`);
  }
}

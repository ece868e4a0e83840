// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, UnsupportedError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import type { Tensor } from '../tensor/tensor.js';
import { fusedFrom } from './fused.js';
import { located } from './locate.js';
import { indent, Module, type AnyModule } from './module.js';

/** Modules in order, as children '0', '1' and so on. */
abstract class ModuleArray<M extends AnyModule, A extends unknown[], R> extends Module<A, R> implements Iterable<M> {
  #names(): string[] {
    const values = this as unknown as Record<string, unknown>;
    return Object.keys(this).filter((name) => values[name] instanceof Module);
  }
  #at(index: number, where: string): string {
    const names = this.#names();
    const name = Number.isInteger(index) ? names.at(index) : undefined;
    if (name === undefined) throw new ArgumentError(`${where}: there is no module ${index} among ${names.length}`);
    return name;
  }

  protected get layers(): M[] {
    const values = this as unknown as Record<string, M>;
    return this.#names().map((name) => values[name]!);
  }

  get length(): number {
    return this.#names().length;
  }
  /** The module at a position; negative ones count from the end. @throws ArgumentError when there is none */
  at(index: number): M {
    return (this as unknown as Record<string, M>)[this.#at(index, 'at')]!;
  }
  /** Puts another module in the place of one: to give a trained network a new last layer, for instance. */
  set(index: number, module: M): this {
    this.addModule(this.#at(index, 'set'), module);
    return this;
  }
  append(...modules: M[]): this {
    for (const module of modules) this.addModule(String(this.length), module);
    return this;
  }
  [Symbol.iterator](): ArrayIterator<M> {
    return this.layers[Symbol.iterator]();
  }
}

type InputOf<L extends readonly AnyModule[]> = L extends readonly [Module<infer A, infer _R>, ...unknown[]] ? A : [x: Tensor];
type OutputOf<L extends readonly AnyModule[]> = L extends readonly [...unknown[], Module<infer _A, infer R>] ? R : Tensor;
/** Whether each module takes what the one before it returns. */
type Chains<L extends readonly unknown[]> = L extends readonly [Module<infer _A, infer R>, infer Next extends AnyModule, ...infer Rest]
  ? [R] extends Parameters<Next['forward']>
    ? Chains<[Next, ...Rest]>
    : false
  : true;

/**
 * Modules one after the other: each gets the result of the one before. Their types must fit together.
 *
 * ```ts
 * new nn.Sequential(new nn.Linear(784, 100), new nn.ReLU(), new nn.Linear(100, 10))
 * ```
 * Children are named '0', '1' and so on, or as the keys of `Sequential.named({ conv: ..., pool: ... })`.
 */
export class Sequential<L extends readonly AnyModule[] = readonly Module[]> extends ModuleArray<
  AnyModule,
  InputOf<L>,
  OutputOf<L>
> {
  constructor(...layers: Chains<L> extends true ? L : never) {
    super();
    this.append(...layers);
  }

  /** With names of their own for the children. */
  static named(layers: Readonly<Record<string, Module>>): Sequential {
    noMore('Sequential.named', arguments.length > 1);
    const result = new Sequential();
    for (const [name, layer] of Object.entries(layers)) result.addModule(name, layer);
    return result;
  }

  forward(...args: InputOf<L>): OutputOf<L> {
    const { layers } = this;
    let values: unknown[] = args;
    let i = 0;
    try {
      while (i < layers.length) {
        const fused = fusedFrom(layers, i);
        values = [fused ? fused.run(values[0] as Tensor) : layers[i]!.forward(...values)];
        i += fused?.count ?? 1;
      }
    } catch (error) {
      throw located(error, layers[i]!); // layers that are computed at once are not called
    }
    return values[0] as OutputOf<L>;
  }
}

/** A list of modules for a network that calls them itself. */
export class ModuleList<M extends AnyModule = Module> extends ModuleArray<M, never, never> {
  constructor(modules: Iterable<M> = []) {
    noMore(new.target.name, arguments.length > 1);
    super();
    this.append(...modules);
  }

  forward(): never {
    throw new UnsupportedError('ModuleList: a list computes nothing by itself; call its modules');
  }

  // Equal neighbours on one line, as PyTorch does.
  protected override childLines(): string[] {
    const runs: { text: string; first: number; last: number }[] = [];
    this.layers.forEach((module, i) => {
      const text = module.toString();
      const previous = runs.at(-1);
      if (previous?.text === text) previous.last = i;
      else runs.push({ text, first: i, last: i });
    });
    return runs.map(({ text, first, last }) =>
      first === last ? `(${first}): ${indent(text)}` : `(${first}-${last}): ${last - first + 1} x ${indent(text)}`,
    );
  }
}

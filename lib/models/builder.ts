// SPDX-License-Identifier: Apache-2.0
// How the functions of models.* are made: a network from its options, or from a file of weights.
import { loadWeights, openWeights, type Rename } from '../io/weights.js';
import { ArgumentError } from '../native/errors.js';
import { kind, number, optionsOf, type OptionsOf } from '../native/options.js';
import type { Module } from '../nn/module.js';
import type { TensorInfo } from '../nn/state.js';

export interface ClassifierOptions {
  /** How many scores there are for each image. Default 10 for the small networks, 1000 for ImageNet's. */
  numClasses?: number;
}
/** @internal */
export const classifierOptions = optionsOf<ClassifierOptions>({ numClasses: number });

/** Where a network's weights come from. */
export interface WeightsOptions {
  /**
   * A file of weights by PyTorch's names: safetensors, torch.save() or the index of several. Without it, the network
   * starts from random weights.
   */
  weights?: string;
}

/**
 * A function that makes a network: at once with random weights, as a promise with `weights` from a file.
 *
 * With a file, the number of classes is the file's.
 *
 * @throws ArgumentError when `numClasses` is given and the file has another number; FileError, FormatError or
 * StateDictError when the file cannot be read or does not fit
 */
export interface Builder<O extends object, M> {
  (options: O & { weights: string }): Promise<M>;
  (options?: O & { weights?: undefined }): M;
}

/** What a file has, by the network's names. */
type Tensors = ReadonlyMap<string, TensorInfo>;

interface Recipe<O extends object, M> {
  options: OptionsOf<O>;
  make: (options: O) => M;
  /** The path of the last layer, whose outputs are the classes. */
  head: string;
  /** The names in published files that differ from the network's. */
  rename?: Rename;
  /** Options that are other by default when the values come from this file. */
  fromFile?: (options: O, tensors: Tensors) => O;
  /** What is done with a network when its weights have been read. */
  afterwards?: (model: M, options: O) => void;
}

/** @internal */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a network of any signature
export function builder<O extends ClassifierOptions, M extends Module<any, any>>(
  name: string,
  recipe: Recipe<O, M>,
): Builder<O, M> {
  const { make, head, rename, fromFile, afterwards } = recipe;
  const check = optionsOf<object>({ ...recipe.options.schema, weights: kind('the path of a file', (v) => typeof v === 'string') });
  async function load(path: string, options: O): Promise<M> {
    const tensors = await tensorsOf(path, rename);
    const classes = tensors.get(`${head}.weight`)?.shape[0];
    const { numClasses } = options;
    if (classes !== undefined && numClasses !== undefined && numClasses !== classes)
      throw new ArgumentError(
        `${name}: numClasses is ${numClasses}, but ${path} has ${classes}. Leave numClasses out, and then put another ` +
          `layer in the place of '${head}' to train it for other classes`,
      );
    const known = classes === undefined ? options : { ...options, numClasses: classes };
    const model = make(fromFile ? fromFile(known, tensors) : known);
    await loadWeights(model, path, rename ? { rename } : {});
    afterwards?.(model, options);
    return model;
  }
  const build = function (options?: O & WeightsOptions): M | Promise<M> {
    const { weights, ...rest } = check(name, options, arguments.length > 1);
    if (weights === undefined) return make(rest as unknown as O);
    return load(weights, rest as unknown as O);
  };
  return Object.defineProperty(build, 'name', { value: name }) as Builder<O, M>;
}

async function tensorsOf(path: string, rename: Rename = (name) => name): Promise<Tensors> {
  const file = await openWeights(path);
  try {
    return new Map([...file.tensors].flatMap(([name, info]) => {
      const known = rename(name);
      return known === null ? [] : [[known, info]];
    }));
  } finally {
    await file.close();
  }
}

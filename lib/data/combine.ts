// SPDX-License-Identifier: Apache-2.0
// Datasets made of others.
import { ArgumentError, IndexError } from '../native/errors.js';
import { instance, noMore, optionsOf, show } from '../native/options.js';
import type { Dataset } from './dataset.js';
import { defaultGenerator, Generator } from './generator.js';
import { registerPortable } from './workers/portable.js';

function checkDataset(dataset: unknown, where: string): void {
  const given = dataset as Partial<Dataset> | null | undefined;
  if (typeof given?.length !== 'number' || typeof given.get !== 'function')
    throw new ArgumentError(`${where}: expected a dataset, with a length and get(), got ${show(dataset)}`);
}

/** Some samples of another dataset, by position. */
export class Subset<T> implements Dataset<T> {
  /** @throws IndexError for a position that the dataset does not have */
  constructor(
    readonly dataset: Dataset<T>,
    readonly indices: ArrayLike<number>,
  ) {
    noMore(new.target.name, arguments.length > 2);
    checkDataset(dataset, new.target.name);
    if (typeof (indices as Partial<ArrayLike<number>> | null | undefined)?.length !== 'number' || typeof indices !== 'object')
      throw new ArgumentError(`${new.target.name}: indices must be an array of positions, got ${show(indices)}`);
    for (let k = 0; k < indices.length; k++) {
      const i = indices[k]!;
      if (!Number.isInteger(i) || i < 0 || i >= dataset.length)
        throw new IndexError(`Subset: index ${i} is out of range for ${dataset.length} samples`);
    }
  }
  get length(): number {
    return this.indices.length;
  }
  get(index: number, random?: Generator): T | Promise<T> {
    const i = this.indices[index];
    if (i === undefined) throw new IndexError(`Subset: index ${index} is out of range for ${this.length} samples`);
    return this.dataset.get(i, random);
  }
  skips(error: unknown): boolean {
    return this.dataset.skips?.(error) ?? false;
  }
  /** @internal */
  parts(): unknown {
    return [this.dataset, this.indices];
  }
  /** @internal */
  static fromParts(parts: unknown): Subset<unknown> {
    return new Subset(...(parts as [Dataset, ArrayLike<number>]));
  }
}

/** The samples of several datasets, one after the other. */
export class ConcatDataset<T> implements Dataset<T> {
  /** Where each dataset ends. */
  readonly cumulativeSizes: readonly number[];

  /** @throws ArgumentError for no dataset at all */
  constructor(readonly datasets: readonly Dataset<T>[]) {
    noMore(new.target.name, arguments.length > 1);
    if (!Array.isArray(datasets)) throw new ArgumentError(`ConcatDataset: expected an array of datasets, got ${show(datasets)}`);
    for (const dataset of datasets) checkDataset(dataset, new.target.name);
    if (datasets.length === 0) throw new ArgumentError('ConcatDataset: expected at least one dataset');
    let total = 0;
    this.cumulativeSizes = datasets.map((dataset) => (total += dataset.length));
  }
  get length(): number {
    return this.cumulativeSizes.at(-1)!;
  }
  get(index: number, random?: Generator): T | Promise<T> {
    if (!Number.isInteger(index) || index < 0 || index >= this.length)
      throw new IndexError(`ConcatDataset: index ${index} is out of range for ${this.length} samples`);
    const part = this.cumulativeSizes.findIndex((end) => index < end);
    return this.datasets[part]!.get(index - (part === 0 ? 0 : this.cumulativeSizes[part - 1]!), random);
  }
  skips(error: unknown): boolean {
    return this.datasets.some((dataset) => dataset.skips?.(error));
  }
  /** @internal */
  parts(): unknown {
    return this.datasets;
  }
  /** @internal */
  static fromParts(parts: unknown): ConcatDataset<unknown> {
    return new ConcatDataset(parts as Dataset[]);
  }
}

const splitOptions = optionsOf<{ generator?: Generator }>({ generator: instance(Generator, 'a Generator') });

/**
 * Splits a dataset at random.
 *
 * @param lengths numbers of samples, which must sum to the dataset's length, or fractions that sum to 1: each is
 * rounded down, and what is left goes to the first parts, one sample each
 * @param options generator: what to draw from; default: one that begins with manualSeed()
 * @throws ArgumentError for lengths that do not sum up
 */
export function randomSplit<T>(
  dataset: Dataset<T>,
  lengths: readonly number[],
  options?: { generator?: Generator },
): Subset<T>[] {
  const { generator = defaultGenerator() } = splitOptions('randomSplit', options, arguments.length > 3);
  checkDataset(dataset, 'randomSplit');
  if (!Array.isArray(lengths)) throw new ArgumentError(`randomSplit: lengths must be an array of numbers, got ${show(lengths)}`);
  const n = dataset.length;
  const sum = lengths.reduce((a, b) => a + b, 0);
  let counts = [...lengths];
  if (lengths.some((x) => !Number.isFinite(x) || x < 0))
    throw new ArgumentError(`randomSplit: lengths must be non-negative, got ${lengths.join(', ')}`);
  if (lengths.some((x) => !Number.isInteger(x)) || (Math.abs(sum - 1) < 1e-9 && n !== 1)) {
    if (Math.abs(sum - 1) > 1e-9) throw new ArgumentError(`randomSplit: fractions must sum to 1, got ${sum}`);
    counts = lengths.map((x) => Math.floor(n * x));
    const left = n - counts.reduce((a, b) => a + b, 0);
    for (let i = 0; i < left; i++) counts[i % counts.length]!++;
  } else if (sum !== n) {
    throw new ArgumentError(`randomSplit: lengths must sum to the dataset's ${n} samples, got ${sum}`);
  }
  const order = generator.permutation(n);
  let start = 0;
  return counts.map((size) => new Subset(dataset, order.subarray(start, (start += size))));
}

registerPortable(Subset, ConcatDataset);

// SPDX-License-Identifier: Apache-2.0
// Which samples come when. A sampler is iterated once an epoch and gets that epoch's generator.
import { ArgumentError } from '../native/errors.js';
import { boolean, noMore, number, optionsOf, required, show } from '../native/options.js';
import { Generator } from './generator.js';

/** Positions of samples, in the order of one epoch. */
export interface Sampler {
  /** How many positions an epoch has. */
  readonly length: number;
  /**
   * @param generator what to draw from: the same state gives the same order
   * @param epoch from 0
   */
  indices(generator: Generator, epoch: number): Iterable<number>;
}

/** Positions of samples, batch by batch. */
export interface BatchingSampler {
  /** How many batches an epoch has. */
  readonly length: number;
  batches(generator: Generator, epoch: number): Iterable<readonly number[] | Int32Array>;
}

const count = (value: number, where: string, name: string, min = 1): number => {
  if (Number.isInteger(value) && value >= min) return value;
  throw new ArgumentError(`${where}: ${name} must be an integer of at least ${min}, got ${value}`);
};

const weightedOptions = optionsOf<{ replacement?: boolean }>({ replacement: boolean });

function checkLength(source: unknown, where: string): void {
  const length = (source as { length?: unknown } | null | undefined)?.length;
  if (typeof source !== 'object' || !Number.isSafeInteger(length) || (length as number) < 0)
    throw new ArgumentError(`${where}: expected what has a length, got ${show(source)}`);
}

/** 0, 1, 2, ... */
export class SequentialSampler implements Sampler {
  constructor(readonly source: { readonly length: number }) {
    noMore(new.target.name, arguments.length > 1);
    checkLength(source, new.target.name);
  }
  get length(): number {
    return this.source.length;
  }
  *indices(): Iterable<number> {
    for (let i = 0; i < this.source.length; i++) yield i;
  }
}

export interface RandomSamplerOptions {
  /** Draw each position from all, so that some come twice. Default false: a permutation. */
  replacement?: boolean;
  /** Positions in an epoch; without replacement, further permutations follow the first. Default: the dataset's length. */
  numSamples?: number;
}
const randomSamplerOptions = optionsOf<RandomSamplerOptions>({ replacement: boolean, numSamples: number });

/** All samples in random order, or draws with replacement. */
export class RandomSampler implements Sampler {
  readonly replacement: boolean;
  private readonly numSamples: number | undefined;

  /** @throws ArgumentError for a numSamples that is no positive integer */
  constructor(
    readonly source: { readonly length: number },
    options?: RandomSamplerOptions,
  ) {
    const { replacement = false, numSamples } = randomSamplerOptions(new.target.name, options, arguments.length > 2);
    checkLength(source, new.target.name);
    this.replacement = replacement;
    this.numSamples = numSamples === undefined ? undefined : count(numSamples, 'RandomSampler', 'numSamples');
  }
  get length(): number {
    return this.source.length === 0 ? 0 : (this.numSamples ?? this.source.length);
  }
  *indices(generator: Generator): Iterable<number> {
    const n = this.source.length;
    let left = this.length;
    if (this.replacement) for (; left > 0; left--) yield generator.below(n);
    for (; left > 0; left -= n) yield* generator.permutation(n).subarray(0, Math.min(n, left));
  }
}

/** The given positions in random order. */
export class SubsetRandomSampler implements Sampler {
  constructor(readonly positions: readonly number[]) {
    noMore(new.target.name, arguments.length > 1);
    checkLength(positions, new.target.name);
  }
  get length(): number {
    return this.positions.length;
  }
  *indices(generator: Generator): Iterable<number> {
    for (const i of generator.permutation(this.positions.length)) yield this.positions[i]!;
  }
}

/**
 * Positions drawn with probabilities in proportion to weights, which need not sum to 1.
 */
export class WeightedRandomSampler implements Sampler {
  private readonly weights: Float64Array;
  readonly length: number;
  readonly replacement: boolean;

  /**
   * @param weights one per sample
   * @param numSamples positions in an epoch
   * @throws ArgumentError for weights that are negative, not finite or all 0, and when more positions are asked for
   * without replacement than have a weight
   */
  constructor(weights: ArrayLike<number>, numSamples: number, options?: { replacement?: boolean }) {
    const { replacement = true } = weightedOptions(new.target.name, options, arguments.length > 3);
    checkLength(weights, new.target.name);
    this.weights = Float64Array.from(weights);
    this.length = count(numSamples, 'WeightedRandomSampler', 'numSamples');
    this.replacement = replacement;
    let positive = 0;
    for (const w of this.weights) {
      if (!(w >= 0 && w < Infinity)) throw new ArgumentError(`WeightedRandomSampler: weights must be non-negative, got ${w}`);
      if (w > 0) positive++;
    }
    if (positive === 0) throw new ArgumentError('WeightedRandomSampler: at least one weight must be positive');
    if (!replacement && numSamples > positive)
      throw new ArgumentError(
        `WeightedRandomSampler: ${numSamples} samples without replacement, but only ${positive} have a positive weight`,
      );
  }

  *indices(generator: Generator): Iterable<number> {
    if (this.replacement) yield* this.draws(generator);
    else yield* this.order(generator);
  }

  private *draws(generator: Generator): Iterable<number> {
    const sums = new Float64Array(this.weights.length);
    let total = 0;
    this.weights.forEach((w, i) => (sums[i] = total += w));
    for (let k = 0; k < this.length; k++) {
      const x = generator.random() * total;
      let low = 0;
      let high = sums.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (sums[middle]! > x) high = middle;
        else low = middle + 1;
      }
      yield low;
    }
  }

  // Efraimidis and Spirakis, "Weighted random sampling with a reservoir", Inf. Process. Lett. 97, 2006: the largest of
  // log(u) / w are a weighted draw without replacement.
  private order(generator: Generator): number[] {
    const keys = Array.from(this.weights, (w) => (w > 0 ? Math.log(1 - generator.random()) / w : -Infinity));
    return Array.from(keys.keys())
      .sort((i, j) => keys[j]! - keys[i]!)
      .slice(0, this.length);
  }
}

/** Batches of another sampler's positions. */
export class BatchSampler implements BatchingSampler {
  /** @throws ArgumentError for a batchSize that is no positive integer */
  constructor(
    readonly sampler: Sampler,
    readonly batchSize: number,
    readonly dropLast = false,
  ) {
    noMore(new.target.name, arguments.length > 3);
    count(batchSize, 'BatchSampler', 'batchSize');
  }
  get length(): number {
    const n = this.sampler.length / this.batchSize;
    return this.dropLast ? Math.floor(n) : Math.ceil(n);
  }
  *batches(generator: Generator, epoch: number): Iterable<number[]> {
    let batch: number[] = [];
    for (const i of this.sampler.indices(generator, epoch)) {
      batch.push(i);
      if (batch.length === this.batchSize) {
        yield batch;
        batch = [];
      }
    }
    if (batch.length > 0 && !this.dropLast) yield batch;
  }
}

export interface DistributedSamplerOptions {
  /** Processes that share the dataset. */
  numReplicas: number;
  /** Which of them this is, from 0. */
  rank: number;
  /** Default true: a new order each epoch, the same in all processes. */
  shuffle?: boolean;
  /** Seed of that order, the same in all processes. Default 0. */
  seed?: number;
  /** Leave samples out where the dataset does not divide evenly; default false: repeat some. */
  dropLast?: boolean;
}
const distributedSamplerOptions = optionsOf<DistributedSamplerOptions>({
  numReplicas: required(number),
  rank: required(number),
  shuffle: boolean,
  seed: number,
  dropLast: boolean,
});

/** One process's share of a dataset: every process gets as many positions, and together they get them all. */
export class DistributedSampler implements Sampler {
  readonly numReplicas: number;
  readonly rank: number;
  readonly length: number;
  private readonly shuffle: boolean;
  private readonly seed: number;
  private epoch: number | undefined;

  /** @throws ArgumentError for a rank outside [0, numReplicas) */
  constructor(
    readonly source: { readonly length: number },
    options: DistributedSamplerOptions,
  ) {
    const { numReplicas, rank, shuffle = true, seed = 0, dropLast = false } = distributedSamplerOptions(new.target.name, options, arguments.length > 2);
    this.numReplicas = count(numReplicas, 'DistributedSampler', 'numReplicas');
    this.rank = count(rank, 'DistributedSampler', 'rank', 0);
    if (rank >= numReplicas)
      throw new ArgumentError(`DistributedSampler: rank must be in [0, ${numReplicas - 1}], got ${rank}`);
    this.shuffle = shuffle;
    this.seed = seed;
    const n = source.length;
    // As PyTorch does: dropping, the tail that not every process could get.
    this.length = dropLast ? Math.floor(n / numReplicas) : Math.ceil(n / numReplicas);
  }

  /** The epoch whose order comes next. Default: the loader's. */
  setEpoch(epoch: number): void {
    this.epoch = count(epoch, 'DistributedSampler', 'epoch', 0);
  }

  // The generator of the loader is not used: it need not be the same in all processes.
  *indices(_: Generator, epoch: number): Iterable<number> {
    const n = this.source.length;
    const order = this.shuffle ? new Generator(this.seed, this.epoch ?? epoch).permutation(n) : undefined;
    for (let k = 0; k < this.length; k++) {
      const i = (this.rank + k * this.numReplicas) % n;
      yield order ? order[i]! : i;
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { initialSeed } from '../ops/random.js';
import { stack } from '../ops/join.js';
import { tensor } from '../ops/creation.js';
import { synchronize } from '../tensor/device.js';
import { Tensor } from '../tensor/tensor.js';
import { makesBatches, type BatchDataset, type Dataset } from './dataset.js';
import { permutation } from './random.js';

/** What the default collation makes of samples: tensors stacked, numbers as a tensor, tuples entry by entry. */
export type Collated<T> = T extends Tensor
  ? Tensor
  : T extends number | boolean
    ? Tensor
    : T extends readonly unknown[]
      ? { -readonly [K in keyof T]: Collated<T[K]> }
      : T[];

export interface LoaderOptions<T, B> {
  /** Default 1. */
  batchSize?: number;
  /** A new order each epoch. Default false. */
  shuffle?: boolean;
  /** Leave out a last batch that is not full. Default false. */
  dropLast?: boolean;
  /** Seed of the order. Default: that of manualSeed(). */
  seed?: number;
  /** Makes a batch of samples. Default: see Collated. Not used for datasets that make batches themselves. */
  collate?: (samples: T[]) => B;
}

/**
 * Batches of a dataset, epoch after epoch: `for await (const batch of loader)` leaves the event loop free and stays
 * at most two batches ahead of the device; `for (const batch of loader)` is its synchronous form, for datasets whose
 * get() returns no promise.
 */
export class DataLoader<T, B = Collated<T>> implements AsyncIterable<B>, Iterable<B> {
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly dropLast: boolean;
  readonly seed: number;
  /** Epochs begun; the next one's order follows from it and the seed. Set it to resume. */
  epoch = 0;
  private readonly collate: (samples: T[]) => B;

  constructor(dataset: BatchDataset<B>, options?: LoaderOptions<T, B>);
  constructor(dataset: Dataset<T>, options?: LoaderOptions<T, B>);
  constructor(
    readonly dataset: Dataset<T> | BatchDataset<B>,
    options: LoaderOptions<T, B> = {},
  ) {
    const { batchSize = 1, shuffle = false, dropLast = false } = options;
    if (!Number.isInteger(batchSize) || batchSize < 1)
      throw new ArgumentError(`DataLoader: batchSize must be a positive integer, got ${batchSize}`);
    this.batchSize = batchSize;
    this.shuffle = shuffle;
    this.dropLast = dropLast;
    this.seed = options.seed ?? initialSeed();
    this.collate = options.collate ?? (defaultCollate as (samples: T[]) => B);
  }

  /** Batches per epoch. */
  get length(): number {
    const n = this.dataset.length / this.batchSize;
    return this.dropLast ? Math.floor(n) : Math.ceil(n);
  }

  *[Symbol.iterator](): Iterator<B> {
    for (const indices of this.batches()) {
      const batch = this.load(indices);
      if (batch instanceof Promise)
        throw new ArgumentError('DataLoader: this dataset is asynchronous; iterate with `for await`');
      yield batch;
    }
  }

  async *[Symbol.asyncIterator](): AsyncIterator<B> {
    const behind: Promise<void>[] = [];
    for (const indices of this.batches()) {
      const batch = await this.load(indices);
      yield batch;
      // What was enqueued for this batch is waited for two batches later.
      behind.push(synchronize(deviceOf(batch)));
      if (behind.length > 2) await behind.shift();
    }
    await Promise.all(behind);
  }

  private *batches(): Iterable<Int32Array> {
    const n = this.dataset.length;
    const epoch = this.epoch++;
    const order = this.shuffle ? permutation(n, this.seed, epoch) : Int32Array.from({ length: n }, (_, i) => i);
    const end = this.dropLast ? n - (n % this.batchSize) : n;
    for (let start = 0; start < end; start += this.batchSize)
      yield order.subarray(start, Math.min(start + this.batchSize, end));
  }

  private load(indices: Int32Array): B | Promise<B> {
    const { dataset } = this;
    if (makesBatches(dataset)) return (dataset as BatchDataset<B>).getBatch(indices);
    const samples = Array.from(indices, (i) => (dataset as Dataset<T>).get(i));
    return samples.some((s) => s instanceof Promise)
      ? Promise.all(samples).then((all) => this.collate(all as T[]))
      : this.collate(samples as T[]);
  }
}

function deviceOf(batch: unknown): Tensor['device'] | undefined {
  if (batch instanceof Tensor) return batch.device;
  if (Array.isArray(batch)) for (const part of batch) if (part instanceof Tensor) return part.device;
  return undefined;
}

/** Stacks tensors, makes a tensor of numbers, goes into arrays entry by entry; anything else stays a list. */
export function defaultCollate(samples: readonly unknown[]): unknown {
  const first = samples[0];
  if (first instanceof Tensor) return stack(samples as Tensor[]);
  if (typeof first === 'number')
    return tensor(samples as number[], { dtype: (samples as number[]).every(Number.isInteger) ? 'int64' : 'float32' });
  if (typeof first === 'boolean') return tensor(samples as boolean[]);
  if (Array.isArray(first)) return first.map((_, i) => defaultCollate((samples as unknown[][]).map((s) => s[i])));
  return samples;
}

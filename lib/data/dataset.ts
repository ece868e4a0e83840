// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, IndexError, ShapeError } from '../native/errors.js';
import { indexSelect } from '../ops/pick.js';
import { formatShape } from '../tensor/shape.js';
import { checkTensor, fromArray, type Tensor } from '../tensor/tensor.js';
import type { Generator } from './generator.js';

/** Samples by position. `T` is one sample. */
export interface Dataset<T = unknown> {
  readonly length: number;
  /**
   * @param random what a random transform draws from. A DataLoader gives every sample a generator of its own, so that
   * results do not depend on how many workers there are. Default: defaultGenerator().
   */
  get(index: number, random?: Generator): T | Promise<T>;
  /** Whether a sample that gave this error is left out of its batch; the loader counts them. Default: none is. */
  skips?(error: unknown): boolean;
}

/** Which part of an iterable dataset is asked for. */
export interface IterationInfo {
  /** From 0. */
  readonly epoch: number;
  /** Number of the worker thread, from 0, and how many there are: each should give another part of the samples. */
  readonly worker: number;
  readonly workers: number;
  /** Seeded by epoch and worker. */
  readonly generator: Generator;
}

/** Samples one after the other, for streams whose positions cannot be chosen. Iterated anew each epoch. */
export interface IterableDataset<T = unknown> {
  iterate(info: IterationInfo): Iterable<T> | AsyncIterable<T>;
}

export type AnyDataset<T = unknown> = Dataset<T> | BatchDataset | IterableDataset<T>;

export function isIterable<T>(dataset: AnyDataset<T>): dataset is IterableDataset<T> {
  return typeof (dataset as Partial<IterableDataset>).iterate === 'function';
}

/** A dataset that can make a whole batch at once, faster than sample by sample. */
export interface BatchDataset<B = unknown> {
  readonly length: number;
  /**
   * A batch of the samples at these positions, in this order.
   * @param random one generator per sample, as for get()
   */
  getBatch(indices: Int32Array, random?: readonly Generator[]): B | Promise<B>;
}

export function makesBatches(dataset: AnyDataset): dataset is BatchDataset {
  return typeof (dataset as BatchDataset).getBatch === 'function';
}

/** Samples along the first dimension of tensors of equal length; batches are gathered natively. */
export class TensorDataset<T extends readonly Tensor[] = readonly Tensor[]> implements Dataset<T>, BatchDataset<T> {
  readonly tensors: T;
  readonly length: number;

  /** @throws ShapeError when the tensors' first sizes differ */
  constructor(...tensors: T) {
    if (tensors.length === 0) throw new ArgumentError('TensorDataset: expected at least one tensor');
    for (const t of tensors) checkTensor(t, 'TensorDataset');
    const lengths = tensors.map((t) => t.shape[0]);
    if (lengths.some((n) => n === undefined || n !== lengths[0]))
      throw new ShapeError(
        `TensorDataset: all tensors need the same first size, got ${tensors.map((t) => formatShape(t.shape)).join(', ')}`,
      );
    this.tensors = tensors;
    this.length = lengths[0]!;
  }

  get(index: number): T {
    if (!Number.isInteger(index) || index < 0 || index >= this.length)
      throw new IndexError(`TensorDataset: index ${index} is out of range for ${this.length} samples`);
    const batch = this.getBatch(Int32Array.of(index));
    return batch.map((t) => t.select(0, 0)) as unknown as T;
  }

  getBatch(indices: Int32Array): T {
    return this.tensors.map((t) => {
      const index = fromArray(indices, [indices.length], 'int32', t.device) as Tensor;
      return indexSelect(t, 0, index);
    }) as unknown as T;
  }
}

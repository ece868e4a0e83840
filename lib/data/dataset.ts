// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, IndexError, ShapeError } from '../native/errors.js';
import { indexSelect } from '../ops/pick.js';
import { formatShape } from '../tensor/shape.js';
import { checkTensor, fromArray, type Tensor } from '../tensor/tensor.js';

/** Samples by position. `T` is one sample. */
export interface Dataset<T = unknown> {
  readonly length: number;
  get(index: number): T | Promise<T>;
}

/** A dataset that can make a whole batch at once, faster than sample by sample. */
export interface BatchDataset<B = unknown> {
  readonly length: number;
  /** A batch of the samples at these positions, in this order. */
  getBatch(indices: Int32Array): B | Promise<B>;
}

export function makesBatches(dataset: Dataset | BatchDataset): dataset is BatchDataset {
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

/** Some samples of another dataset, by position. */
export class Subset<T> implements Dataset<T> {
  constructor(
    readonly dataset: Dataset<T>,
    readonly indices: readonly number[],
  ) {
    for (const i of indices)
      if (!Number.isInteger(i) || i < 0 || i >= dataset.length)
        throw new IndexError(`Subset: index ${i} is out of range for ${dataset.length} samples`);
  }
  get length(): number {
    return this.indices.length;
  }
  get(index: number): T | Promise<T> {
    const i = this.indices[index];
    if (i === undefined) throw new IndexError(`Subset: index ${index} is out of range for ${this.length} samples`);
    return this.dataset.get(i);
  }
}

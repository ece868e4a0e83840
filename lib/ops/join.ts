// SPDX-License-Identifier: Apache-2.0
// Tensors put together.
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { promoteDTypes, type DType } from '../tensor/dtype.js';
import { checkShape, formatShape, normalizeDim, sameShape, type Shape } from '../tensor/shape.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { stridesAs } from './checks.js';
import { partKernels, sliceOf, withDim, withoutDim } from './kernels.js';
import { cast } from './promote.js';

interface Kept {
  dim: number;
  sizes: readonly number[];
  stacked: boolean;
}

// A native call's operands lie in a buffer of fixed length.
const MAX_OPERANDS = 1 << 15;

const { part: slice } = partKernels('cat', sliceOf);

const joinOp = defineOp({
  name: 'cat',
  inputs: 'list',
  forward(ctx: Context<Kept>, tensors: readonly Tensor[], dim: number, stacked: boolean): Tensor {
    const parts = stacked ? tensors.map((x) => withDim(x, dim)) : tensors;
    const first = parts[0]!;
    const sizes = parts.map((x) => x.shape[dim]!);
    const shape = checkShape(first.shape.with(dim, sizes.reduce((a, b) => a + b, 0)), 'cat');
    const y = fresh(shape, first.dtype, first.device, stridesAs(first, shape));
    ctx.keep({ dim, sizes, stacked });
    run(Op.cat, [...parts], [y], [dim]);
    return y;
  },
  backward([g], ctx) {
    const { dim, sizes, stacked } = ctx.params;
    let start = 0;
    return sizes.map((size, i) => {
      start += size;
      if (!ctx.needs[i]) return null;
      const part = slice(g!, { dim, start: start - size, length: size, step: 1 });
      return stacked ? withoutDim(part, dim) : part;
    });
  },
});

function checkList(tensors: readonly Tensor[], where: string): void {
  if (!Array.isArray(tensors) || tensors.length === 0)
    throw new ArgumentError(`${where}: expected an array of at least one tensor`);
  if (tensors.length > MAX_OPERANDS) throw new ArgumentError(`${where}: at most ${MAX_OPERANDS} tensors, got ${tensors.length}`);
  tensors.forEach((x, i) => checkTensor(x, where, `tensor ${i}`));
}

function oneDType(tensors: readonly Tensor[]): readonly Tensor[] {
  const dtype = tensors.reduce<DType>((d, x) => promoteDTypes(d, x.dtype), tensors[0]!.dtype);
  return tensors.map((x) => (x.dtype === dtype ? x : cast(x, dtype)));
}

const isEmptyVector = (shape: Shape) => shape.length === 1 && shape[0] === 0;

/**
 * Tensors one after the other along an existing dimension. Their other sizes are equal; an empty vector [0] fits
 * everywhere, as in PyTorch. Different dtypes are promoted.
 *
 * @throws ShapeError when the shapes do not fit; ArgumentError for an empty list
 */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  noMore('cat', arguments.length > 2);
  checkList(tensors, 'cat');
  const parts = tensors.filter((x) => !isEmptyVector(x.shape));
  if (parts.length === 0) return joinOp(oneDType(tensors), normalizeDim(dim, 1, 'cat'), false);
  const model = parts[0]!;
  if (model.ndim === 0) throw new ShapeError('cat: tensors without dimensions cannot be joined; use stack()');
  const at = normalizeDim(dim, model.ndim, 'cat');
  for (const x of parts)
    if (x.ndim !== model.ndim || x.shape.some((n, i) => i !== at && n !== model.shape[i]))
      throw new ShapeError(
        `cat: shapes must be equal except for dimension ${at}, got ${formatShape(model.shape)} and ${formatShape(x.shape)}`,
      );
  return joinOp(oneDType(parts), at, false);
}

/**
 * Tensors of one shape along a new dimension.
 * @throws ShapeError when the shapes differ; ArgumentError for an empty list
 */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  noMore('stack', arguments.length > 2);
  checkList(tensors, 'stack');
  const model = tensors[0]!;
  const at = normalizeDim(dim, model.ndim + 1, 'stack');
  for (const x of tensors)
    if (!sameShape(x.shape, model.shape))
      throw new ShapeError(`stack: shapes must be equal, got ${formatShape(model.shape)} and ${formatShape(x.shape)}`);
  if (model.ndim === 8) throw new ShapeError(`stack: at most 8 dimensions, got tensors ${formatShape(model.shape)}`);
  return joinOp(oneDType(tensors), at, true);
}

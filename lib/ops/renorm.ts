// SPDX-License-Identifier: Apache-2.0
// Slices of a tensor limited in their norm.
import { withoutGrad } from '../autograd/mode.js';
import { ShapeError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { formatShape, normalizeDim } from '../tensor/shape.js';
import { checkTensor, fresh, viewOf, type Tensor } from '../tensor/tensor.js';
import { checkFloat, checkNumber } from './checks.js';
import { mutate } from './inplace.js';
import { norm } from './norm.js';
import { add, div, gt, mul, where as choose } from './pointwise.js';

// What scales lengths down to at most `most`.
const limit = (lengths: Tensor, most: number): Tensor => choose(gt(lengths, most), div(most, add(lengths, 1e-7)), 1);

/**
 * x with every part along `dim` whose p-norm is larger than maxnorm scaled down to it.
 * @throws ShapeError for fewer than two dimensions; DTypeError unless x is floating
 */
export function renorm(x: Tensor, p: number, dim: number, maxnorm: number): Tensor {
  noMore('renorm', arguments.length > 4);
  checkFloat(checkTensor(x, 'renorm'), 'renorm');
  if (x.ndim < 2) throw new ShapeError(`renorm: expected at least 2 dimensions, got ${formatShape(x.shape)}`);
  checkNumber(p, Number.MIN_VALUE, Infinity, 'renorm', 'p');
  checkNumber(maxnorm, 0, Infinity, 'renorm', 'maxnorm');
  const at = normalizeDim(dim, x.ndim, 'renorm');
  return mul(x, limit(norm(x, p, [...x.shape.keys()].filter((d) => d !== at), { keepdim: true }), maxnorm));
}

/** @internal The rows of a table that `index` names, in place; others stay. */
export function renormRows(weight: Tensor, index: Tensor, p: number, maxnorm: number): void {
  withoutGrad(() => {
    mutate(weight, 'embedding');
    const rows = fresh([index.numel, weight.shape[1]!], weight.dtype, weight.device) as Tensor;
    run(Op.indexSelect, [weight, index], [rows], [0]);
    const limited = mul(rows, limit(norm(rows, p, 1, { keepdim: true }), maxnorm));
    // Of equal positions any may win: they hold the same.
    run(Op.scatter, [viewOf(index, rows.shape, [index.strides[0]!, 0]), limited], [weight], [0]);
  });
}

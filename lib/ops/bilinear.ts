// SPDX-License-Identifier: Apache-2.0
import { ShapeError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { formatShape, numelOf, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { checkFloat, checkSameDType } from './checks.js';
import { bmm, matmul } from './matmul.js';
import { add } from './pointwise.js';
import { permute, reshape } from './view.js';

/**
 * y[k] = sum over i, j of x1[i] weight[k, i, j] x2[j], plus bias[k].
 *
 * @param x1 [..., I], floating
 * @param x2 [..., J], the same leading dimensions
 * @param weight [K, I, J]
 * @param bias [K], or left out
 * @returns [..., K]
 * @throws ShapeError, DTypeError when they do not fit together
 */
export function bilinear(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  noMore('bilinear', arguments.length > 4);
  const where = 'bilinear';
  for (const [name, t] of Object.entries({ x1, x2, weight, ...(bias ? { bias } : {}) })) {
    checkFloat(checkTensor(t, where, name), where, name);
    checkSameDType(x1, t, where, 'x1', name);
  }
  const leading = x1.shape.slice(0, -1);
  const fits =
    weight.ndim === 3 &&
    x1.ndim > 0 &&
    x2.ndim > 0 &&
    sameShape(leading, x2.shape.slice(0, -1)) &&
    x1.shape.at(-1) === weight.shape[1] &&
    x2.shape.at(-1) === weight.shape[2];
  if (!fits)
    throw new ShapeError(
      `${where}: expected [..., I], [..., J] and weight [K, I, J], got ${formatShape(x1.shape)}, ${formatShape(x2.shape)} ` +
        `and ${formatShape(weight.shape)}`,
    );
  const [k, i, j] = weight.shape as [number, number, number];
  if (bias && !sameShape(bias.shape, [k]))
    throw new ShapeError(`${where}: bias must be [${k}] for weight ${formatShape(weight.shape)}, got ${formatShape(bias.shape)}`);
  const rows = numelOf(leading);
  const left = matmul(reshape(x1, [rows, i]), reshape(permute(weight, [1, 0, 2]), [i, k * j]));
  const y = reshape(bmm(reshape(left, [rows, k, j]), reshape(x2, [rows, j, 1])), [...leading, k]);
  return bias ? add(y, bias) : y;
}

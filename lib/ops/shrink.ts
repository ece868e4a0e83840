// SPDX-License-Identifier: Apache-2.0
// Activations that shrink values, gate them, or draw their slope.
import { ArgumentError, AutogradError, ShapeError } from '../native/errors.js';
import { boolean, noMore, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { formatShape, normalizeDim } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { inPlaceOptions, leakyRelu, sigmoid, tanh, type InPlace } from './activation.js';
import { checkFloat, checkNumber } from './checks.js';
import { copy_ } from './inplace.js';
import { add, le, mul, sub, where as choose } from './pointwise.js';
import { rand } from './random.js';
import { by, unary } from './unary.js';
import { narrow } from './view.js';

const hardshrinkOp = unary<[lambd: number]>('hardshrink', Op.hardshrink, { attributes: 1, float: true, gradient: by(Op.shrinkBackward) });
/** x, but 0 within [-lambd, lambd]. */
export function hardshrink(x: Tensor, lambd = 0.5): Tensor {
  noMore('hardshrink', arguments.length > 2);
  return hardshrinkOp(x, checkNumber(lambd, -Number.MAX_VALUE, Infinity, 'hardshrink', 'lambd'));
}

const softshrinkOp = unary<[lambd: number]>('softshrink', Op.softshrink, { attributes: 1, float: true, gradient: by(Op.shrinkBackward) });
/** x moved by lambd towards 0, and 0 within [-lambd, lambd]. @throws ArgumentError for a negative lambd */
export function softshrink(x: Tensor, lambd = 0.5): Tensor {
  noMore('softshrink', arguments.length > 2);
  return softshrinkOp(x, checkNumber(lambd, 0, Infinity, 'softshrink', 'lambd'));
}

/** x - tanh(x) */
export function tanhshrink(x: Tensor): Tensor {
  noMore('tanhshrink', arguments.length > 1);
  return sub(x, tanh(x));
}

/**
 * The first half of x along `dim` times the sigmoid of the second (Dauphin et al., arXiv:1612.08083).
 * @throws ShapeError for a dimension of odd size
 */
export function glu(x: Tensor, dim = -1): Tensor {
  noMore('glu', arguments.length > 2);
  checkFloat(checkTensor(x, 'glu'), 'glu');
  const at = normalizeDim(dim, x.ndim, 'glu');
  if (x.ndim === 0 || x.shape[at]! % 2 !== 0)
    throw new ShapeError(`glu: dimension ${dim} of input ${formatShape(x.shape)} must be divisible by 2`);
  const half = x.shape[at]! / 2;
  return mul(narrow(x, at, 0, half), sigmoid(narrow(x, at, half, half)));
}

export interface RReluOptions extends InPlace {
  /** The least slope. Default 1/8. */
  lower?: number;
  /** The largest slope. Default 1/3. */
  upper?: number;
  /** Draw a slope for each element; else their mean is taken. Default false. */
  training?: boolean;
}
/** @internal */
export const rreluOptions = optionsOf<RReluOptions>({ ...inPlaceOptions.schema, lower: number, upper: number, training: boolean });

/** @internal */
export function checkSlopes(lower: number, upper: number, where: string): void {
  if (!(lower <= upper)) throw new ArgumentError(`${where}: expected lower <= upper, got ${lower} and ${upper}`);
}

/**
 * x where positive, else a slope times x: in training drawn for each element from [lower, upper], in use their mean (Xu et
 * al., arXiv:1505.00853).
 */
export function rrelu(x: Tensor, options?: RReluOptions): Tensor {
  const { lower = 1 / 8, upper = 1 / 3, training = false, inplace = false } = rreluOptions('rrelu', options, arguments.length > 2);
  checkFloat(checkTensor(x, 'rrelu'), 'rrelu');
  checkSlopes(lower, upper, 'rrelu');
  if (!training) return leakyRelu(x, { negativeSlope: (lower + upper) / 2, inplace });
  const draws = rand(x.shape, { dtype: x.dtype, device: x.device });
  const slopes = choose(le(x, 0), add(mul(draws, upper - lower), lower), 1);
  if (!inplace) return mul(x, slopes);
  if (x.requiresGrad) throw new AutogradError('rrelu: in training, inplace is for tensors that require no gradients');
  return copy_(x, mul(x, slopes));
}

// SPDX-License-Identifier: Apache-2.0
// Activations: any shape to the same shape and memory layout, integers to float32 unless said otherwise.
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, noMore, number, oneOf, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import { checkTensor, viewOf, type Tensor } from '../tensor/tensor.js';
import { checkFloat, checkNumber, checkSameDType } from './checks.js';
import { binaryKernel, sumTo, ternaryKernel } from './kernels.js';
import { reshapeKernel } from './view.js';
import { abs, add, div } from './pointwise.js';
import { by, unary, type Unary } from './unary.js';

export interface InPlace {
  /**
   * Write the result over x, which then is the result. Saves memory where the gradient does not need x itself (relu,
   * relu6, hardtanh, leakyRelu); elsewhere a copy of x is kept for it. Default false.
   *
   * @throws AutogradError for a leaf that requires gradients. Of what x is a view of, in recorded work, x alone can be
   * used afterwards: the rest throws AutogradError
   */
  inplace?: boolean;
}
/** @internal */
export const inPlaceOptions = optionsOf<InPlace>({ inplace: boolean });

const call = <A extends readonly number[]>(f: Unary<A>, x: Tensor, inplace: boolean, ...attrs: A): Tensor =>
  inplace ? f.inPlace(x, ...attrs) : f(x, ...attrs);

const simple = (name: string, f: Unary<[]>) =>
  function (x: Tensor, options?: InPlace): Tensor {
    const { inplace = false } = inPlaceOptions(name, options, arguments.length > 2);
    return call(f, x, inplace);
  };

const reluOp = unary('relu', Op.relu, { save: 'output', gradient: by(Op.reluBackward) });
/** max(x, 0), in x's dtype. */
export const relu = simple('relu', reluOp);
/** relu() over x itself. @throws AutogradError for a leaf that requires gradients */
export const relu_ = reluOp.inPlace;

/** 1 / (1 + exp(-x)) */
export const sigmoid = unary('sigmoid', Op.sigmoid, { float: true, save: 'output', gradient: by(Op.sigmoidBackward) });
/** log(sigmoid(x)), without overflow. */
export const logsigmoid = unary('logsigmoid', Op.logsigmoid, { float: true, gradient: by(Op.logsigmoidBackward) });
/** Hyperbolic tangent. */
export const tanh = unary('tanh', Op.tanh, { float: true, save: 'output', gradient: by(Op.tanhBackward) });
/** x * sigmoid(x), also called swish (Elfwing et al., arXiv:1702.03118). */
export const silu = simple('silu', unary('silu', Op.silu, { float: true, gradient: by(Op.siluBackward) }));
/** x * tanh(log(1 + exp(x))) (Misra, arXiv:1908.08681). */
export const mish = simple('mish', unary('mish', Op.mish, { float: true, gradient: by(Op.mishBackward) }));
/** x * hardsigmoid(x) (Howard et al., arXiv:1905.02244). */
export const hardswish = simple(
  'hardswish',
  unary('hardswish', Op.hardswish, { float: true, gradient: by(Op.hardswishBackward) }),
);
/** min(max(x + 3, 0), 6) / 6 */
export const hardsigmoid = simple(
  'hardsigmoid',
  unary('hardsigmoid', Op.hardsigmoid, { float: true, gradient: by(Op.hardsigmoidBackward) }),
);
/** The scaled ELU that keeps mean 0 and variance 1 (Klambauer et al., arXiv:1706.02515). */
export const selu = simple('selu', unary('selu', Op.selu, { float: true, gradient: by(Op.seluBackward) }));

const leakyReluOp = unary<[slope: number]>('leakyRelu', Op.leakyRelu, {
  attributes: 1,
  float: true,
  save: ([slope]) => (slope! >= 0 ? 'output' : 'input'), // the result's sign is then x's
  gradient: by(Op.leakyReluBackward),
});
/** @internal */
export const leakyReluOptions = optionsOf<{ negativeSlope?: number } & InPlace>({ negativeSlope: number, ...inPlaceOptions.schema });
/** x where positive, else `negativeSlope` (default 0.01) times x. */
export function leakyRelu(x: Tensor, options?: { negativeSlope?: number } & InPlace): Tensor {
  const { negativeSlope = 0.01, inplace = false } = leakyReluOptions('leakyRelu', options, arguments.length > 2);
  return call(leakyReluOp, x, inplace, negativeSlope);
}

const geluOp = unary<[tanh: number]>('gelu', Op.gelu, { attributes: 1, float: true, gradient: by(Op.geluBackward) });
/** @internal */
export const geluOptions = optionsOf<{ approximate?: 'none' | 'tanh' }>({ approximate: oneOf('none', 'tanh') });
/** Gaussian error linear unit (Hendrycks and Gimpel, arXiv:1606.08415), exact or with the tanh approximation. */
export function gelu(x: Tensor, options?: { approximate?: 'none' | 'tanh' }): Tensor {
  const { approximate = 'none' } = geluOptions('gelu', options, arguments.length > 2);
  return geluOp(x, approximate === 'tanh' ? 1 : 0);
}

const eluOp = unary<[alpha: number]>('elu', Op.elu, { attributes: 1, float: true, gradient: by(Op.eluBackward) });
/** @internal */
export const alphaOptions = optionsOf<{ alpha?: number } & InPlace>({ alpha: number, ...inPlaceOptions.schema });
/** x where positive, else alpha (default 1) * (exp(x) - 1) (Clevert et al., arXiv:1511.07289). */
export function elu(x: Tensor, options?: { alpha?: number } & InPlace): Tensor {
  const { alpha = 1, inplace = false } = alphaOptions('elu', options, arguments.length > 2);
  return call(eluOp, x, inplace, alpha);
}

const celuOp = unary<[alpha: number]>('celu', Op.celu, { attributes: 1, float: true, gradient: by(Op.celuBackward) });
/**
 * x where positive, else alpha (default 1) * (exp(x / alpha) - 1) (Barron, arXiv:1704.07483).
 * @throws ArgumentError for an alpha of 0
 */
export function celu(x: Tensor, options?: { alpha?: number } & InPlace): Tensor {
  const { alpha = 1, inplace = false } = alphaOptions('celu', options, arguments.length > 2);
  if (checkNumber(alpha, -Number.MAX_VALUE, Number.MAX_VALUE, 'celu', 'alpha') === 0)
    throw new ArgumentError('celu: alpha must not be 0');
  return call(celuOp, x, inplace, alpha);
}

const softplusOp = unary<[beta: number, threshold: number]>('softplus', Op.softplus, {
  attributes: 2,
  float: true,
  full: true,
  gradient: by(Op.softplusBackward),
});
/** @internal */
export const softplusOptions = optionsOf<{ beta?: number; threshold?: number }>({ beta: number, threshold: number });
/** log(1 + exp(beta x)) / beta, and x itself where beta x exceeds the threshold (default 20). */
export function softplus(x: Tensor, options?: { beta?: number; threshold?: number }): Tensor {
  const { beta = 1, threshold = 20 } = softplusOptions('softplus', options, arguments.length > 2);
  return softplusOp(x, beta, threshold);
}

// Whether every floating dtype holds the bound exactly: multiples of 1/8 of at most 8 significant bits.
const isShort = (bound: number) => Number.isInteger(8 * bound) && Math.abs(bound) <= 16;

// clamp, but for the gradient at the bounds. The result tells it as well as x does, unless the bounds were rounded in it.
const hardtanhOp = unary<[min: number, max: number]>('hardtanh', Op.clamp, {
  attributes: 2,
  save: (bounds) => (bounds.every(isShort) ? 'output' : 'input'),
  gradient: by(Op.hardtanhBackward),
});
/** @internal */
export const hardtanhOptions = optionsOf<{ minVal?: number; maxVal?: number } & InPlace>({
  minVal: number,
  maxVal: number,
  ...inPlaceOptions.schema,
});
/**
 * Limits values to [minVal, maxVal], by default [-1, 1], in x's dtype. As clamp, but with gradient 0 at the bounds.
 * @throws ArgumentError unless minVal < maxVal
 */
export function hardtanh(x: Tensor, options?: { minVal?: number; maxVal?: number } & InPlace): Tensor {
  const { minVal = -1, maxVal = 1, inplace = false } = hardtanhOptions('hardtanh', options, arguments.length > 2);
  checkBounds(minVal, maxVal, 'hardtanh');
  return call(hardtanhOp, x, inplace, minVal, maxVal);
}

/** @internal */
export function checkBounds(minVal: number, maxVal: number, where: string): void {
  if (!(minVal < maxVal)) throw new ArgumentError(`${where}: expected minVal < maxVal, got ${minVal} and ${maxVal}`);
}

const relu6Op = unary<[min: number, max: number]>('relu6', Op.clamp, { attributes: 2, save: 'output', gradient: by(Op.hardtanhBackward) });
/** min(max(x, 0), 6), in x's dtype. */
export function relu6(x: Tensor, options?: InPlace): Tensor {
  const { inplace = false } = inPlaceOptions('relu6', options, arguments.length > 2);
  return call(relu6Op, x, inplace, 0, 6);
}

const thresholdOp = unary<[threshold: number, value: number]>('threshold', Op.threshold, {
  attributes: 2,
  gradient: (g, x, [limit]) => binaryKernel(Op.thresholdBackward, g, x, [limit!]),
});
/** x where it exceeds the threshold, else `value`, in x's dtype. */
export function threshold(x: Tensor, limit: number, value: number, options?: InPlace): Tensor {
  const { inplace = false } = inPlaceOptions('threshold', options, arguments.length > 4);
  return call(thresholdOp, x, inplace, limit, value);
}

/** x / (1 + |x|) */
export function softsign(x: Tensor): Tensor {
  noMore('softsign', arguments.length > 1);
  return div(checkTensor(x, 'softsign'), add(abs(x), 1));
}

const preluOp = defineOp({
  name: 'prelu',
  forward(ctx: Context, x: Tensor, slopes: Tensor): Tensor {
    ctx.save(x, slopes);
    return binaryKernel(Op.prelu, x, slopes);
  },
  gradients: [
    (g, ctx) => ternaryKernel(Op.preluBackward, g, ctx.saved(0), ctx.saved(1)),
    (g, ctx) => sumTo(binaryKernel(Op.preluBackwardWeight, g, ctx.saved(0)), ctx.saved(1).shape),
  ],
});

const expandSlopes = defineOp({
  name: 'prelu',
  forward(ctx: Context<Shape>, weight: Tensor, shape: Shape): Tensor {
    ctx.keep(weight.shape);
    return viewOf(weight, shape, shape.map((n) => (n === 1 ? 1 : weight.strides[0]!)));
  },
  gradients: [(g, ctx) => reshapeKernel(g, ctx.params)],
});

/**
 * x where positive, else a learned slope times x (He et al., arXiv:1502.01852).
 *
 * @param x [N, C, ...], floating
 * @param weight one slope for all or one per channel: [], [1] or [C], of x's dtype
 * @throws ShapeError for another number of slopes; DTypeError
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  noMore('prelu', arguments.length > 2);
  checkTensor(x, 'prelu');
  checkTensor(weight, 'prelu', 'weight');
  checkFloat(x, 'prelu');
  checkSameDType(x, weight, 'prelu', 'input', 'weight');
  if (weight.ndim === 0) return preluOp(x, weight);
  const channels = x.ndim === 0 ? 1 : x.ndim === 1 ? 1 : x.shape[1]!;
  if (weight.ndim > 1 || (weight.numel !== 1 && weight.numel !== channels))
    throw new ShapeError(
      `prelu: expected weight [1] or, one slope per channel, [${channels}] for input ${formatShape(x.shape)}, ` +
        `got ${formatShape(weight.shape)}`,
    );
  const shape = x.shape.map((_, i) => (i === 1 ? weight.numel : 1));
  return preluOp(x, x.ndim < 2 ? expandSlopes(weight, x.shape.map(() => 1)) : expandSlopes(weight, shape));
}

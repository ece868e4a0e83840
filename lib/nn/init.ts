// SPDX-License-Identifier: Apache-2.0
// Initialisation in place, recorded by no gradient. Draws do not depend on how a tensor lies in memory.
import { withoutGrad } from '../autograd/mode.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { checked, noMore, number, optionsOf } from '../native/options.js';
import { checkInteger, checkNumber } from '../ops/checks.js';
import { eye, tensor } from '../ops/creation.js';
import { copy_, fill_ } from '../ops/inplace.js';
import { normal_ as drawNormal, rand, uniform_ as drawUniform } from '../ops/random.js';
import { add, clamp, div, erf, exp, log, mul, neg, sign, sqrt, square, sub } from '../ops/pointwise.js';
import { formatShape } from '../tensor/shape.js';
import { checkTensor, emptyTensor, fromArray, type Tensor } from '../tensor/tensor.js';

/** What follows a layer; the names are PyTorch's. */
export type Nonlinearity =
  | 'linear'
  | 'conv1d'
  | 'conv2d'
  | 'conv3d'
  | 'conv_transpose1d'
  | 'conv_transpose2d'
  | 'conv_transpose3d'
  | 'sigmoid'
  | 'tanh'
  | 'relu'
  | 'leaky_relu'
  | 'selu';

export type FanMode = 'fan_in' | 'fan_out';

export interface KaimingOptions {
  /** The slope of the leaky ReLU that follows. Default 0. */
  a?: number;
  /** Keep the variance of the values ('fan_in', the default) or of the gradients. */
  mode?: FanMode;
  /** Default 'leaky_relu'. */
  nonlinearity?: Nonlinearity;
}
const gainOptions = optionsOf<{ gain?: number }>({ gain: number });
const groupsOptions = optionsOf<{ groups?: number }>({ groups: number });
const kaimingOptions = optionsOf<KaimingOptions>({ a: number, mode: checked, nonlinearity: checked });

/**
 * The factor by which an initialisation should exceed that for a linear layer, so that the nonlinearity that follows
 * keeps the variance.
 *
 * @param param the slope of 'leaky_relu'; default 0.01
 */
export function calculateGain(nonlinearity: Nonlinearity, param = 0.01): number {
  noMore('calculateGain', arguments.length > 2);
  switch (nonlinearity) {
    case 'tanh':
      return 5 / 3;
    case 'relu':
      return Math.SQRT2;
    case 'leaky_relu':
      return Math.sqrt(2 / (1 + param ** 2));
    case 'selu':
      return 3 / 4;
    default:
      if (nonlinearity === 'sigmoid' || /^(linear|conv(_transpose)?[123]d)$/.test(nonlinearity)) return 1;
      throw new ArgumentError(`calculateGain: unknown nonlinearity '${String(nonlinearity)}'`);
  }
}

/** How many inputs an output of the layer sums up, and how many outputs an input reaches. */
export function calculateFans(t: Tensor): { fanIn: number; fanOut: number } {
  noMore('calculateFans', arguments.length > 1);
  if (checkTensor(t, 'init').ndim < 2)
    throw new ShapeError(`init: fans need a weight of at least 2 dimensions, got ${formatShape(t.shape)}`);
  const [outputs, inputs, ...window] = t.shape as [number, number, ...number[]];
  const positions = window.reduce((n, size) => n * size, 1);
  return { fanIn: inputs * positions, fanOut: outputs * positions };
}

// In row-major order, whatever the tensor's own.
function inOrder(t: Tensor, where: string, fill: (values: Tensor) => void): Tensor {
  checkTensor(t, where, 'tensor');
  return withoutGrad(() => {
    if (t.isContiguous()) {
      fill(t);
    } else {
      const values: Tensor = emptyTensor(t.shape, t.dtype, t.device);
      fill(values);
      copy_(t, values);
      values.dispose();
    }
    return t;
  });
}

/** Uniform in [a, b). */
export function uniform_(t: Tensor, a = 0, b = 1): Tensor {
  noMore('uniform_', arguments.length > 3);
  return inOrder(t, 'uniform_', (values) => drawUniform(values, a, b));
}

/** Normal, with the given mean and standard deviation. */
export function normal_(t: Tensor, mean = 0, std = 1): Tensor {
  noMore('normal_', arguments.length > 3);
  return inOrder(t, 'normal_', (values) => drawNormal(values, mean, std));
}

export function constant_(t: Tensor, value: number): Tensor {
  noMore('constant_', arguments.length > 2);
  return withoutGrad(() => fill_(checkTensor(t, 'constant_', 'tensor'), value));
}
export function ones_(t: Tensor): Tensor {
  noMore('ones_', arguments.length > 1);
  return constant_(t, 1);
}
export function zeros_(t: Tensor): Tensor {
  noMore('zeros_', arguments.length > 1);
  return constant_(t, 0);
}

/** Uniform in +-gain sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio, AISTATS 2010). */
export function xavierUniform_(t: Tensor, options?: { gain?: number }): Tensor {
  const { gain = 1 } = gainOptions('xavierUniform_', options, arguments.length > 2);
  const { fanIn, fanOut } = calculateFans(t);
  const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
  return uniform_(t, -bound, bound);
}

/** Normal with standard deviation gain sqrt(2 / (fanIn + fanOut)) (Glorot and Bengio, AISTATS 2010). */
export function xavierNormal_(t: Tensor, options?: { gain?: number }): Tensor {
  const { gain = 1 } = gainOptions('xavierNormal_', options, arguments.length > 2);
  const { fanIn, fanOut } = calculateFans(t);
  return normal_(t, 0, gain * Math.sqrt(2 / (fanIn + fanOut)));
}

function kaimingStd(t: Tensor, { a = 0, mode = 'fan_in', nonlinearity = 'leaky_relu' }: KaimingOptions): number {
  if (mode !== 'fan_in' && mode !== 'fan_out')
    throw new ArgumentError(`init: mode must be 'fan_in' or 'fan_out', got '${String(mode)}'`);
  const { fanIn, fanOut } = calculateFans(t);
  return calculateGain(nonlinearity, a) / Math.sqrt(mode === 'fan_in' ? fanIn : fanOut);
}

/** Uniform in +-gain sqrt(3 / fan) (He et al., arXiv:1502.01852). */
export function kaimingUniform_(t: Tensor, options?: KaimingOptions): Tensor {
  options = kaimingOptions('kaimingUniform_', options, arguments.length > 2);
  const bound = Math.sqrt(3) * kaimingStd(t, options);
  return uniform_(t, -bound, bound);
}

/** Normal with standard deviation gain / sqrt(fan) (He et al., arXiv:1502.01852). */
export function kaimingNormal_(t: Tensor, options?: KaimingOptions): Tensor {
  options = kaimingOptions('kaimingNormal_', options, arguments.length > 2);
  return normal_(t, 0, kaimingStd(t, options));
}

export interface TruncNormalOptions {
  /** Default 0. */
  mean?: number;
  /** Default 1. */
  std?: number;
  /** The lowest value. Default -2. */
  a?: number;
  /** The highest value. Default 2. */
  b?: number;
}
const truncNormalOptions = optionsOf<TruncNormalOptions>({ mean: number, std: number, a: number, b: number });

/** Normal, but all within [a, b]: the inverse of the distribution function at uniform numbers. */
export function truncNormal_(t: Tensor, options?: TruncNormalOptions): Tensor {
  const { mean = 0, std = 1, a = -2, b = 2 } = truncNormalOptions('truncNormal_', options, arguments.length > 2);
  checkNumber(std, Number.MIN_VALUE, Number.MAX_VALUE, 'truncNormal_', 'std');
  if (!(a < b)) throw new ArgumentError(`truncNormal_: expected a < b, got ${a} and ${b}`);
  return inOrder(t, 'truncNormal_', (values) => {
    const { device } = values;
    const scale = std * Math.SQRT2;
    const at = (limit: number) => erf(tensor([(limit - mean) / scale], { dtype: 'float64', device }));
    const [low, high] = [at(a), at(b)];
    const draws = rand(values.shape, { dtype: 'float64', device });
    const normal = inverseErf(add(low, mul(sub(high, low), draws)));
    copy_(values, clamp(add(mul(normal, scale), mean), a, b));
  });
}

// Winitzki's approximation, then Newton's method.
function inverseErf(y: Tensor): Tensor {
  const inside = clamp(y, -1 + 2 ** -52, 1 - 2 ** -52);
  const c = 0.147;
  const logarithm = log(sub(1, square(inside)));
  const t = add(mul(logarithm, 0.5), 2 / (Math.PI * c));
  let x = mul(sign(inside), sqrt(sub(sqrt(sub(square(t), div(logarithm, c))), t)));
  for (let i = 0; i < 3; i++) {
    const slope = mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI));
    x = sub(x, div(sub(erf(x), inside), slope));
  }
  return x;
}

/**
 * A random matrix with orthonormal rows, or columns if there are fewer of these (Saxe et al., arXiv:1312.6120); the
 * dimensions after the first count as one. Computed on the JavaScript side: blocks until the draws have been read.
 */
export function orthogonal_(t: Tensor, options?: { gain?: number }): Tensor {
  const { gain = 1 } = gainOptions('orthogonal_', options, arguments.length > 2);
  if (checkTensor(t, 'orthogonal_', 'tensor').ndim < 2)
    throw new ShapeError(`orthogonal_: expected at least 2 dimensions, got ${formatShape(t.shape)}`);
  if (t.numel === 0) return t;
  const rows = t.shape[0]!;
  const columns = t.numel / rows;
  const [count, length] = rows < columns ? [rows, columns] : [columns, rows];
  return withoutGrad(() => {
    const draws = drawNormal(emptyTensor([count, length], 'float64', t.device) as Tensor).dataSync() as Float64Array;
    orthonormalize(draws, count, length);
    const values = new Float64Array(t.numel);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++)
        values[i * columns + j] = gain * (rows < columns ? draws[i * length + j]! : draws[j * length + i]!);
    return copy_(t, fromArray(values, t.shape, 'float64', t.device) as Tensor);
  });
}

// Gram and Schmidt, each projection taken twice: once leaves an error that grows with the matrix's condition.
function orthonormalize(matrix: Float64Array, count: number, length: number): void {
  for (let i = 0; i < count; i++) {
    const v = matrix.subarray(i * length, (i + 1) * length);
    for (let k = 0; k < 2 * i; k++) {
      const u = matrix.subarray((k % i) * length, ((k % i) + 1) * length);
      const projection = dot(u, v);
      for (let j = 0; j < length; j++) v[j]! -= projection * u[j]!;
    }
    const size = Math.sqrt(dot(v, v));
    for (let j = 0; j < length; j++) v[j]! /= size;
  }
}

function dot(u: Float64Array, v: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < u.length; j++) sum += u[j]! * v[j]!;
  return sum;
}

/** Filters that pass their inputs on: channel i of each group to output i, in the middle of the window. */
export function dirac_(t: Tensor, options?: { groups?: number }): Tensor {
  const { groups = 1 } = groupsOptions('dirac_', options, arguments.length > 2);
  checkTensor(t, 'dirac_', 'tensor');
  checkInteger(groups, 1, 'dirac_', 'groups');
  if (t.ndim < 3 || t.ndim > 5)
    throw new ShapeError(`dirac_: expected the filters of a convolution, 3 to 5 dimensions, got ${formatShape(t.shape)}`);
  const [outputs, inputs, ...window] = t.shape as [number, number, ...number[]];
  if (outputs % groups !== 0)
    throw new ArgumentError(`dirac_: ${groups} groups do not divide ${outputs} output channels`);
  const positions = window.reduce((n, size) => n * size, 1);
  const middle = window.reduce((at, size) => at * size + Math.floor(size / 2), 0);
  const perGroup = outputs / groups;
  const values = new Float64Array(t.numel);
  for (let k = 0; k < outputs; k++) {
    const channel = k % perGroup;
    if (channel < inputs) values[(k * inputs + channel) * positions + middle] = 1;
  }
  return withoutGrad(() => copy_(t, fromArray(values, t.shape, 'float64', t.device) as Tensor));
}

/** The identity matrix, or as much of it as fits. */
export function eye_(t: Tensor): Tensor {
  noMore('eye_', arguments.length > 1);
  if (checkTensor(t, 'eye_', 'tensor').ndim !== 2)
    throw new ShapeError(`eye_: expected a matrix, got ${formatShape(t.shape)}`);
  return withoutGrad(() => copy_(t, eye(t.shape[0]!, t.shape[1]!, { device: t.device })));
}

/** @internal PyTorch's start of convolutions and linear layers: weight and bias uniform in +-1 / sqrt(fan in). */
export function resetLinear(weight: Tensor, bias: Tensor | null): void {
  noMore('resetLinear', arguments.length > 2);
  kaimingUniform_(weight, { a: Math.sqrt(5) });
  if (!bias) return;
  const bound = 1 / Math.sqrt(calculateFans(weight).fanIn);
  uniform_(bias, -bound, bound);
}

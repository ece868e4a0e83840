// SPDX-License-Identifier: Apache-2.0
// Convolutions and transposed convolutions of one to three spatial dimensions. Their results are channels-last in
// memory whatever the input's layout: that is what oneDNN and cuDNN run fastest, and no layer after them reorders.
import { defineKernel, defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { checked, number, oneOf, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import type { DType } from '../tensor/dtype.js';
import { channelsLastStrides, checkShape, formatShape, isDense, stridesLike, type Shape } from '../tensor/shape.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { lower } from './autocast.js';
import { checkBatched, checkFloat, checkInteger, checkSameDType, checkSizes, sizes, type Sizes } from './checks.js';
import { binaryKernel, expandView, reduceKernel } from './kernels.js';
import { add } from './pointwise.js';
import { channelsBehind, channelsFirst, namedPadding, type NamedPadding } from './layout.js';
import { pad } from './pad.js';
import { permute, reshape, reshapeKernel, squeeze, unsqueeze } from './view.js';

export interface ConvOptions {
  /** Steps of the window. Default 1. */
  stride?: Sizes;
  /** Zeros on both sides of each dimension, 'valid' for none, or 'same' for a result of the input's size. Default 0. */
  padding?: Sizes | 'same' | 'valid';
  /** Distance of the kernel's elements. Default 1. */
  dilation?: Sizes;
  /** Number of groups that channels are divided into, each convolved by itself. Default 1. */
  groups?: number;
}
/** @internal */
export const convOptions = optionsOf<ConvOptions>({ stride: sizes, padding: checked, dilation: sizes, groups: number });

/** conv2d() by TensorFlow's conventions. */
export interface NhwcConvOptions extends Omit<ConvOptions, 'padding'> {
  layout: 'NHWC';
  /** As in TensorFlow, or zeros on both sides of each dimension. Default 0. */
  padding?: Sizes | NamedPadding;
}
type Conv2dOptions = (ConvOptions & { layout?: 'NCHW' }) | NhwcConvOptions;
const conv2dOptions = optionsOf<Conv2dOptions>({ ...convOptions.schema, layout: oneOf('NCHW', 'NHWC') });

export interface ConvTransposeOptions {
  /** Default 1. */
  stride?: Sizes;
  /** How much is cut from both sides of each dimension. Default 0. */
  padding?: Sizes;
  /** Added to one side of each dimension of the result. Less than stride or dilation; default 0. */
  outputPadding?: Sizes;
  /** Default 1. */
  groups?: number;
  /** Default 1. */
  dilation?: Sizes;
}
/** @internal */
export const convTransposeOptions = optionsOf<ConvTransposeOptions>({
  stride: sizes,
  padding: sizes,
  outputPadding: sizes,
  groups: number,
  dilation: sizes,
});

// The attributes of the native convolutions: stride, padding and dilation of three dimensions each, and the groups.
type Attributes = [number, number, number, number, number, number, number, number, number, number];

interface Window {
  stride: readonly number[];
  padding: readonly number[];
  dilation: readonly number[];
  groups: number;
}

function attributesOf({ stride: s, padding: p, dilation: d, groups }: Window): Attributes {
  return [s[0]!, s[1] ?? 1, s[2] ?? 1, p[0]!, p[1] ?? 0, p[2] ?? 0, d[0]!, d[1] ?? 1, d[2] ?? 1, groups];
}

// ---- without autograd: every gradient of a convolution or of its transpose is one of these ------------------------

const convKernel: (
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  shape: Shape,
  attrs: Attributes,
  relu: boolean,
) => Tensor = defineKernel({
  name: 'conv',
  inputs: 3,
  forward(ctx: Context<Attributes>, x: Tensor, weight: Tensor, bias: Tensor | null, shape: Shape, attrs: Attributes, relu: boolean): Tensor {
    ctx.save(x, weight);
    ctx.keep(attrs);
    const y = fresh(shape, x.dtype, x.device, channelsLastStrides(shape));
    run(Op.conv, [x, weight, bias], [y], [...attrs, relu ? 1 : 0]);
    return y;
  },
  // Of a convolution without relu: no other is part of a gradient.
  backward([g], ctx) {
    const [x, weight, attrs] = [ctx.saved(0), ctx.saved(1), ctx.params];
    return [
      ctx.needs[0] ? inputKernel(g!, weight, x.shape, gradientStrides(x), attrs) : null,
      ctx.needs[1] ? weightKernel(g!, x, weight, { weight: weight.dtype, bias: null }, attrs)[0]! : null,
      ctx.needs[2] ? channelSum(g!) : null,
    ];
  },
});

const inputKernel: (grad: Tensor, weight: Tensor, shape: Shape, strides: readonly number[], attrs: Attributes) => Tensor = defineKernel({
  name: 'convTranspose',
  forward(ctx: Context<Attributes>, grad: Tensor, weight: Tensor, shape: Shape, strides: readonly number[], attrs: Attributes): Tensor {
    ctx.save(grad, weight);
    ctx.keep(attrs);
    const dX = fresh(shape, grad.dtype, grad.device, strides);
    run(Op.convBackwardInput, [grad, weight], [dX], attrs);
    return dX;
  },
  gradients: [
    (g, ctx) => convKernel(g, ctx.saved(1), null, ctx.saved(0).shape, ctx.params, false),
    (g, ctx) => {
      const weight = ctx.saved(1);
      return weightKernel(ctx.saved(0), g, weight, { weight: weight.dtype, bias: null }, ctx.params)[0]!;
    },
  ],
});

/** Of the gradients that are wanted; null for a bias that needs none. */
interface GradientDTypes {
  weight: DType;
  bias: DType | null;
}

// The gradients of weight and bias; `weight` lends its shape and layout.
const weightKernel: (grad: Tensor, x: Tensor, weight: Tensor, types: GradientDTypes, attrs: Attributes) => readonly Tensor[] = defineKernel({
  name: 'conv',
  inputs: 2,
  forward(ctx: Context<Attributes>, grad: Tensor, x: Tensor, weight: Tensor, types: GradientDTypes, attrs: Attributes): readonly Tensor[] {
    ctx.save(grad, x);
    ctx.keep(attrs);
    const dWeight = fresh(weight.shape, types.weight, weight.device, stridesLike(weight.shape, weight.strides));
    const dBias = types.bias ? fresh([weight.shape[0]!], types.bias, weight.device) : null;
    run(Op.convBackwardWeight, [grad, x], [dWeight, dBias], attrs);
    return dBias ? [dWeight, dBias] : [dWeight];
  },
  backward([gWeight, gBias], ctx) {
    const [grad, x, attrs] = [ctx.saved(0), ctx.saved(1), ctx.params];
    let dGrad = gWeight && ctx.needs[0] ? convKernel(x, gWeight, gBias ?? null, grad.shape, attrs, false) : null;
    if (!dGrad && gBias) dGrad = expandView(reshapeKernel(gBias, grad.shape.map((n, i) => (i === 1 ? n : 1))), grad.shape);
    return [
      ctx.needs[0] ? dGrad : null,
      ctx.needs[1] && gWeight ? inputKernel(grad, gWeight, x.shape, gradientStrides(x), attrs) : null,
    ];
  },
});

// The gradient of a bias of one number per channel.
function channelSum(grad: Tensor): Tensor {
  return reduceKernel(Op.sum, grad, [...grad.shape.keys()].filter((i) => i !== 1), false);
}

// An activation's gradient takes the activation's layout, which is channels-last but at a network's entrance.
function gradientStrides(x: { shape: Shape; strides: readonly number[] }): readonly number[] {
  return isDense(x.shape, x.strides) ? x.strides : channelsLastStrides(x.shape);
}

// ---- conv1d, conv2d, conv3d -----------------------------------------------------------------------------------------

interface Kept {
  x: { shape: Shape; strides: readonly number[] };
  attrs: Attributes;
  relu: boolean;
}

const convOp = (name: string) => defineOp({
  name,
  inputs: 3,
  forward(ctx: Context<Kept>, x: Tensor, weight: Tensor, bias: Tensor | null, shape: Shape, attrs: Attributes, relu: boolean): Tensor {
    const y = convKernel(x, weight, bias, shape, attrs, relu);
    if (ctx.recording) {
      ctx.keep({ x: { shape: x.shape, strides: x.strides }, attrs, relu });
      const input = ctx.needs[1] ? x : weight; // the weight in its place where no gradient needs the input
      if (relu) ctx.save(input, weight, y);
      else ctx.save(input, weight);
    }
    return y;
  },
  backward([g], ctx) {
    const { x, attrs, relu } = ctx.params;
    const [needsX, needsWeight, needsBias] = ctx.needs;
    const weight = ctx.saved(1);
    const grad = relu ? binaryKernel(Op.reluBackward, g!, ctx.saved(2)) : g!;
    const dX = needsX ? inputKernel(grad, weight, x.shape, gradientStrides(x), attrs) : null;
    if (!needsWeight) return [dX, null, needsBias ? channelSum(grad) : null];
    const types = { weight: ctx.gradientDType(1, weight), bias: needsBias ? ctx.gradientDType(2, weight) : null };
    return [dX, ...weightKernel(grad, ctx.saved(0), weight, types, attrs)];
  },
});

const convOps = ['', '1d', '2d', '3d'].map((suffix) => convOp(`conv${suffix}`));

const letters = ['', 'L', 'H, W', 'D, H, W'];
const kernelLetters = ['', 'k', 'kH, kW', 'kD, kH, kW'];

// What a convolution and its transpose ask of their operands; says whether the input is a batch.
function checkOperands(x: Tensor, weight: Tensor, bias: Tensor | null, groups: number, spatial: number, transposed: boolean, where: string): boolean {
  checkTensor(x, where);
  checkTensor(weight, where, 'weight');
  const batched = checkBatched(x, spatial + 2, where, `C, ${letters[spatial]}`);
  const expected = transposed ? `[C, K / groups, ${kernelLetters[spatial]}]` : `[K, C / groups, ${kernelLetters[spatial]}]`;
  if (weight.ndim !== spatial + 2)
    throw new ShapeError(`${where}: expected weight ${expected}, got ${formatShape(weight.shape)}`);
  if (weight.shape.includes(0))
    throw new ShapeError(`${where}: the weight has no elements: ${formatShape(weight.shape)}`);
  checkInteger(groups, 1, where, 'groups');
  const channels = x.shape[batched ? 1 : 0]!;
  const wanted = transposed ? weight.shape[0]! : weight.shape[1]! * groups;
  if (channels !== wanted)
    throw new ShapeError(
      `${where}: weight ${formatShape(weight.shape)}${groups > 1 ? ` with ${groups} groups` : ''} expects ${wanted} ` +
        `input channels, got ${channels} in input ${formatShape(x.shape)}`,
    );
  if (weight.shape[0]! % groups !== 0)
    throw new ShapeError(
      `${where}: ${groups} groups do not divide the ${weight.shape[0]} ${transposed ? 'input' : 'output'} channels of ` +
        `weight ${formatShape(weight.shape)}`,
    );
  checkFloat(x, where);
  checkSameDType(x, weight, where, 'input', 'weight');
  if (bias) {
    checkTensor(bias, where, 'bias');
    const outputs = transposed ? weight.shape[1]! * groups : weight.shape[0]!;
    if (bias.ndim !== 1 || bias.shape[0] !== outputs)
      throw new ShapeError(`${where}: bias must be [${outputs}], one number per output channel, got ${formatShape(bias.shape)}`);
    checkSameDType(x, bias, where, 'input', 'bias');
  }
  return batched;
}

const zeros: readonly number[] = [0, 0, 0];

interface AnyPadding extends Omit<ConvOptions, 'padding'> {
  padding?: Sizes | 'same' | 'valid' | NamedPadding;
}

function convolution(spatial: number, where: string, x: Tensor, weight: Tensor, bias: Tensor | null, options: AnyPadding, relu = false): Tensor {
  const { stride: strideOption = 1, padding: paddingOption = 0, dilation: dilationOption = 1, groups = 1 } = options;
  const batched = checkOperands(x, weight, bias, groups, spatial, false, where);
  const stride = checkSizes(strideOption, spatial, 1, where, 'stride');
  const dilation = checkSizes(dilationOption, spatial, 1, where, 'dilation');
  const input = batched ? x : unsqueeze(x, 0);
  const size = (i: number) => input.shape[i + 2]!;
  const extent = (i: number) => dilation[i]! * (weight.shape[i + 2]! - 1) + 1;
  let padding: readonly number[];
  let outputs: readonly number[] | null = null; // if the padding's name decides them
  if (typeof paddingOption !== 'string') {
    padding = checkSizes(paddingOption, spatial, 0, where, 'padding');
  } else if (paddingOption === 'valid') {
    padding = zeros;
  } else if (paddingOption === 'same') {
    if (stride.some((s) => s !== 1)) throw new ArgumentError(`${where}: padding 'same' is for stride 1, got ${formatShape(stride)}`);
    padding = dilation.map((_, i) => (extent(i) - 1) >> 1); // of an odd sum, one more comes behind
    outputs = dilation.map((_, i) => size(i));
  } else if (paddingOption === 'SAME' || paddingOption === 'VALID') {
    const named = dilation.map((_, i) => namedPadding(paddingOption, size(i), extent(i), stride[i]!));
    padding = named.map(({ before }) => before);
    outputs = named.map(({ output }) => output);
  } else {
    throw new ArgumentError(`${where}: padding must be a number, numbers, 'same' or 'valid', got '${String(paddingOption)}'`);
  }
  const shape = [input.shape[0]!, weight.shape[0]!];
  for (let i = 0; i < spatial; i++) {
    const output = outputs ? outputs[i]! : Math.floor((size(i) + 2 * padding[i]! - extent(i)) / stride[i]!) + 1;
    if (output < 1 || size(i) === 0) throw tooSmall(input, weight, padding, dilation, where);
    shape.push(output);
  }
  checkShape(shape, where);
  const y = convOps[spatial]!(input, weight, bias, shape, attributesOf({ stride, padding, dilation, groups }), relu);
  return batched ? y : squeeze(y, 0);
}

function tooSmall(x: Tensor, weight: Tensor, padding: readonly number[], dilation: readonly number[], where: string): ShapeError {
  const padded = x.shape.slice(2).map((n, i) => n + 2 * padding[i]!);
  const extent = weight.shape.slice(2).map((k, i) => dilation[i]! * (k - 1) + 1);
  return new ShapeError(
    `${where}: the kernel is larger than the padded input: kernel ${formatShape(extent)}` +
      `${dilation.some((d) => d > 1) ? ' (with its dilation)' : ''}, padded input ${formatShape(padded)} ` +
      `from input ${formatShape(x.shape)} and weight ${formatShape(weight.shape)}`,
  );
}

/**
 * Convolution (cross-correlation, as everywhere in deep learning) over sequences.
 *
 * @param x [N, C, L] or [C, L], floating
 * @param weight [K, C / groups, k], of x's dtype
 * @param bias [K] or left out
 * @returns [N, K, L'] or [K, L']
 * @throws ShapeError for a wrong rank, channel count or bias, groups that do not divide the channels, and a kernel
 * larger than the padded input; DTypeError; ArgumentError for options out of range
 */
export function conv1d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options?: ConvOptions): Tensor {
  options = convOptions('conv1d', options, arguments.length > 4);
  return convolution(1, 'conv1d', ...lower(x, weight, bias), options);
}

/**
 * Convolution over images.
 *
 * @param x [N, C, H, W] or [C, H, W], floating
 * @param weight [K, C / groups, kH, kW], of x's dtype
 * @param bias [K] or left out
 * @param options with `layout: 'NHWC'`, x is [N, H, W, C] or [H, W, C], weight [kH, kW, C / groups, K], the result [N, H',
 * W', K] or [H', W', K], and padding may be 'SAME' or 'VALID' as in TensorFlow; activations are not copied for it
 * @returns [N, K, H', W'] or [K, H', W'], channels-last in memory
 * @throws as conv1d
 */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options?: Conv2dOptions,
): Tensor {
  options = conv2dOptions('conv2d', options, arguments.length > 4);
  if (options.layout === 'NHWC') return nhwcConvolution(...lower(x, weight, bias), options);
  const padding: unknown = options.padding;
  if (padding === 'SAME' || padding === 'VALID')
    throw new ArgumentError(`conv2d: padding '${padding}' is for layout 'NHWC'; use '${padding.toLowerCase()}'`);
  return convolution(2, 'conv2d', ...lower(x, weight, bias), options);
}

/**
 * Convolution over volumes.
 *
 * @param x [N, C, D, H, W] or [C, D, H, W], floating
 * @param weight [K, C / groups, kD, kH, kW], of x's dtype
 * @param bias [K] or left out
 * @returns [N, K, D', H', W'] or [K, D', H', W'], channels-last in memory
 * @throws as conv1d
 */
export function conv3d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options?: ConvOptions): Tensor {
  options = convOptions('conv3d', options, arguments.length > 4);
  return convolution(3, 'conv3d', ...lower(x, weight, bias), options);
}

function nhwcConvolution(x: Tensor, weight: Tensor, bias: Tensor | null, options: NhwcConvOptions): Tensor {
  const input = channelsFirst(x, 'conv2d');
  const { ndim, shape } = checkTensor(weight, 'conv2d', 'weight');
  const { groups = 1 } = options;
  if (ndim !== 4) throw new ShapeError(`conv2d: expected weight [kH, kW, C / groups, K], got ${formatShape(shape)}`);
  if (x.shape.at(-1) !== shape[2]! * groups)
    throw new ShapeError(
      `conv2d: weight ${formatShape(shape)} [kH, kW, C / groups, K]${groups > 1 ? ` with ${groups} groups` : ''} expects ` +
        `${shape[2]! * groups} input channels, got input ${formatShape(x.shape)} [N, H, W, C]`,
    );
  return channelsBehind(convolution(2, 'conv2d', input, permute(weight, [3, 2, 0, 1]), bias, options));
}

/** @internal relu(conv2d(...)) in one operation. */
export function conv2dRelu(x: Tensor, weight: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor {
  return convolution(2, 'conv2d', ...lower(x, weight, bias), options, true);
}

// ---- transposed: the gradient of a convolution with respect to its input, as an operation of its own -----------------

const convTransposeOp = (name: string) => defineOp({
  name,
  inputs: 2,
  forward(ctx: Context<Kept>, x: Tensor, weight: Tensor, shape: Shape, attrs: Attributes): Tensor {
    if (ctx.recording) {
      ctx.keep({ x: { shape: x.shape, strides: x.strides }, attrs, relu: false });
      ctx.save(ctx.needs[1] ? x : weight, weight);
    }
    return inputKernel(x, weight, shape, channelsLastStrides(shape), attrs);
  },
  backward([g], ctx) {
    const { x, attrs } = ctx.params;
    const weight = ctx.saved(1);
    const types = { weight: ctx.gradientDType(1, weight), bias: null };
    return [
      ctx.needs[0] ? convKernel(g!, weight, null, x.shape, attrs, false) : null,
      ctx.needs[1] ? weightKernel(ctx.saved(0), g!, weight, types, attrs)[0]! : null,
    ];
  },
});

const convTransposeOps = ['', '1d', '2d', '3d'].map((suffix) => convTransposeOp(`convTranspose${suffix}`));

function transposedConvolution(spatial: number, where: string, x: Tensor, weight: Tensor, bias: Tensor | null, options: ConvTransposeOptions): Tensor {
  const { groups = 1 } = options;
  const batched = checkOperands(x, weight, bias, groups, spatial, true, where);
  const stride = checkSizes(options.stride ?? 1, spatial, 1, where, 'stride');
  const padding = checkSizes(options.padding ?? 0, spatial, 0, where, 'padding');
  const dilation = checkSizes(options.dilation ?? 1, spatial, 1, where, 'dilation');
  const extra = checkSizes(options.outputPadding ?? 0, spatial, 0, where, 'outputPadding');
  const input = batched ? x : unsqueeze(x, 0);
  const shape = [input.shape[0]!, weight.shape[1]! * groups];
  const beyond: number[] = []; // what no window reaches, which the native operation does not know
  for (let i = 0; i < spatial; i++) {
    if (extra[i]! >= Math.max(stride[i]!, dilation[i]!))
      throw new ArgumentError(
        `${where}: outputPadding ${formatShape(extra)} must be less than stride ${formatShape(stride)} or dilation ${formatShape(dilation)}`,
      );
    const size = (input.shape[i + 2]! - 1) * stride[i]! - 2 * padding[i]! + dilation[i]! * (weight.shape[i + 2]! - 1) + extra[i]! + 1;
    if (size < 1 || input.shape[i + 2] === 0)
      throw new ShapeError(
        `${where}: input ${formatShape(x.shape)}, weight ${formatShape(weight.shape)} and padding ${formatShape(padding)} ` +
          `leave nothing: size ${size} in spatial dimension ${i}`,
      );
    beyond.push(Math.max(extra[i]! - padding[i]! - stride[i]! + 1, 0));
    shape.push(size - beyond[i]!);
  }
  checkShape(shape, where);
  let y = convTransposeOps[spatial]!(input, weight, shape, attributesOf({ stride, padding, dilation, groups }));
  if (beyond.some((n) => n > 0)) y = pad(y, beyond.toReversed().flatMap((n) => [0, n]));
  if (bias) y = add(y, reshape(bias, [bias.numel, ...new Array<number>(spatial).fill(1)]));
  return batched ? y : squeeze(y, 0);
}

/** Transposed convolution over sequences; see convTranspose2d. */
export function convTranspose1d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options?: ConvTransposeOptions): Tensor {
  options = convTransposeOptions('convTranspose1d', options, arguments.length > 4);
  return transposedConvolution(1, 'convTranspose1d', ...lower(x, weight, bias), options);
}

/**
 * Transposed convolution over images: the gradient of conv2d with respect to its input.
 *
 * @param x [N, C, H, W] or [C, H, W], floating
 * @param weight [C, K / groups, kH, kW], of x's dtype
 * @param bias [K] or left out
 * @returns [N, K, H', W'] with H' = (H - 1) stride - 2 padding + dilation (kH - 1) + outputPadding + 1
 * @throws as conv1d
 */
export function convTranspose2d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options?: ConvTransposeOptions): Tensor {
  options = convTransposeOptions('convTranspose2d', options, arguments.length > 4);
  return transposedConvolution(2, 'convTranspose2d', ...lower(x, weight, bias), options);
}

/** Transposed convolution over volumes; see convTranspose2d. */
export function convTranspose3d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options?: ConvTransposeOptions): Tensor {
  options = convTransposeOptions('convTranspose3d', options, arguments.length > 4);
  return transposedConvolution(3, 'convTranspose3d', ...lower(x, weight, bias), options);
}

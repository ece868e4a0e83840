// SPDX-License-Identifier: Apache-2.0
// Maximum and average pooling of one to three spatial dimensions. Results keep the input's memory layout.
import { defineKernel, defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, checked, nullable, number, oneOf, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { checkShape, formatShape, numelOf, stridesLike, type Shape } from '../tensor/shape.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { checkBatched, checkChoice, checkFloat, checkInteger, checkSizes, stridesAs, sizes, type Sizes } from './checks.js';
import { copyKernel } from './kernels.js';
import { channelsBehind, channelsFirst, namedPadding, type NamedPadding } from './layout.js';
import { gatherKernel } from './pick.js';
import { reshapeKernel, squeeze, unsqueeze } from './view.js';

export interface MaxPoolOptions {
  /** Steps of the window. Default: kernelSize. */
  stride?: Sizes;
  /** Positions on both sides that never win. At most half of the window; default 0. */
  padding?: Sizes;
  /** Distance of the window's elements. Default 1. */
  dilation?: Sizes;
  /** Let windows reach over the end of the input, instead of leaving a rest out. Default false. */
  ceilMode?: boolean;
  /** Give the positions of the maxima, too. Default false. */
  returnIndices?: boolean;
}
/** @internal */
export const maxPoolOptions = optionsOf<MaxPoolOptions>({
  stride: sizes,
  padding: checked,
  dilation: sizes,
  ceilMode: boolean,
  returnIndices: boolean,
});

export interface AvgPoolOptions {
  /** Steps of the window. Default: kernelSize. */
  stride?: Sizes;
  /** Zeros on both sides. At most half of kernelSize; default 0. */
  padding?: Sizes;
  /** Let windows reach over the end of the input, instead of leaving a rest out. Default false. */
  ceilMode?: boolean;
  /** Count padding in the divisor. Default true. */
  countIncludePad?: boolean;
  /** Divide by this instead of the window's size. */
  divisorOverride?: number | null;
}
/** @internal */
export const avgPoolOptions = optionsOf<AvgPoolOptions>({
  stride: sizes,
  padding: checked,
  ceilMode: boolean,
  countIncludePad: boolean,
  divisorOverride: nullable(number),
});

/** Two-dimensional pooling by TensorFlow's conventions. */
export type NhwcPoolOptions<O extends { padding?: Sizes }> = Omit<O, 'padding'> & {
  layout: 'NHWC';
  /** As in TensorFlow, or as without the layout. Default 0. */
  padding?: Sizes | NamedPadding;
};
type Layout2d<O extends { padding?: Sizes }> = (O & { layout?: 'NCHW' }) | NhwcPoolOptions<O>;
const layout = oneOf('NCHW', 'NHWC');
const maxPool2dOptions = optionsOf<Layout2d<MaxPoolOptions>>({ ...maxPoolOptions.schema, layout });
const avgPool2dOptions = optionsOf<Layout2d<AvgPoolOptions>>({ ...avgPoolOptions.schema, layout });

// Whether the options ask for TensorFlow's conventions; named padding goes with them alone.
function isNhwc(options: { layout?: string; padding?: unknown }, where: string): boolean {
  if (options.layout === 'NHWC') return true;
  if (typeof options.padding === 'string')
    throw new ArgumentError(`${where}: padding '${options.padding}' is for layout 'NHWC'`);
  return false;
}

/** A kernel of 0 is an adaptive one: the windows share the input out evenly, and the rest counts for nothing. */
export interface Window {
  kernel: readonly number[];
  stride: readonly number[];
  padding: readonly number[];
  dilation: readonly number[];
}

type Triple = [number, number, number];
const triple = (list: readonly number[], rest: number): Triple => [list[0]!, list[1] ?? rest, list[2] ?? rest];
const placement = (w: Window) =>
  [...triple(w.kernel, 1), ...triple(w.stride, 1), ...triple(w.padding, 0)] as [...Triple, ...Triple, ...Triple];

/** Names of one to three spatial dimensions, for messages. */
export const letters = ['', 'L', 'H, W', 'D, H, W'];

/** An input that has been checked, as a batch, and the windows over it. */
export interface Pooling {
  input: Tensor;
  batched: boolean;
  window: Window;
  shape: Shape;
}

// Checks what all poolings share, and works out the result's shape.
function prepare(
  spatial: number,
  where: string,
  x: Tensor,
  kernelSize: Sizes,
  options: { stride?: Sizes; padding?: Sizes | NamedPadding; dilation?: Sizes; ceilMode?: boolean },
): Pooling {
  checkTensor(x, where);
  const batched = checkBatched(x, spatial + 2, where, `C, ${letters[spatial]}`);
  checkFloat(x, where);
  const kernel = checkSizes(kernelSize, spatial, 1, where, 'kernelSize');
  const stride = checkSizes(options.stride ?? kernel, spatial, 1, where, 'stride');
  const dilation = checkSizes(options.dilation ?? 1, spatial, 1, where, 'dilation');
  const input = batched ? x : unsqueeze(x, 0);
  const named = typeof options.padding === 'string' ? checkChoice(options.padding, ['SAME', 'VALID'], where, 'padding') : null;
  if (named && options.ceilMode) throw new ArgumentError(`${where}: ceilMode does not go with padding '${named}'`);
  const places = named && kernel.map((k, i) => namedPadding(named, input.shape[i + 2]!, dilation[i]! * (k - 1) + 1, stride[i]!));
  const padding = places
    ? places.map(({ before }) => before)
    : checkSizes((options.padding as Sizes | undefined) ?? 0, spatial, 0, where, 'padding');
  const shape = input.shape.slice(0, 2);
  for (let i = 0; i < spatial; i++) {
    const extent = dilation[i]! * (kernel[i]! - 1) + 1;
    if (padding[i]! > extent / 2)
      throw new ArgumentError(
        `${where}: padding must be at most half of the window, got padding ${formatShape(padding)} for ` +
          `kernelSize ${formatShape(kernel)}`,
      );
    const size = input.shape[i + 2]!;
    const reach = size + 2 * padding[i]! - extent;
    // With ceilMode a window may end beyond the input, but not begin in the padding behind it.
    let out = places ? places[i]!.output : Math.floor(reach / stride[i]!) + 1;
    if (options.ceilMode && reach % stride[i]! !== 0 && out * stride[i]! < size + padding[i]!) out++;
    if (size === 0 || out < 1)
      throw new ShapeError(
        `${where}: the kernel is larger than the padded input: kernelSize ${formatShape(kernel)}` +
          `${dilation.some((d) => d > 1) ? ` with dilation ${formatShape(dilation)}` : ''}, padding ${formatShape(padding)}, ` +
          `input ${formatShape(x.shape)}`,
      );
    shape.push(out);
  }
  if (shape[1] === 0) throw new ShapeError(`${where}: input ${formatShape(x.shape)} has no channels`);
  return { input, batched, window: { kernel, stride, padding, dilation }, shape: checkShape(shape, where) };
}

// ---- maximum ---------------------------------------------------------------------------------------------------------

interface MaxKept {
  window: Window;
  shape: Shape;
  strides: readonly number[];
}

// Every gradient goes to where its maximum came from, and what asks for those gradients finds them there.
const maxBackward: (g: Tensor, indices: Tensor, kept: MaxKept) => Tensor = defineKernel({
  name: 'maxPool',
  forward(ctx: Context<MaxKept>, g: Tensor, indices: Tensor, kept: MaxKept): Tensor {
    ctx.save(indices);
    ctx.keep(kept);
    const { window, shape, strides } = kept;
    const dX = fresh(shape, g.dtype, g.device, strides);
    run(Op.maxPoolBackward, [g, indices], [dX], [...placement(window), ...triple(window.dilation, 1)]);
    return dX;
  },
  gradients: [(g, ctx) => atMaxima(g, ctx.saved(0), ctx.params)],
});

const atMaxima: (x: Tensor, indices: Tensor, kept: MaxKept) => Tensor = defineKernel({
  name: 'gather',
  forward(ctx: Context<MaxKept>, x: Tensor, indices: Tensor, kept: MaxKept): Tensor {
    ctx.save(indices);
    ctx.keep(kept);
    const planes = (t: Tensor) => reshapeKernel(t, [t.shape[0]!, t.shape[1]!, numelOf(t.shape.slice(2))]);
    return reshapeKernel(gatherKernel(planes(x), 2, planes(indices)), indices.shape);
  },
  gradients: [(g, ctx) => maxBackward(g, ctx.saved(0), ctx.params)],
});

/** @internal Its results are the maxima and, where anybody needs them, their int32 positions. */
export const maxPoolOp = (name: string) => defineOp({
  name,
  inputs: 1,
  forward(ctx: Context<MaxKept>, x: Tensor, window: Window, shape: Shape, withIndices: boolean): Tensor[] {
    const strides = stridesAs(x, shape);
    const y = fresh(shape, x.dtype, x.device, strides);
    const indices = withIndices || ctx.recording ? fresh(shape, 'int32', x.device, strides) : null;
    run(Op.maxPool, [x], [y, indices], [...placement(window), ...triple(window.dilation, 1)]);
    if (!indices) return [y];
    ctx.save(indices);
    ctx.keep({ window, shape: x.shape, strides: stridesLike(x.shape, x.strides) });
    return [y, indices];
  },
  backward([g], ctx) {
    if (!g) return [null];
    const { window, shape, strides } = ctx.params;
    return [maxBackward(g, ctx.saved(0), { window, shape, strides })];
  },
});

type MaxPool = ReturnType<typeof maxPoolOp>;
const maxPoolOps = ['', '1d', '2d', '3d'].map((suffix) => maxPoolOp(`maxPool${suffix}`));

interface AnyMaxPoolOptions extends Omit<MaxPoolOptions, 'padding'> {
  padding?: Sizes | NamedPadding;
}

function maxPool(spatial: number, where: string, x: Tensor, kernelSize: Sizes, options: AnyMaxPoolOptions): Tensor | [Tensor, Tensor] {
  return maxima(maxPoolOps[spatial]!, prepare(spatial, where, x, kernelSize, options), options.returnIndices === true);
}

/** @internal The maxima, with their positions if asked for. */
export function maxima(op: MaxPool, { input, batched, window, shape }: Pooling, returnIndices: boolean): Tensor | [Tensor, Tensor] {
  const [y, indices] = op(input, window, shape, returnIndices);
  const values = batched ? y! : squeeze(y!, 0);
  if (!returnIndices) return values;
  const positions = copyKernel(indices!, 'int64');
  return [values, batched ? positions : squeeze(positions, 0)];
}

type Indices = { returnIndices: true };

/**
 * Maximum over windows of a sequence; see maxPool2d.
 * @param x [N, C, L] or [C, L], floating
 */
export function maxPool1d(x: Tensor, kernelSize: Sizes, options: MaxPoolOptions & Indices): [values: Tensor, indices: Tensor];
export function maxPool1d(x: Tensor, kernelSize: Sizes, options?: MaxPoolOptions): Tensor;
export function maxPool1d(x: Tensor, kernelSize: Sizes, options?: MaxPoolOptions): Tensor | [Tensor, Tensor] {
  options = maxPoolOptions('maxPool1d', options, arguments.length > 3);
  return maxPool(1, 'maxPool1d', x, kernelSize, options);
}

/**
 * Maximum over windows of an image; NaN wins, and the first of equals.
 *
 * @param x [N, C, H, W] or [C, H, W], floating
 * @param kernelSize the window's size, one number or [kH, kW]
 * @param options with `layout: 'NHWC'`, x and the result have their channels behind, at no copy, and padding may be 'SAME'
 * or 'VALID' as in TensorFlow
 * @returns [N, C, H', W'] (or without N); with `returnIndices` also the int64 positions of the maxima in the flattened
 * H x W plane
 * @throws ShapeError for a wrong rank and a window larger than the padded input; DTypeError; ArgumentError for options
 * out of range
 */
export function maxPool2d(x: Tensor, kernelSize: Sizes, options: Layout2d<MaxPoolOptions> & Indices): [values: Tensor, indices: Tensor];
export function maxPool2d(x: Tensor, kernelSize: Sizes, options?: Layout2d<MaxPoolOptions>): Tensor;
export function maxPool2d(x: Tensor, kernelSize: Sizes, options?: Layout2d<MaxPoolOptions>): Tensor | [Tensor, Tensor] {
  options = maxPool2dOptions('maxPool2d', options, arguments.length > 3);
  if (isNhwc(options, 'maxPool2d')) {
    const result = maxPool(2, 'maxPool2d', channelsFirst(x, 'maxPool2d'), kernelSize, options);
    return Array.isArray(result) ? [channelsBehind(result[0]), channelsBehind(result[1])] : channelsBehind(result);
  }
  return maxPool(2, 'maxPool2d', x, kernelSize, options);
}

/**
 * Maximum over windows of a volume; see maxPool2d.
 * @param x [N, C, D, H, W] or [C, D, H, W], floating
 */
export function maxPool3d(x: Tensor, kernelSize: Sizes, options: MaxPoolOptions & Indices): [values: Tensor, indices: Tensor];
export function maxPool3d(x: Tensor, kernelSize: Sizes, options?: MaxPoolOptions): Tensor;
export function maxPool3d(x: Tensor, kernelSize: Sizes, options?: MaxPoolOptions): Tensor | [Tensor, Tensor] {
  options = maxPoolOptions('maxPool3d', options, arguments.length > 3);
  return maxPool(3, 'maxPool3d', x, kernelSize, options);
}

// ---- average ---------------------------------------------------------------------------------------------------------

interface AvgKept {
  attrs: readonly number[];
  shape: Shape;
  strides: readonly number[];
}

const avgKernel: (x: Tensor, shape: Shape, attrs: readonly number[]) => Tensor = defineKernel({
  name: 'avgPool',
  forward(ctx: Context<AvgKept>, x: Tensor, shape: Shape, attrs: readonly number[]): Tensor {
    const y = fresh(shape, x.dtype, x.device, stridesAs(x, shape));
    run(Op.avgPool, [x], [y], attrs as never);
    ctx.keep({ attrs, shape: x.shape, strides: stridesLike(x.shape, x.strides) });
    return y;
  },
  gradients: [(g, ctx) => avgBackward(g, ctx.params)],
});

const avgBackward: (g: Tensor, kept: AvgKept) => Tensor = defineKernel({
  name: 'avgPool',
  forward(ctx: Context<{ shape: Shape; attrs: readonly number[] }>, g: Tensor, { attrs, shape, strides }: AvgKept): Tensor {
    ctx.keep({ shape: g.shape, attrs });
    const dX = fresh(shape, g.dtype, g.device, strides);
    run(Op.avgPoolBackward, [g], [dX], attrs as never);
    return dX;
  },
  gradients: [(g, ctx) => avgKernel(g, ctx.params.shape, ctx.params.attrs)],
});

/** @internal */
export const avgPoolOp = (name: string) => defineOp({
  name,
  forward(ctx: Context<AvgKept>, x: Tensor, shape: Shape, attrs: readonly number[]): Tensor {
    ctx.keep({ attrs, shape: x.shape, strides: stridesLike(x.shape, x.strides) });
    return avgKernel(x, shape, attrs);
  },
  gradients: [(g, ctx) => avgBackward(g, ctx.params)],
});

type AvgPool = ReturnType<typeof avgPoolOp>;
const avgPoolOps = ['', '1d', '2d', '3d'].map((suffix) => avgPoolOp(`avgPool${suffix}`));

interface AnyAvgPoolOptions extends Omit<AvgPoolOptions, 'padding'> {
  padding?: Sizes | NamedPadding;
}

function avgPool(spatial: number, where: string, x: Tensor, kernelSize: Sizes, options: AnyAvgPoolOptions): Tensor {
  const pooling = prepare(spatial, where, x, kernelSize, options);
  const { countIncludePad = true, divisorOverride = null } = options;
  const divisor = divisorOverride === null ? 0 : checkInteger(divisorOverride, -Infinity, where, 'divisorOverride');
  if (divisorOverride === 0) throw new ArgumentError(`${where}: divisorOverride must not be 0`);
  return means(avgPoolOps[spatial]!, pooling, countIncludePad && typeof options.padding !== 'string', divisor);
}

/** @internal The means; divisor 0 stands for the windows' sizes. */
export function means(op: AvgPool, { input, batched, window, shape }: Pooling, countIncludePad: boolean, divisor: number): Tensor {
  const y = op(input, shape, [...placement(window), countIncludePad ? 1 : 0, divisor]);
  return batched ? y : squeeze(y, 0);
}

/**
 * Mean over windows of a sequence; see avgPool2d.
 * @param x [N, C, L] or [C, L], floating
 */
export function avgPool1d(x: Tensor, kernelSize: Sizes, options?: AvgPoolOptions): Tensor {
  options = avgPoolOptions('avgPool1d', options, arguments.length > 3);
  return avgPool(1, 'avgPool1d', x, kernelSize, options);
}

/**
 * Mean over windows of an image.
 *
 * @param x [N, C, H, W] or [C, H, W], floating
 * @param kernelSize the window's size, one number or [kH, kW]
 * @param options with `layout: 'NHWC'`, x and the result have their channels behind, at no copy, and padding may be 'SAME'
 * or 'VALID' as in TensorFlow, which does not count it in the divisor
 * @returns [N, C, H', W'] (or without N)
 * @throws as maxPool2d
 */
export function avgPool2d(x: Tensor, kernelSize: Sizes, options?: Layout2d<AvgPoolOptions>): Tensor {
  options = avgPool2dOptions('avgPool2d', options, arguments.length > 3);
  if (isNhwc(options, 'avgPool2d'))
    return channelsBehind(avgPool(2, 'avgPool2d', channelsFirst(x, 'avgPool2d'), kernelSize, options));
  return avgPool(2, 'avgPool2d', x, kernelSize, options);
}

/**
 * Mean over windows of a volume; see avgPool2d.
 * @param x [N, C, D, H, W] or [C, D, H, W], floating
 */
export function avgPool3d(x: Tensor, kernelSize: Sizes, options?: AvgPoolOptions): Tensor {
  options = avgPoolOptions('avgPool3d', options, arguments.length > 3);
  return avgPool(3, 'avgPool3d', x, kernelSize, options);
}

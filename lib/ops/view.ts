// SPDX-License-Identifier: Apache-2.0
// Other shapes over the same memory, and the copies that those need which no strides can express.
import { defineKernel, defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { checked, noMore, optionsOf, show } from '../native/options.js';
import { Device, device as toDevice, type DeviceLike } from '../tensor/device.js';
import { checkDType, dtypes, type DType } from '../tensor/dtype.js';
import {
  broadcastShapes,
  channelsLastStrides,
  checkList,
  checkRank,
  checkShape,
  contiguousStrides,
  formatShape,
  isChannelsLast,
  isContiguous,
  normalizeDim,
  normalizeDims,
  numelOf,
  sameShape,
  stridesLike,
  type Shape,
} from '../tensor/shape.js';
import { checkTensor, viewOf, type Tensor } from '../tensor/tensor.js';
import { copyKernel, expandView, partKernels, sliceOf, sumTo } from './kernels.js';
import { cast } from './promote.js';
import { moveTo } from './transfer.js';

export type MemoryFormat = 'contiguous' | 'channelsLast';

const ONE_ARRAY = 'the sizes are given as one array';

// ---- reshape ---------------------------------------------------------------------------------------------------

// The strides of `shape` over the memory of x, or null if only a copy can have that shape. Dimensions of size 1 take no
// part: their strides say nothing about where elements lie.
function viewStrides(x: Tensor, shape: Shape): number[] | null {
  if (isContiguous(x.shape, x.strides)) return contiguousStrides(shape);
  const strides = new Array<number>(shape.length);
  let next = shape.length - 1;
  let step = 1;
  for (let i = x.ndim - 1; i >= 0; ) {
    if (x.shape[i] === 1) {
      i--;
      continue;
    }
    // A run of x's dimensions that lie in memory as one; whole new dimensions must cover it.
    const base = x.strides[i]!;
    let size = x.shape[i]!;
    for (i--; i >= 0; i--) {
      if (x.shape[i] === 1) continue;
      if (x.strides[i] !== base * size) break;
      size *= x.shape[i]!;
    }
    let covered = 1;
    for (; next >= 0 && covered < size; next--) {
      strides[next] = base * covered;
      covered *= shape[next]!;
    }
    if (covered !== size) return null;
    step = base * size;
  }
  for (; next >= 0; next--) strides[next] = step; // of size 1
  return strides;
}

// `sizes` of which one may be -1 for whatever is left of `total` elements; null if they cannot hold these.
function resolveSizes(given: Shape, total: number): Shape | null {
  const sizes = [...given];
  const unknown = sizes.indexOf(-1);
  let known = 1;
  for (let i = 0; i < sizes.length; i++) {
    if (i === unknown) continue;
    if (!Number.isInteger(sizes[i]) || sizes[i]! < 0) return null;
    known *= sizes[i]!;
  }
  if (unknown < 0) return known === total ? sizes : null;
  if (known === 0 || total % known !== 0) return null;
  sizes[unknown] = total / known;
  return sizes;
}

function resolveShape(x: Tensor, shape: Shape, where: string): Shape {
  const sizes = resolveSizes(checkList(shape, where, 'the shape'), x.numel);
  if (!sizes)
    throw new ShapeError(
      `${where}: shape ${formatShape(shape)} does not fit a tensor of shape ${formatShape(x.shape)} (${x.numel} elements)`,
    );
  return checkRank(sizes, where);
}

const reshapeOp = defineOp({
  name: 'reshape',
  forward(ctx: Context<Tensor['shape']>, x: Tensor, shape: Shape): Tensor {
    ctx.keep(x.shape);
    return reshapeKernel(x, shape);
  },
  gradients: [(g, ctx) => reshapeKernel(g, ctx.params)],
});

/** @internal reshape() where gradients are computed. */
export const reshapeKernel: (x: Tensor, shape: Shape) => Tensor = defineKernel({
  name: 'reshape',
  forward(ctx: Context<Shape>, x: Tensor, shape: Shape): Tensor {
    ctx.keep(x.shape);
    const strides = viewStrides(x, shape);
    if (strides) return viewOf(x, shape, strides);
    return viewOf(copyKernel(x, x.dtype, contiguousStrides(x.shape)), shape, contiguousStrides(shape));
  },
  gradients: [(g, ctx) => reshapeKernel(g, ctx.params)],
});

/** The same elements in row-major order under another shape; one size may be -1. A view where strides allow it. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  noMore('reshape', arguments.length > 2, ONE_ARRAY);
  return reshapeOp(checkTensor(x, 'reshape'), resolveShape(x, shape, 'reshape'));
}

/**
 * As reshape(), over the same memory: a change of one in place is seen in the other.
 *
 * Except that results of convolutions and of layers after them lie channels-last in memory, which is the library's choice
 * and not the caller's, while PyTorch's would be row-major: `out.view([out.size(0), -1])` must work. Where strides cannot
 * express the shape of such a tensor, the result is a copy, as from reshape().
 *
 * @throws ShapeError when strides cannot express the shape, and the tensor is not channels-last
 */
export function view(x: Tensor, shape: Shape): Tensor {
  noMore('view', arguments.length > 2, ONE_ARRAY);
  const resolved = resolveShape(checkTensor(x, 'view'), shape, 'view');
  if (!viewStrides(x, resolved) && !isChannelsLast(x.shape, x.strides))
    throw new ShapeError(
      `view: shape ${formatShape(resolved)} needs a copy of this tensor (shape ${formatShape(x.shape)}, ` +
        `strides ${formatShape(x.strides)}); use reshape()`,
    );
  return reshapeOp(x, resolved);
}

/** Joins the dimensions from startDim to endDim (both included) into one. */
export function flatten(x: Tensor, startDim = 0, endDim = -1): Tensor {
  noMore('flatten', arguments.length > 3);
  const start = normalizeDim(startDim, checkTensor(x, 'flatten').ndim, 'flatten');
  const end = normalizeDim(endDim, x.ndim, 'flatten');
  if (start > end) throw new ShapeError(`flatten: startDim ${startDim} comes after endDim ${endDim}`);
  if (x.ndim === 0) return reshapeOp(x, [1]);
  if (start === end) return x;
  const joined = numelOf(x.shape.slice(start, end + 1));
  return reshapeOp(x, [...x.shape.slice(0, start), joined, ...x.shape.slice(end + 1)]);
}

/** Splits dimension `dim` into `sizes`, of which one may be -1. */
export function unflatten(x: Tensor, dim: number, sizes: Shape): Tensor {
  noMore('unflatten', arguments.length > 3);
  const at = normalizeDim(dim, checkTensor(x, 'unflatten').ndim, 'unflatten');
  const size = x.shape[at];
  const resolved = size === undefined ? null : resolveSizes(checkList(sizes, 'unflatten', 'the sizes'), size);
  if (!resolved || resolved.length === 0)
    throw new ShapeError(
      `unflatten: ${formatShape(sizes)} does not multiply to size ${size} of dim ${dim} of ${formatShape(x.shape)}`,
    );
  return reshapeOp(x, checkRank([...x.shape.slice(0, at), ...resolved, ...x.shape.slice(at + 1)], 'unflatten'));
}

/** Without dimensions of size 1: all of them, or only those given. */
export function squeeze(x: Tensor, dim?: number | readonly number[]): Tensor {
  noMore('squeeze', arguments.length > 2);
  const dims = dim === undefined ? null : normalizeDims(dim, checkTensor(x, 'squeeze').ndim, 'squeeze');
  const { shape } = checkTensor(x, 'squeeze');
  return reshapeOp(x, shape.filter((size, i) => size !== 1 || (dims !== null && !dims.includes(i))));
}

/** With a dimension of size 1 inserted before `dim`. */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  noMore('unsqueeze', arguments.length > 2);
  const at = normalizeDim(dim, checkTensor(x, 'unsqueeze').ndim + 1, 'unsqueeze');
  return reshapeOp(x, checkRank(x.shape.toSpliced(at, 0, 1), 'unsqueeze'));
}

// ---- order and repetition of dimensions ------------------------------------------------------------------------

const inverse = (order: readonly number[]) => order.map((_, i) => order.indexOf(i));

/** @internal permute() where gradients are computed. */
export const permuteKernel: (x: Tensor, order: readonly number[]) => Tensor = defineKernel({
  name: 'permute',
  forward(ctx: Context<readonly number[]>, x: Tensor, order: readonly number[]): Tensor {
    ctx.keep(order);
    return viewOf(x, order.map((i) => x.shape[i]!), order.map((i) => x.strides[i]!));
  },
  gradients: [(g, ctx) => permuteKernel(g, inverse(ctx.params))],
});

const permuteOp = defineOp({
  name: 'permute',
  forward(ctx: Context<readonly number[]>, x: Tensor, order: readonly number[]): Tensor {
    ctx.keep(order);
    return permuteKernel(x, order);
  },
  gradients: [(g, ctx) => permuteKernel(g, inverse(ctx.params))],
});

/** The dimensions in another order; a view. */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  noMore('permute', arguments.length > 2, 'the order is given as one array');
  checkTensor(x, 'permute');
  const order = checkList(dims, 'permute', 'the order').map((d) => normalizeDim(d, x.ndim, 'permute'));
  if (order.length !== x.ndim || new Set(order).size !== x.ndim)
    throw new ShapeError(`permute: ${formatShape(dims)} is no order of the ${x.ndim} dimensions of ${formatShape(x.shape)}`);
  return permuteOp(x, order);
}

/** Two dimensions swapped; a view. */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  noMore('transpose', arguments.length > 3);
  const a = normalizeDim(dim0, checkTensor(x, 'transpose').ndim, 'transpose');
  const b = normalizeDim(dim1, x.ndim, 'transpose');
  if (x.ndim === 0) return x;
  const order = x.shape.map((_, i) => (i === a ? b : i === b ? a : i));
  return permuteOp(x, order);
}

/** A matrix transposed; vectors and scalars unchanged. */
export function t(x: Tensor): Tensor {
  noMore('t', arguments.length > 1);
  if (checkTensor(x, 't').ndim > 2) throw new ShapeError(`t: expected at most 2 dimensions, got ${formatShape(x.shape)}`);
  return x.ndim < 2 ? x : permuteOp(x, [1, 0]);
}

const expandOp = defineOp({
  name: 'expand',
  forward(ctx: Context<Shape>, x: Tensor, shape: Shape): Tensor {
    ctx.keep(x.shape);
    return expandView(x, shape);
  },
  gradients: [(g, ctx) => sumTo(g, ctx.params)],
});

/** Dimensions of size 1 repeated to the given sizes at no copy; -1 keeps a size. New dimensions come first. */
export function expand(x: Tensor, shape: Shape): Tensor {
  noMore('expand', arguments.length > 2, ONE_ARRAY);
  checkTensor(x, 'expand');
  const extra = checkList(shape, 'expand', 'the shape').length - x.ndim;
  const resolved = shape.map((size, i) => (size === -1 && i >= extra ? x.shape[i - extra]! : size));
  const fits =
    extra >= 0 &&
    resolved.every((size, i) => Number.isInteger(size) && size >= 0 && (i < extra || x.shape[i - extra] === 1 || x.shape[i - extra] === size));
  if (!fits) throw new ShapeError(`expand: shape ${formatShape(x.shape)} cannot be expanded to ${formatShape(shape)}`);
  checkShape(resolved, 'expand');
  return sameShape(resolved, x.shape) ? x : expandOp(x, resolved);
}

/** expand() to the shape that the tensors have together. */
export function broadcastTensors(...tensors: Tensor[]): Tensor[] {
  const shape = tensors.reduce<Shape>((s, x) => broadcastShapes(s, checkTensor(x, 'broadcastTensors').shape, 'broadcastTensors'), []);
  return tensors.map((x) => expand(x, shape));
}

// ---- parts -----------------------------------------------------------------------------------------------------

// A view of a part of x. Its gradient is zeros around the part's.
const partOp = <P>(name: string, view: (x: Tensor, part: P) => Tensor) => {
  const { part: partOf, around } = partKernels(name, view);
  return defineOp({
    name,
    forward(ctx: Context<{ part: P; shape: Shape }>, x: Tensor, part: P): Tensor {
      ctx.keep({ part, shape: x.shape });
      return partOf(x, part);
    },
    gradients: [(g, ctx) => around(g, ctx.params.part, ctx.params.shape)],
  });
};

const sliceOp = partOp('slice', sliceOf);
const selectOp = partOp('select', (x, { dim, index }: { dim: number; index: number }) =>
  viewOf(x, x.shape.toSpliced(dim, 1), x.strides.toSpliced(dim, 1), index * x.strides[dim]!),
);

function dimToDivide(x: Tensor, dim: number, where: string): number {
  const at = normalizeDim(dim, checkTensor(x, where).ndim, where);
  if (x.ndim === 0) throw new ShapeError(`${where}: a tensor without dimensions has no parts`);
  return at;
}

/**
 * Elements start, start + step, ... before end along `dim`; a view. Negative positions count from the end, and
 * positions beyond the ends are clipped, as in Python.
 */
export function slice(x: Tensor, dim: number, start = 0, end?: number, step = 1): Tensor {
  noMore('slice', arguments.length > 5);
  const at = dimToDivide(x, dim, 'slice');
  if (!Number.isInteger(step) || step < 1) throw new ArgumentError(`slice: step must be a positive integer, got ${step}`);
  const size = x.shape[at]!;
  const clip = (i: number) => {
    if (!Number.isInteger(i) && Number.isFinite(i)) throw new ArgumentError(`slice: positions must be integers, got ${i}`);
    return Math.min(Math.max(i < 0 ? i + size : i, 0), size);
  };
  const from = clip(start);
  const to = Math.max(clip(end ?? size), from);
  return sliceOp(x, { dim: at, start: from, length: Math.ceil((to - from) / step), step });
}

/** `length` elements from `start` along `dim`; a view. */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  noMore('narrow', arguments.length > 4);
  const at = dimToDivide(x, dim, 'narrow');
  const size = x.shape[at]!;
  const from = start < 0 ? start + size : start;
  if (!Number.isInteger(from) || !Number.isInteger(length) || from < 0 || length < 0 || from + length > size)
    throw new ShapeError(`narrow: start ${start} and length ${length} reach outside size ${size} of dim ${dim}`);
  return sliceOp(x, { dim: at, start: from, length, step: 1 });
}

/** The part at one position of `dim`, without that dimension; a view. */
export function select(x: Tensor, dim: number, index: number): Tensor {
  noMore('select', arguments.length > 3);
  const at = dimToDivide(x, dim, 'select');
  const size = x.shape[at]!;
  if (!Number.isInteger(index) || index < -size || index >= size)
    throw new ShapeError(`select: index ${index} is out of range for size ${size} of dim ${dim}`);
  return selectOp(x, { dim: at, index: index < 0 ? index + size : index });
}

/** Views of `size` elements each along `dim` (the last may be smaller), or of the given sizes. */
export function split(x: Tensor, size: number | readonly number[], dim = 0): Tensor[] {
  noMore('split', arguments.length > 3);
  const at = dimToDivide(x, dim, 'split');
  const total = x.shape[at]!;
  let sizes: readonly number[];
  if (typeof size === 'number') {
    if (!Number.isInteger(size) || size < 0 || (size === 0 && total > 0))
      throw new ArgumentError(`split: size must be a positive integer, got ${size}`);
    const count = Math.max(1, Math.ceil(total / (size || 1)));
    sizes = Array.from({ length: count }, (_, i) => Math.min(size, total - i * size));
  } else {
    sizes = checkList(size, 'split', 'the sizes');
    if (!sizes.every((n) => Number.isInteger(n) && n >= 0) || sizes.reduce((a, b) => a + b, 0) !== total)
      throw new ShapeError(`split: sizes ${formatShape(sizes)} do not add up to size ${total} of dim ${dim}`);
  }
  let start = 0;
  return sizes.map((length) => {
    const part = sliceOp(x, { dim: at, start, length, step: 1 });
    start += length;
    return part;
  });
}

/** At most `chunks` views of equal size along `dim` (the last may be smaller); as many as asked of a `dim` of size 0. */
export function chunk(x: Tensor, chunks: number, dim = 0): Tensor[] {
  noMore('chunk', arguments.length > 3);
  if (!Number.isInteger(chunks) || chunks < 1) throw new ArgumentError(`chunk: expected a positive integer, got ${chunks}`);
  const at = dimToDivide(x, dim, 'chunk');
  const total = x.shape[at]!;
  return split(x, total === 0 ? new Array<number>(chunks).fill(0) : Math.ceil(total / chunks), at);
}

/** One view per position of `dim`, without that dimension. */
export function unbind(x: Tensor, dim = 0): Tensor[] {
  noMore('unbind', arguments.length > 2);
  const at = dimToDivide(x, dim, 'unbind');
  return Array.from({ length: x.shape[at]! }, (_, index) => selectOp(x, { dim: at, index }));
}

// ---- copies ----------------------------------------------------------------------------------------------------

const copyOp = defineOp({
  name: 'clone',
  forward: (_ctx: Context<undefined>, x: Tensor, strides: readonly number[]): Tensor => copyKernel(x, x.dtype, [...strides]),
  gradients: [(g) => g],
});

/** A copy with memory of its own. */
export function clone(x: Tensor): Tensor {
  noMore('clone', arguments.length > 1);
  return copyOp(checkTensor(x, 'clone'), stridesLike(x.shape, x.strides));
}

/** x in the given memory format: x itself if it has it, else a copy. */
export function contiguous(x: Tensor, memoryFormat: MemoryFormat = 'contiguous'): Tensor {
  noMore('contiguous', arguments.length > 2);
  checkTensor(x, 'contiguous');
  if (memoryFormat === 'contiguous')
    return isContiguous(x.shape, x.strides) ? x : copyOp(x, contiguousStrides(x.shape));
  if (memoryFormat !== 'channelsLast')
    throw new ArgumentError(`contiguous: memoryFormat must be 'contiguous' or 'channelsLast', got ${show(memoryFormat)}`);
  if (x.ndim < 3 || x.ndim > 5)
    throw new ShapeError(`contiguous: channelsLast is for 3 to 5 dimensions, got ${formatShape(x.shape)}`);
  return isChannelsLast(x.shape, x.strides) ? x : copyOp(x, channelsLastStrides(x.shape));
}

export interface ToOptions {
  dtype?: DType;
  device?: DeviceLike;
}
/** @internal */
export const toOptions = optionsOf<ToOptions>({ dtype: checked, device: checked });

/** x with another dtype, on another device, or both; x itself if nothing changes. */
export function to(x: Tensor, target: DType | DeviceLike | ToOptions): Tensor {
  noMore('to', arguments.length > 2, 'a dtype and a device are given as one object');
  checkTensor(x, 'to');
  if (target === undefined) throw new ArgumentError('to: expected a dtype, a device or both in an object, got undefined');
  const options =
    typeof target === 'string'
      ? dtypes.includes(target as DType)
        ? { dtype: target as DType }
        : { device: target as DeviceLike }
      : target instanceof Device
        ? { device: target }
        : toOptions('to', target);
  let result = x;
  if (options.dtype !== undefined && checkDType(options.dtype, 'to') !== x.dtype) result = cast(result, options.dtype);
  if (options.device !== undefined) {
    const where = toDevice(options.device);
    if (where !== x.device) result = moveTo(result, where);
  }
  return result;
}

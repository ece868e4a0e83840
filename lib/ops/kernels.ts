// SPDX-License-Identifier: Apache-2.0
// Native calls without autograd: each makes its output and runs one operation. Gradients are written with these. Where a
// gradient is to be differentiated itself they are recorded, by the operations that stand for them.
import { isDeriving } from '../autograd/deriving.js';
import { defineKernel, type Context } from '../autograd/op.js';
import { Op, type OpId, type Signatures } from '../native/ops.gen.js';
import { run, type NativeTensor } from '../native/run.js';
import type { DType } from '../tensor/dtype.js';
import { broadcastShapes, contiguousStrides, isDense, sameShape, stridesLike, type Shape } from '../tensor/shape.js';
import { emptyTensor, fresh, viewOf, type Tensor } from '../tensor/tensor.js';
import type { Device } from '../tensor/device.js';

type WithInputs<I> = { [K in OpId]: Signatures<NativeTensor>[K]['inputs'] extends I ? K : never }[OpId];
/** Ops with one input x. */
export type UnaryId = WithInputs<[x: NativeTensor]>;
/** Ops with two operands that broadcast. */
export type BinaryId = WithInputs<[a: NativeTensor | null, b: NativeTensor | null]>;

/** How a native operation is called so that it is recorded: with tensors and numbers, and its further attributes. */
export type Recorded = (inputs: readonly (Tensor | number)[], attrs: readonly number[]) => Tensor;
const recorded = new Map<OpId, Recorded>();

/** Says how a native operation is recorded; the first to say so counts. */
export function recordedBy(op: OpId, call: Recorded): void {
  if (!recorded.has(op)) recorded.set(op, call);
}

/** An unset tensor of the same shape and layout as `x`. */
export function like(x: Tensor, dtype: DType = x.dtype): Tensor {
  return fresh(x.shape, dtype, x.device, stridesLike(x.shape, x.strides));
}

export function unaryKernel(op: UnaryId, x: Tensor, attrs: readonly number[] = [], dtype: DType = x.dtype): Tensor {
  if (isDeriving() && recorded.has(op)) return recorded.get(op)!([x], attrs);
  const y = like(x, dtype);
  run(op, [x] as never, [y] as never, attrs as never);
  return y;
}

/** One operand may be a number. Both tensors have one dtype; their shapes are broadcast. */
export function binaryKernel(
  op: BinaryId,
  a: Tensor | number,
  b: Tensor | number,
  attrs: readonly number[] = [],
  where = '',
  dtype?: DType,
): Tensor {
  if (isDeriving() && recorded.has(op)) return recorded.get(op)!([a, b], attrs);
  let y: Tensor;
  if (typeof a === 'number') {
    y = like(b as Tensor, dtype);
    run(op, [null, b as Tensor], [y] as never, [a, ...attrs] as never);
  } else if (typeof b === 'number') {
    y = like(a, dtype);
    run(op, [a, null], [y] as never, [b, ...attrs] as never);
  } else {
    y = broadcastOutput(a, b, where, dtype ?? a.dtype);
    run(op, [a, b], [y] as never, (attrs.length ? [0, ...attrs] : [0]) as never);
  }
  return y;
}

// Laid out as the operand that has the result's shape; the first one if both do.
function broadcastOutput(a: Tensor, b: Tensor, where: string, dtype: DType): Tensor {
  if (sameShape(a.shape, b.shape)) {
    const strides = isDense(a.shape, a.strides) ? a.strides : stridesLike(b.shape, b.strides);
    return fresh(a.shape, dtype, a.device, strides);
  }
  const shape = broadcastShapes(a.shape, b.shape, where);
  const model = sameShape(shape, a.shape) ? a : sameShape(shape, b.shape) ? b : null;
  return fresh(shape, dtype, a.device, model ? stridesLike(shape, model.strides) : contiguousStrides(shape));
}

export function ternaryKernel(
  op: typeof Op.divBackward | typeof Op.maximumBackward | typeof Op.minimumBackward | typeof Op.powBackwardBase | typeof Op.powBackwardExponent | typeof Op.bceWithLogitsBackward | typeof Op.bceBackward | typeof Op.preluBackward,
  a: Tensor,
  b: Tensor | number,
  c: Tensor | number,
): Tensor {
  if (isDeriving() && recorded.has(op)) return recorded.get(op)!([a, b, c], []);
  const y = like(a);
  const scalar = typeof b === 'number' ? b : typeof c === 'number' ? c : 0;
  run(op, [a, typeof b === 'number' ? null : b, typeof c === 'number' ? null : c], [y], [scalar]);
  return y;
}

/** a where the condition is true, else b; one of them may be a number. All broadcast to `shape`. */
export function selectKernel(condition: Tensor, a: Tensor | number, b: Tensor | number, shape?: Shape): Tensor {
  if (isDeriving() && recorded.has(Op.where)) return recorded.get(Op.where)!([condition, a, b], []);
  const model = typeof a === 'number' ? (b as Tensor) : a;
  const y = fresh(shape ?? model.shape, model.dtype, model.device);
  const tensorOrNull = (x: Tensor | number) => (typeof x === 'number' ? null : x);
  const numberOr0 = (x: Tensor | number) => (typeof x === 'number' ? x : 0);
  run(Op.where, [condition, tensorOrNull(a), tensorOrNull(b)], [y], [numberOr0(a), numberOr0(b)]);
  return y;
}

/** A dense copy of `x`, in another dtype or layout if asked for. */
export function copyKernel(x: Tensor, dtype: DType = x.dtype, strides = stridesLike(x.shape, x.strides)): Tensor {
  return copy(x, dtype, strides);
}

const copy = defineKernel({
  name: 'to',
  forward(ctx: Context<DType>, x: Tensor, dtype: DType, strides: readonly number[]): Tensor {
    ctx.keep(x.dtype);
    const y = fresh(x.shape, dtype, x.device, strides);
    run(Op.copy, [x], [y], []);
    return y;
  },
  gradients: [(g, ctx) => (g.dtype === ctx.params ? g : copyKernel(g, ctx.params))],
});

export function fullKernel(shape: Shape, value: number, dtype: DType, device: Device, strides?: readonly number[]): Tensor {
  const y = emptyTensor(shape, dtype, device, strides);
  run(Op.fill, [], [y], [value]);
  return y;
}

export function zerosLikeKernel(x: Tensor): Tensor {
  return fullKernel(x.shape, 0, x.dtype, x.device, stridesLike(x.shape, x.strides));
}

export type ReduceId = typeof Op.sum | typeof Op.mean | typeof Op.prod | typeof Op.amax | typeof Op.amin | typeof Op.any | typeof Op.all | typeof Op.var;

/** Reduces over `dims` (sorted, unique). */
export function reduceKernel(
  op: ReduceId,
  x: Tensor,
  dims: readonly number[],
  keepdim: boolean,
  dtype: DType = x.dtype,
  ...attrs: number[]
): Tensor {
  if (isDeriving() && recorded.has(op)) return recorded.get(op)!([x], [keepdim ? 1 : 0, ...dims]);
  let mask = 0;
  for (const dim of dims) mask |= 1 << dim;
  const shape: number[] = [];
  for (let i = 0; i < x.ndim; i++) {
    if (!(mask & (1 << i))) shape.push(x.shape[i]!);
    else if (keepdim) shape.push(1);
  }
  const y = fresh(shape, dtype, x.device);
  run(op, [x], [y], [mask, ...attrs] as never);
  return y;
}

/** The gradient of a broadcast operand: `g` summed over the dimensions that were repeated. */
export function sumTo(g: Tensor, shape: Shape): Tensor {
  return sameShape(g.shape, shape) ? g : sumKernel(g, shape);
}

const sumKernel: (g: Tensor, shape: Shape) => Tensor = defineKernel({
  name: 'sum',
  forward(ctx: Context<Shape>, g: Tensor, shape: Shape): Tensor {
    ctx.keep(g.shape);
    const extra = g.ndim - shape.length;
    const dims: number[] = [];
    for (let i = 0; i < g.ndim; i++) if (i < extra || (shape[i - extra] === 1 && g.shape[i] !== 1)) dims.push(i);
    const reduced = dims.length ? reduceKernel(Op.sum, g, dims, true) : g;
    return viewOf(reduced, shape, reduced.strides.slice(extra));
  },
  gradients: [(g, ctx) => expandView(g, ctx.params)],
});

/** x repeated along its dimensions of size 1, at no copy. */
export const expandView: (x: Tensor, shape: Shape) => Tensor = defineKernel({
  name: 'expand',
  forward(ctx: Context<Shape>, x: Tensor, shape: Shape): Tensor {
    ctx.keep(x.shape);
    const extra = shape.length - x.ndim;
    const strides = shape.map((size, i) => (i < extra || (x.shape[i - extra] === 1 && size !== 1) ? 0 : x.strides[i - extra]!));
    return viewOf(x, shape, strides);
  },
  gradients: [(g, ctx) => sumTo(g, ctx.params)],
});

/** x with a dimension of size 1 before `at`; a view. */
export const withDim: (x: Tensor, at: number) => Tensor = defineKernel({
  name: 'unsqueeze',
  forward(ctx: Context<number>, x: Tensor, at: number): Tensor {
    ctx.keep(at);
    const stride = at < x.ndim ? x.shape[at]! * x.strides[at]! : 1;
    return viewOf(x, x.shape.toSpliced(at, 0, 1), x.strides.toSpliced(at, 0, stride));
  },
  gradients: [(g, ctx) => withoutDim(g, ctx.params)],
});

/** x without its dimension `at` of size 1; a view. */
export const withoutDim: (x: Tensor, at: number) => Tensor = defineKernel({
  name: 'squeeze',
  forward(ctx: Context<number>, x: Tensor, at: number): Tensor {
    ctx.keep(at);
    return viewOf(x, x.shape.toSpliced(at, 1), x.strides.toSpliced(at, 1));
  },
  gradients: [(g, ctx) => withDim(g, ctx.params)],
});

interface Slice {
  dim: number;
  start: number;
  length: number;
  step: number;
}

/** `length` elements of a dimension from `start`, every `step`-th; a view. */
export function sliceOf(x: Tensor, { dim, start, length, step }: Slice): Tensor {
  const stride = x.strides[dim]!;
  const strides = length > 1 && step > 1 ? x.strides.with(dim, stride * step) : x.strides;
  return viewOf(x, x.shape.with(dim, length), strides, start * stride);
}

/** A view of a part of x, and zeros of a shape around such a part: each is the other's gradient. */
export function partKernels<P>(name: string, view: (x: Tensor, part: P) => Tensor) {
  const part: (x: Tensor, part: P) => Tensor = defineKernel({
    name,
    forward(ctx: Context<{ part: P; shape: Shape }>, x: Tensor, of: P): Tensor {
      ctx.keep({ part: of, shape: x.shape });
      return view(x, of);
    },
    gradients: [(g, ctx) => around(g, ctx.params.part, ctx.params.shape)],
  });
  const around: (x: Tensor, part: P, shape: Shape) => Tensor = defineKernel({
    name,
    forward(ctx: Context<P>, x: Tensor, of: P, shape: Shape): Tensor {
      ctx.keep(of);
      const result = fullKernel(shape, 0, x.dtype, x.device);
      run(Op.copy, [x], [view(result, of)], []);
      return result;
    },
    gradients: [(g, ctx) => part(g, ctx.params)],
  });
  return { part, around };
}

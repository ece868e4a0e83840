// SPDX-License-Identifier: Apache-2.0
// Native calls without autograd: each makes its output and runs one operation. Gradients are written with these.
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

/** An unset tensor of the same shape and layout as `x`. */
export function like(x: Tensor, dtype: DType = x.dtype): Tensor {
  return fresh(x.shape, dtype, x.device, stridesLike(x.shape, x.strides));
}

export function unaryKernel(op: UnaryId, x: Tensor, attrs: readonly number[] = [], dtype: DType = x.dtype): Tensor {
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
  const y = like(a);
  const scalar = typeof b === 'number' ? b : typeof c === 'number' ? c : 0;
  run(op, [a, typeof b === 'number' ? null : b, typeof c === 'number' ? null : c], [y], [scalar]);
  return y;
}

/** a where the condition is true, else b; one of them may be a number. All broadcast to `shape`. */
export function selectKernel(condition: Tensor, a: Tensor | number, b: Tensor | number, shape?: Shape): Tensor {
  const model = typeof a === 'number' ? (b as Tensor) : a;
  const y = fresh(shape ?? model.shape, model.dtype, model.device);
  const tensorOrNull = (x: Tensor | number) => (typeof x === 'number' ? null : x);
  const numberOr0 = (x: Tensor | number) => (typeof x === 'number' ? x : 0);
  run(Op.where, [condition, tensorOrNull(a), tensorOrNull(b)], [y], [numberOr0(a), numberOr0(b)]);
  return y;
}

/** A dense copy of `x`, in another dtype or layout if asked for. */
export function copyKernel(x: Tensor, dtype: DType = x.dtype, strides = stridesLike(x.shape, x.strides)): Tensor {
  const y = fresh(x.shape, dtype, x.device, strides);
  run(Op.copy, [x], [y], []);
  return y;
}

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
  if (sameShape(g.shape, shape)) return g;
  const extra = g.ndim - shape.length;
  const dims: number[] = [];
  for (let i = 0; i < g.ndim; i++) if (i < extra || (shape[i - extra] === 1 && g.shape[i] !== 1)) dims.push(i);
  const reduced = dims.length ? reduceKernel(Op.sum, g, dims, true) : g;
  return viewOf(reduced, shape, reduced.strides.slice(extra));
}

/** x repeated along its dimensions of size 1, at no copy. */
export function expandView(x: Tensor, shape: Shape): Tensor {
  const extra = shape.length - x.ndim;
  const strides = shape.map((size, i) => (i < extra || (x.shape[i - extra] === 1 && size !== 1) ? 0 : x.strides[i - extra]!));
  return viewOf(x, shape, strides);
}

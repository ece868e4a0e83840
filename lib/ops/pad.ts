// SPDX-License-Identifier: Apache-2.0
// Borders around a tensor: of one value, or of the tensor's own values.
import { isDeriving } from '../autograd/deriving.js';
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, DTypeError, ShapeError } from '../native/errors.js';
import { checked, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { isFloating } from '../tensor/dtype.js';
import { checkList, checkShape, formatShape, numelOf, stridesLike, type Shape } from '../tensor/shape.js';
import { checkTensor, viewOf, type Tensor } from '../tensor/tensor.js';
import { checkChoice, stridesAs } from './checks.js';
import { fullKernel } from './kernels.js';
import { resampleOp, unchanged, type Axis } from './resample.js';
import { squeeze, unsqueeze } from './view.js';

/** What a border is made of; see pad(). */
export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

export interface PadOptions {
  /** Default 'constant'. */
  mode?: PadMode;
  /** What a constant border is filled with. Default 0. */
  value?: number;
}
const padOptions = optionsOf<PadOptions>({ mode: checked, value: number });

// ---- constant --------------------------------------------------------------------------------------------------------

interface Border {
  before: readonly number[];
  shape: Shape;
}

function insideOf(outer: Tensor, before: readonly number[], shape: Shape): Tensor {
  let offset = 0;
  before.forEach((n, i) => (offset += Math.max(n, 0) * outer.strides[i]!));
  return viewOf(outer, shape, outer.strides, numelOf(shape) === 0 ? 0 : offset);
}

// The part of x that the border leaves: negative padding cuts.
function kept(x: Tensor, { before, shape }: Border): Tensor {
  const start = before.map((n) => Math.max(-n, 0));
  const size = x.shape.map((n, i) => Math.max(Math.min(n, shape[i]! - before[i]!) - start[i]!, 0));
  return insideOf(x, start, size);
}

type Constant = (x: Tensor, border: Border, value: number) => Tensor;
const constantOp: Constant = defineOp({
  name: 'pad',
  forward(ctx: Context<Border & { from: Shape; strides: readonly number[] }>, x: Tensor, border: Border, value: number): Tensor {
    ctx.keep({ ...border, from: x.shape, strides: stridesLike(x.shape, x.strides) });
    const y = fullKernel(border.shape, value, x.dtype, x.device, stridesAs(x, border.shape));
    const part = kept(x, border);
    run(Op.copy, [part], [insideOf(y, border.before, part.shape)], []);
    return y;
  },
  gradients: [
    (g, ctx) => {
      const { before, from, strides } = ctx.params;
      if (isDeriving()) return constantOp(g, { before: before.map((n) => -n), shape: from }, 0);
      const d = fullKernel(from, 0, g.dtype, g.device, strides);
      const part = kept(d, ctx.params);
      run(Op.copy, [insideOf(g, before, part.shape)], [part], []);
      return d;
    },
  ],
});

// ---- the tensor's own values ---------------------------------------------------------------------------------------------

// The position in [first, end), what negative padding leaves of n places, that position i, perhaps outside, stands for.
const sources = {
  reflect: (i: number, n: number) => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i),
  replicate: (i: number, n: number) => Math.min(Math.max(i, 0), n - 1),
  circular: (i: number, _n: number, first: number, end: number) => {
    const size = end - first;
    return first + ((((i - first) % size) + size) % size);
  },
};

function borderAxis(mode: Exclude<PadMode, 'constant'>, input: number, before: number, after: number): Axis {
  if (before === 0 && after === 0) return unchanged(input);
  const source = sources[mode];
  const [first, end] = [Math.max(-before, 0), input - Math.max(-after, 0)];
  const taps: Axis['taps'] = (o, take) => take(source(o - before, input, first, end), 1);
  return { input, output: input + before + after, key: `${mode} ${before} ${after}`, taps };
}

// How far each mode may reach, as a part of the size.
const reach = {
  reflect: { most: (n: number) => n - 1, says: 'less than the size' },
  replicate: { most: (n: number) => (n > 0 ? Infinity : 0), says: 'around a size that is not 0' },
  circular: { most: (n: number) => n, says: 'at most the size' },
};

const borderOp = resampleOp('pad');

function padByValues(x: Tensor, padding: readonly number[], mode: Exclude<PadMode, 'constant'>): Tensor {
  const dims = padding.length / 2;
  if (dims < 1 || dims > 3 || (x.ndim !== dims + 1 && x.ndim !== dims + 2))
    throw new ShapeError(
      `pad: mode '${mode}' takes 2, 4 or 6 numbers, for the last dimensions of an input with one or two more dimensions; ` +
        `got ${formatShape(padding)} for input ${formatShape(x.shape)}`,
    );
  if (!isFloating(x.dtype)) throw new DTypeError(`pad: mode '${mode}' is for floating tensors, got ${x.dtype}`);
  const axes: Axis[] = [];
  for (let k = dims - 1; k >= 0; k--) {
    const [before, after] = [padding[2 * k]!, padding[2 * k + 1]!];
    const size = x.shape[x.ndim - 1 - k]!;
    const { most, says } = reach[mode];
    if (Math.max(before, after) > most(size))
      throw new ShapeError(
        `pad: mode '${mode}' needs padding ${says}, got ${formatShape(padding)} for input ${formatShape(x.shape)}`,
      );
    if (size + before + after < 1 || -before >= size || -after >= size)
      throw new ShapeError(`pad: ${formatShape(padding)} leaves nothing of input ${formatShape(x.shape)}`);
    axes.push(borderAxis(mode, size, before, after));
  }
  const batched = x.ndim === dims + 2;
  const input = batched ? x : unsqueeze(x, 0);
  checkShape([...input.shape.slice(0, 2), ...axes.map(({ output }) => output)], 'pad');
  const y = borderOp(input, axes);
  return batched ? y : squeeze(y, 0);
}

/**
 * x with a border. `padding` counts [before, after] from the last dimension backwards, as in PyTorch: [left, right, top,
 * bottom] for images. Negative numbers cut.
 *
 * Options: `mode` 'constant' (default; any dtype and any dimensions) fills with `value` (default 0); 'reflect' mirrors
 * the input without repeating its edge; 'replicate' repeats the edge; 'circular' goes on at the other side. These three
 * pad the last one to three dimensions of a floating input that has one or two dimensions more.
 *
 * @returns a tensor in x's memory layout
 * @throws ArgumentError for padding that is no list of pairs of integers, and a value with another mode than 'constant';
 * ShapeError for padding that leaves nothing or reaches further than the mode can; DTypeError
 */
export function pad(x: Tensor, padding: readonly number[], options?: PadOptions): Tensor {
  const { mode = 'constant', value } = padOptions('pad', options, arguments.length > 3);
  checkTensor(x, 'pad');
  checkChoice(mode, ['constant', 'reflect', 'replicate', 'circular'], 'pad', 'mode');
  if (checkList(padding, 'pad', 'padding').length % 2 || padding.length > 2 * x.ndim || !padding.every(Number.isInteger))
    throw new ArgumentError(
      `pad: expected an even number of integers for at most ${x.ndim} dimensions, got ${formatShape(padding)}`,
    );
  if (mode !== 'constant') {
    if (value !== undefined) throw new ArgumentError(`pad: mode '${mode}' takes no value, got ${String(value)}`);
    return padByValues(x, padding, mode);
  }
  const before = x.shape.map(() => 0);
  const shape = [...x.shape];
  for (let k = 0; k < padding.length / 2; k++) {
    const i = x.ndim - 1 - k;
    before[i] = padding[2 * k]!;
    shape[i]! += padding[2 * k]! + padding[2 * k + 1]!;
    if (shape[i]! < 0)
      throw new ShapeError(`pad: ${formatShape(padding)} cuts more from ${formatShape(x.shape)} than there is`);
  }
  return constantOp(x, { before, shape: checkShape(shape, 'pad') }, value ?? 0);
}

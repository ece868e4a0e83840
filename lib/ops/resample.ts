// SPDX-License-Identifier: Apache-2.0
// What interpolation and padding by the input's own values have in common: along each spatial dimension an output is a
// weighted sum of few inputs. Tables say which; the gradient takes their transposes.
import { defineKernel, defineOp, type Context } from '../autograd/op.js';
import { OutOfMemoryError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { outside } from '../native/recording.js';
import { run } from '../native/run.js';
import type { Device } from '../tensor/device.js';
import { stridesLike, type Shape } from '../tensor/shape.js';
import { emptyTensor, fresh, fromArray, hostArray, type Tensor } from '../tensor/tensor.js';
import { stridesAs } from './checks.js';

/** How one dimension is resampled. */
export interface Axis {
  readonly input: number;
  readonly output: number;
  /** Names the weights among all axes of these sizes, so that their tables are made once. */
  readonly key: string;
  /** Calls `take` with each input of output o and its weight; the same input may come more than once. */
  readonly taps: (o: number, take: (place: number, weight: number) => void) => void;
}

/** The axis of a dimension that stays as it is. */
export function unchanged(size: number): Axis {
  return { input: size, output: size, key: '=', taps: (o, take) => take(o, 1) };
}

// Row o has the entries from ends[o - 1] to ends[o]: a place and a weight each.
interface Rows {
  readonly ends: Int32Array;
  readonly places: Int32Array;
  readonly weights: Float64Array;
}

function emptyRows(count: number, entries: number): Rows {
  if (entries > MAX_ENTRIES) throw new OutOfMemoryError(`resample: tables of ${entries} entries are too large`);
  try {
    return { ends: new Int32Array(count), places: new Int32Array(entries), weights: new Float64Array(entries) };
  } catch (cause) {
    throw new OutOfMemoryError(`resample: no memory for tables of ${entries} entries`, { cause });
  }
}
const MAX_ENTRIES = 2 ** 31 - 1; // positions in the tables are int32

function rowsOf({ output, taps }: Axis): Rows {
  let entries = 0;
  const count = (): void => void entries++;
  for (let o = 0; o < output; o++) taps(o, count);
  const rows = emptyRows(output, entries);
  const { ends, places, weights } = rows;
  let begin = 0;
  let end = 0;
  // Places in order, each once: a row is short, so each is sought from its end.
  const take = (place: number, weight: number): void => {
    let at = end;
    while (at > begin && places[at - 1]! > place) at--;
    if (at > begin && places[at - 1] === place) {
      weights[at - 1]! += weight;
      return;
    }
    places.copyWithin(at + 1, at, end);
    weights.copyWithin(at + 1, at, end);
    [places[at], weights[at]] = [place, weight];
    end++;
  };
  for (let o = 0; o < output; o++) {
    begin = end;
    taps(o, take);
    const last = end;
    end = begin;
    for (let i = begin; i < last; i++)
      if (weights[i] !== 0) [places[end], weights[end++]] = [places[i]!, weights[i]!];
    ends[o] = end;
  }
  return rows;
}

function transposed({ ends, places, weights }: Rows, input: number): Rows {
  const entries = ends.at(-1) ?? 0;
  const result = emptyRows(input, entries);
  for (let i = 0; i < entries; i++) result.ends[places[i]!]!++;
  // Each row's beginning, which becomes its end as it fills.
  for (let row = 0, begin = 0; row < input; row++) {
    const size = result.ends[row]!;
    result.ends[row] = begin;
    begin += size;
  }
  for (let o = 0, i = 0; o < ends.length; o++)
    for (; i < ends[o]!; i++) {
      const at = result.ends[places[i]!]!++;
      [result.places[at], result.weights[at]] = [o, weights[i]!];
    }
  return result;
}

interface Tables {
  offsets: Tensor;
  places: Tensor;
  weights: Tensor;
}

function upload(dimensions: readonly Rows[], dtype: 'float32' | 'float64', device: Device): Tables {
  const entries = dimensions.map(({ ends }) => ends.at(-1) ?? 0);
  const total = entries.reduce((a, b) => a + b, 0);
  const all = emptyRows(dimensions.reduce((n, { ends }) => n + ends.length + 1, 0), total);
  const weights = hostArray(dtype, total, 'resample', [total]);
  let row = 0;
  let first = 0;
  dimensions.forEach(({ ends, places, weights: own }, d) => {
    all.ends[row++] = first;
    for (const end of ends) all.ends[row++] = first + end;
    all.places.set(places.subarray(0, entries[d]), first);
    weights.set(own.subarray(0, entries[d]), first);
    first += entries[d]!;
  });
  return {
    offsets: fromArray(all.ends, [row], 'int32', device),
    places: fromArray(all.places, [total], 'int32', device),
    weights: fromArray(weights, [total], dtype, device),
  };
}

// A network resamples the same few sizes in every step. The least recently used tables go first.
const CACHED = 128;
const cache = new Map<string, Tables>();

// The tables, and the result's memory, which is asked for first: of a size that cannot be, no tables are made.
function tablesAnd(
  axes: readonly Axis[],
  backward: boolean,
  x: Tensor,
  result: { fresh(): Tensor; allocated(): Tensor },
): [Tables, Tensor] {
  const dtype = x.dtype === 'float64' ? 'float64' : 'float32';
  const sizes = axes.map(({ input, output, key }) => `${input}>${output} ${key}`).join(', ');
  const key = `${x.device.id} ${dtype} ${backward ? 'backward' : 'forward'} ${sizes}`;
  const known = cache.get(key);
  if (known) {
    cache.delete(key);
    cache.set(key, known);
    return [known, result.fresh()];
  }
  const y = result.allocated();
  const rows = axes.map(rowsOf);
  const wanted = backward ? rows.map((r, i) => transposed(r, axes[i]!.input)) : rows;
  const tables = outside(() => upload(wanted, dtype, x.device)); // they stay, whatever step first needs them
  if (cache.size >= CACHED) cache.delete(cache.keys().next().value!);
  cache.set(key, tables);
  return [tables, y];
}

interface Call extends Kept {
  backward: boolean;
}

// The gradient takes the transposed tables, and its own gradient the first ones again.
const resampleKernel: (x: Tensor, axes: readonly Axis[], backward: boolean, shape: Shape, strides: readonly number[]) => Tensor = defineKernel({
  name: 'interpolate',
  forward(ctx: Context<Call>, x: Tensor, axes: readonly Axis[], backward: boolean, shape: Shape, strides: readonly number[]): Tensor {
    ctx.keep({ axes, backward, shape: x.shape, strides: stridesLike(x.shape, x.strides) });
    const [{ offsets, places, weights }, y] = tablesAnd(axes, backward, x, {
      fresh: () => fresh(shape, x.dtype, x.device, strides) as Tensor,
      allocated: () => emptyTensor(shape, x.dtype, x.device, strides) as Tensor,
    });
    run(Op.resample, [x, offsets, places, weights], [y], []);
    return y;
  },
  gradients: [(g, ctx) => resampleKernel(g, ctx.params.axes, !ctx.params.backward, ctx.params.shape, ctx.params.strides)],
});

interface Kept {
  axes: readonly Axis[];
  shape: Shape;
  strides: readonly number[];
}

/**
 * @internal An operation of this name: x [N, C, spatial...], floating, with one to three spatial dimensions, along the
 * given axes. The result keeps x's memory layout.
 */
export const resampleOp = (name: string) => defineOp({
  name,
  forward(ctx: Context<Kept>, x: Tensor, axes: readonly Axis[]): Tensor {
    const shape = [x.shape[0]!, x.shape[1]!, ...axes.map(({ output }) => output)];
    ctx.keep({ axes, shape: x.shape, strides: stridesLike(x.shape, x.strides) });
    return resampleKernel(x, axes, false, shape, stridesAs(x, shape));
  },
  gradients: [(g, ctx) => resampleKernel(g, ctx.params.axes, true, ctx.params.shape, ctx.params.strides)],
});

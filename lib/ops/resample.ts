// SPDX-License-Identifier: Apache-2.0
// What interpolation and padding by the input's own values have in common: along each spatial dimension an output is a
// weighted sum of few inputs. Tables say which; the gradient takes their transposes.
import { defineOp, type Context } from '../autograd/op.js';
import { Op } from '../native/ops.gen.js';
import { outside } from '../native/recording.js';
import { run } from '../native/run.js';
import type { Device } from '../tensor/device.js';
import { stridesLike, type Shape } from '../tensor/shape.js';
import { fresh, fromArray, type Tensor } from '../tensor/tensor.js';
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

// The entries of outputs 0, 1, ...: a place and a weight each.
type Rows = readonly (readonly [place: number, weight: number])[][];

function rowsOf({ output, taps }: Axis): Rows {
  return Array.from({ length: output }, (_, o) => {
    const row = new Map<number, number>();
    taps(o, (place, weight) => row.set(place, (row.get(place) ?? 0) + weight));
    return [...row].filter(([, weight]) => weight !== 0).sort(([a], [b]) => a - b);
  });
}

function transposed(rows: Rows, input: number): Rows {
  const result: [number, number][][] = Array.from({ length: input }, () => []);
  rows.forEach((row, o) => row.forEach(([place, weight]) => result[place]!.push([o, weight])));
  return result;
}

interface Tables {
  offsets: Tensor;
  places: Tensor;
  weights: Tensor;
}

function upload(dimensions: readonly Rows[], dtype: 'float32' | 'float64', device: Device): Tables {
  const offsets: number[] = [];
  const places: number[] = [];
  const weights: number[] = [];
  for (const rows of dimensions) {
    offsets.push(places.length);
    for (const row of rows) {
      for (const [place, weight] of row) {
        places.push(place);
        weights.push(weight);
      }
      offsets.push(places.length);
    }
  }
  return {
    offsets: fromArray(Int32Array.from(offsets), [offsets.length], 'int32', device),
    places: fromArray(Int32Array.from(places), [places.length], 'int32', device),
    weights: fromArray((dtype === 'float64' ? Float64Array : Float32Array).from(weights), [weights.length], dtype, device),
  };
}

// A network resamples the same few sizes in every step. The least recently used tables go first.
const CACHED = 128;
const cache = new Map<string, Tables>();

function tablesOf(axes: readonly Axis[], backward: boolean, x: Tensor): Tables {
  const dtype = x.dtype === 'float64' ? 'float64' : 'float32';
  const sizes = axes.map(({ input, output, key }) => `${input}>${output} ${key}`).join(', ');
  const key = `${x.device.id} ${dtype} ${backward ? 'backward' : 'forward'} ${sizes}`;
  let tables = cache.get(key);
  if (tables) cache.delete(key);
  else {
    const rows = axes.map(rowsOf);
    const wanted = backward ? rows.map((r, i) => transposed(r, axes[i]!.input)) : rows;
    tables = outside(() => upload(wanted, dtype, x.device)); // they stay, whatever step first needs them
    if (cache.size >= CACHED) cache.delete(cache.keys().next().value!);
  }
  cache.set(key, tables);
  return tables;
}

function resampleKernel(x: Tensor, axes: readonly Axis[], backward: boolean, shape: Shape, strides: readonly number[]): Tensor {
  const y = fresh(shape, x.dtype, x.device, strides);
  const { offsets, places, weights } = tablesOf(axes, backward, x);
  run(Op.resample, [x, offsets, places, weights], [y], []);
  return y;
}

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

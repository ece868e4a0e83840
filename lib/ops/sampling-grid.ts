// SPDX-License-Identifier: Apache-2.0
// Values of images at positions between pixels.
import { ShapeError } from '../native/errors.js';
import { boolean, oneOf, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { formatShape, givenShape } from '../tensor/shape.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';
import { hardtanh } from './activation.js';
import { checkFloat, checkSameDType } from './checks.js';
import { fullKernel } from './kernels.js';
import { stack } from './join.js';
import { matmul } from './matmul.js';
import { gather } from './pick.js';
import { abs, add, clamp, div, floor, fmod, ge, le, logicalAnd, mul, remainder, round, sub, where as choose } from './pointwise.js';
import { cast } from './promote.js';
import { expand, reshape, select, transpose, unsqueeze } from './view.js';

export interface AffineGridOptions {
  /** Whether -1 and 1 are the centres of the outer pixels instead of their outer edges. Default false. */
  alignCorners?: boolean;
}
const affineGridOptions = optionsOf<AffineGridOptions>({ alignCorners: boolean });

/**
 * Positions for gridSample() that turn, stretch and move an image (Jaderberg et al., arXiv:1506.02025).
 *
 * @param theta [N, 2, 3] for images or [N, 3, 4] for volumes, floating
 * @param size [N, C, H, W] or [N, C, D, H, W] of the result of gridSample()
 * @returns [N, H, W, 2] or [N, D, H, W, 3]
 * @throws ShapeError, DTypeError
 */
export function affineGrid(theta: Tensor, size: readonly number[], options?: AffineGridOptions): Tensor {
  const where = 'affineGrid';
  const { alignCorners = false } = affineGridOptions(where, options, arguments.length > 3);
  checkFloat(checkTensor(theta, where, 'theta'), where, 'theta');
  const spatial = givenShape(size, where).slice(2);
  const k = spatial.length;
  if ((k !== 2 && k !== 3) || theta.ndim !== 3 || theta.shape[0] !== size[0] || theta.shape[1] !== k || theta.shape[2] !== k + 1)
    throw new ShapeError(
      `${where}: expected theta [N, 2, 3] with size [N, C, H, W], or [N, 3, 4] with [N, C, D, H, W], got ` +
        `${formatShape(theta.shape)} and ${formatShape(size)}`,
    );
  // From -1 to 1, along each dimension; x comes first, and 1 last.
  const line = (n: number, dim: number) => {
    const first = n < 2 && alignCorners ? 0 : alignCorners ? -1 : (1 - n) / n;
    const positions = fresh([n], theta.dtype, theta.device) as Tensor;
    run(Op.arange, [], [positions], [first, alignCorners ? 2 / Math.max(n - 1, 1) : 2 / n]);
    return expand(reshape(positions, spatial.map((_, i) => (i === dim ? n : 1))), spatial);
  };
  const ones = expand(fullKernel(spatial.map(() => 1), 1, theta.dtype, theta.device) as Tensor, spatial);
  const base = stack([...spatial.map((n, i) => line(n, i)).reverse(), ones], k);
  const grid = matmul(reshape(base, [1, spatial.reduce((a, b) => a * b, 1), k + 1]), transpose(theta, 1, 2));
  return reshape(grid, [size[0]!, ...spatial, k]);
}

export interface GridSampleOptions {
  /** How a value comes from the pixels around. 'bicubic' is for images alone. Default 'bilinear'. */
  mode?: 'bilinear' | 'nearest' | 'bicubic';
  /** What lies outside: zeros, the border's pixels, or the image mirrored at the border. Default 'zeros'. */
  paddingMode?: 'zeros' | 'border' | 'reflection';
  /** Whether -1 and 1 are the centres of the outer pixels instead of their outer edges. Default false. */
  alignCorners?: boolean;
}
const gridSampleOptions = optionsOf<GridSampleOptions>({
  mode: oneOf('bilinear', 'nearest', 'bicubic'),
  paddingMode: oneOf('zeros', 'border', 'reflection'),
  alignCorners: boolean,
});

type Padding = 'zeros' | 'border' | 'reflection';

// Into [0, size - 1]; no gradient where something was cut off.
const clip = (x: Tensor, size: number): Tensor =>
  size > 1 ? hardtanh(x, { minVal: 0, maxVal: size - 1 }) : choose(logicalAnd(ge(x, 1), le(x, 0)), x, 0);

// Mirrored at the edges of the outer pixels, or at their centres.
function reflect(x: Tensor, size: number, alignCorners: boolean): Tensor {
  const [low, high] = alignCorners ? [0, size - 1] : [-0.5, size - 0.5];
  const span = high - low;
  if (span === 0) return clip(x, 1);
  const away = abs(sub(x, low));
  const rest = fmod(away, span);
  const turns = floor(div(away.detach() as Tensor, span));
  const even = le(remainder(turns, 2), 0.5);
  return add(choose(even, rest, sub(span, rest)), low);
}

function padded(x: Tensor, size: number, mode: Padding, alignCorners: boolean): Tensor {
  if (mode === 'zeros') return x;
  return clip(mode === 'reflection' ? reflect(x, size, alignCorners) : x, size);
}

// One pixel for each position: [N, C, P] of x [N, C, H W], at whole coordinates [N, P]. Outside it is 0.
function pixels(x: Tensor, coordinates: readonly Tensor[], sizes: readonly number[]): Tensor {
  let inside: Tensor | null = null;
  let flat: Tensor | null = null;
  coordinates.forEach((c, i) => {
    const fits = logicalAnd(ge(c, 0), le(c, sizes[i]! - 1));
    const whole = clamp(cast(clamp(c, 0, sizes[i]! - 1), 'int64'), 0, sizes[i]! - 1);
    inside = inside ? logicalAnd(inside, fits) : fits;
    flat = flat ? add(mul(flat, sizes[i]!), whole) : whole;
  });
  const [n, channels] = x.shape as [number, number];
  const places = expand(unsqueeze(flat!, 1), [n, channels, flat!.shape[1]!]);
  return choose(unsqueeze(inside!, 1), gather(x, 2, places), 0);
}

const at = (x: Tensor): Tensor => x.detach() as Tensor;

function linear(x: Tensor, positions: readonly Tensor[], sizes: readonly number[]): Tensor {
  const low = positions.map((p) => floor(at(p)));
  const high = positions.map((p, i) => sub(p, low[i]!)); // the weight of the upper neighbour
  let total: Tensor | null = null;
  for (let corner = 0; corner < 1 << positions.length; corner++) {
    const upper = positions.map((_, i) => (corner >> i) & 1);
    const weight = upper.map((u, i) => (u ? high[i]! : sub(1, high[i]!))).reduce((a, b) => mul(a, b));
    const value = mul(pixels(x, upper.map((u, i) => (u ? add(low[i]!, 1) : low[i]!)), sizes), unsqueeze(weight, 1));
    total = total ? add(total, value) : value;
  }
  return total!;
}

// Keys' convolution with a = -0.75, for the distances 1 + t, t, 1 - t and 2 - t.
function cubicWeights(t: Tensor): Tensor[] {
  const a = -0.75;
  const near = (d: Tensor) => add(mul(mul(sub(mul(d, a + 2), a + 3), d), d), 1);
  const far = (d: Tensor) => sub(mul(add(mul(sub(mul(d, a), 5 * a), d), 8 * a), d), 4 * a);
  return [far(add(t, 1)), near(t), near(sub(1, t)), far(sub(2, t))];
}

function cubic(x: Tensor, positions: readonly Tensor[], sizes: readonly number[], pad: (c: Tensor, i: number) => Tensor): Tensor {
  const low = positions.map((p) => floor(at(p)));
  const weights = positions.map((p, i) => cubicWeights(sub(p, low[i]!)));
  let total: Tensor | null = null;
  for (let row = 0; row < 4; row++) {
    let line: Tensor | null = null;
    for (let column = 0; column < 4; column++) {
      const places = [row, column].map((k, i) => pad(add(low[i]!, k - 1), i));
      const value = mul(pixels(x, places, sizes), unsqueeze(weights[1]![column]!, 1));
      line = line ? add(line, value) : value;
    }
    const value = mul(line!, unsqueeze(weights[0]![row]!, 1));
    total = total ? add(total, value) : value;
  }
  return total!;
}

/**
 * Values of images at the given positions (Jaderberg et al., arXiv:1506.02025). float16 and bfloat16 are computed in
 * float32.
 *
 * @param x [N, C, H, W] or [N, C, D, H, W], floating
 * @param grid [N, H', W', 2] or [N, D', H', W', 3], of x's dtype: x, y (and z) in [-1, 1] from the first to the last pixel
 * @param options mode 'bilinear', paddingMode 'zeros', alignCorners false
 * @returns [N, C, H', W'] or [N, C, D', H', W']
 * @throws ShapeError for shapes that do not fit together; DTypeError
 */
export function gridSample(x: Tensor, grid: Tensor, options?: GridSampleOptions): Tensor {
  const where = 'gridSample';
  const { mode = 'bilinear', paddingMode = 'zeros', alignCorners = false } = gridSampleOptions(where, options, arguments.length > 3);
  checkFloat(checkTensor(x, where), where);
  checkSameDType(x, checkTensor(grid, where, 'grid'), where, 'input', 'grid');
  const k = x.ndim - 2;
  if ((k !== 2 && k !== 3) || grid.ndim !== x.ndim || grid.shape[0] !== x.shape[0] || grid.shape.at(-1) !== k)
    throw new ShapeError(
      `${where}: expected input [N, C, H, W] with grid [N, H', W', 2], or [N, C, D, H, W] with [N, D', H', W', 3], got ` +
        `${formatShape(x.shape)} and ${formatShape(grid.shape)}`,
    );
  if (mode === 'bicubic' && k === 3) throw new ShapeError(`${where}: mode 'bicubic' is for input [N, C, H, W], got ${formatShape(x.shape)}`);
  const sizes = x.shape.slice(2);
  if (sizes.includes(0)) throw new ShapeError(`${where}: input ${formatShape(x.shape)} has no pixels`);
  if (x.dtype === 'float16' || x.dtype === 'bfloat16')
    return cast(gridSample(cast(x, 'float32'), cast(grid, 'float32'), options), x.dtype);
  const [n, channels] = x.shape as [number, number];
  const out = grid.shape.slice(1, -1);
  const image = reshape(x, [n, channels, sizes.reduce((a, b) => a * b, 1)]);
  const points = reshape(grid, [n, out.reduce((a, b) => a * b, 1), k]);
  // In pixels; the grid names the innermost dimension first.
  const positions = sizes.map((size, i) => {
    const p = select(points, 2, k - 1 - i);
    return alignCorners ? mul(add(p, 1), (size - 1) / 2) : div(sub(mul(add(p, 1), size), 1), 2);
  });
  const pad = (c: Tensor, i: number) => padded(c, sizes[i]!, paddingMode, alignCorners);
  let y: Tensor;
  if (mode === 'bicubic') y = cubic(image, positions, sizes, pad);
  else {
    const inside = positions.map(pad);
    if (mode === 'bilinear') y = linear(image, inside, sizes);
    else {
      y = pixels(image, inside.map((p) => round(at(p))), sizes);
      // Its gradient is 0, not missing.
      if (grid.requiresGrad) y = choose(fullKernel([], 1, 'bool', x.device) as Tensor, y, unsqueeze(inside[0]!, 1));
    }
  }
  return reshape(y, [n, channels, ...out]);
}

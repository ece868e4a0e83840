// SPDX-License-Identifier: Apache-2.0
// Resizing by interpolation. Coordinates and weights are PyTorch's, computed in float64.
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, checked, nullable, optionsOf } from '../native/options.js';
import { checkShape, formatShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d } from './adaptive-pool.js';
import { checkChoice, checkFloat, checkSizes, type Sizes } from './checks.js';
import { resampleOp, type Axis } from './resample.js';

const modes = ['nearest', 'nearest-exact', 'linear', 'bilinear', 'trilinear', 'bicubic', 'area'] as const;
export type InterpolateMode = (typeof modes)[number];

export interface InterpolateOptions {
  /** The result's spatial size: one number for all dimensions, or one each. */
  size?: Sizes | null;
  /** Instead of size: the result's size is floor(size scaleFactor). One number, or one for each dimension. */
  scaleFactor?: Sizes | null;
  /** Default 'nearest'. 'linear' is for one spatial dimension, 'bilinear' and 'bicubic' for two, 'trilinear' for three. */
  mode?: InterpolateMode;
  /** With the linear and cubic modes: corner pixels lie on the corners, instead of half a pixel inside. Default false. */
  alignCorners?: boolean | null;
  /** With scaleFactor: compute coordinates from the sizes, which are rounded, instead of the factor. Default false. */
  recomputeScaleFactor?: boolean | null;
  /** With 'bilinear' and 'bicubic': widen the filter when making an image smaller. Default false. */
  antialias?: boolean;
}
/** @internal */
export const interpolateOptions = optionsOf<InterpolateOptions>({
  size: checked,
  scaleFactor: checked,
  mode: checked,
  alignCorners: nullable(boolean),
  recomputeScaleFactor: nullable(boolean),
  antialias: boolean,
});

// ---- coordinates and weights of one dimension ------------------------------------------------------------------------

// The distance of neighbouring outputs in the input. `factor`: the given scale factor, or null to go by the sizes.
function step(input: number, output: number, factor: number | null): number {
  return factor !== null && factor > 0 ? 1 / factor : input / output;
}

function nearestAxis(input: number, output: number, factor: number | null, exact: boolean): Axis {
  const scale = Math.fround(step(input, output, factor)); // float32 as in PyTorch: it decides what is nearest
  const taps: Axis['taps'] = (o, take) => take(Math.min(Math.floor(Math.fround((exact ? o + 0.5 : o) * scale)), input - 1), 1);
  return { input, output, key: `nearest ${exact} ${scale}`, taps };
}

// Keys' cubic convolution kernel (1981) with the parameter a.
function cubic(x: number, a: number): number {
  const d = Math.abs(x);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

interface Smooth {
  cubic: boolean;
  alignCorners: boolean;
  antialias: boolean;
}

function smoothAxis(input: number, output: number, factor: number | null, kind: Smooth): Axis {
  const { alignCorners } = kind;
  const scale = alignCorners ? (output > 1 ? (input - 1) / (output - 1) : 0) : step(input, output, factor);
  const key = `${kind.cubic ? 'cubic' : 'linear'} ${alignCorners} ${kind.antialias} ${scale}`;
  const taps = kind.antialias ? wideTaps(input, scale, kind) : kind.cubic ? cubicTaps(input, scale, alignCorners) : linearTaps(input, output, scale, alignCorners);
  return { input, output, key, taps };
}

function linearTaps(input: number, output: number, scale: number, alignCorners: boolean): Axis['taps'] {
  return (o, take) => {
    if (input === output) return take(o, 1);
    const at = alignCorners ? scale * o : Math.max(scale * (o + 0.5) - 0.5, 0);
    const low = Math.min(Math.floor(at), input - 1);
    const part = Math.min(Math.max(at - low, 0), 1);
    take(low, 1 - part);
    take(Math.min(low + 1, input - 1), part);
  };
}

function cubicTaps(input: number, scale: number, alignCorners: boolean): Axis['taps'] {
  return (o, take) => {
    const at = alignCorners ? scale * o : scale * (o + 0.5) - 0.5;
    const low = Math.min(Math.floor(at), input - 1);
    const part = Math.min(Math.max(at - low, 0), 1);
    for (let i = -1; i <= 2; i++) take(Math.min(Math.max(low + i, 0), input - 1), cubic(i - part, -0.75));
  };
}

// The filter is as wide as an output where that covers several inputs; its weights are normalised.
function wideTaps(input: number, scale: number, kind: Smooth): Axis['taps'] {
  const width = Math.max(scale, 1);
  const support = (kind.cubic ? 2 : 1) * width;
  const filter = kind.cubic ? (x: number) => cubic(x, -0.5) : (x: number) => Math.max(1 - Math.abs(x), 0);
  return (o, take) => {
    const centre = scale * (o + 0.5);
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const last = Math.min(Math.trunc(centre + support + 0.5), input);
    const weights = Array.from({ length: last - first }, (_, i) => filter((first + i - centre + 0.5) / width));
    const total = weights.reduce((sum, w) => sum + w, 0);
    weights.forEach((w, i) => take(first + i, w / total));
  };
}

// ---- the function ------------------------------------------------------------------------------------------------------

const where = 'interpolate';
const operation = resampleOp(where);
const pools = [undefined, adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d] as const;
const spatialOf: Partial<Record<InterpolateMode, number>> = { linear: 1, bilinear: 2, bicubic: 2, trilinear: 3 };

function checkFactors(value: Sizes, spatial: number): readonly number[] {
  const list: unknown = typeof value === 'number' ? new Array<number>(spatial).fill(value) : value;
  if (!Array.isArray(list) || list.length !== spatial || !list.every((s) => Number.isFinite(s) && s > 0))
    throw new ArgumentError(
      `${where}: scaleFactor must be a positive number, or ${spatial} of them, got ${Array.isArray(value) ? formatShape(value) : String(value)}`,
    );
  return list as number[];
}

/** @throws ArgumentError unless the options fit each other; those that need the input are checked by interpolate() */
export function checkInterpolation(options: InterpolateOptions, name: string): void {
  const { size = null, scaleFactor = null, mode = 'nearest', alignCorners = null, antialias = false } = options;
  checkChoice(mode, modes, name, 'mode');
  if ((size === null) === (scaleFactor === null))
    throw new ArgumentError(`${name}: expected either size or scaleFactor, got ${size === null ? 'neither' : 'both'}`);
  if (size !== null && options.recomputeScaleFactor) throw new ArgumentError(`${name}: recomputeScaleFactor is for a scaleFactor, got a size`);
  const smooth = mode in spatialOf;
  if (alignCorners !== null && !smooth)
    throw new ArgumentError(`${name}: alignCorners is for the linear and cubic modes, got mode '${mode}'`);
  if (antialias && mode !== 'bilinear' && mode !== 'bicubic')
    throw new ArgumentError(`${name}: antialias is for modes 'bilinear' and 'bicubic', got mode '${mode}'`);
}

/**
 * x resized along its spatial dimensions.
 *
 * 'nearest' takes the input at floor(scale o) for output o, 'nearest-exact' that nearest to the centre of the output;
 * 'linear', 'bilinear' and 'trilinear' weight the two neighbours in each dimension; 'bicubic' the four (Keys, "Cubic
 * convolution interpolation for digital image processing", 1981, with a = -0.75); 'area' is adaptive average pooling.
 *
 * @param x [N, C, L], [N, C, H, W] or [N, C, D, H, W], floating
 * @returns [N, C, ...] of the asked size, in x's memory layout
 * @throws ArgumentError for options that do not fit each other; ShapeError for another rank than the mode's, sizes of 0
 * (but the batch's) and an empty result; DTypeError
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  options = interpolateOptions('interpolate', options, arguments.length > 2);
  checkFloat(checkTensor(x, where), where);
  checkInterpolation(options, where);
  const { mode = 'nearest', alignCorners, antialias = false } = options;
  const spatial = x.ndim - 2;
  if (spatial < 1 || spatial > 3 || (spatialOf[mode] ?? spatial) !== spatial)
    throw new ShapeError(
      `${where}: mode '${mode}' is for ${spatialOf[mode] ? `${spatialOf[mode]} spatial dimensions` : 'one to three spatial dimensions'} ` +
        `after [N, C], got input ${formatShape(x.shape)}`,
    );
  const sizes = x.shape.slice(2);
  if (x.shape[1] === 0 || sizes.includes(0))
    throw new ShapeError(`${where}: only the batch may be empty, got input ${formatShape(x.shape)}`);
  const factors = options.scaleFactor != null ? checkFactors(options.scaleFactor, spatial) : null;
  const wanted = factors ? sizes.map((n, i) => Math.floor(n * factors[i]!)) : checkSizes(options.size!, spatial, 1, where, 'size');
  if (wanted.includes(0))
    throw new ShapeError(`${where}: scaleFactor ${formatShape(factors!)} leaves nothing of input ${formatShape(x.shape)}`);
  checkShape([...x.shape.slice(0, 2), ...wanted], where);
  if (mode === 'area') return pools[spatial as 1 | 2 | 3](x, wanted);
  const axes = sizes.map((n, i) => {
    const factor = factors && !options.recomputeScaleFactor ? factors[i]! : null;
    return mode.startsWith('nearest')
      ? nearestAxis(n, wanted[i]!, factor, mode === 'nearest-exact')
      : smoothAxis(n, wanted[i]!, factor, { cubic: mode === 'bicubic', alignCorners: alignCorners === true, antialias });
  });
  return operation(x, axes);
}

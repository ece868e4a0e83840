// SPDX-License-Identifier: Apache-2.0
// What undoes maximum pooling, but for what was not the maximum.
import { ShapeError } from '../native/errors.js';
import { arrayOf, checked, integer, nullable, optionsOf } from '../native/options.js';
import { checkShape, formatShape, numelOf, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { checkBatched, checkFloat, checkIndexDType, checkSizes, type Sizes } from './checks.js';
import { scatter } from './indexing.js';
import { fullKernel } from './kernels.js';
import { letters } from './pool.js';
import { reshape } from './view.js';

export interface MaxUnpoolOptions {
  /** The pooling's. Default: kernelSize. */
  stride?: Sizes | null;
  /** The pooling's. Default 0. */
  padding?: Sizes;
  /** The spatial size of the pooling's input, where that is not the only one possible; [N, C] before it are ignored. */
  outputSize?: readonly number[] | null;
}
/** @internal */
export const unpoolOptions = optionsOf<MaxUnpoolOptions>({ stride: checked, padding: checked, outputSize: nullable(arrayOf(integer)) });

function unpool(spatial: 1 | 2 | 3) {
  const where = `maxUnpool${spatial}d`;
  return function (x: Tensor, indices: Tensor, kernelSize: Sizes, options?: MaxUnpoolOptions): Tensor {
    const given = unpoolOptions(where, options, arguments.length > 4);
    checkBatched(checkTensor(x, where), spatial + 2, where, `C, ${letters[spatial]}`);
    checkFloat(x, where);
    checkIndexDType(checkTensor(indices, where, 'indices'), where, 'indices');
    if (!sameShape(x.shape, indices.shape))
      throw new ShapeError(`${where}: input and indices must have one shape, got ${formatShape(x.shape)} and ${formatShape(indices.shape)}`);
    const kernel = checkSizes(kernelSize, spatial, 1, where, 'kernelSize');
    const stride = checkSizes(given.stride ?? kernel, spatial, 1, where, 'stride');
    const padding = checkSizes(given.padding ?? 0, spatial, 0, where, 'padding');
    const outer = x.shape.slice(0, -spatial);
    const usual = kernel.map((k, i) => (x.shape[outer.length + i]! - 1) * stride[i]! - 2 * padding[i]! + k);
    let size: readonly number[] = usual;
    if (given.outputSize) {
      size = given.outputSize.length === spatial ? given.outputSize : given.outputSize.slice(-spatial);
      if (size.length !== spatial || size.some((n, i) => Math.abs(n - usual[i]!) >= stride[i]!))
        throw new ShapeError(
          `${where}: outputSize must be less than the stride ${formatShape(stride)} away from ${formatShape(usual)}, got ` +
            formatShape(given.outputSize),
        );
    }
    checkShape([...outer, ...size], where);
    const planes = numelOf(outer);
    const count = numelOf(x.shape.slice(-spatial));
    const zeros = fullKernel([planes, numelOf(size)], 0, x.dtype, x.device) as Tensor;
    const y = scatter(zeros, 1, reshape(indices, [planes, count]), reshape(x, [planes, count]));
    return reshape(y, [...outer, ...size]);
  };
}

/** maxUnpool2d() of sequences: [N, C, L] or [C, L]. */
export const maxUnpool1d = unpool(1);
/**
 * Zeros with the maxima of a pooling where they came from.
 *
 * @param x [N, C, H, W] or [C, H, W], the maxima
 * @param indices their positions as maxPool2d() gives them with returnIndices
 * @param kernelSize the pooling's
 * @returns [N, C, H', W'] (or without N), H' = (H - 1) stride - 2 padding + kernelSize unless outputSize says otherwise
 * @throws ShapeError for an outputSize that the pooling cannot have had; DTypeError; ArgumentError for options out of range.
 * A position out of range is found while the operation runs
 */
export const maxUnpool2d = unpool(2);
/** maxUnpool2d() of volumes: [N, C, D, H, W] or [C, D, H, W]. */
export const maxUnpool3d = unpool(3);

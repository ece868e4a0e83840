// SPDX-License-Identifier: Apache-2.0
// How layers make their parameters.
import { DTypeError } from '../native/errors.js';
import { checked, optionsOf } from '../native/options.js';
import { placeOf } from '../ops/creation.js';
import type { DeviceLike } from '../tensor/device.js';
import { checkDType, isFloating, type FloatDType } from '../tensor/dtype.js';
import { channelsLastStrides, givenShape, type Shape } from '../tensor/shape.js';
import { emptyTensor, type Tensor } from '../tensor/tensor.js';
import { deferred } from './deferred.js';
import { Parameter } from './parameter.js';

/** Where a layer's parameters are made, and of what type. */
export interface FactoryOptions {
  /** Default: the CPU, or what setDefaultDevice() was told. */
  device?: DeviceLike;
  /** Default float32. */
  dtype?: FloatDType;
}
/** @internal */
export const factoryOptions = optionsOf<FactoryOptions>({ device: checked, dtype: checked });

/**
 * A parameter with undefined values. Filters, of more than two dimensions, are channels-last in memory by default. Without
 * a shape, one that gets it later.
 */
export function emptyParameter(
  shape: Shape | null,
  { device, dtype = 'float32' }: FactoryOptions,
  where: string,
  layout: 'filters' | 'contiguous' = 'filters',
): Parameter {
  if (!isFloating(checkDType(dtype, where))) throw new DTypeError(`${where}: dtype must be floating, got ${dtype}`);
  const place = placeOf(device === undefined ? {} : { device });
  if (!shape) return new Parameter(deferred(dtype, place));
  const sizes = givenShape(shape, where);
  const strides = layout === 'filters' && sizes.length > 2 ? channelsLastStrides(sizes) : undefined;
  const data: Tensor = emptyTensor(sizes, dtype, place, strides);
  const parameter = new Parameter(data);
  data.dispose(); // the parameter holds the memory
  return parameter;
}

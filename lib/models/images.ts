// SPDX-License-Identifier: Apache-2.0
import { ShapeError } from '../native/errors.js';
import { formatShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';

export interface ImageSize {
  channels: number;
  /** The least height and width. */
  smallest?: number;
  /** The only height and width. */
  exactly?: number;
}

/**
 * Checks a network's input at its entrance: deep inside, where an image has become too small, an error would speak of
 * sizes that the caller never chose.
 *
 * @throws ShapeError that says what the network takes
 */
export function checkImages(x: Tensor, where: string, { channels, smallest = 1, exactly }: ImageSize): void {
  const { shape } = checkTensor(x, where);
  const [, given, height, width] = shape;
  const fits = exactly === undefined ? height! >= smallest && width! >= smallest : height === exactly && width === exactly;
  if (shape.length === 4 && given === channels && fits) return;
  const size =
    exactly !== undefined ? `${exactly}, ${exactly}]` : `H, W]${smallest > 1 ? ` with H and W at least ${smallest}` : ''}`;
  throw new ShapeError(`${where}: expected images [N, ${channels}, ${size}, got ${formatShape(shape)}`);
}

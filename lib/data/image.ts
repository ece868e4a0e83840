// SPDX-License-Identifier: Apache-2.0
import { types } from 'node:util';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { noMore } from '../native/options.js';

/** What the values of an image are kept in: bytes from 0 to 255, or floats, by custom from 0 to 1. */
export type Pixels = Uint8Array | Float32Array;

/**
 * An image in host memory, as a decoder leaves it: row by row, the channels of a pixel side by side. Datasets return
 * them and transforms take them; the default collation makes tensors [N, C, H, W] of them that are channels-last in
 * memory, which is what convolutions want, so that no value is ever moved on the way.
 */
export class Image<P extends Pixels = Pixels> {
  /**
   * @param data height · width · channels values
   * @throws ShapeError when there are more or fewer
   */
  constructor(
    readonly data: P,
    readonly channels: number,
    readonly height: number,
    readonly width: number,
  ) {
    noMore(new.target.name, arguments.length > 4);
    if (!(types.isUint8Array(data) || types.isFloat32Array(data)))
      throw new ArgumentError('Image: the values must be a Uint8Array or a Float32Array');
    for (const size of [channels, height, width])
      if (!Number.isInteger(size) || size < 0) throw new ShapeError(`Image: sizes must be non-negative integers, got ${size}`);
    if (data.length !== channels * height * width)
      throw new ShapeError(
        `Image: ${channels} channels of ${height} x ${width} pixels need ${channels * height * width} values, got ${data.length}`,
      );
  }

  /** [C, H, W] */
  get shape(): readonly [channels: number, height: number, width: number] {
    return [this.channels, this.height, this.width];
  }

  get dtype(): 'uint8' | 'float32' {
    return types.isUint8Array(this.data) ? 'uint8' : 'float32';
  }

  /** An image of the same dtype; its values are 0. */
  blank(height = this.height, width = this.width, channels = this.channels): Image {
    const length = height * width * channels;
    return new Image(types.isUint8Array(this.data) ? new Uint8Array(length) : new Float32Array(length), channels, height, width);
  }

  /** A copy with values of its own. */
  clone(): Image {
    return new Image(this.data.slice(), this.channels, this.height, this.width);
  }
}

// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { pad, type PadMode } from '../ops/pad.js';
import { formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

/** How much is put on every side: one number, or [left, right, top, bottom, front, back] as far as there are dimensions. */
export type PaddingSizes = number | readonly number[];

/** What padding layers share. */
abstract class PadNd extends Module {
  readonly padding: readonly number[];

  protected constructor(
    spatial: 1 | 2 | 3,
    padding: PaddingSizes,
    private readonly mode: PadMode,
  ) {
    super();
    const list: unknown = typeof padding === 'number' ? new Array<number>(2 * spatial).fill(padding) : padding;
    if (!Array.isArray(list) || list.length !== 2 * spatial || !list.every(Number.isInteger))
      throw new ArgumentError(
        `${new.target.name}: padding must be an integer or ${2 * spatial} integers, got ` +
          `${Array.isArray(padding) ? formatShape(padding) : String(padding)}`,
      );
    this.padding = list as number[];
  }

  forward(x: Tensor): Tensor {
    return pad(x, this.padding, { mode: this.mode });
  }

  override extraRepr(): string {
    return repr.tuple(this.padding);
  }
}

abstract class ConstantPadNd extends PadNd {
  protected constructor(
    spatial: 1 | 2 | 3,
    padding: PaddingSizes,
    readonly value: number,
  ) {
    super(spatial, padding, 'constant');
  }

  override forward(x: Tensor): Tensor {
    return pad(x, this.padding, { value: this.value });
  }

  override extraRepr(): string {
    return `padding=${repr.tuple(this.padding)}, value=${this.value}`;
  }
}

/** A border of one value around sequences [N, C, L]; padding is one number or [left, right]. Negative numbers cut. */
export class ConstantPad1d extends ConstantPadNd {
  constructor(padding: PaddingSizes, value: number) {
    noMore(new.target.name, arguments.length > 2);
    super(1, padding, value);
  }
}

/** A border of one value around images [N, C, H, W]; padding is one number or [left, right, top, bottom]. Negative numbers cut. */
export class ConstantPad2d extends ConstantPadNd {
  constructor(padding: PaddingSizes, value: number) {
    noMore(new.target.name, arguments.length > 2);
    super(2, padding, value);
  }
}

/** A border of one value around volumes [N, C, D, H, W]; padding is one number or [left, right, top, bottom, front, back]. Negative numbers cut. */
export class ConstantPad3d extends ConstantPadNd {
  constructor(padding: PaddingSizes, value: number) {
    noMore(new.target.name, arguments.length > 2);
    super(3, padding, value);
  }
}

/** A border of zeros around sequences [N, C, L]; padding is one number or [left, right]. */
export class ZeroPad1d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(1, padding, 'constant');
  }
}

/** A border of zeros around images [N, C, H, W]; padding is one number or [left, right, top, bottom]. */
export class ZeroPad2d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(2, padding, 'constant');
  }
}

/** A border of zeros around volumes [N, C, D, H, W]; padding is one number or [left, right, top, bottom, front, back]. */
export class ZeroPad3d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(3, padding, 'constant');
  }
}

/** A border that mirrors sequences [N, C, L]; padding is one number or [left, right]. */
export class ReflectionPad1d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(1, padding, 'reflect');
  }
}

/** A border that mirrors images [N, C, H, W]; padding is one number or [left, right, top, bottom]. */
export class ReflectionPad2d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(2, padding, 'reflect');
  }
}

/** A border that mirrors volumes [N, C, D, H, W]; padding is one number or [left, right, top, bottom, front, back]. */
export class ReflectionPad3d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(3, padding, 'reflect');
  }
}

/** A border that repeats the edge of sequences [N, C, L]; padding is one number or [left, right]. */
export class ReplicationPad1d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(1, padding, 'replicate');
  }
}

/** A border that repeats the edge of images [N, C, H, W]; padding is one number or [left, right, top, bottom]. */
export class ReplicationPad2d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(2, padding, 'replicate');
  }
}

/** A border that repeats the edge of volumes [N, C, D, H, W]; padding is one number or [left, right, top, bottom, front, back]. */
export class ReplicationPad3d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(3, padding, 'replicate');
  }
}

/** A border that goes on at the other side of sequences [N, C, L]; padding is one number or [left, right]. */
export class CircularPad1d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(1, padding, 'circular');
  }
}

/** A border that goes on at the other side of images [N, C, H, W]; padding is one number or [left, right, top, bottom]. */
export class CircularPad2d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(2, padding, 'circular');
  }
}

/** A border that goes on at the other side of volumes [N, C, D, H, W]; padding is one number or [left, right, top, bottom, front, back]. */
export class CircularPad3d extends PadNd {
  constructor(padding: PaddingSizes) {
    noMore(new.target.name, arguments.length > 1);
    super(3, padding, 'circular');
  }
}

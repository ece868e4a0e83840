// SPDX-License-Identifier: Apache-2.0
// Layers that compute nothing.
import { noMore } from '../native/options.js';
import { checkInteger } from '../ops/checks.js';
import { channelShuffle, pixelShuffle, pixelUnshuffle } from '../ops/shuffle.js';
import { flatten, unflatten } from '../ops/view.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

/** Joins the dimensions startDim to endDim; by default all but the first: [N, C, H, W] to [N, C H W]. */
export class Flatten extends Module {
  constructor(
    readonly startDim = 1,
    readonly endDim = -1,
  ) {
    noMore(new.target.name, arguments.length > 2);
    super();
  }
  forward(x: Tensor): Tensor {
    return flatten(x, this.startDim, this.endDim);
  }
  override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}

/** Splits dimension dim into unflattenedSize, of which one may be -1: [N, C H W] to [N, C, H, W]. */
export class Unflatten extends Module {
  constructor(
    readonly dim: number,
    readonly unflattenedSize: Shape,
  ) {
    noMore(new.target.name, arguments.length > 2);
    super();
  }
  forward(x: Tensor): Tensor {
    return unflatten(x, this.dim, this.unflattenedSize);
  }
  override extraRepr(): string {
    return `dim=${this.dim}, unflattened_size=${repr.tuple(this.unflattenedSize)}`;
  }
}

/** Channels as pixels: [..., C r^2, H, W] to [..., C, H r, W r]; see F.pixelShuffle. */
export class PixelShuffle extends Module {
  constructor(readonly upscaleFactor: number) {
    noMore(new.target.name, arguments.length > 1);
    super();
    checkInteger(upscaleFactor, 1, 'PixelShuffle', 'upscaleFactor');
  }
  forward(x: Tensor): Tensor {
    return pixelShuffle(x, this.upscaleFactor);
  }
  override extraRepr(): string {
    return `upscale_factor=${this.upscaleFactor}`;
  }
}

/** Pixels as channels: [..., C, H r, W r] to [..., C r^2, H, W]; see F.pixelUnshuffle. */
export class PixelUnshuffle extends Module {
  constructor(readonly downscaleFactor: number) {
    noMore(new.target.name, arguments.length > 1);
    super();
    checkInteger(downscaleFactor, 1, 'PixelUnshuffle', 'downscaleFactor');
  }
  forward(x: Tensor): Tensor {
    return pixelUnshuffle(x, this.downscaleFactor);
  }
  override extraRepr(): string {
    return `downscale_factor=${this.downscaleFactor}`;
  }
}

/** The channels of `groups` groups by turns; see F.channelShuffle. */
export class ChannelShuffle extends Module {
  constructor(readonly groups: number) {
    noMore(new.target.name, arguments.length > 1);
    super();
    checkInteger(groups, 1, 'ChannelShuffle', 'groups');
  }
  forward(x: Tensor): Tensor {
    return channelShuffle(x, this.groups);
  }
  override extraRepr(): string {
    return `groups=${this.groups}`;
  }
}

/** Its input. Takes and ignores any arguments, so that it can stand in for another layer. */
export class Identity extends Module {
  constructor(..._ignored: unknown[]) {
    super();
  }
  forward(x: Tensor): Tensor {
    return x;
  }
}

// SPDX-License-Identifier: Apache-2.0
// Dropout layers: in training they remove elements or channels at random, in use they do nothing. With `inplace` (default
// false) the result is written over the input.
import { inPlaceOptions, type InPlace } from '../ops/activation.js';
import { checkNumber } from '../ops/checks.js';
import { alphaDropout, dropout, dropout1d, dropout2d, dropout3d, featureAlphaDropout, type DropoutOptions } from '../ops/dropout.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import * as repr from './repr.js';

abstract class DropoutNd extends Module {
  readonly inplace: boolean;

  /**
   * @param p the probability of an element, or a channel, to be removed; default 0.5
   * @throws ArgumentError for a p outside [0, 1]
   */
  constructor(
    readonly p = 0.5,
    options?: InPlace,
  ) {
    const { inplace = false } = inPlaceOptions(new.target.name, options, arguments.length > 2);
    super();
    checkNumber(p, 0, 1, new.target.name, 'p');
    this.inplace = inplace;
  }

  /** @internal */
  protected get options(): DropoutOptions {
    const { p, training, inplace } = this;
    return { p, training, inplace };
  }

  override extraRepr(): string {
    return `p=${Number.isInteger(this.p) ? this.p : repr.float(this.p)}, inplace=${repr.bool(this.inplace)}`;
  }
}

/**
 * In training, each element becomes 0 with probability p (default 0.5), and is divided by 1 - p otherwise; in use,
 * nothing happens (Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15,
 * 2014). Any shape to the same shape.
 */
export class Dropout extends DropoutNd {
  forward(x: Tensor): Tensor {
    return dropout(x, this.options);
  }
}

/** Dropout of whole channels of sequences (Tompson et al., arXiv:1411.4280): [N, C, L] or [C, L]. */
export class Dropout1d extends DropoutNd {
  forward(x: Tensor): Tensor {
    return dropout1d(x, this.options);
  }
}

/** Dropout of whole channels of images (Tompson et al., arXiv:1411.4280): [N, C, H, W]. */
export class Dropout2d extends DropoutNd {
  forward(x: Tensor): Tensor {
    return dropout2d(x, this.options);
  }
}

/** Dropout of whole channels of volumes (Tompson et al., arXiv:1411.4280): [N, C, D, H, W] or [C, D, H, W]. */
export class Dropout3d extends DropoutNd {
  forward(x: Tensor): Tensor {
    return dropout3d(x, this.options);
  }
}

/** Dropout that keeps mean 0 and variance 1, for networks of SELU (Klambauer et al., arXiv:1706.02515). Any shape. */
export class AlphaDropout extends DropoutNd {
  forward(x: Tensor): Tensor {
    return alphaDropout(x, this.options);
  }
}

/** AlphaDropout of whole channels: [N, C, ...]. */
export class FeatureAlphaDropout extends DropoutNd {
  forward(x: Tensor): Tensor {
    return featureAlphaDropout(x, this.options);
  }
}

// SPDX-License-Identifier: Apache-2.0
// Batches mixed with themselves, labels too. For the loader's `batchTransform`.
import { ArgumentError, ShapeError } from '../../native/errors.js';
import { number, optionsOf } from '../../native/options.js';
import { Op } from '../../native/ops.gen.js';
import { run } from '../../native/run.js';
import { copyKernel } from '../../ops/kernels.js';
import { add, mul } from '../../ops/pointwise.js';
import { cat } from '../../ops/join.js';
import { narrow } from '../../ops/view.js';
import { oneHot } from '../../ops/functional.js';
import { isFloating } from '../../tensor/dtype.js';
import { formatShape } from '../../tensor/shape.js';
import { checkTensor, type Tensor } from '../../tensor/tensor.js';
import { defaultGenerator, type Generator } from '../generator.js';

export interface MixOptions {
  /** Of the beta distribution that the share is drawn from. Default 1. */
  alpha?: number;
  /** Number of classes; needed unless labels are shares [N, classes] already. */
  numClasses?: number;
}
const mixOptions = optionsOf<MixOptions>({ alpha: number, numClasses: number });

type Batch = readonly [images: Tensor, labels: Tensor];

abstract class Mix {
  protected readonly alpha: number;
  private readonly numClasses: number | undefined;

  constructor(options: MixOptions) {
    this.alpha = options.alpha ?? 1;
    this.numClasses = options.numClasses;
    if (!(this.alpha > 0)) throw new ArgumentError(`${this.constructor.name}: alpha must be positive, got ${this.alpha}`);
  }

  /**
   * Each image is mixed with the one before it: shuffle the dataset.
   * @param batch images [N, C, H, W] and labels, int64 [N] or shares [N, classes]
   * @returns images and labels float32 [N, classes]
   * @throws ShapeError, ArgumentError
   */
  forward([images, labels]: Batch, random: Generator = defaultGenerator()): [images: Tensor, labels: Tensor] {
    const where = this.constructor.name;
    checkTensor(images, where, 'images');
    checkTensor(labels, where, 'labels');
    if (images.ndim !== 4) throw new ShapeError(`${where}: expected images [N, C, H, W], got ${formatShape(images.shape)}`);
    if ((labels.ndim !== 1 && labels.ndim !== 2) || labels.shape[0] !== images.shape[0])
      throw new ShapeError(`${where}: expected labels [N] or [N, classes] for ${images.shape[0]} images, got ${formatShape(labels.shape)}`);
    if (labels.ndim === 1 && this.numClasses === undefined) throw new ArgumentError(`${where}: labels that are numbers of classes need numClasses`);
    if (labels.ndim === 2 && this.numClasses !== undefined && labels.shape[1] !== this.numClasses)
      throw new ShapeError(`${where}: labels have ${labels.shape[1]} classes, numClasses is ${this.numClasses}`);
    const [mixed, share] = this.mix(images, random);
    let shares = labels.ndim === 1 ? oneHot(labels, this.numClasses) : labels;
    if (!isFloating(shares.dtype)) shares = copyKernel(shares, 'float32');
    return [mixed, blend(shares, share)];
  }

  /** The mixed images, and the share of the images themselves. */
  protected abstract mix(images: Tensor, random: Generator): [Tensor, number];
}

// The one before; before the first is the last.
function previous(x: Tensor): Tensor {
  const n = x.shape[0]!;
  return n < 2 ? x : cat([narrow(x, 0, n - 1, 1), narrow(x, 0, 0, n - 1)], 0);
}

const blend = (x: Tensor, share: number): Tensor => add(mul(previous(x), 1 - share), mul(x, share));

/** Images and labels averaged with random weights (Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018). */
export class MixUp extends Mix {
  constructor(options?: MixOptions) {
    options = mixOptions(new.target.name, options, arguments.length > 1);
    super(options);
  }
  protected mix(images: Tensor, random: Generator): [Tensor, number] {
    if (!isFloating(images.dtype)) throw new ArgumentError(`MixUp: expected floating images, got ${images.dtype}`);
    const share = random.beta(this.alpha, this.alpha);
    return [blend(images, share), share];
  }
}

/** A random rectangle of another image, labels by area (Yun et al., "CutMix", ICCV 2019). */
export class CutMix extends Mix {
  constructor(options?: MixOptions) {
    options = mixOptions(new.target.name, options, arguments.length > 1);
    super(options);
  }
  protected mix(images: Tensor, random: Generator): [Tensor, number] {
    const [, , h, w] = images.shape as [number, number, number, number];
    const share = random.beta(this.alpha, this.alpha);
    const x = random.below(w);
    const y = random.below(h);
    const half = 0.5 * Math.sqrt(1 - share);
    const left = Math.max(0, x - Math.trunc(half * w));
    const right = Math.min(w, x + Math.trunc(half * w));
    const top = Math.max(0, y - Math.trunc(half * h));
    const bottom = Math.min(h, y + Math.trunc(half * h));
    if (right <= left || bottom <= top) return [images, 1];
    const result = copyKernel(images);
    const part = (t: Tensor): Tensor => narrow(narrow(t, 2, top, bottom - top), 3, left, right - left);
    run(Op.copy, [part(previous(images))], [part(result)], []);
    return [result, 1 - ((right - left) * (bottom - top)) / (w * h)];
  }
}

// SPDX-License-Identifier: Apache-2.0
// What is measured while training, summed on the device and read once.
import { noGrad } from '../autograd/mode.js';
import { add_ } from '../ops/inplace.js';
import { zeros } from '../ops/creation.js';
import { argmax } from '../ops/order.js';
import { abs, eq, gt, logicalNot, logicalOr, lt, mul, ne, sub } from '../ops/pointwise.js';
import { sum } from '../ops/reduce.js';
import { checkInteger } from '../ops/checks.js';
import { reshape } from '../ops/view.js';
import { ShapeError } from '../native/errors.js';
import { isFloating } from '../tensor/dtype.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';

/** The mean of a loss over samples. */
export class MeanLoss {
  private total: Tensor | null = null;
  private samples = 0;

  /** @param loss a batch's mean loss @param n the batch's samples */
  add(loss: Tensor, n: number): void {
    checkTensor(loss, 'MeanLoss.add', 'loss');
    if (loss.numel !== 1) throw new ShapeError(`MeanLoss.add: expected a loss of one element, got ${formatShape(loss.shape)}`);
    checkInteger(n, 0, 'MeanLoss.add', 'n');
    noGrad(() => {
      this.total ??= zeros([], { device: loss.device });
      add_(this.total, mul(loss.detach(), n));
    });
    this.samples += n;
  }

  /** The mean so far; NaN before the first batch. Waits for the device without blocking. */
  async value(): Promise<number> {
    return this.total ? (await this.total.item() as number) / this.samples : NaN;
  }
}

type Task = 'classes' | 'distribution' | 'binary';

// What scores and labels of these shapes can be; null: nothing that has an accuracy.
function taskOf(scores: Tensor, labels: Tensor): Task | null {
  const [n, classes = 1] = scores.shape;
  const indices = !isFloating(labels.dtype);
  if (scores.ndim === 0 || !isFloating(scores.dtype) || labels.shape[0] !== n) return null;
  const single = scores.ndim <= 2 && classes === 1;
  if (single) return labels.ndim <= 2 && labels.numel === n ? 'binary' : null;
  if (sameShape(scores.shape, labels.shape)) return scores.ndim === 2 ? 'distribution' : null;
  const places = labels.ndim === 2 && labels.shape[1] === 1 && scores.ndim === 2 ? [n!] : labels.shape;
  return indices && scores.ndim >= 2 && sameShape(places, [n!, ...scores.shape.slice(2)]) ? 'classes' : null;
}

/**
 * The share of right answers. What scores and labels mean is seen by their shapes and values:
 * - scores [N, C] or, for each place, [N, C, ...]; labels are class numbers: [N], [N, 1], or [N, ...]
 * - scores [N, C]; labels [N, C] are one-hot or probabilities, of which the largest counts
 * - scores [N] or [N, 1] of two classes, as probabilities if all are within [0, 1], else as logits; labels 0 and 1, [N] or [N, 1]
 *
 * Anything else, such as the targets of a regression, has no accuracy.
 */
export class Accuracy {
  private task: Task | null | undefined;
  private samples = 0;
  // On the device, by name: read once.
  private readonly counts = new Map<string, Tensor>();

  /** @throws ArgumentError for anything but tensors */
  add(scores: Tensor, labels: Tensor): void {
    checkTensor(scores, 'Accuracy.add', 'scores');
    checkTensor(labels, 'Accuracy.add', 'labels');
    if (labels.numel === 0) return;
    const task = taskOf(scores, labels);
    this.task = this.task === undefined || this.task === task ? task : null;
    if (task === null) return;
    this.samples += task === 'distribution' ? labels.shape[0]! : labels.numel;
    noGrad(() => {
      if (task === 'classes') {
        const best = argmax(scores, 1);
        this.count('hits', eq(best, reshape(labels, best.shape)));
      } else if (task === 'distribution') {
        this.count('hits', eq(argmax(scores, 1), argmax(labels, 1)));
        if (!isFloating(labels.dtype)) this.count('foreign', ne(sum(labels, 1), 1));
        else this.count('foreign', gt(abs(sub(sum(labels, 1), 1)), 1e-2));
        this.count('foreign', lt(labels, 0));
      } else {
        const [x, y] = [reshape(scores, [-1]), reshape(labels, [-1])];
        const truth = ne(y, 0);
        this.count('hits', eq(gt(x, 0), truth));
        this.count('hitsOfProbabilities', eq(gt(x, 0.5), truth));
        this.count('logits', logicalOr(lt(x, 0), gt(x, 1)));
        this.count('foreign', logicalNot(logicalOr(eq(y, 0), eq(y, 1))));
      }
    });
  }

  private count(name: string, which: Tensor): void {
    let total = this.counts.get(name);
    if (!total) this.counts.set(name, (total = zeros([], { dtype: 'int64', device: which.device })));
    add_(total, sum(which));
  }

  private async read(name: string): Promise<number> {
    return ((await this.counts.get(name)?.item()) as number | undefined) ?? 0;
  }

  /** The accuracy so far, in [0, 1]; NaN before the first batch; undefined for what has none. */
  async value(): Promise<number | undefined> {
    if (this.task === undefined) return NaN;
    if (this.task === null || (await this.read('foreign')) > 0) return undefined;
    const probabilities = this.task === 'binary' && (await this.read('logits')) === 0;
    return (await this.read(probabilities ? 'hitsOfProbabilities' : 'hits')) / this.samples;
  }
}

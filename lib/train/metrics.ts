// SPDX-License-Identifier: Apache-2.0
// What is measured while training, summed on the device and read once.
import { noGrad } from '../autograd/mode.js';
import { add_ } from '../ops/inplace.js';
import { zeros } from '../ops/creation.js';
import { argmax } from '../ops/order.js';
import { eq, mul } from '../ops/pointwise.js';
import { sum } from '../ops/reduce.js';
import type { Tensor } from '../tensor/tensor.js';

/** The mean of a loss over samples. */
export class MeanLoss {
  private total: Tensor | null = null;
  private samples = 0;

  /** @param loss a batch's mean loss @param n the batch's samples */
  add(loss: Tensor, n: number): void {
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

/** The share of samples whose largest score is at the right class. */
export class Accuracy {
  private hits: Tensor | null = null;
  private samples = 0;

  /** @param scores [N, classes] @param labels int64 [N] */
  add(scores: Tensor, labels: Tensor): void {
    noGrad(() => {
      const hits = sum(eq(argmax(scores, 1), labels));
      this.hits ??= zeros([], { dtype: 'int64', device: scores.device });
      add_(this.hits, hits);
    });
    this.samples += labels.shape[0]!;
  }

  /** The accuracy so far; NaN before the first batch. */
  async value(): Promise<number> {
    return this.hits ? (await this.hits.item() as number) / this.samples : NaN;
  }
}

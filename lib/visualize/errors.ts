// SPDX-License-Identifier: Apache-2.0
// Where a classifier goes wrong.
import { noGrad } from '../autograd/mode.js';
import { ArgumentError } from '../native/errors.js';
import { noMore, optionsOf } from '../native/options.js';
import type { Module } from '../nn/module.js';
import { softmax } from '../ops/softmax.js';
import type { Tensor } from '../tensor/tensor.js';
import { amounts, count, grid, imagePicture, planePicture, type Picture } from './picture.js';

type Batches = AsyncIterable<readonly [images: Tensor, labels: Tensor]> | Iterable<readonly [images: Tensor, labels: Tensor]>;

interface Judged {
  readonly images: Tensor;
  readonly labels: readonly number[];
  readonly predictions: readonly number[];
  readonly confidences: readonly number[];
  readonly classes: number;
}

async function judge(model: Module, batches: Batches, visit: (batch: Judged) => Promise<boolean> | boolean): Promise<void> {
  const modes = model.modules().map((module) => [module, module.training] as const);
  model.eval();
  try {
    await noGrad(async () => {
      for await (const [images, labels] of batches) {
        const scores = model.forward(images);
        const [best, classes] = softmax(scores.to('float32'), 1).max(1);
        const [truth, predictions, confidences] = await Promise.all([labels.data(), classes.data(), best.data()]);
        const go = await visit({
          images,
          labels: Array.from(truth, Number),
          predictions: Array.from(predictions, Number),
          confidences: Array.from(confidences, Number),
          classes: scores.shape[1]!,
        });
        if (!go) break;
      }
    });
  } finally {
    for (const [module, training] of modes) module.training = training;
  }
}

export interface Confusion {
  /** matrix[i][j]: how many samples of class i were taken for class j. */
  readonly matrix: readonly (readonly number[])[];
  readonly accuracy: number;
  /** A row for each class, a column for each prediction; the lighter, the larger the share of the row. */
  readonly picture: Picture;
}

/**
 * Counts which class is taken for which.
 * @param batches [images, labels], a DataLoader for instance
 * @throws ArgumentError when there is no sample
 */
export async function confusion(model: Module, batches: Batches): Promise<Confusion> {
  noMore('confusion', arguments.length > 2);
  let matrix: number[][] = [];
  let [hits, samples] = [0, 0];
  await judge(model, batches, ({ labels, predictions, classes }) => {
    if (matrix.length === 0) matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
    labels.forEach((label, i) => {
      const row = matrix[label];
      if (!row) throw new ArgumentError(`confusion: there is a label ${label}, but the network has ${classes} classes`);
      row[predictions[i]!]!++;
      samples++;
      if (label === predictions[i]) hits++;
    });
    return true;
  });
  if (samples === 0) throw new ArgumentError('confusion: there are no samples');
  const shares = matrix.flatMap((row) => {
    const total = row.reduce((a, b) => a + b, 0) || 1;
    return row.map((n) => Math.sqrt(n / total)); // so that a few errors can be seen beside many hits
  });
  const cells = planePicture(shares, matrix.length, matrix.length, amounts, [0, 1]);
  return { matrix, accuracy: hits / samples, picture: grid([cells], { scale: Math.max(1, Math.round(320 / matrix.length)) }) };
}

export interface Misclassified {
  /** The sample's place in the order of the batches. */
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  /** The probability that the network gives its prediction. */
  readonly confidence: number;
  readonly picture: Picture;
}

const misclassifiedOptions = optionsOf<{ most?: number }>({ most: count });

/**
 * The samples that a classifier is most sure of and wrong about, the surest first.
 *
 * @param options most: how many are returned, default 64
 * @returns the samples, and a picture of them all (null if there are none)
 */
export async function misclassified(
  model: Module,
  batches: Batches,
  options?: { most?: number },
): Promise<{ samples: Misclassified[]; picture: Picture | null }> {
  const { most = 64 } = misclassifiedOptions('misclassified', options, arguments.length > 3);
  let samples: Misclassified[] = [];
  let seen = 0;
  await judge(model, batches, async ({ images, labels, predictions, confidences }) => {
    for (const [i, label] of labels.entries()) {
      if (label === predictions[i]) continue;
      const values = (await images.select(0, i).to('float32').data()) as Float32Array;
      samples.push({
        index: seen + i,
        label,
        predicted: predictions[i]!,
        confidence: confidences[i]!,
        picture: imagePicture(values, images.shape.slice(1)),
      });
    }
    samples = samples.sort((a, b) => b.confidence - a.confidence).slice(0, most);
    seen += labels.length;
    return true;
  });
  return { samples, picture: samples.length > 0 ? grid(samples.map((s) => s.picture)) : null };
}

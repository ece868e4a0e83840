// SPDX-License-Identifier: Apache-2.0
// The training loop that most programs need.
import { capture } from '../autograd/capture.js';
import { noGrad } from '../autograd/mode.js';
import { backward } from '../autograd/engine.js';
import type { Module } from '../nn/module.js';
import { crossEntropy } from '../ops/loss.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { Scheduler } from '../optim/schedulers.js';
import type { Tensor } from '../tensor/tensor.js';
import { Accuracy, MeanLoss } from './metrics.js';

export type Batch = readonly [inputs: Tensor, labels: Tensor];
export type LossFunction = (outputs: Tensor, labels: Tensor) => Tensor;

export interface StepReport {
  /** From 0. */
  epoch: number;
  /** Steps of this epoch, from 1. */
  step: number;
  steps: number;
  /** Samples of this epoch so far. */
  samples: number;
  /** The last loss that has been read back; NaN at first. It lags a few steps behind. */
  loss: number;
}

export interface EpochReport {
  epoch: number;
  /** Mean over the epoch's samples. */
  trainLoss: number;
  trainSeconds: number;
  imagesPerSecond: number;
  /** Of the validation loader, if there is one. */
  accuracy: number | undefined;
  validationLoss: number | undefined;
}

export interface FitOptions {
  model: Module<[Tensor], Tensor>;
  train: AsyncIterable<Batch> & { readonly length: number };
  validation?: AsyncIterable<Batch>;
  optimizer: Optimizer;
  /** Stepped after every batch. */
  scheduler?: Scheduler;
  epochs: number;
  /** The first epoch, for a resumed run. Default 0. */
  firstEpoch?: number;
  /** Default: cross entropy of class labels. */
  loss?: LossFunction;
  /**
   * Whether steps are recorded once and replayed, with the same results; see capture(). A model or loss that cannot be
   * captured is trained plainly, with a warning. Default true.
   */
  capture?: boolean;
  onStep?: (report: StepReport) => void;
  onEpoch?: (report: EpochReport) => void | Promise<void>;
  /** Ends the run after the step at hand. */
  signal?: AbortSignal;
}

/** Trains a model; the event loop stays free. Returns a report per epoch. */
export async function fit(options: FitOptions): Promise<EpochReport[]> {
  const { model, validation, epochs, firstEpoch = 0, loss = crossEntropy, onEpoch, signal } = options;
  const reports: EpochReport[] = [];
  const step = makeStep(options, loss);
  try {
    for (let epoch = firstEpoch; epoch < epochs && !signal?.aborted; epoch++) {
      const trained = await trainEpoch(options, epoch, step.run);
      const tested = validation ? await evaluate(model, validation, loss) : undefined;
      const report = { epoch, ...trained, accuracy: tested?.accuracy, validationLoss: tested?.loss };
      reports.push(report);
      await onEpoch?.(report);
    }
  } finally {
    step.end();
  }
  return reports;
}

type Step = (inputs: Tensor, labels: Tensor) => Tensor;

function makeStep({ model, optimizer, scheduler, capture: captures = true }: FitOptions, loss: LossFunction) {
  const plain: Step = (inputs, labels) => {
    optimizer.zeroGrad();
    const value = loss(model.forward(inputs), labels);
    backward(value);
    optimizer.step();
    scheduler?.step();
    return value;
  };
  if (!captures) return { run: plain, end: () => undefined };
  const run = capture(plain, { otherwise: 'run' });
  return { run, end: () => run.dispose() };
}

async function trainEpoch(options: FitOptions, epoch: number, run: Step) {
  const { model, train, onStep, signal } = options;
  const start = performance.now();
  const mean = new MeanLoss();
  let step = 0;
  let samples = 0;
  let shown = NaN;
  let reading = false;
  let failure: unknown;
  model.train();
  for await (const [inputs, labels] of train) {
    const value = run(inputs, labels);
    step++;
    samples += inputs.shape[0]!;
    mean.add(value, inputs.shape[0]!);
    if (onStep) {
      // One read-back at a time, never waited for: the queue stays full.
      if (!reading) {
        reading = true;
        value.item().then(
          (x) => ((shown = x as number), (reading = false)),
          (error) => (failure ??= error),
        );
      }
      onStep({ epoch, step, steps: train.length, samples, loss: shown });
    }
    if (failure !== undefined) throw failure;
    if (signal?.aborted) break;
  }
  const trainLoss = await mean.value();
  const trainSeconds = (performance.now() - start) / 1000;
  return { trainLoss, trainSeconds, imagesPerSecond: samples / trainSeconds };
}

/** Loss and accuracy over a loader, in eval mode and without gradients. The model's mode is restored. */
export async function evaluate(
  model: Module<[Tensor], Tensor>,
  loader: AsyncIterable<Batch>,
  loss: LossFunction = crossEntropy,
): Promise<{ loss: number; accuracy: number }> {
  const wasTraining = model.training;
  const mean = new MeanLoss();
  const accuracy = new Accuracy();
  model.eval();
  try {
    await noGrad(async () => {
      for await (const [inputs, labels] of loader) {
        const scores = model.forward(inputs);
        mean.add(loss(scores, labels), inputs.shape[0]!);
        accuracy.add(scores, labels);
      }
    });
  } finally {
    model.train(wasTraining);
  }
  return { loss: await mean.value(), accuracy: await accuracy.value() };
}

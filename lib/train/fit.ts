// SPDX-License-Identifier: Apache-2.0
// The training loop that most programs need.
import { GradScaler } from '../amp/grad-scaler.js';
import { capture } from '../autograd/capture.js';
import { noGrad } from '../autograd/mode.js';
import { backward } from '../autograd/engine.js';
import { Module } from '../nn/module.js';
import { ArgumentError } from '../native/errors.js';
import {
  arrayOf,
  boolean,
  callable,
  instance,
  integer,
  kind,
  noMore,
  number,
  oneOf,
  optionsOf,
  required,
  show,
  withMethods,
} from '../native/options.js';
import { autocast } from '../ops/autocast.js';
import { checkInteger, checkNumber } from '../ops/checks.js';
import { crossEntropy } from '../ops/loss.js';
import { clipGradNorm_, clipGradValue_ } from '../optim/clip.js';
import { Optimizer } from '../optim/optimizer.js';
import { ReduceLROnPlateau, type Scheduler } from '../optim/schedulers.js';
import { AveragedModel } from '../optim/swa.js';
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
  /** The last loss that has been read back, about 50 times a second; NaN at first. */
  loss: number;
}

export interface EpochReport {
  epoch: number;
  /** Mean over the epoch's samples. */
  trainLoss: number;
  trainSeconds: number;
  imagesPerSecond: number;
  /** Of the validation loader, if there is one; undefined for what has none, such as a regression. See Accuracy. */
  accuracy: number | undefined;
  validationLoss: number | undefined;
  /** The learning rate of the first parameter group after the epoch. */
  lr: number;
}

/** Something that looks on at a training: see earlyStopping(), csvLogger(), jsonlLogger(). */
export interface Callback {
  onStep?(report: StepReport): void;
  /** 'stop' ends the training after this epoch. */
  onEpoch?(report: EpochReport): void | 'stop' | Promise<void | 'stop'>;
  /** After the last epoch, however it ended. `interrupted`: where a training that `signal` has ended can go on. */
  onEnd?(reports: readonly EpochReport[], interrupted?: Interruption): void | Promise<void>;
}

/** Where a training stands: options of fit() for the rest of it. */
export interface Interruption {
  /** The first epoch that is not complete. */
  firstEpoch: number;
  /** Steps made of it. */
  firstStep: number;
}

export interface FitOptions {
  model: Module<[Tensor], Tensor>;
  train: AsyncIterable<Batch> & { readonly length: number };
  validation?: AsyncIterable<Batch>;
  optimizer: Optimizer;
  /** Stepped after every batch; ReduceLROnPlateau after every epoch, with the validation loss. */
  scheduler?: Scheduler;
  epochs: number;
  /** The first epoch, for a resumed run. Default 0. */
  firstEpoch?: number;
  /** Steps of the first epoch that were made before: their batches are loaded and left out. Default 0. */
  firstStep?: number;
  /** Default: cross entropy of class labels. */
  loss?: LossFunction;
  /**
   * Whether the device's work of a step is recorded once and replayed; see capture(), and its `follow`. The results are
   * those of plain steps, bit for bit: JavaScript's part of each step (model, hooks, loss, optimizer, schedule) runs as
   * ever, and where it asks for something else than the recording has (another branch, layer, shape or option), it gets
   * that. A model or loss that cannot be captured, or is another one all the time, is trained plainly, with a warning. The
   * one thing that is refused is a tensor from inside the step that JavaScript keeps in some steps only: using it throws
   * CaptureError. Default true.
   */
  capture?: boolean;
  /**
   * Type in which the forward pass and the loss compute where that is safe; see amp.autocast(). Parameters, updates and
   * validation stay in float32. Default: float32 throughout.
   */
  amp?: 'bfloat16' | 'float16';
  /** Scales the loss; pass one whose state is to be saved. Default: one with its defaults for float16, else none. */
  scaler?: GradScaler;
  /** Of the default loss. Default 0. */
  labelSmoothing?: number;
  /** Changes each batch before its step: MixUp and CutMix, for instance. */
  transform?: (inputs: Tensor, labels: Tensor) => Batch;
  /** The largest norm of all gradients together; see clipGradNorm_. */
  clipGradNorm?: number;
  /** The largest element of a gradient; see clipGradValue_. */
  clipGradValue?: number;
  /** An average of the model that is updated after every step, and validated instead of the model. */
  ema?: AveragedModel<[Tensor], Tensor>;
  /** Called in order, after onStep and onEpoch. */
  callbacks?: readonly Callback[];
  onStep?: (report: StepReport) => void;
  onEpoch?: (report: EpochReport) => void | Promise<void>;
  /**
   * Ends the run after the step at hand. An epoch that is not complete then is not validated and has no report: `onEnd` of
   * the callbacks is told where to go on.
   */
  signal?: AbortSignal;
}

const fitOptions = optionsOf<FitOptions>({
  model: required(instance(Module as typeof Module<[Tensor], Tensor>, 'a Module')),
  train: required(kind('an iterable of batches with a length, such as a DataLoader', (v) => isIterable(v) && 'length' in (v as object))),
  validation: kind('an iterable of batches, such as a DataLoader', isIterable),
  optimizer: required(instance(Optimizer, 'an optimizer')),
  scheduler: withMethods('a schedule', 'step', 'stateDict', 'loadStateDict'),
  epochs: required(integer),
  firstEpoch: integer,
  firstStep: integer,
  loss: callable,
  capture: boolean,
  amp: oneOf('bfloat16', 'float16'),
  scaler: instance(GradScaler, 'a GradScaler'),
  labelSmoothing: number,
  transform: callable,
  clipGradNorm: number,
  clipGradValue: number,
  ema: instance(AveragedModel as typeof AveragedModel<[Tensor], Tensor>, 'an AveragedModel'),
  callbacks: arrayOf(kind('a callback', (v) => typeof v === 'object' && v !== null)),
  onStep: callable,
  onEpoch: callable,
  signal: kind('an AbortSignal', (v) => typeof v === 'object' && v !== null && 'aborted' in v),
});

function isIterable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);
}

/**
 * Trains a model; the event loop stays free. Returns a report per epoch.
 * @throws ArgumentError for options that are missing, unknown, of another kind or out of range, for labelSmoothing beside a
 * loss of one's own, and for ReduceLROnPlateau without a validation loader
 */
export async function fit(options: FitOptions): Promise<EpochReport[]> {
  const { model, ema, optimizer, scheduler, validation, epochs, firstEpoch = 0, onEpoch, callbacks = [], signal } = checked(options, arguments.length > 1);
  const loss = lossOf(options);
  const reports: EpochReport[] = [];
  const step = makeStep(options, loss);
  let interrupted: Interruption | undefined;
  try {
    for (let epoch = firstEpoch; epoch < epochs; epoch++) {
      const firstStep = epoch === firstEpoch ? (options.firstStep ?? 0) : 0;
      if (signal?.aborted) {
        interrupted = { firstEpoch: epoch, firstStep };
        break;
      }
      const { steps, complete, ...trained } = await trainEpoch(options, epoch, firstStep, step.run);
      if (!complete) {
        interrupted = { firstEpoch: epoch, firstStep: steps };
        break;
      }
      const tested = validation ? await evaluate(ema ?? model, validation, loss) : undefined;
      if (scheduler instanceof ReduceLROnPlateau) scheduler.step(tested!.loss);
      const lr = optimizer.paramGroups[0]!.lr;
      const report = { epoch, ...trained, accuracy: tested?.accuracy, validationLoss: tested?.loss, lr };
      reports.push(report);
      await onEpoch?.(report);
      let stop = false;
      for (const callback of callbacks) if ((await callback.onEpoch?.(report)) === 'stop') stop = true;
      if (stop) break;
    }
  } finally {
    step.end();
    for (const callback of callbacks) await callback.onEnd?.(reports, interrupted);
  }
  return reports;
}

function checked(options: FitOptions, extra: boolean): FitOptions {
  const { epochs, firstEpoch, firstStep, labelSmoothing, scheduler, validation } = fitOptions('fit', options, extra);
  for (const [name, value] of Object.entries({ epochs, firstEpoch, firstStep }))
    if (value !== undefined) checkInteger(value, 0, 'fit', name);
  if (labelSmoothing !== undefined) checkNumber(labelSmoothing, 0, 1, 'fit', 'labelSmoothing');
  if (scheduler instanceof ReduceLROnPlateau && !validation)
    throw new ArgumentError('fit: ReduceLROnPlateau needs a validation loader, whose loss it follows');
  return options;
}

function lossOf({ loss, labelSmoothing = 0 }: FitOptions): LossFunction {
  if (labelSmoothing === 0) return loss ?? crossEntropy;
  if (loss) throw new ArgumentError('fit: labelSmoothing belongs to the default loss; smooth in your own');
  return (outputs, labels) => crossEntropy(outputs, labels, { labelSmoothing });
}

/** Milliseconds between two read-backs of the loss. */
const READ_EVERY = 20;

type Step = (inputs: Tensor, labels: Tensor) => Tensor;

function makeStep(options: FitOptions, loss: LossFunction) {
  const { model, optimizer, scheduler, amp, clipGradNorm, clipGradValue, ema, capture: captures = true } = options;
  const { scaler = new GradScaler({ enabled: amp === 'float16' }) } = options;
  const everyStep = scheduler instanceof ReduceLROnPlateau ? undefined : scheduler;
  const forward: Step = (inputs, labels) => loss(model.forward(inputs), labels);
  const plain: Step = (inputs, labels) => {
    optimizer.zeroGrad();
    const value = amp ? autocast(amp, () => forward(inputs, labels)) : forward(inputs, labels);
    backward(scaler.scale(value));
    if (clipGradValue !== undefined || clipGradNorm !== undefined) scaler.unscale_(optimizer);
    if (clipGradValue !== undefined) clipGradValue_(model.parameters(), clipGradValue);
    if (clipGradNorm !== undefined) clipGradNorm_(model.parameters(), clipGradNorm);
    scaler.step(optimizer);
    scaler.update();
    everyStep?.step();
    ema?.updateParameters(model);
    return value;
  };
  if (!captures) return { run: plain, end: () => undefined };
  const run = capture(plain, { otherwise: 'run', follow: true });
  return { run, end: () => run.dispose() };
}

async function trainEpoch(options: FitOptions, epoch: number, firstStep: number, run: Step) {
  const { model, train, transform, signal } = options;
  const watchers = [options.onStep, ...(options.callbacks ?? []).map((c) => c.onStep?.bind(c))].filter((f) => f !== undefined);
  const start = performance.now();
  const mean = new MeanLoss();
  let step = 0;
  let samples = 0;
  let shown = NaN;
  let reading = false;
  let lastRead = -Infinity;
  let failure: unknown;
  model.train();
  let complete = true;
  for await (const batch of train) {
    if (step < firstStep) {
      step++;
      continue;
    }
    const [inputs, labels] = transform ? transform(...batch) : batch;
    const value = run(inputs, labels);
    step++;
    samples += inputs.shape[0]!;
    mean.add(value, inputs.shape[0]!);
    if (watchers.length > 0) {
      // One read-back at a time, never waited for: the queue stays full. Each wakes this thread, which on few cores
      // takes one from the arithmetic.
      if (!reading && performance.now() - lastRead > READ_EVERY) {
        reading = true;
        lastRead = performance.now();
        value.item().then(
          (x) => ((shown = x as number), (reading = false)),
          (error) => (failure ??= error),
        );
      }
      for (const watch of watchers) watch({ epoch, step, steps: train.length, samples, loss: shown });
    }
    if (failure !== undefined) throw failure;
    if (signal?.aborted && step !== train.length) {
      complete = false;
      break;
    }
  }
  const trainLoss = await mean.value();
  const trainSeconds = (performance.now() - start) / 1000;
  return { steps: step, complete, trainLoss, trainSeconds, imagesPerSecond: samples / trainSeconds };
}

/**
 * Loss and accuracy over a loader, in eval mode and without gradients. The modes of the model and its modules are restored.
 * @throws ArgumentError for anything but a module, an iterable of batches and a function
 */
export async function evaluate(
  model: Module<[Tensor], Tensor>,
  loader: AsyncIterable<Batch>,
  loss: LossFunction = crossEntropy,
): Promise<{ loss: number; accuracy: number | undefined }> {
  noMore('evaluate', arguments.length > 3);
  if (!(model instanceof Module)) throw new ArgumentError(`evaluate: expected a Module, got ${show(model)}`);
  if (!isIterable(loader)) throw new ArgumentError(`evaluate: expected an iterable of batches, got ${show(loader)}`);
  if (typeof loss !== 'function') throw new ArgumentError(`evaluate: loss must be a function, got ${show(loss)}`);
  const modes = model.modules().map((module) => [module, module.training] as const);
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
    for (const [module, training] of modes) module.training = training;
  }
  return { loss: await mean.value(), accuracy: await accuracy.value() };
}

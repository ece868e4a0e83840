// SPDX-License-Identifier: Apache-2.0
// `lenode train`: LeNet-5 or another small network on MNIST.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { GradScaler } from '../amp/grad-scaler.js';
import { DataLoader } from '../data/loader.js';
import { MNIST } from '../data/mnist.js';
import { writing } from '../io/atomic.js';
import { CheckpointError, loadCheckpoint, saveCheckpoint } from '../io/checkpoint.js';
import { lenet5, mnistCnn } from '../models/index.js';
import type { Module } from '../nn/module.js';
import { formatBytes } from '../native/run.js';
import { manualSeed } from '../ops/random.js';
import { Adam } from '../optim/adam.js';
import { OneCycleLR } from '../optim/schedulers.js';
import { device as toDevice, type Device, type DeviceLike } from '../tensor/device.js';
import { memoryStats } from '../tensor/memory.js';
import type { Tensor } from '../tensor/tensor.js';
import { evaluate, fit, type EpochReport, type Interruption } from '../train/fit.js';
import { writePage } from '../visualize/index.js';
import { Interrupts } from './interrupt.js';
import { EpochProgress } from './progress.js';

interface Recipe {
  make: () => Module<[Tensor], Tensor>;
  epochs: number;
  batchSize: number;
  /** The highest learning rate of the one-cycle schedule. */
  lr: number;
}

const recipes: Record<string, Recipe> = {
  lenet5: { make: lenet5, epochs: 3, batchSize: 64, lr: 5e-3 },
  'mnist-cnn': { make: mnistCnn, epochs: 6, batchSize: 100, lr: 2e-3 },
};

interface TrainOptions {
  device: DeviceLike;
  epochs?: number;
  batchSize?: number;
  lr?: number;
  seed: number;
  model: string;
  resume?: string;
  data?: string;
  out: string;
  json?: boolean;
  amp?: 'bfloat16' | 'float16';
  capture: boolean;
}

export function registerTrain(program: Command): void {
  program
    .command('train')
    .description('train a network on MNIST')
    .addOption(new Option('--device <name>', 'auto, cpu, cuda or cuda:<index>').default('auto'))
    .addOption(new Option('--model <name>', 'the network').choices(Object.keys(recipes)).default('lenet5'))
    .option('--epochs <n>', 'passes over the training images (default: 3; mnist-cnn: 6)', count)
    .option('--batch-size <n>', 'images per step (default: 64; mnist-cnn: 100)', count)
    .option('--lr <x>', 'highest learning rate of the one-cycle schedule (default: 0.005; mnist-cnn: 0.002)', positive)
    .option('--seed <n>', 'seed of the weights, the order of images and dropout', integer, 0)
    .option('--resume <path>', 'continue from a checkpoint')
    .option('--data <folder>', 'folder of the MNIST files (default: data/MNIST/raw)')
    .option('--out <folder>', 'folder of the checkpoints', 'runs')
    .addOption(
      new Option('--amp [dtype]', 'compute in a half type where that is safe (automatic mixed precision)')
        .choices(['bfloat16', 'float16'])
        .preset('bfloat16'),
    )
    .option('--no-capture', 'run every step in JavaScript instead of replaying a recorded one')
    .option('--json', 'print the results as one JSON object on the last line of stdout')
    .action(train);
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('expected a positive number');
  return value;
}
function integer(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('expected an integer');
  return value;
}
function count(text: string): number {
  const value = integer(text);
  if (value < 1) throw new InvalidArgumentError('expected a positive integer');
  return value;
}

async function train(options: TrainOptions): Promise<void> {
  const recipe = recipes[options.model]!;
  const place = toDevice(options.device);
  const epochs = options.epochs ?? recipe.epochs;
  const batchSize = options.batchSize ?? recipe.batchSize;
  const files = options.data === undefined ? {} : { root: options.data };

  manualSeed(options.seed);
  const model = recipe.make().to(place);
  const [trainSet, testSet] = await Promise.all([
    MNIST.load({ ...files, train: true, device: place, onProgress: reportDownload }),
    MNIST.load({ ...files, train: false, device: place, onProgress: reportDownload }),
  ]);
  const loader = new DataLoader(trainSet, { batchSize, shuffle: true, seed: options.seed });
  const testLoader = new DataLoader(testSet, { batchSize: 500 });
  const optimizer = new Adam(model.parameters(), { lr: options.lr ?? recipe.lr });
  const scaler = options.amp === 'float16' ? new GradScaler() : undefined;
  let [firstEpoch, firstStep] = [0, 0];
  if (options.resume !== undefined) {
    const info = await loadCheckpoint(options.resume, { model, optimizer, ...(scaler && { scaler }) });
    [firstEpoch, firstStep] = [info.epoch, info.step ?? 0];
    loader.epoch = firstEpoch;
    if (firstStep >= loader.length)
      throw new CheckpointError(`${options.resume}: it is from the middle of an epoch of other batches; give their --batch-size`);
  }
  // Placed in the schedule of this run's length, which may differ from that of the run it continues.
  const scheduler =
    firstEpoch < epochs
      ? new OneCycleLR(optimizer, options.lr ?? recipe.lr, {
          totalSteps: epochs * loader.length,
          pctStart: 0.25,
          lastEpoch: firstEpoch * loader.length + firstStep - 1,
        })
      : undefined;
  const parameters = [...model.parameters()].reduce((n, p) => n + p.numel, 0);
  console.log(`${options.model}: ${parameters.toLocaleString('en')} parameters on ${place}`);

  const folder = join(options.out, `${options.model}-seed${options.seed}`);
  const checkpoint = join(folder, 'checkpoint.safetensors');
  await writing(folder, () => mkdir(folder, { recursive: true }));
  const progress = new EpochProgress(epochs);
  const save = ({ firstEpoch: epoch, firstStep: step }: Interruption) =>
    saveCheckpoint(checkpoint, {
      model,
      optimizer,
      ...(scheduler && { scheduler }),
      ...(scaler && { scaler }),
      epoch,
      step,
      metadata: { model: options.model, dataset: 'MNIST', seed: options.seed },
    });
  let interrupted: Interruption | undefined = undefined as Interruption | undefined; // set in a callback
  const interrupts = new Interrupts(() => {
    progress.stop();
    console.error('stopping after this step, with a checkpoint; once more stops at once');
  }, () => progress.stop());
  const training = fit({
    model,
    train: loader,
    validation: testLoader,
    optimizer,
    ...(scheduler && { scheduler }),
    epochs,
    firstEpoch,
    firstStep,
    signal: interrupts.signal,
    capture: options.capture,
    ...(options.amp && { amp: options.amp }),
    ...(scaler && { scaler }),
    onStep: (report) => void (interrupts.signal.aborted || progress.step(report)),
    async onEpoch(report) {
      progress.stop();
      console.log(epochLine(report, epochs));
      await save({ firstEpoch: report.epoch + 1, firstStep: 0 });
    },
    callbacks: [{ onEnd: (_, place) => place && save(place) }, { onEnd: (_, place) => void (interrupted = place) }],
  });
  const reports = await training.finally(() => interrupts.end());
  if (interrupted) {
    const { firstEpoch: epoch, firstStep: step } = interrupted;
    console.log(`interrupted in epoch ${epoch + 1} after ${step} of ${loader.length} steps; go on with --resume ${checkpoint}`);
    process.exitCode = interrupts.status;
    return;
  }

  // A resumed run may have nothing left to train.
  const accuracy = reports.at(-1)?.accuracy ?? (await evaluate(model, testLoader)).accuracy ?? NaN;
  const page = join(folder, 'index.html');
  await drawPage(page, options.model, model, testLoader);
  const result = { ...summarise(options.model, place, reports, accuracy), page };
  console.log(`test accuracy ${percent(result.testAccuracy)}; checkpoint: ${checkpoint}`);
  if (options.json) console.log(JSON.stringify(result));
  else {
    console.log(`${result.trainSeconds.toFixed(1)} s, peak memory ${formatBytes(result.peakMemoryBytes)}`);
    console.log(`how it sees a digit: ${pathToFileURL(page)}`);
  }
}

// A page that walks the first test image through the network.
async function drawPage(path: string, title: string, model: Module<[Tensor], Tensor>, tests: AsyncIterable<readonly [Tensor, Tensor]>): Promise<void> {
  for await (const [images, labels] of tests) {
    await writePage(path, model, images.narrow(0, 0, 1), { title, label: Number(await labels.select(0, 0).item()) });
    break;
  }
}

function summarise(model: string, place: Device, reports: readonly EpochReport[], testAccuracy: number) {
  const trainSeconds = reports.reduce((s, r) => s + r.trainSeconds, 0);
  const images = reports.reduce((n, r) => n + r.imagesPerSecond * r.trainSeconds, 0);
  return {
    model,
    dataset: 'MNIST',
    device: String(place),
    epochs: reports.length,
    testAccuracy,
    trainSeconds,
    imagesPerSecond: trainSeconds > 0 ? images / trainSeconds : 0,
    peakMemoryBytes:
      place.type === 'cpu' ? process.resourceUsage().maxRSS * 1024 : memoryStats(place).peakReservedBytes,
  };
}

const percent = (x: number): string => `${(100 * x).toFixed(2)} %`;

function epochLine({ epoch, trainLoss, trainSeconds, imagesPerSecond, accuracy }: EpochReport, epochs: number): string {
  return (
    `epoch ${epoch + 1}/${epochs}  loss ${trainLoss.toFixed(4)}  accuracy ${percent(accuracy ?? NaN)}  ` +
    `${trainSeconds.toFixed(1)} s  ${Math.round(imagesPerSecond)} images/s`
  );
}

let lastPercent = '';
function reportDownload(file: string, received: number, total: number | undefined): void {
  const share = total ? `${Math.floor((100 * received) / total)} %` : formatBytes(received);
  if (share === lastPercent || !process.stderr.isTTY) return;
  lastPercent = share;
  process.stderr.write(`\r${file}: ${share}   ${received === total ? '\n' : ''}`);
}

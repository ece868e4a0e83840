// SPDX-License-Identifier: Apache-2.0
// Averages of a network's parameters over a training.
import { noGrad } from '../autograd/mode.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import { boolean, callable, checked, noMore, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { hostStep, outside, update } from '../native/recording.js';
import { run } from '../native/run.js';
import { Module, type AnyModule } from '../nn/module.js';
import { checkNumber } from '../ops/checks.js';
import { zeros } from '../ops/creation.js';
import { add_, copy_ } from '../ops/inplace.js';
import { copyKernel, fullKernel } from '../ops/kernels.js';
import { add, div, mul, sub } from '../ops/pointwise.js';
import { moveTo } from '../ops/transfer.js';
import type { Device, DeviceLike } from '../tensor/device.js';
import { isFloating } from '../tensor/dtype.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** The new average of one tensor from the old one, the present value, and how many values are in the old one. */
export type AvgFn = (averaged: Tensor, current: Tensor, nAveraged: number) => Tensor;
/** The same in place, for tensors of one device and dtype. */
export type MultiAvgFn = (averaged: readonly Tensor[], current: readonly Tensor[], nAveraged: number) => void;

// averaged += weight * (current - averaged), in one call.
function lerpAll(averaged: readonly Tensor[], current: readonly Tensor[], weight: number): void {
  const targets = current.map((t, i) => {
    const a = averaged[i]!;
    return t.strides.every((s, d) => s === a.strides[d] || a.shape[d] === 1) ? t : copyKernel(t, t.dtype, [...a.strides]);
  });
  run(Op.lerpStep, [fullKernel([], weight, 'float64', averaged[0]!.device), null, ...targets], [...averaged], []);
  for (const a of averaged) a.version.count++;
}

function checkDecay(decay: number, where: string): number {
  return checkNumber(decay, 0, 1, where, 'decay');
}

/** Exponential moving average: decay * averaged + (1 - decay) * current; decay in [0, 1], default 0.999. */
export function getEmaAvgFn(decay = 0.999): AvgFn {
  noMore('getEmaAvgFn', arguments.length > 1);
  checkDecay(decay, 'getEmaAvgFn');
  return (averaged, current) => add(mul(averaged, decay), mul(current, 1 - decay));
}

/** As getEmaAvgFn, in one native call for all tensors. */
export function getEmaMultiAvgFn(decay = 0.999): MultiAvgFn {
  noMore('getEmaMultiAvgFn', arguments.length > 1);
  checkDecay(decay, 'getEmaMultiAvgFn');
  const each = getEmaAvgFn(decay);
  return (averaged, current, n) => {
    if (isFloating(averaged[0]!.dtype)) lerpAll(averaged, current, 1 - decay);
    else averaged.forEach((a, i) => copy_(a, each(a, current[i]!, n)));
  };
}

/** The plain mean of all values (stochastic weight averaging). */
export function getSwaAvgFn(): AvgFn {
  noMore('getSwaAvgFn', arguments.length > 0);
  return (averaged, current, n) => add(averaged, div(sub(current, averaged), n + 1));
}

/** As getSwaAvgFn, in one native call for all tensors. */
export function getSwaMultiAvgFn(): MultiAvgFn {
  noMore('getSwaMultiAvgFn', arguments.length > 0);
  const each = getSwaAvgFn();
  return (averaged, current, n) => {
    if (isFloating(averaged[0]!.dtype)) lerpAll(averaged, current, 1 / (n + 1));
    else averaged.forEach((a, i) => copy_(a, each(a, current[i]!, n)));
  };
}

export interface AveragedModelOptions {
  /** Where the average is kept. Default: where the module is. */
  device?: DeviceLike;
  /** Averages tensor by tensor. */
  avgFn?: AvgFn;
  /** Averages many tensors at once. Default getSwaMultiAvgFn(). */
  multiAvgFn?: MultiAvgFn;
  /** Average the buffers (the statistics of batch normalisation) too, instead of copying them. Default false. */
  useBuffers?: boolean;
}
const averagedModelOptions = optionsOf<AveragedModelOptions>({
  device: checked,
  avgFn: callable,
  multiAvgFn: callable,
  useBuffers: boolean,
});

/**
 * A module whose parameters are an average of another's: of those at the end of a training (stochastic weight
 * averaging: Izmailov et al., arXiv:1803.05407) or, with getEmaMultiAvgFn, an exponential moving one.
 *
 * ```ts
 * const ema = new optim.AveragedModel(models.resnet18(), { multiAvgFn: optim.getEmaMultiAvgFn(0.9999) });
 * // after each optimizer.step():
 * ema.updateParameters(model);
 * // for validation: evaluate(ema, loader)
 * ```
 *
 * Where PyTorch copies the model, this takes a second one of the same form; the first update gives it the model's values.
 *
 * @throws ArgumentError for both avgFn and multiAvgFn
 */
export class AveragedModel<A extends unknown[] = [x: Tensor], R = Tensor> extends Module<A, R> {
  /** How many values are in the average: an int64 scalar. */
  declare readonly nAveraged: Tensor;
  readonly useBuffers: boolean;
  readonly #average: MultiAvgFn;
  // nAveraged as a number, and the version of the tensor that it is true of.
  #count = 0;
  #version = 0;

  constructor(
    /** What holds the average. */
    readonly module: Module<A, R>,
    options?: AveragedModelOptions,
  ) {
    super();
    const { device, avgFn, multiAvgFn, useBuffers = false } = averagedModelOptions('AveragedModel', options, arguments.length > 2);
    if (!(module instanceof Module)) throw new ArgumentError('AveragedModel: expected a Module');
    if (avgFn && multiAvgFn) throw new ArgumentError('AveragedModel: give avgFn or multiAvgFn, not both');
    if (device !== undefined) module.to(device);
    this.useBuffers = useBuffers;
    this.#average = multiAvgFn ?? (avgFn ? eachOf(avgFn) : getSwaMultiAvgFn());
    const place = module.parameters()[0]?.device;
    this.registerBuffer('nAveraged', zeros([], { dtype: 'int64', ...(place && { device: place }) }), { key: 'n_averaged' });
    this.#version = this.nAveraged.version.count;
  }

  forward(...args: A): R {
    return this.module.forward(...args);
  }

  /**
   * Takes the model's present values into the average.
   * @throws ArgumentError for the module that holds the average; ShapeError for a model of another form
   */
  updateParameters(model: AnyModule): void {
    update(this, () => this.#update(model));
    hostStep(() => void this.#count++);
  }

  #update(model: AnyModule): void {
    if (model === this.module)
      throw new ArgumentError('AveragedModel: this model holds the average itself; average into a second one of the same form');
    noGrad(() => {
      const [mine, theirs] = [tensorsOf(this.module, this.useBuffers), tensorsOf(model, this.useBuffers)];
      checkForm(mine, theirs);
      const n = this.#number();
      if (n === 0) copyAll(mine, theirs);
      else for (const [averaged, current] of grouped(mine, theirs)) this.#average(averaged, current, n);
      if (!this.useBuffers) {
        const [own, others] = [this.module.buffers(), model.buffers()];
        checkForm(own, others);
        copyAll(own, others);
      }
      add_(this.nAveraged, 1);
      this.#version = this.nAveraged.version.count;
    });
  }

  // Read back only when it was loaded or changed by others; a captured step needs it before, once.
  #number(): number {
    if (this.#version !== this.nAveraged.version.count) this.#count = Number(outside(() => this.nAveraged.itemSync()));
    return this.#count;
  }
}

function eachOf(avgFn: AvgFn): MultiAvgFn {
  return (averaged, current, n) => averaged.forEach((a, i) => copy_(a, avgFn(a, current[i]!, n)));
}

function tensorsOf(module: AnyModule, buffers: boolean): Tensor[] {
  const parameters = module.parameters() as Tensor[];
  return buffers ? [...parameters, ...module.buffers()] : parameters;
}

function checkForm(mine: readonly Tensor[], theirs: readonly Tensor[]): void {
  if (mine.length !== theirs.length)
    throw new ShapeError(`AveragedModel: the average has ${mine.length} tensors, the model ${theirs.length}`);
  mine.forEach((t, i) => {
    if (!sameShape(t.shape, theirs[i]!.shape))
      throw new ShapeError(
        `AveragedModel: tensor ${i} of the average has shape ${formatShape(t.shape)}, of the model ${formatShape(theirs[i]!.shape)}`,
      );
  });
}

function copyAll(mine: readonly Tensor[], theirs: readonly Tensor[]): void {
  mine.forEach((t, i) => copy_(t, takenTo(theirs[i]!, t.device)));
}

function takenTo(t: Tensor, device: Device): Tensor {
  return t.device === device ? t : moveTo(t, device);
}

// Pairs of lists, each of one device and dtype: the average's.
function grouped(mine: readonly Tensor[], theirs: readonly Tensor[]): Iterable<[Tensor[], Tensor[]]> {
  const groups = new Map<string, [Tensor[], Tensor[]]>();
  mine.forEach((t, i) => {
    const key = `${t.device} ${t.dtype}`;
    let group = groups.get(key);
    if (!group) groups.set(key, (group = [[], []]));
    const here = takenTo(theirs[i]!, t.device);
    group[0].push(t);
    group[1].push(here.dtype === t.dtype ? here : copyKernel(here, t.dtype));
  });
  return groups.values();
}

/** What batch normalisation layers have. */
interface Normalizer {
  momentum: number | null;
  resetRunningStats(): void;
}

const updateBnOptions = optionsOf<{ device?: DeviceLike }>({ device: checked });

/**
 * Computes the running statistics of all batch normalisation layers anew, as plain averages over a loader: after
 * averaging parameters, whose activations the old ones do not describe. The model's mode is restored.
 *
 * @param loader batches: inputs, or lists that begin with them
 * @param options device: where the inputs are moved; default: nowhere
 */
export async function updateBn(
  loader: AsyncIterable<Tensor | readonly [Tensor, ...unknown[]]> | Iterable<Tensor | readonly [Tensor, ...unknown[]]>,
  model: AnyModule,
  options?: { device?: DeviceLike },
): Promise<void> {
  const { device } = updateBnOptions('updateBn', options, arguments.length > 3);
  const layers = model.modules().filter((m) => 'resetRunningStats' in m && 'momentum' in m) as unknown as Normalizer[];
  if (layers.length === 0) return;
  const momenta = layers.map(({ momentum }) => momentum);
  const modes = model.modules().map((module) => [module, module.training] as const);
  for (const layer of layers) {
    layer.resetRunningStats();
    layer.momentum = null;
  }
  model.train();
  try {
    await noGrad(async () => {
      for await (const batch of loader) {
        const inputs = (Array.isArray(batch) ? batch[0] : batch) as Tensor;
        model.forward(device === undefined ? inputs : inputs.to(device));
      }
    });
  } finally {
    layers.forEach((layer, i) => (layer.momentum = momenta[i]!));
    for (const [module, training] of modes) module.training = training;
  }
}

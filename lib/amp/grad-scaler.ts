// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, LenodeError } from '../native/errors.js';
import { boolean, number, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { hostStep, outside, stepDependsOn, update } from '../native/recording.js';
import { run } from '../native/run.js';
import type { Optimizer } from '../optim/optimizer.js';
import { checkInteger, checkNumber } from '../ops/checks.js';
import { binaryKernel, fullKernel } from '../ops/kernels.js';
import { mul } from '../ops/pointwise.js';
import { moveTo } from '../ops/transfer.js';
import { to } from '../ops/view.js';
import type { Device } from '../tensor/device.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';

export interface GradScalerOptions {
  /** The first factor. Default 65536. */
  initScale?: number;
  /** What the factor grows by after `growthInterval` good steps. Above 1, default 2. */
  growthFactor?: number;
  /** What the factor shrinks by after an overflow. In (0, 1), default 0.5. */
  backoffFactor?: number;
  /** Default 2000. */
  growthInterval?: number;
  /** false: nothing is scaled, and no step left out. Default true. */
  enabled?: boolean;
}
const gradScalerOptions = optionsOf<GradScalerOptions>({
  initScale: number,
  growthFactor: number,
  backoffFactor: number,
  growthInterval: number,
  enabled: boolean,
});

/** What a checkpoint keeps of a GradScaler, under PyTorch's names. */
export interface GradScalerState {
  scale: number;
  growth_factor: number;
  backoff_factor: number;
  growth_interval: number;
  _growth_tracker: number;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- an optimizer of any options
type AnyOptimizer = Optimizer<any>;

/** float32 scalars, one on each device that an optimizer has gradients on: 1 if one of all of them is infinite or NaN. */
type FoundInf = ReadonlyMap<Device, Tensor>;

/** Where an optimizer is since the last update(). */
interface Stage {
  readonly foundInf: FoundInf;
  stepped: boolean;
}

/**
 * Scales the loss so that the gradients of float16 do not vanish, and leaves out the steps in which they overflowed
 * (Micikevicius et al., arXiv:1710.03740). bfloat16 does not need it.
 *
 * ```ts
 * const scaler = new amp.GradScaler();
 * for await (const [images, labels] of loader) {
 *   optimizer.zeroGrad();
 *   const loss = amp.autocast('float16', () => F.crossEntropy(model.forward(images), labels));
 *   scaler.scale(loss).backward();
 *   scaler.step(optimizer);
 *   scaler.update();
 * }
 * ```
 *
 * The factor, and whether a step is left out, are decided by the device: nothing waits for it, and all of this may be
 * part of a captured step. That a step was left out shows in getScale(), which is then less than before.
 */
export class GradScaler {
  readonly enabled: boolean;
  /** The state until there are tensors of it; afterwards only its options hold. */
  #state: GradScalerState;
  // float32 and int32 scalars on the first loss's device, always the same: captured steps follow what they hold.
  #scale: Tensor | null = null;
  #growthTracker: Tensor | null = null;
  readonly #foundInf = new WeakMap<AnyOptimizer, Map<Device, Tensor>>();
  readonly #stages = new Map<AnyOptimizer, Stage>();

  /** @throws ArgumentError for options out of range */
  constructor(options?: GradScalerOptions) {
    options = gradScalerOptions(new.target.name, options, arguments.length > 1);
    const { initScale = 65536, growthFactor = 2, backoffFactor = 0.5, growthInterval = 2000, enabled = true } = options;
    const where = 'GradScaler';
    if (!(growthFactor > 1)) throw new ArgumentError(`${where}: growthFactor must be above 1, got ${String(growthFactor)}`);
    if (!(backoffFactor > 0 && backoffFactor < 1))
      throw new ArgumentError(`${where}: backoffFactor must be in (0, 1), got ${String(backoffFactor)}`);
    this.#state = {
      scale: checkScale(initScale, where, 'initScale'),
      growth_factor: growthFactor,
      backoff_factor: backoffFactor,
      growth_interval: checkInteger(growthInterval, 1, where, 'growthInterval'),
      _growth_tracker: 0,
    };
    this.enabled = enabled;
  }

  /** The factor that losses are multiplied by now. Waits for the device and blocks the event loop. */
  getScale(): number {
    if (!this.enabled) return 1;
    return this.#scale ? (this.#scale.itemSync() as number) : this.#state.scale;
  }

  /** The factor as it is after all that has been called so far, without blocking the event loop. */
  async getScaleAsync(): Promise<number> {
    return this.enabled && this.#scale ? ((await this.#scale.item()) as number) : this.getScale();
  }

  /** The loss times the factor, in float32 if it is of a half type: call backward() on it. */
  scale(loss: Tensor): Tensor {
    checkTensor(loss, 'GradScaler.scale', 'loss');
    if (!this.enabled) return loss;
    return mul(loss.dtype === 'float64' ? loss : to(loss, 'float32'), this.#scaleOn(loss.device));
  }

  /**
   * Divides the gradients of an optimizer's parameters by the factor, in place: before clipping them, for instance. step()
   * does it otherwise.
   * @throws LenodeError when it was done already since the last update()
   */
  unscale_(optimizer: AnyOptimizer): void {
    if (!this.enabled) return;
    this.#dependOn(optimizer);
    if (this.#stages.has(optimizer))
      throw new LenodeError('GradScaler.unscale_: the gradients were unscaled already since the last update()');
    const byDevice = new Map<Device, Tensor[]>();
    for (const { params } of optimizer.paramGroups)
      for (const { grad } of params)
        if (grad && !byDevice.get(grad.device)?.push(grad as Tensor)) byDevice.set(grad.device, [grad as Tensor]);
    const found = new Map<Device, Tensor>();
    for (const [device, grads] of byDevice) {
      const flag = this.#flagOf(optimizer, device);
      run(Op.unscale, [this.#scaleOn(device)], [flag, ...grads], []);
      for (const grad of grads) grad.version.count++;
      found.set(device, flag);
    }
    const foundInf = everywhere(found);
    hostStep(() => this.#stages.set(optimizer, { foundInf, stepped: false }));
  }

  /**
   * optimizer.step(), which changes nothing if a gradient is infinite or NaN: neither parameters nor what the optimizer
   * remembers. Does not wait for the device, unless the optimizer's step needs JavaScript: that of LBFGS, Muon and
   * Adafactor, of a class of one's own, and the first one of SGD with dampening.
   * @throws LenodeError when it was called already since the last update()
   * @throws CaptureError in a captured step, for the optimizers that are waited for
   */
  step(optimizer: AnyOptimizer): void {
    if (!this.enabled) return optimizer.step();
    this.#dependOn(optimizer);
    if (!this.#stages.has(optimizer)) this.unscale_(optimizer);
    const { foundInf, stepped } = this.#stages.get(optimizer)!;
    if (stepped) throw new LenodeError('GradScaler.step: it was called already since the last update()');
    hostStep(() => (this.#stages.get(optimizer)!.stepped = true));
    optimizer.stepUnless(foundInf);
  }

  /**
   * Adapts the factor; once after the steps of all optimizers, whichever of them had an overflow.
   * @param newScale the next factor, whatever has happened
   * @throws LenodeError without an unscale_() or step() since the last one; ArgumentError for a newScale out of range
   */
  update(newScale?: number): void {
    if (!this.enabled) return;
    this.#dependOn(...this.#stages.keys());
    if (newScale === undefined) this.#adapt();
    else {
      const scale = checkScale(newScale, 'GradScaler.update', 'newScale');
      hostStep(() => (this.#state = { ...this.#state, scale }));
      if (this.#scale) fill(this.#scale, scale);
    }
    hostStep(() => this.#stages.clear());
  }

  #adapt(): void {
    if (this.#stages.size === 0) throw new LenodeError('GradScaler.update: no step() was made since the last one');
    const [scale, tracker] = [this.#scale, this.#growthTracker];
    if (!scale || !tracker) return; // there was neither a loss nor a gradient
    const found = [...this.#stages.values()]
      .flatMap(({ foundInf }) => [...foundInf.values()].slice(0, 1))
      .map((flag) => placed(flag, scale.device))
      .reduce<Tensor | null>((one, other) => (one ? binaryKernel(Op.maximum, one, other) : other), null);
    update(this, () => {
      const { growth_factor, backoff_factor, growth_interval } = this.#state;
      run(Op.updateScale, [found], [scale, tracker], [growth_factor, backoff_factor, growth_interval]);
      scale.version.count++;
      tracker.version.count++;
    });
  }

  /** What a checkpoint keeps; {} if the scaler is not enabled. Waits for the device and blocks the event loop. */
  stateDict(): GradScalerState | Record<string, never> {
    if (!this.enabled) return {};
    const _growth_tracker = (this.#growthTracker?.itemSync() as number | undefined) ?? this.#state._growth_tracker;
    return { ...this.#state, scale: this.getScale(), _growth_tracker };
  }

  /** @throws ArgumentError when a value is missing or out of range; nothing is then loaded */
  loadStateDict(state: GradScalerState): void {
    this.prepareLoad(state)();
  }

  /** @internal Checks everything; what it returns does the loading. */
  prepareLoad(state: GradScalerState): () => void {
    if (!this.enabled) return () => undefined;
    const where = 'GradScaler.loadStateDict';
    const { scale, growth_factor, backoff_factor, growth_interval, _growth_tracker }: Partial<GradScalerState> = { ...state };
    const checked = new GradScaler({
      initScale: checkScale(scale, where, 'scale'),
      growthFactor: checkNumber(growth_factor, 1, Infinity, where, 'growth_factor'),
      backoffFactor: checkNumber(backoff_factor, 0, 1, where, 'backoff_factor'),
      growthInterval: checkInteger(growth_interval, 1, where, 'growth_interval'),
    }).#state;
    checked._growth_tracker = checkInteger(_growth_tracker, 0, where, '_growth_tracker');
    return () => {
      this.#state = checked;
      if (this.#scale) fill(this.#scale, checked.scale);
      if (this.#growthTracker) fill(this.#growthTracker, checked._growth_tracker);
    };
  }

  #scaleOn(device: Device): Tensor {
    const scale = (this.#scale ??= outside(() => fullKernel([], this.#state.scale, 'float32', device)));
    this.#growthTracker ??= outside(() => fullKernel([], this.#state._growth_tracker, 'int32', scale.device));
    return placed(scale, device);
  }

  #flagOf(optimizer: AnyOptimizer, device: Device): Tensor {
    let flags = this.#foundInf.get(optimizer);
    if (!flags) this.#foundInf.set(optimizer, (flags = new Map()));
    let flag = flags.get(device);
    if (!flag) flags.set(device, (flag = outside(() => fullKernel([], 0, 'float32', device))));
    return flag;
  }

  // A captured step holds for where its optimizers were when it began.
  #dependOn(...optimizers: AnyOptimizer[]): void {
    stepDependsOn(this, () => this.#stages.size);
    for (const optimizer of optimizers) stepDependsOn(optimizer, () => this.#stages.get(optimizer)?.stepped);
  }
}

function checkScale(value: unknown, where: string, name: string): number {
  const scale = typeof value === 'number' ? Math.fround(value) : NaN;
  if (!(scale > 0 && scale < Infinity))
    throw new ArgumentError(`${where}: ${name} must be positive and fit float32, got ${String(value)}`);
  return scale;
}

const placed = (t: Tensor, device: Device): Tensor => (t.device === device ? t : moveTo(t, device));

function fill(t: Tensor, value: number): void {
  run(Op.fill, [], [t], [value]);
  t.version.count++;
}

// An overflow on one device is one of the whole step.
function everywhere(found: FoundInf): FoundInf {
  const [first, ...others] = found.values();
  if (!first || others.length === 0) return found;
  const any = others.reduce((one, other) => binaryKernel(Op.maximum, one, placed(other, first.device)), first);
  return new Map([...found.keys()].map((device) => [device, placed(any, device)]));
}

// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, LenodeError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { stepDependsOn } from '../native/recording.js';
import { run } from '../native/run.js';
import type { Optimizer } from '../optim/optimizer.js';
import { checkInteger, checkNumber } from '../ops/checks.js';
import { mul } from '../ops/pointwise.js';
import type { Device } from '../tensor/device.js';
import { checkTensor, fresh, type Tensor } from '../tensor/tensor.js';

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

/** Where an optimizer's gradients are since the last update(). */
interface Stage {
  /** The largest magnitude of the gradients on each device: infinite or NaN if one of them is. */
  readonly magnitudes: readonly Tensor[];
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
 *   await scaler.step(optimizer);
 *   scaler.update();
 * }
 * ```
 */
export class GradScaler {
  readonly enabled: boolean;
  #scale: number;
  #growthFactor: number;
  #backoffFactor: number;
  #growthInterval: number;
  #goodSteps = 0;
  #overflowed = false;
  readonly #stages = new Map<AnyOptimizer, Stage>();

  /** @throws ArgumentError for options out of range */
  constructor(options: GradScalerOptions = {}) {
    const { initScale = 65536, growthFactor = 2, backoffFactor = 0.5, growthInterval = 2000, enabled = true } = options;
    const where = 'GradScaler';
    this.#scale = positive(initScale, where, 'initScale');
    if (!(growthFactor > 1)) throw new ArgumentError(`${where}: growthFactor must be above 1, got ${String(growthFactor)}`);
    if (!(backoffFactor > 0 && backoffFactor < 1))
      throw new ArgumentError(`${where}: backoffFactor must be in (0, 1), got ${String(backoffFactor)}`);
    this.#growthFactor = growthFactor;
    this.#backoffFactor = backoffFactor;
    this.#growthInterval = checkInteger(growthInterval, 1, where, 'growthInterval');
    this.enabled = enabled;
  }

  /** The factor that losses are multiplied by now. */
  getScale(): number {
    return this.enabled ? this.#scale : 1;
  }

  /** The loss times the factor: call backward() on it. */
  scale(loss: Tensor): Tensor {
    checkTensor(loss, 'GradScaler.scale', 'loss');
    stepDependsOn(this, () => this.#scale);
    return this.enabled ? mul(loss, this.#scale) : loss;
  }

  /**
   * Divides the gradients of an optimizer's parameters by the factor, in place: before clipping them, for instance. step()
   * does it otherwise.
   * @throws LenodeError when it was done already since the last update()
   */
  unscale_(optimizer: AnyOptimizer): void {
    if (!this.enabled) return;
    if (this.#stages.has(optimizer))
      throw new LenodeError('GradScaler.unscale_: the gradients were unscaled already since the last update()');
    stepDependsOn(this, () => this.#scale);
    const byDevice = new Map<Device, Tensor[]>();
    for (const { params } of optimizer.paramGroups)
      for (const { grad } of params) {
        if (!grad) continue;
        run(Op.mul, [grad, null], [grad], [1 / this.#scale]);
        grad.version.count++;
        const list = byDevice.get(grad.device);
        if (list) list.push(grad as Tensor);
        else byDevice.set(grad.device, [grad as Tensor]);
      }
    const magnitudes = [...byDevice].map(([device, grads]) => {
      const dtype = grads.every((g) => g.dtype === 'float64') ? 'float64' : 'float32';
      const magnitude: Tensor = fresh([], dtype, device);
      run(Op.totalNorm, grads, [magnitude], [Infinity]);
      return magnitude;
    });
    this.#stages.set(optimizer, { magnitudes, stepped: false });
  }

  /**
   * Calls optimizer.step() unless a gradient is infinite or NaN. Waits for the gradients without blocking the event loop.
   * @returns whether the step was made
   * @throws LenodeError when it was called already since the last update()
   */
  async step(optimizer: AnyOptimizer): Promise<boolean> {
    const stage = this.#begin(optimizer);
    if (!stage) return optimizer.step(), true;
    const values = await Promise.all(stage.magnitudes.map((m) => m.item()));
    return this.#finish(optimizer, values);
  }

  /** As step(), but blocks the event loop. */
  stepSync(optimizer: AnyOptimizer): boolean {
    const stage = this.#begin(optimizer);
    if (!stage) return optimizer.step(), true;
    return this.#finish(optimizer, stage.magnitudes.map((m) => m.itemSync()));
  }

  #begin(optimizer: AnyOptimizer): Stage | null {
    if (!this.enabled) return null;
    if (!this.#stages.has(optimizer)) this.unscale_(optimizer);
    const stage = this.#stages.get(optimizer)!;
    if (stage.stepped) throw new LenodeError('GradScaler.step: it was called already since the last update()');
    stage.stepped = true;
    return stage;
  }

  #finish(optimizer: AnyOptimizer, magnitudes: readonly unknown[]): boolean {
    const good = magnitudes.every((value) => Number.isFinite(value));
    if (good) optimizer.step();
    else this.#overflowed = true;
    return good;
  }

  /** Adapts the factor; once after the steps of all optimizers. `newScale` sets it. */
  update(newScale?: number): void {
    if (!this.enabled) return;
    if (newScale !== undefined) {
      this.#scale = positive(newScale, 'GradScaler.update', 'newScale');
    } else {
      if (![...this.#stages.values()].some((stage) => stage.stepped))
        throw new LenodeError('GradScaler.update: no step() was made since the last one');
      if (this.#overflowed) {
        this.#scale *= this.#backoffFactor;
        this.#goodSteps = 0;
      } else if (++this.#goodSteps === this.#growthInterval) {
        this.#scale *= this.#growthFactor;
        this.#goodSteps = 0;
      }
    }
    this.#overflowed = false;
    this.#stages.clear();
  }

  /** What a checkpoint keeps; {} if the scaler is not enabled. */
  stateDict(): GradScalerState | Record<string, never> {
    if (!this.enabled) return {};
    return {
      scale: this.#scale,
      growth_factor: this.#growthFactor,
      backoff_factor: this.#backoffFactor,
      growth_interval: this.#growthInterval,
      _growth_tracker: this.#goodSteps,
    };
  }

  /** @throws ArgumentError when a value is missing or out of range; nothing is then loaded */
  loadStateDict(state: GradScalerState): void {
    if (!this.enabled) return;
    const where = 'GradScaler.loadStateDict';
    const { scale, growth_factor, backoff_factor, growth_interval, _growth_tracker } = state;
    const checked = new GradScaler({
      initScale: scale,
      growthFactor: checkNumber(growth_factor, 1, Infinity, where, 'growth_factor'),
      backoffFactor: checkNumber(backoff_factor, 0, 1, where, 'backoff_factor'),
      growthInterval: checkInteger(growth_interval, 1, where, 'growth_interval'),
    });
    this.#goodSteps = checkInteger(_growth_tracker, 0, where, '_growth_tracker');
    this.#scale = checked.#scale;
    this.#growthFactor = checked.#growthFactor;
    this.#backoffFactor = checked.#backoffFactor;
    this.#growthInterval = checked.#growthInterval;
  }
}

function positive(value: number, where: string, name: string): number {
  if (!(value > 0 && value < Infinity)) throw new ArgumentError(`${where}: ${name} must be positive, got ${String(value)}`);
  return value;
}

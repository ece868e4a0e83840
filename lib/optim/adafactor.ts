// SPDX-License-Identifier: Apache-2.0
import { noGrad } from '../autograd/mode.js';
import { ArgumentError } from '../native/errors.js';
import { checkNumber } from '../ops/checks.js';
import { add_, copy_, mul_, sub_ } from '../ops/inplace.js';
import { matmul } from '../ops/matmul.js';
import { norm } from '../ops/norm.js';
import { add, clamp, div, maximum, minimum, mul, neg, pow, rsqrt, square, sub } from '../ops/pointwise.js';
import { mean } from '../ops/reduce.js';
import { to } from '../ops/view.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkPositive, type DecayOptions } from './fused.js';
import type { ParamGroup, Params } from './group.js';
import { Optimizer, type Batch } from './optimizer.js';

export interface AdafactorOptions extends DecayOptions {
  /** The highest rate, of parameters whose root mean square is 1. Default 1e-2. */
  lr: number;
  /** The mean squares forget as 1 - step ** beta2Decay; at most 0. Default -0.8. */
  beta2Decay: number;
  /** The smallest mean square (null: the precision of the parameter's dtype) and root mean square of a parameter. Default [null, 1e-3]. */
  eps: readonly [number | null, number];
  /** The largest root mean square of an update, before the rate; at least 1. Default 1. */
  d: number;
  /** The part of the parameters that each step takes off, times lr. Default 0. */
  weightDecay: number;
}

const precision: Record<string, number> = { float64: 2 ** -52, float32: 2 ** -23, float16: 2 ** -10, bfloat16: 2 ** -7 };

/**
 * Keeps mean squares of the gradients of a matrix by rows and columns alone (Shazeer and Stern, arXiv:1804.04235).
 *
 * @throws ArgumentError for options out of range
 */
export class Adafactor extends Optimizer<AdafactorOptions> {
  constructor(params: Params<AdafactorOptions>, options?: Partial<AdafactorOptions>) {
    super(params, { lr: 1e-2, beta2Decay: -0.8, eps: [null, 1e-3], d: 1, weightDecay: 0, maximize: false }, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<AdafactorOptions>): void {
    checkPositive(options, ['lr', 'weightDecay'], 'Adafactor');
    checkNumber(options.beta2Decay, -Number.MAX_VALUE, 0, 'Adafactor', 'beta2Decay');
    checkNumber(options.d, 1, Number.MAX_VALUE, 'Adafactor', 'd');
    const { eps } = options;
    if (!Array.isArray(eps) || eps.length !== 2)
      throw new ArgumentError(`Adafactor: eps must be a number or null, and a number, got ${String(eps)}`);
    if (eps[0] !== null) checkNumber(eps[0], 0, Number.MAX_VALUE, 'Adafactor', 'the first of eps');
    checkNumber(eps[1], 0, Number.MAX_VALUE, 'Adafactor', 'the second of eps');
  }

  override get scalarNames(): readonly string[] {
    return ['step'];
  }
  stateNames(_options: Readonly<AdafactorOptions>, p: Tensor): readonly string[] {
    return p.ndim > 1 ? ['row_var', 'col_var'] : ['variance'];
  }
  override stateShape(name: string, p: Tensor): Shape {
    if (name === 'variance') return p.shape;
    return p.shape.with(name === 'row_var' ? -1 : -2, 1);
  }

  protected override get composed(): boolean {
    return true;
  }

  // Numbers that change from step to step stay on the device: scalars of float64.
  protected update(group: ParamGroup<AdafactorOptions>, { params, grads, lr }: Batch): void {
    noGrad(() => {
      for (const [[step], indices] of this.counted(group, params)) {
        add_(step!, 1);
        const n = to(step!, 'float64');
        const share = pow(n, group.beta2Decay);
        const rate = minimum(lr, rsqrt(n));
        for (const i of indices) this.#updateOne(group, params[i]!, grads[i]!, { lr, share, rate });
      }
    });
  }

  #updateOne(group: ParamGroup<AdafactorOptions>, p: Tensor, gradient: Tensor, now: Record<'lr' | 'share' | 'rate', Tensor>): void {
    const { eps, d, weightDecay, maximize } = group;
    const { dtype } = p;
    const least = eps[0] ?? precision[dtype]!;
    const grad = maximize ? neg(gradient) : gradient;
    const rootMeanSquare = (x: Tensor) => div(to(norm(x), 'float64'), Math.sqrt(x.numel));
    const alpha = mul(maximum(rootMeanSquare(p), eps[1]), now.rate);
    if (weightDecay !== 0) mul_(p, to(sub(1, mul(now.lr, weightDecay)), dtype));
    const state = this.remember(p, this.stateNames(group, p), group);
    const share = to(now.share, dtype);
    const towards = (old: Tensor, next: Tensor) => copy_(old, add(old, mul(sub(next, old), share)));
    let estimate: Tensor;
    if (p.ndim > 1) {
      const [row, column] = [state['row_var']!, state['col_var']!];
      towards(row, div(square(norm(grad, 2, -1, { keepdim: true })), p.shape.at(-1)!));
      towards(column, div(square(norm(grad, 2, -2, { keepdim: true })), p.shape.at(-2)!));
      estimate = div(matmul(row, column), clamp(mean(row, -2, { keepdim: true }), least));
    } else {
      estimate = towards(state['variance']!, square(grad));
    }
    const direction = mul(rsqrt(clamp(estimate, least * least)), grad);
    const size = div(alpha, maximum(div(rootMeanSquare(direction), d), 1));
    sub_(p, mul(direction, to(size, dtype)));
  }
}

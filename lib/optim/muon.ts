// SPDX-License-Identifier: Apache-2.0
import { noGrad } from '../autograd/mode.js';
import { ArgumentError } from '../native/errors.js';
import { checkChoice, checkInteger } from '../ops/checks.js';
import { mul_, sub_ } from '../ops/inplace.js';
import { fullKernel } from '../ops/kernels.js';
import { matmul } from '../ops/matmul.js';
import { norm } from '../ops/norm.js';
import { add, clamp, div, mul, sub } from '../ops/pointwise.js';
import { t as transposed, to } from '../ops/view.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkPositive } from './fused.js';
import type { GroupOptions, ParamGroup, Params } from './group.js';
import { Optimizer, type Batch } from './optimizer.js';

const adjustments = ['original', 'match_rms_adamw'] as const;

export interface MuonOptions extends GroupOptions {
  /** Default 1e-3. */
  lr: number;
  /** The part of the parameters that each step takes off, times lr. Default 0.1. */
  weightDecay: number;
  /** Default 0.95. */
  momentum: number;
  /** Look ahead along the momentum. Default true. */
  nesterov: boolean;
  /** Of the polynomial that brings the singular values near 1. Default [3.4445, -4.775, 2.0315]. */
  nsCoefficients: readonly [number, number, number];
  /** The smallest norm that is divided by. Default 1e-7. */
  eps: number;
  /** How often the polynomial is applied; below 100. Default 5. */
  nsSteps: number;
  /** How the rate follows a matrix's form: null or 'original', or so that steps are as large as AdamW's. Default null. */
  adjustLrFn: (typeof adjustments)[number] | null;
}

/**
 * Momentum made orthogonal by Newton and Schulz's iteration, for the matrices of hidden layers; give other parameters to
 * AdamW (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the rates: Liu et al.,
 * arXiv:2502.16982). The iteration is computed in bfloat16.
 *
 * @throws ArgumentError for options out of range, and for parameters that are no matrices
 */
export class Muon extends Optimizer<MuonOptions> {
  constructor(params: Params<MuonOptions>, options?: Partial<MuonOptions>) {
    const defaults: MuonOptions = {
      lr: 1e-3,
      weightDecay: 0.1,
      momentum: 0.95,
      nesterov: true,
      nsCoefficients: [3.4445, -4.775, 2.0315],
      eps: 1e-7,
      nsSteps: 5,
      adjustLrFn: null,
    };
    super(params, defaults, options, arguments.length > 2);
  }

  protected checkOptions(options: Readonly<MuonOptions>): void {
    checkPositive(options, ['lr', 'weightDecay', 'momentum', 'eps'], 'Muon');
    if (checkInteger(options.nsSteps, 0, 'Muon', 'nsSteps') >= 100) throw new ArgumentError('Muon: nsSteps must be below 100');
    const { nsCoefficients, adjustLrFn } = options;
    if (!Array.isArray(nsCoefficients) || nsCoefficients.length !== 3 || !nsCoefficients.every(Number.isFinite))
      throw new ArgumentError(`Muon: nsCoefficients must be three numbers, got ${String(nsCoefficients)}`);
    if (adjustLrFn !== null) checkChoice(adjustLrFn, adjustments, 'Muon', 'adjustLrFn');
  }

  override addParamGroup(group: Partial<MuonOptions> & { params: Tensor | Iterable<Tensor> }): void {
    super.addParamGroup(group);
    const bad = this.paramGroups.at(-1)!.params.find((p) => p.ndim !== 2);
    if (!bad) return;
    this.paramGroups.pop();
    throw new ArgumentError(`Muon: parameters must be matrices, got shape ${formatShape(bad.shape)}`);
  }

  stateNames(): readonly string[] {
    return ['momentum_buffer'];
  }

  protected override get composed(): boolean {
    return true;
  }

  protected update(group: ParamGroup<MuonOptions>, { params, grads, lr }: Batch): void {
    const { momentum, nesterov, weightDecay, adjustLrFn } = group;
    noGrad(() => {
      const buffers = params.map((p) => this.remember(p, ['momentum_buffer'], group)['momentum_buffer']!);
      run(Op.lerpStep, [fullKernel([], 1 - momentum, 'float64', lr.device), null, ...grads], buffers, []);
      const keep = weightDecay === 0 ? null : sub(1, mul(lr, weightDecay));
      params.forEach((p, i) => {
        const buffer = buffers[i]!;
        const update = orthogonal(nesterov ? add(grads[i]!, mul(sub(buffer, grads[i]!), momentum)) : buffer, group);
        if (keep) mul_(p, to(keep, p.dtype));
        sub_(p, mul(to(update, p.dtype), to(mul(lr, ratio(p, adjustLrFn)), p.dtype)));
      });
    });
  }
}

function ratio({ shape }: Tensor, adjust: MuonOptions['adjustLrFn']): number {
  const [rows, columns] = shape as [number, number];
  return adjust === 'match_rms_adamw' ? 0.2 * Math.sqrt(Math.max(rows, columns)) : Math.sqrt(Math.max(1, rows / columns));
}

// The matrix with its singular values brought near 1.
function orthogonal(matrix: Tensor, { nsCoefficients: [a, b, c], nsSteps, eps }: Readonly<MuonOptions>): Tensor {
  const tall = matrix.shape[0]! > matrix.shape[1]!;
  let x = to(matrix, 'bfloat16');
  if (tall) x = transposed(x);
  x = div(x, clamp(norm(x), eps));
  for (let step = 0; step < nsSteps; step++) {
    const gram = matmul(x, transposed(x));
    const update = add(mul(gram, b), mul(matmul(gram, gram), c));
    x = add(mul(x, a), matmul(update, x));
  }
  return tall ? transposed(x) : x;
}

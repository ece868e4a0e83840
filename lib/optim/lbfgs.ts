// SPDX-License-Identifier: Apache-2.0
import { enableGrad, noGrad } from '../autograd/mode.js';
import { ArgumentError, StateDictError, UnsupportedError } from '../native/errors.js';
import { checkChoice, checkInteger, checkNumber } from '../ops/checks.js';
import { tensor, zeros } from '../ops/creation.js';
import { add_, copy_ } from '../ops/inplace.js';
import { cat } from '../ops/join.js';
import { abs, add, div, mul, neg, reciprocal, sub } from '../ops/pointwise.js';
import { amax, sum } from '../ops/reduce.js';
import { clone, narrow, reshape, to } from '../ops/view.js';
import { Tensor } from '../tensor/tensor.js';
import type { GroupOptions, Params } from './group.js';
import { strongWolfe, type Sample } from './line-search.js';
import { Optimizer } from './optimizer.js';
import type { OptimizerState } from './state.js';

export interface LBFGSOptions extends GroupOptions {
  /** Default 1. */
  lr: number;
  /** Iterations of one step. Default 20. */
  maxIter: number;
  /** How often one step may compute the loss. Default 1.25 maxIter. */
  maxEval: number | null;
  /** The largest element of a gradient that counts as 0. Default 1e-7. */
  toleranceGrad: number;
  /** The smallest change of the loss and of the parameters that counts. Default 1e-9. */
  toleranceChange: number;
  /** How many pairs of changes are remembered, each as large as the parameters. Default 100. */
  historySize: number;
  /** null: steps of length lr. Default null. */
  lineSearchFn: 'strong_wolfe' | null;
}

/** LBFGS's own state in PyTorch's form. */
type Entry = Record<string, Tensor | number | readonly Tensor[] | undefined>;

// What is remembered from step to step.
interface Memory {
  iterations: number;
  direction: Tensor;
  length: number;
  /** Changes of the gradient and of the parameters, and 1 / their product. */
  dirs: Tensor[];
  steps: Tensor[];
  ro: Tensor[];
  /** The diagonal that the inverse Hessian begins with. */
  diagonal: Tensor;
  gradient: Tensor;
  loss: number;
}

type Loss = Tensor | number;

/**
 * Newton's method from the changes of the gradient (Liu and Nocedal, "On the limited memory BFGS method for large scale
 * optimization", Math. Programming 45, 1989). For whole data sets: a step computes the loss many times and waits for it.
 * All parameters are one vector of one dtype on one device.
 *
 * @throws ArgumentError for options out of range, several groups, and a step() without a closure
 */
export class LBFGS extends Optimizer<LBFGSOptions> {
  #memory: Memory | null = null;
  // Counted from the first step() on, even if that finds nothing to do.
  #evaluations = 0;

  constructor(params: Params<LBFGSOptions>, options?: Partial<LBFGSOptions>) {
    const maxIter = options?.maxIter ?? 20;
    const defaults: LBFGSOptions = {
      lr: 1,
      maxIter,
      maxEval: Math.floor((maxIter * 5) / 4),
      toleranceGrad: 1e-7,
      toleranceChange: 1e-9,
      historySize: 100,
      lineSearchFn: null,
    };
    super(params, defaults, options?.maxEval === null ? { ...options, maxEval: defaults.maxEval } : options, arguments.length > 2);
  }

  override addParamGroup(group: Partial<LBFGSOptions> & { params: Tensor | Iterable<Tensor> }): void {
    if (this.paramGroups.length > 0) throw new ArgumentError('LBFGS: there can be only one parameter group');
    super.addParamGroup(group);
    const [first, ...others] = this.paramGroups[0]!.params;
    if (others.some((p) => p.dtype !== first!.dtype || p.device !== first!.device))
      throw new ArgumentError('LBFGS: all parameters must have one dtype and be on one device');
  }

  protected checkOptions(options: Readonly<LBFGSOptions>): void {
    for (const name of ['lr', 'toleranceGrad', 'toleranceChange'] as const)
      checkNumber(options[name], 0, Number.MAX_VALUE, 'LBFGS', name);
    checkInteger(options.maxIter, 1, 'LBFGS', 'maxIter');
    checkInteger(options.maxEval, 1, 'LBFGS', 'maxEval');
    checkInteger(options.historySize, 1, 'LBFGS', 'historySize');
    if (options.lineSearchFn !== null) checkChoice(options.lineSearchFn, ['strong_wolfe'], 'LBFGS', 'lineSearchFn');
  }

  stateNames(): readonly string[] {
    return [];
  }
  protected update(): void {
    throw new UnsupportedError('LBFGS: step() needs a closure');
  }

  get #params(): readonly Tensor[] {
    return this.paramGroups[0]!.params;
  }

  /**
   * @param closure computes the loss, a scalar, and its gradients: zeroGrad() first; called many times
   * @returns what the closure returned the first time
   */
  override step(closure?: () => unknown): never;
  override step<R>(closure: () => R): R;
  override step<R>(closure?: () => R): R {
    if (typeof closure !== 'function') throw new ArgumentError('LBFGS: step() needs a closure that computes the loss');
    this.checkGroup(this.paramGroups[0]!);
    const compute = () => {
      const result = enableGrad(closure);
      return { result, loss: valueOf(result as Loss) };
    };
    const first = compute();
    noGrad(() => this.#iterate(first.loss, () => compute().loss));
    return first.result;
  }

  #iterate(firstLoss: number, compute: () => number): void {
    const { lr, maxIter, maxEval, toleranceGrad, toleranceChange, lineSearchFn } = this.paramGroups[0]!;
    let loss = firstLoss;
    let gradient = this.#gradient();
    let evaluations = 1;
    this.#evaluations++;
    let done = largest(gradient) <= toleranceGrad;
    for (let n = 1; !done; n++) {
      const memory = this.#turn(gradient);
      const { direction } = memory;
      const before = loss;
      memory.gradient = gradient;
      memory.loss = loss;
      memory.length = memory.iterations === 1 ? Math.min(1, 1 / valueOf(sum(abs(gradient)))) * lr : lr;
      const slope = dot(gradient, direction);
      if (slope > -toleranceChange) break;
      let count = 0;
      if (lineSearchFn !== null) {
        const start = this.#params.map((p) => clone(p));
        const sample = (length: number): Sample => {
          this.#move(direction, length);
          const found = compute();
          const grad = this.#gradient();
          this.#params.forEach((p, i) => copy_(p, start[i]!));
          return { length, loss: found, grad, slope: dot(grad, direction) };
        };
        const rules = { directionSize: largest(direction), toleranceChange, maxIter: maxEval! - evaluations };
        const search = strongWolfe(sample, { length: 0, loss, grad: gradient, slope }, memory.length, rules);
        ({ loss, grad: gradient, length: memory.length } = search.best);
        count = search.evaluations;
        this.#move(direction, memory.length);
        done = largest(gradient) <= toleranceGrad;
      } else {
        this.#move(direction, memory.length);
        // The last one's would not be used.
        if (n !== maxIter) {
          loss = compute();
          gradient = this.#gradient();
          done = largest(gradient) <= toleranceGrad;
          count = 1;
        }
      }
      evaluations += count;
      this.#evaluations += count;
      if (n === maxIter || evaluations >= maxEval!) break;
      if (largest(direction) * Math.abs(memory.length) <= toleranceChange) break;
      if (Math.abs(loss - before) < toleranceChange) break;
    }
  }

  // The next direction.
  #turn(gradient: Tensor): Memory {
    const before = this.#memory;
    if (!before) {
      const diagonal = zeros([], { dtype: gradient.dtype, device: gradient.device });
      add_(diagonal, 1);
      this.#memory = {
        iterations: 1, direction: neg(gradient), length: 0, dirs: [], steps: [], ro: [], diagonal, gradient, loss: 0,
      };
      return this.#memory;
    }
    const { dirs, steps, ro } = before;
    before.iterations++;
    const y = sub(gradient, before.gradient);
    const s = mul(before.direction, before.length);
    const ys = product(y, s);
    if (valueOf(ys) > 1e-10) {
      if (dirs.length === this.paramGroups[0]!.historySize) for (const list of [dirs, steps, ro]) list.shift();
      dirs.push(y);
      steps.push(s);
      ro.push(reciprocal(ys));
      before.diagonal = div(ys, product(y, y));
    }
    const al: Tensor[] = [];
    let q = neg(gradient);
    for (let i = dirs.length - 1; i >= 0; i--) {
      al[i] = mul(product(steps[i]!, q), ro[i]!);
      q = sub(q, mul(dirs[i]!, al[i]!));
    }
    let r = mul(q, before.diagonal);
    for (let i = 0; i < dirs.length; i++) {
      const be = mul(product(dirs[i]!, r), ro[i]!);
      r = add(r, mul(steps[i]!, sub(al[i]!, be)));
    }
    before.direction = r;
    return before;
  }

  #gradient(): Tensor {
    return cat(this.#params.map((p) => (p.grad ? reshape(to(p.grad as Tensor, p.dtype), [-1]) : zeros([p.numel], { dtype: p.dtype, device: p.device }))), 0);
  }

  #move(direction: Tensor, length: number): void {
    let offset = 0;
    for (const p of this.#params) {
      add_(p, mul(reshape(narrow(direction, 0, offset, p.numel), p.shape), length));
      offset += p.numel;
    }
  }

  // ---- state: PyTorch keeps it with the first parameter ---------------------------------------------------------------

  override stateDict(): OptimizerState {
    const saved = super.stateDict();
    const m = this.#memory;
    if (this.#evaluations === 0) return saved;
    const entry: Entry = { func_evals: this.#evaluations, n_iter: m?.iterations ?? 0 };
    if (m)
      Object.assign(entry, {
        d: m.direction, t: m.length, old_dirs: [...m.dirs], old_stps: [...m.steps], ro: [...m.ro], H_diag: m.diagonal,
        prev_flat_grad: m.gradient, prev_loss: m.loss,
      });
    saved.state[0] = entry as Record<string, Tensor>;
    return saved;
  }

  /** @internal */
  override prepareLoad(saved: OptimizerState, exact = false): () => void {
    const { 0: first, ...others } = saved.state;
    const commit = super.prepareLoad({ ...saved, state: others }, exact);
    const entry = first as Entry | undefined;
    if (!entry) return () => (commit(), (this.#memory = null), (this.#evaluations = 0));
    const size = this.#params.reduce((n, p) => n + p.numel, 0);
    const { dtype, device } = this.#params[0]!;
    const wrong = (name: string, what: string): never => {
      throw new StateDictError(`loadStateDict: the values do not fit this LBFGS: state.0.${name} should be ${what}`);
    };
    const number = (name: string): number => {
      const value = entry[name];
      if (typeof value === 'number') return value;
      return value instanceof Tensor && value.numel === 1 ? valueOf(value) : wrong(name, 'a number');
    };
    const vector = (value: unknown, name: string, length = size): Tensor => {
      if (!(value instanceof Tensor) || value.numel !== length) return wrong(name, `a tensor of ${length} elements`);
      return clone(to(value as Tensor, { dtype, device }));
    };
    const list = (name: string, length?: number): Tensor[] => {
      const value = entry[name] ?? [];
      if (!Array.isArray(value)) return wrong(name, 'a list of tensors');
      return (value as unknown[]).map((t, i) => vector(t, `${name}.${i}`, length));
    };
    let memory: Memory | null = null;
    const evaluations = number('func_evals');
    if (number('n_iter') > 0) {
      const diagonal = entry['H_diag'];
      memory = {
        iterations: number('n_iter'), direction: vector(entry['d'], 'd'), length: number('t'),
        dirs: list('old_dirs'), steps: list('old_stps'), ro: list('ro', 1),
        diagonal: typeof diagonal === 'number' ? tensor(diagonal, { dtype, device }) : vector(diagonal, 'H_diag', 1),
        gradient: vector(entry['prev_flat_grad'], 'prev_flat_grad'), loss: number('prev_loss'),
      };
      if (memory.dirs.length !== memory.steps.length || memory.dirs.length !== memory.ro.length)
        wrong('old_dirs', 'as long as old_stps and ro');
    }
    return () => (commit(), (this.#memory = memory), (this.#evaluations = evaluations));
  }
}

function valueOf(loss: Loss): number {
  if (typeof loss === 'number') return loss;
  if (!(loss instanceof Tensor) || loss.numel !== 1) throw new ArgumentError('LBFGS: the closure must return the loss, a scalar');
  return Number(loss.itemSync());
}
const product = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b));
const dot = (a: Tensor, b: Tensor): number => valueOf(product(a, b));
const largest = (x: Tensor): number => (x.numel === 0 ? 0 : valueOf(amax(abs(x))));

// SPDX-License-Identifier: Apache-2.0
// Functions whose gradient the user states.
import { ArgumentError, AutogradError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import type { Device } from '../tensor/device.js';
import type { DType } from '../tensor/dtype.js';
import { formatShape, sameShape, type Shape } from '../tensor/shape.js';
import { emptyTensor, Tensor } from '../tensor/tensor.js';
import { withoutGrad } from './mode.js';
import { defineOp, type Context, type OpResult } from './op.js';

/** What a function's forward pass leaves for its backward pass. */
export interface FunctionContext<P = unknown> {
  /** Saves tensors: arguments, results or others. Unlike other references to them, these notice changes in place. */
  save(...tensors: Tensor[]): void;
  /** The saved tensors, in backward. @throws AutogradError if one was changed in place since, or backward() ran before */
  readonly saved: readonly Tensor[];
  /** Anything else that backward needs. */
  params: P;
  /** For each argument, whether its gradient is asked for. */
  readonly needsInputGrad: readonly boolean[];
}

type Optional = null | undefined;
/** A gradient for each tensor among the arguments, null in the places of the others. */
export type FunctionGradients<A extends readonly unknown[]> = {
  readonly [K in keyof A]: [Extract<A[K], Tensor>] extends [never] ? Optional : Tensor | Optional;
};
type ResultGradients<R extends OpResult> = R extends Tensor
  ? [grad: Tensor]
  : R extends readonly Tensor[]
    ? { [K in keyof R]: Tensor }
    : never;

export interface FunctionSpec<A extends readonly unknown[], R extends OpResult, P> {
  /** Begins the messages of errors. */
  readonly name: string;
  /** Computes the result: one tensor or several. Nothing in it is recorded. */
  forward(ctx: FunctionContext<P>, ...args: A): R;
  /**
   * Computes the gradients with respect to the arguments from those of the results (zeros for results that are not used):
   * one for each argument, null for what is no tensor or needs none; a function of one argument may return it alone.
   */
  backward(ctx: FunctionContext<P>, ...grads: ResultGradients<R>): FunctionGradients<A> | (A['length'] extends 0 | 1 ? Tensor | null : never);
}

interface Meta {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly device: Device;
}

interface Kept {
  readonly user: FunctionContext<unknown>;
  readonly args: number;
  /** Of the tensors among the arguments. */
  readonly positions: readonly number[];
  readonly inputs: readonly Meta[];
  readonly outputs: readonly Meta[];
}

const metaOf = ({ shape, dtype, device }: Tensor): Meta => ({ shape, dtype, device });

/**
 * Makes a differentiable function of a forward and a backward computation, as a subclass of PyTorch's autograd.Function.
 *
 * ```ts
 * const cube = defineFunction({
 *   name: 'cube',
 *   forward(ctx, x: Tensor) {
 *     ctx.save(x);
 *     return x.pow(3);
 *   },
 *   backward(ctx, grad) {
 *     return ctx.saved[0]!.square().mul(3).mul(grad);
 *   },
 * });
 * ```
 * The tensors among its arguments stand there themselves, not inside arrays or objects.
 *
 * @throws ArgumentError when forward() returns something else than tensors; AutogradError when backward() returns
 * gradients that do not fit the arguments
 */
export function defineFunction<A extends readonly unknown[], R extends OpResult, P = unknown>(
  spec: FunctionSpec<A, R, P>,
): (...args: A) => R {
  noMore('defineFunction', arguments.length > 1);
  const apply = defineOp<[tensors: readonly Tensor[], args: A], R, Kept>({
    name: spec.name,
    inputs: 'list',
    forward(ctx, tensors, args) {
      const positions = args.flatMap((x, i) => (x instanceof Tensor ? [i] : []));
      const user = new UserContext(ctx, args.map((_, i) => ctx.needs[positions.indexOf(i)] ?? false));
      const result = withoutGrad(() => spec.forward(user as FunctionContext<P>, ...args));
      const outputs: readonly unknown[] = Array.isArray(result) ? result : [result];
      if (!outputs.every((t): t is Tensor => t instanceof Tensor))
        throw new ArgumentError(`${spec.name}: forward() must return a tensor or an array of tensors`);
      // What is recorded already, such as an argument, cannot be recorded as a result too.
      const own = outputs.map((t) => (t.requiresGrad || tensors.includes(t) ? t.detach() : t));
      ctx.keep({ user, args: args.length, positions, inputs: tensors.map(metaOf), outputs: own.map(metaOf) });
      return (Array.isArray(result) ? own : own[0]) as R;
    },
    backward(grads, ctx) {
      const { user, args, positions, inputs, outputs } = ctx.params;
      const full = grads.map((g, i) => g ?? zerosOf(outputs[i]!));
      for (const g of full) g.inFlight++; // the user may keep it
      const result: unknown = spec.backward(user as FunctionContext<P>, ...(full as ResultGradients<R>));
      const list: readonly unknown[] = Array.isArray(result) ? result : [result];
      if (list.length > args)
        throw new AutogradError(`${spec.name}: backward() returned ${list.length} gradients for ${args} arguments`);
      list.forEach((g, i) => {
        if (g instanceof Tensor && !positions.includes(i))
          throw new AutogradError(`${spec.name}: backward() returned a gradient for argument ${i}, which is no tensor`);
      });
      return positions.map((at, i) => (ctx.needs[i] ? checked(list[at], inputs[i]!, spec.name, at) : null));
    },
  });
  return (...args) => apply(args.filter((x): x is Tensor => x instanceof Tensor), args);
}

class UserContext implements FunctionContext<unknown> {
  params: unknown = undefined;
  #count = 0;
  readonly #ctx: Context<Kept>;

  constructor(
    ctx: Context<Kept>,
    readonly needsInputGrad: readonly boolean[],
  ) {
    this.#ctx = ctx;
  }
  save(...tensors: Tensor[]): void {
    this.#count = tensors.length;
    this.#ctx.save(...tensors);
  }
  get saved(): Tensor[] {
    return Array.from({ length: this.#count }, (_, i) => this.#ctx.constant(i)); // as in PyTorch, what else was saved is a constant
  }
}

function zerosOf({ shape, dtype, device }: Meta): Tensor {
  const zeros = emptyTensor(shape, dtype, device);
  run(Op.fill, [], [zeros], [0]);
  return zeros;
}

function checked(g: unknown, { shape, dtype }: Meta, name: string, argument: number): Tensor | null {
  if (g === null || g === undefined) return null;
  const what = `${name}: backward() must return a gradient of shape ${formatShape(shape)} and dtype ${dtype} for argument ${argument}`;
  if (!(g instanceof Tensor)) throw new AutogradError(`${what}, got ${typeof g}`);
  if (!sameShape(g.shape, shape) || g.dtype !== dtype) throw new AutogradError(`${what}, got ${formatShape(g.shape)} ${g.dtype}`);
  g.inFlight++; // it is the user's
  return g as Tensor;
}

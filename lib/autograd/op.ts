// SPDX-License-Identifier: Apache-2.0
// How a differentiable operation is written: its forward pass (checks, output shape, native call), what it saves and
// its gradients stand side by side in one defineOp().
import { AutogradError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { stepNow } from '../native/recording.js';
import { hold, letGoOf, Tensor, type GradNode } from '../tensor/tensor.js';
import { isFloating, type DType } from '../tensor/dtype.js';
import type { Device } from '../tensor/device.js';
import type { Shape } from '../tensor/shape.js';
import { markOrigin } from './anomaly.js';
import { derive, isDeriving, refuseOpaque, within } from './deriving.js';
import { isGradEnabled } from './mode.js';
import { saveElsewhere, Segment } from './recompute.js';

/** What a forward pass leaves for the backward pass. */
export class Context<P = unknown> {
  private tensors: Tensor[] | null = null;
  private versions: number[] | null = null;
  private kept: P | undefined;
  private released = false;
  // A bit for each saved tensor that is neither an argument nor a result: how it came about is not recorded.
  private opaque = 0;
  /** Which of the tensor arguments need a gradient. */
  needs: boolean[] = [];
  /** @internal */
  edges: readonly (Edge | null)[] = [];

  constructor(
    private readonly name: string,
    /** Whether a backward pass can follow: if not, nothing needs to be prepared for it. */
    readonly recording: boolean,
  ) {}

  /** Saves tensors: inputs or outputs of the operation, or extra results. */
  save(...tensors: Tensor[]): void {
    if (this.recording && (!saveElsewhere(this, tensors) || Segment.keepsHistory)) this.store(tensors);
  }

  /** @internal */
  store(tensors: Tensor[]): void {
    if (this.released) return;
    tensors.forEach(hold);
    this.tensors = tensors;
    this.versions = tensors.map((t) => t.version.count);
  }

  /**
   * The dtype for the gradient of an argument that has `dtype`: a wider one if what is behind the argument takes it and
   * the native operation (on the CPU) makes it, which saves rounding it and a pass over memory.
   */
  gradientDType(i: number, { dtype, device }: Tensor): DType {
    return device.type === 'cpu' && !isDeriving() ? (this.edges[i]?.wider ?? dtype) : dtype;
  }

  /** Keeps what is not a tensor. */
  keep(params: P): void {
    if (this.recording) this.kept = params;
  }

  get params(): P {
    return this.kept as P;
  }

  /** @internal Looks for saved tensors whose history is not recorded. */
  mark(inputs: readonly unknown[]): void {
    const { tensors } = this;
    if (!tensors) return;
    for (let i = 0; i < tensors.length; i++) {
      const t = tensors[i]!;
      if (!t.requiresGrad && isFloating(t.dtype) && !inputs.includes(t)) this.opaque |= 1 << i;
    }
  }

  /**
   * A saved tensor.
   * @throws AutogradError if its values were changed in place since; if its gradient's gradient is asked for and it is
   * neither an argument nor a result
   */
  saved(i: number): Tensor {
    if (isDeriving() && this.opaque & (1 << i)) refuseOpaque(this.name);
    return this.constant(i);
  }

  /** As saved(), of a tensor that gradients of gradients need not pass through. */
  constant(i: number): Tensor {
    if (!this.tensors && !this.released) Segment.restore(this, isDeriving());
    const t = this.tensors?.[i];
    if (!t) throw new AutogradError(`${this.name}: backward was called twice through the same computation`);
    if (t.version.count !== this.versions![i])
      throw new AutogradError(
        `${this.name}: a tensor of shape [${t.shape.join(', ')}] that its gradient needs was changed in place ` +
          `since (version ${t.version.count}, expected ${this.versions![i]})`,
      );
    return t;
  }

  /** @internal */
  release(): void {
    this.released = true;
    this.tensors?.forEach(letGoOf);
    this.tensors = null;
    this.versions = null;
  }
}

const unrecorded = new Context<never>('', false);

export type Gradient<P> = (grad: Tensor, ctx: Context<P>) => Tensor | null;

/** The result of an operation: one tensor or several. */
export type OpResult = Tensor | readonly Tensor[];

export interface OpSpec<A extends readonly unknown[], R extends OpResult, P> {
  /** The public name, which error messages begin with. */
  readonly name: string;
  /** Checks the arguments, makes the outputs, runs the native operation, saves what the gradients need. */
  forward(ctx: Context<P>, ...args: A): R;
  /**
   * For operations with one output: one gradient per leading tensor argument (null: it has none). Each is asked for
   * only if it is needed, and must return a fresh tensor, a view of a fresh one, or `grad` itself.
   */
  readonly gradients?: readonly (Gradient<P> | null)[];
  /** Instead of `gradients`: all gradients together, one per tensor argument; ctx.needs says which are needed. */
  backward?(grads: readonly (Tensor | null)[], ctx: Context<P>): readonly (Tensor | null)[];
  /**
   * With `backward`: how many leading arguments are tensors (null and undefined count as absent ones), or 'list' if
   * the first argument is an array of tensors.
   */
  readonly inputs?: number | 'list';
  /** Whether it only rounds its first argument, for nobody but the library to see: its gradient may be as wide as that. */
  readonly narrows?: boolean;
}

/** Where a gradient goes: into the node that made the tensor, or, for a leaf, into its `grad`. */
export interface Edge {
  readonly node: Node | null;
  readonly output: number;
  readonly leaf: Tensor | null;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Another dtype that the gradient may have. */
  readonly wider: DType | null;
}

export interface OutputMeta {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly device: Device;
}

/** One recorded operation. */
export class Node implements GradNode {
  /** Set when its saved values have been freed by a backward pass. */
  released = false;
  /** The version of its outputs' storage when it was recorded. */
  version = 0;
  /** Whether its outputs are views of a leaf. */
  ofLeaf = false;
  /** Where it was recorded, under detectAnomaly(). */
  readonly origin = markOrigin();
  /** Outputs with hooks, or whose own gradients are asked for. */
  readonly observed: (Tensor | undefined)[] = [];

  constructor(
    readonly name: string,
    readonly edges: readonly (Edge | null)[],
    readonly outputs: readonly OutputMeta[],
    private readonly ctx: Context<unknown>,
    private readonly spec: OpSpec<never, OpResult, unknown>,
  ) {}

  /** @param createGraph record how the gradients are computed */
  apply(grads: readonly (Tensor | null)[], createGraph = false): readonly (Tensor | null)[] {
    return createGraph ? derive(this.name, () => this.gradients(grads)) : this.gradients(grads);
  }

  private gradients(grads: readonly (Tensor | null)[]): readonly (Tensor | null)[] {
    const { spec, ctx, edges } = this;
    if (spec.backward) return spec.backward(grads, ctx);
    const grad = grads[0]!;
    return edges.map((edge, i) => (edge ? spec.gradients![i]!(grad, ctx) : null));
  }

  /** What the gradient of its result may be besides the result's dtype. */
  get wider(): DType | null {
    return (this.spec.narrows && this.edges[0]?.dtype) || null;
  }

  observe(output: Tensor): void {
    this.observed[output.outputIndex] = output;
  }

  release(): void {
    this.released = true;
    this.ctx.release();
  }
}

/** @throws AutogradError when what is recorded of t is out of date */
export function edgeTo(t: Tensor): Edge {
  const node = t.gradFn as Node | null;
  if (node && (t.version.recorded ?? 0) > node.version)
    throw new AutogradError(
      `${node.name}: its result of shape [${t.shape.join(', ')}] shares memory with a tensor that a recorded operation ` +
        'changed in place since; use that tensor, or clone() one of them before the change',
    );
  return { node, output: t.outputIndex, leaf: node ? null : t, shape: t.shape, dtype: t.dtype, wider: node?.wider ?? null };
}

/** Makes a function of a spec: called with gradients enabled and an argument that needs one, it is recorded. */
export function defineOp<A extends readonly unknown[], R extends OpResult, P = undefined>(
  spec: OpSpec<A, R, P>,
): (...args: A) => R {
  noMore('defineOp', arguments.length > 1);
  const count = spec.inputs ?? spec.gradients?.length ?? 0;
  const gradients = spec.gradients;
  return (...args: A): R => {
    const inputs = (count === 'list' ? args[0] : args) as readonly (Tensor | null | undefined)[];
    const n = count === 'list' ? inputs.length : Math.min(count, inputs.length);
    let needed = false;
    for (let i = 0; i < n; i++) {
      const t = inputs[i];
      if (t instanceof Tensor && t.requiresGrad && (!gradients || gradients[i])) {
        needed = true;
        break;
      }
    }
    if (!needed || !isGradEnabled()) return isDeriving() ? within(() => spec.forward(unrecorded, ...args)) : spec.forward(unrecorded, ...args);

    const ctx = new Context<P>(spec.name, true);
    const edges = new Array<Edge | null>(n);
    for (let i = 0; i < n; i++) {
      const t = inputs[i];
      const needs = t instanceof Tensor && t.requiresGrad && (!gradients || gradients[i] !== null);
      ctx.needs.push(needs);
      edges[i] = needs ? edgeTo(t) : null;
    }
    ctx.edges = edges;
    const result = isDeriving() ? within(() => spec.forward(ctx, ...args)) : spec.forward(ctx, ...args);
    record(result, spec, ctx, edges, inputs);
    return result;
  };
}

function record<A extends readonly unknown[], R extends OpResult, P>(
  result: R,
  spec: OpSpec<A, R, P>,
  ctx: Context<P>,
  edges: (Edge | null)[],
  inputs: readonly unknown[],
): void {
  const outputs = (result instanceof Tensor ? [result] : result) as readonly Tensor[];
  const node = new Node(
    spec.name,
    edges,
    outputs.map(({ shape, dtype, device }) => ({ shape, dtype, device })),
    ctx as Context<unknown>,
    spec as unknown as OpSpec<never, OpResult, unknown>,
  );
  stepNow()?.inner.add(node);
  outputs.forEach((t, i) => {
    if (!isFloating(t.dtype)) return; // positions, masks: no gradient passes through them
    node.version = t.version.count;
    if (t.isView) {
      const source = inputs.find((x): x is Tensor => x instanceof Tensor && x.version === t.version);
      node.ofLeaf = source !== undefined && (source.gradFn ? (source.gradFn as Node).ofLeaf : source.requiresGrad);
    }
    t.requiresGrad = true;
    t.gradFn = node;
    t.outputIndex = i;
  });
  ctx.mark(inputs);
}

/**
 * As defineOp(), for what gradients are made of: it is recorded only where a gradient is to be differentiated itself, and
 * costs nothing elsewhere.
 */
export function defineKernel<A extends readonly unknown[], R extends OpResult, P = undefined>(
  spec: OpSpec<A, R, P>,
): (...args: A) => R {
  const recorded = defineOp(spec);
  return (...args: A): R => (isDeriving() ? recorded(...args) : spec.forward(unrecorded, ...args));
}

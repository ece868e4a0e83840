// SPDX-License-Identifier: Apache-2.0
// The backward walk: from the outputs to the leaves, each node once, when all of its gradients have arrived. No
// recursion, so that the depth of a network does not meet the depth of the stack.
import { AutogradError, InternalError, ShapeError } from '../native/errors.js';
import { boolean, checked, optionsOf } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { recordingNow, refuse, stepNow } from '../native/recording.js';
import { run, sweepGraph } from '../native/run.js';
import { checkTensor, emptyTensor, fresh, Tensor, viewOf } from '../tensor/tensor.js';
import { promoteDTypes, type DType } from '../tensor/dtype.js';
import { formatShape, isDense, sameShape, stridesLike } from '../tensor/shape.js';
import { blaming, hasNaN } from './anomaly.js';
import { isDeriving } from './deriving.js';
import { withGrad, withoutGrad } from './mode.js';
import { defineOp, edgeTo, type Context, type Edge, type Node } from './op.js';

export interface BackwardOptions {
  /** Keep what the operations saved, so that backward() can run through them again. Default: as createGraph. */
  retainGraph?: boolean;
  /**
   * Record how the gradients are computed, so that they can be differentiated themselves. Default false.
   * @throws AutogradError naming the operation where one has no gradient of its gradient
   */
  createGraph?: boolean;
}
type GradOptions = BackwardOptions & { gradOutputs?: readonly (Tensor | null)[]; allowUnused?: boolean };
const backwardOptions = optionsOf<BackwardOptions>({ retainGraph: boolean, createGraph: boolean });
const gradOptions = optionsOf<GradOptions>({ ...backwardOptions.schema, gradOutputs: checked, allowUnused: boolean });

interface State {
  readonly node: Node;
  readonly grads: (Tensor | null)[];
  /** Edges into the node that the walk has not taken yet. */
  waiting: number;
  /** Empty where the walk ends. */
  readonly edges: readonly (Edge | null)[];
  /** Whether the node leads to something that a gradient is wanted for. */
  useful: boolean;
}

/** What a walk knows of a leaf: its gradient is complete, for hooks and `grad`, when no edge into it is left. */
interface LeafState {
  grad: Tensor | null;
  waiting: number;
}

interface Walk {
  readonly states: Map<Node, State>;
  readonly leaves: Map<Tensor, LeafState>;
}

/**
 * Computes the gradients of `output` with respect to every leaf it depends on and adds them to their `grad`.
 *
 * @param gradient the gradient of the result with respect to `output`; may be left out for one-element outputs (1)
 * @throws AutogradError when nothing was recorded, or it was walked before without retainGraph
 */
export function backward(output: Tensor, gradient?: Tensor, options?: BackwardOptions): void {
  const { createGraph = false, retainGraph = createGraph } = backwardOptions('backward', options, arguments.length > 3);
  walk([output], [gradient ?? null], { wanted: null, retainGraph, createGraph }, 'backward');
  if (!retainGraph) sweepGraph(output.device.id);
}

/**
 * The gradients of `outputs` with respect to `inputs`, without touching any `grad`. An input that the outputs do not
 * depend on gives null if `allowUnused`, else an AutogradError.
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options?: GradOptions,
): (Tensor | null)[] {
  options = gradOptions('grad', options, arguments.length > 3);
  const outs = outputs instanceof Tensor ? [outputs] : outputs;
  const ins = inputs instanceof Tensor ? [inputs] : inputs;
  for (const t of ins)
    if (!checkTensor(t, 'grad').requiresGrad)
      throw new AutogradError('grad: an input does not require gradients');
  const wanted = new Map<Tensor, Tensor | null>(ins.map((t) => [t, null]));
  const { createGraph = false, retainGraph = createGraph } = options;
  walk(outs, options.gradOutputs ?? outs.map(() => null), { wanted, retainGraph, createGraph }, 'grad');
  return ins.map((t, i) => {
    const result = wanted.get(t) ?? null;
    if (!result && !options.allowUnused)
      throw new AutogradError(`grad: the outputs do not depend on input ${i}; pass allowUnused to get null for it`);
    return result;
  });
}

type Wanted = Map<Tensor, Tensor | null> | null;

interface WalkRules {
  /** The tensors that gradients are wanted for; null: all leaves, for their `grad`. */
  readonly wanted: Wanted;
  readonly retainGraph: boolean;
  readonly createGraph: boolean;
  /** Whether the wanted tensors are where the walk ends. */
  readonly ends?: boolean;
}

function walk(
  outputs: readonly Tensor[],
  gradients: readonly (Tensor | null)[],
  { wanted, retainGraph, createGraph, ends = false }: WalkRules,
  where: string,
): void {
  (createGraph ? withGrad : withoutGrad)(() => {
    const roots = outputs.map((t) => checkTensor(t, where, 'output'));
    for (const t of roots)
      if (!t.requiresGrad)
        throw new AutogradError(
          `${where}: this tensor was not computed from anything that requires gradients, or under noGrad()`,
        );
    const { states, leaves } = collect(roots, wanted, ends);
    const ready: State[] = [];
    const arrive = (edge: Edge, g: Tensor) => {
      if (edge.leaf) {
        const leaf = leaves.get(edge.leaf)!;
        leaf.grad = accumulate(leaf.grad, g, createGraph);
      } else {
        const { grads } = states.get(edge.node!)!;
        grads[edge.output] = accumulate(grads[edge.output] ?? null, g, createGraph);
      }
    };
    roots.forEach((t, i) => {
      const g = gradients[i] ? checkRootGradient(t, gradients[i]!, where) : ones(t, where);
      g.inFlight += gradients[i] || createGraph ? 2 : 1; // one for good if the caller or the record holds it
      arrive(edgeTo(t), g);
    });
    for (const state of states.values()) if (state.waiting === 0) ready.push(state);
    for (const [leaf, state] of leaves) if (state.waiting === 0) reachLeaf(leaf, state, wanted, createGraph);

    while (ready.length > 0) {
      const state = ready.pop()!;
      const { node, edges } = state;
      observe(state, wanted, createGraph);
      if (state.useful && state.grads.some((g) => g !== null)) {
        if (node.released)
          throw new AutogradError(
            `${where}: ${node.name} was walked before and its saved values are gone; ` +
              'pass { retainGraph: true } to the first backward()',
          );
        const results = node.origin ? applyChecked(node, state.grads, createGraph) : node.apply(state.grads, createGraph);
        node.edges.forEach((edge, i) => {
          const g = results[i];
          if (!edge || !g) return;
          checkGradient(node, i, edge, g);
          g.inFlight += createGraph ? 2 : 1; // one for good: what is recorded holds it
        });
        // First, so that a gradient which only passes through is the next one's own and need not be copied for a leaf.
        letGo(state);
        node.edges.forEach((edge, i) => {
          if (edge && results[i]) arrive(edge, results[i]);
        });
        if (!retainGraph) node.release();
      } else {
        letGo(state);
      }
      for (const edge of edges) {
        if (!edge) continue;
        if (edge.leaf) {
          const leaf = leaves.get(edge.leaf)!;
          if (--leaf.waiting === 0) reachLeaf(edge.leaf, leaf, wanted, createGraph);
        } else {
          const next = states.get(edge.node!)!;
          if (--next.waiting === 0) ready.push(next);
        }
      }
    }
  });
}

// Under detectAnomaly(): errors point at the recorded operation, and NaN is one.
function applyChecked(node: Node, grads: readonly (Tensor | null)[], createGraph: boolean): readonly (Tensor | null)[] {
  return blaming(node.origin!, () => {
    const results = node.apply(grads, createGraph);
    results.forEach((g, i) => {
      if (g && node.edges[i] && hasNaN(g))
        throw new AutogradError(`${node.name}: its gradient for input ${i}, of shape ${formatShape(g.shape)}, has NaN`);
    });
    return results;
  });
}

// All nodes and leaves that the roots depend on, with the number of edges that lead to each.
function collect(roots: readonly Tensor[], wanted: Wanted, ends: boolean): Walk {
  const last = ends ? new Set([...wanted!.keys()].map((t) => t.gradFn as Node)) : null;
  const states = new Map<Node, State>();
  const leaves = new Map<Tensor, LeafState>();
  const stack: Node[] = [];
  const recording = stepNow();
  const discover = (node: Node): State => {
    let state = states.get(node);
    if (!state) {
      if (recording && !recording.inner.has(node))
        refuse(`backward() through ${node.name}, which ran before it,`, 'compute it inside, or detach() its result before');
      const edges = last?.has(node) ? [] : node.edges;
      state = { node, grads: node.outputs.map(() => null), waiting: 0, edges, useful: wanted === null };
      states.set(node, state);
      stack.push(node);
    }
    return state;
  };
  const discoverLeaf = (leaf: Tensor): LeafState => {
    let state = leaves.get(leaf);
    if (!state) leaves.set(leaf, (state = { grad: null, waiting: 0 }));
    return state;
  };
  for (const t of roots)
    if (t.gradFn) discover(t.gradFn as Node);
    else discoverLeaf(t);
  while (stack.length > 0) {
    const node = stack.pop()!;
    for (const edge of states.get(node)!.edges) {
      if (edge?.node) discover(edge.node).waiting++;
      else if (edge?.leaf) discoverLeaf(edge.leaf).waiting++;
    }
  }
  if (wanted) markUseful(states, wanted);
  return { states, leaves };
}

// Marks what lies between the roots and the wanted tensors: from these upwards, edge by edge.
function markUseful(states: Map<Node, State>, wanted: Map<Tensor, Tensor | null>): void {
  const consumers = new Map<Node, State[]>();
  const marked: State[] = [];
  const mark = (state: State) => {
    if (!state.useful) {
      state.useful = true;
      marked.push(state);
    }
  };
  for (const state of states.values())
    for (const edge of state.edges) {
      if (edge?.node) {
        const list = consumers.get(edge.node);
        if (list) list.push(state);
        else consumers.set(edge.node, [state]);
      } else if (edge?.leaf && wanted.has(edge.leaf)) {
        mark(state);
      }
    }
  for (const t of wanted.keys()) {
    if (!t.gradFn) continue;
    t.gradFn.observe(t);
    for (const state of consumers.get(t.gradFn as Node) ?? []) mark(state);
  }
  while (marked.length > 0) for (const state of consumers.get(marked.pop()!.node) ?? []) mark(state);
}

function checkRootGradient(t: Tensor, g: Tensor, where: string): Tensor {
  checkTensor(g, where, 'gradient');
  if (!sameShape(t.shape, g.shape) || t.dtype !== g.dtype)
    throw new ShapeError(
      `${where}: the gradient must have the output's shape ${formatShape(t.shape)} and dtype ${t.dtype}, ` +
        `got ${formatShape(g.shape)} ${g.dtype}`,
    );
  return g;
}

function ones(t: Tensor, where: string): Tensor {
  if (t.numel !== 1)
    throw new AutogradError(
      `${where}: a gradient can be left out for outputs of one element only, this one has shape ${formatShape(t.shape)}`,
    );
  const g = emptyTensor(t.shape, t.dtype, t.device);
  run(Op.fill, [], [g], [1]);
  return g as Tensor;
}

function checkGradient(node: Node, input: number, edge: Edge, g: Tensor): void {
  if (!sameShape(edge.shape, g.shape) || (edge.dtype !== g.dtype && edge.wider !== g.dtype))
    throw new InternalError(
      `${node.name}: its gradient for input ${input} has shape ${formatShape(g.shape)} and dtype ${g.dtype}, ` +
        `expected ${formatShape(edge.shape)} and ${edge.dtype}`,
    );
}

// ---- gradients in flight -------------------------------------------------------------------------------------
// Most gradients live only between two nodes. `inFlight` counts the places that hold one; when the last lets go, its
// memory is freed at once instead of at the next collection. Whoever shows a gradient to the user adds one for good.

function land(g: Tensor): void {
  if (--g.inFlight === 0) g.dispose();
}

function letGo(state: State): void {
  for (const g of state.grads) if (g) land(g);
  state.grads.fill(null);
}

function accumulate(a: Tensor | null, b: Tensor, createGraph: boolean): Tensor {
  if (!a) return b;
  if (createGraph) {
    const sum = addition(a, b, stridesLike(a.shape, a.strides));
    sum.inFlight = 2;
    return sum;
  }
  const dtype = promoteDTypes(a.dtype, b.dtype); // they differ where only one could be made as wide as its edge takes it
  const sum = added(a, b, stridesLike(a.shape, a.strides), dtype);
  sum.inFlight = 1;
  land(a);
  land(b);
  return sum;
}

// The same where gradients are recorded.
const addition = defineOp({
  name: 'add',
  forward: (_: Context, a: Tensor, b: Tensor, strides: readonly number[]): Tensor => added(a, b, strides),
  gradients: [(g) => g, (g) => g],
});

const copy = defineOp({
  name: 'clone',
  forward: (_: Context, g: Tensor, strides: readonly number[]): Tensor => copied(g, g.dtype, strides),
  gradients: [(g) => g],
});

function copied(g: Tensor, dtype: DType, strides: readonly number[]): Tensor {
  const result = fresh(g.shape, dtype, g.device, strides);
  run(Op.copy, [g], [result], []);
  return result;
}

function added(a: Tensor, b: Tensor, strides: readonly number[], dtype: DType = a.dtype): Tensor {
  const sum = fresh(a.shape, dtype, a.device, strides);
  run(Op.add, [a, b], [sum], [0]);
  return sum;
}

// The gradient of a leaf is complete.
function reachLeaf(leaf: Tensor, state: LeafState, wanted: Wanted, createGraph: boolean): void {
  const { grad: complete } = state;
  if (!complete) return;
  state.grad = null;
  if (wanted) {
    if (wanted.has(leaf)) wanted.set(leaf, settle(leaf, null, applyHooks(leaf, complete), createGraph));
    else land(complete);
    return;
  }
  const recording = recordingNow();
  if (recording && !recording.leaves.has(leaf)) recording.leaves.set(leaf, leaf.grad);
  const g = applyHooks(leaf, complete); // first: a hook may look at leaf.grad, or clear it
  leaf.grad = settle(leaf, leaf.grad, g, createGraph);
}

// A gradient for the user to keep: added to what is there, in the leaf's own layout, and shared with nobody.
function settle(leaf: Tensor, before: Tensor | null, g: Tensor, createGraph: boolean): Tensor {
  const strides = isDense(leaf.shape, leaf.strides) ? leaf.strides : stridesLike(leaf.shape, g.strides);
  if (createGraph) return before ? addition(before, g, strides) : copy(g, strides);
  if (before) {
    if (accumulatesInPlace(before, strides)) {
      run(Op.add, [before, g], [before], [0]);
      before.version.count++;
      land(g);
      return before;
    }
    const sum = added(before, g, strides);
    land(g);
    return sum;
  }
  const owned = g.inFlight === 1 && !g.isView && strides.every((s, i) => s === g.strides[i] || leaf.shape[i] === 1);
  if (owned) return g;
  const result = copied(g, leaf.dtype, strides);
  land(g);
  return result;
}

// In a recorded step a gradient that was there before is added to where it is: each replay then finds the last one's sum.
function accumulatesInPlace(before: Tensor, strides: readonly number[]): boolean {
  const step = stepNow();
  if (!step || step.inner.has(before)) return false;
  if (before.strides.some((s, i) => s !== strides[i] && before.shape[i] !== 1))
    refuse("adding to a gradient that is not laid out as its parameter", 'call zeroGrad() before the first step');
  return true;
}

function applyHooks(t: Tensor, g: Tensor): Tensor {
  if (!t.hooks || t.hooks.size === 0) return g;
  for (const { hook } of [...t.hooks]) { // as they were: hooks may add and remove hooks
    g.inFlight++; // the hook may keep it
    const replaced = hook(g);
    if (!replaced) continue;
    if (!(replaced instanceof Tensor) || !sameShape(replaced.shape, g.shape) || replaced.dtype !== g.dtype)
      throw new AutogradError(`hook: must return a gradient of shape ${formatShape(g.shape)} and dtype ${g.dtype}`);
    replaced.inFlight += 2;
    g = replaced;
  }
  return g;
}

// Hooks, retained gradients and wanted gradients of a node's outputs, now that they are complete.
function observe(state: State, wanted: Wanted, createGraph: boolean): void {
  const { node, grads } = state;
  for (let i = 0; i < grads.length; i++) {
    const t = node.observed[i];
    let g = grads[i];
    if (!t || !g) continue;
    g = grads[i] = applyHooks(t, g);
    if (wanted?.has(t) || t.keepsGrad) {
      g.inFlight++;
      if (wanted?.has(t)) wanted.set(t, g);
      if (t.keepsGrad) t.grad = t.grad ? (createGraph ? addition : added)(t.grad, g, stridesLike(g.shape, g.strides)) : g;
    }
  }
}

/**
 * @internal The gradients of `inputs` by way of `formula`, which computes from them, with recorded operations, what
 * `grad` is the gradient of. Null for inputs that are null or not needed.
 */
export function gradientsOf<T extends readonly (Tensor | null)[]>(
  formula: (...inputs: T) => Tensor,
  inputs: T,
  needs: readonly boolean[],
  g: Tensor,
): (Tensor | null)[] {
  return withGrad(() => {
    const own = inputs.map((t, i) => (t && needs[i] ? identity(t) : t)) as unknown as T;
    const wanted = new Map<Tensor, Tensor | null>();
    own.forEach((t, i) => t && needs[i] && wanted.set(t, null));
    const y = formula(...own);
    g.inFlight++;
    if (y.requiresGrad)
      walk([y], [g], { wanted, retainGraph: true, createGraph: isDeriving(), ends: true }, 'grad');
    return own.map((t, i) => (t && needs[i] ? (wanted.get(t) ?? zeros(t)) : null));
  });
}

const identity = defineOp({
  name: 'identity',
  forward: (_: Context, x: Tensor): Tensor => viewOf(x, x.shape, x.strides),
  gradients: [(g) => g],
});

function zeros(t: Tensor): Tensor {
  const g = emptyTensor(t.shape, t.dtype, t.device, stridesLike(t.shape, t.strides));
  run(Op.fill, [], [g], [0]);
  return g as Tensor;
}

// SPDX-License-Identifier: Apache-2.0
import { enableGrad } from '../autograd/mode.js';
import { ArgumentError, DTypeError, ShapeError, UninitializedError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { given, kind, kindsOf, optionsOf, required, show, type OptionsOf } from '../native/options.js';
import { outside, refuse, StaleRecording, update } from '../native/recording.js';
import { NO_SHAPE_YET, run, updating } from '../native/run.js';
import { isDeferred } from '../nn/deferred.js';
import { dropGrad } from '../nn/module.js';
import { copyKernel, fullKernel } from '../ops/kernels.js';
import type { Device } from '../tensor/device.js';
import { isFloating } from '../tensor/dtype.js';
import { contiguousStrides, formatShape, isDense, sameShape, stridesLike, type Shape } from '../tensor/shape.js';
import { checkTensor, Tensor } from '../tensor/tensor.js';
import { scheduledSchema, type GroupOptions, type ParamGroup, type Params, type ParamState } from './group.js';
import { placed, prepareLoad, saveState, type OptimizerState } from './state.js';

/** Parameters of one device that have gradients, and what their update takes. */
export interface Batch {
  params: Tensor[];
  grads: Tensor[];
  /** float64 scalar, rewritten only when the group's lr changes: a recorded step reads whatever it holds. */
  lr: Tensor;
  /** float32 scalar: the update is left out, by the device, where it is not 0. Only for what is `skippable`. */
  foundInf: Tensor | null;
}

// What a group may have besides the optimizer's options: its parameters, and what schedules keep in it.
const groupSchema = {
  params: required(kind<Tensor | Iterable<Tensor>>('a parameter or several', (v) => typeof v === 'object' && v !== null && (v instanceof Tensor || Symbol.iterator in v))),
  ...scheduledSchema,
};

interface Rate {
  readonly tensor: Tensor;
  value: number;
}

/**
 * Base class of optimizers. A subclass updates the parameters of one group on one device in as few native calls as
 * possible: one, but for parameters that have been updated less often than the rest.
 */
export abstract class Optimizer<O extends GroupOptions = GroupOptions> {
  readonly paramGroups: ParamGroup<O>[] = [];
  /** What is remembered of each parameter. */
  readonly state = new Map<Tensor, ParamState>();
  readonly #checkGroup: OptionsOf<object>;
  readonly #rates = new Map<ParamGroup<O>, Map<Device, Rate[]>>();

  /** Options of groups that do not state them. */
  readonly defaults: Readonly<O>;

  /**
   * @param defaults every option that there is, with its default
   * @param options what the caller gave: the same names, values of the same types
   * @param extra whether the caller gave more than parameters and options: `arguments.length > 2`
   * @throws ArgumentError for options that do not exist, of another type or out of range; DTypeError
   */
  constructor(params: Params<O>, defaults: Readonly<O>, options?: Partial<O>, extra = false) {
    const where = new.target.name;
    const schema = kindsOf(defaults);
    this.#checkGroup = optionsOf<object>({ ...groupSchema, ...schema });
    this.defaults = { ...defaults, ...given(optionsOf<object>(schema)(where, options, extra)) };
    this.checkOptions(this.defaults);
    if (params instanceof Tensor || typeof (params as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator] !== 'function')
      throw new ArgumentError(`${where}: expected parameters or groups of them, such as model.parameters(), got ${show(params)}`);
    const list = [...(params as Iterable<Tensor | (Partial<O> & { params: Iterable<Tensor> })>)];
    if (list.length === 0) throw new ArgumentError(`${where}: there are no parameters`);
    if (list[0] instanceof Tensor) this.addParamGroup({ params: list as Tensor[] } as never);
    else for (const group of list) this.addParamGroup(group as never);
  }

  /** @throws ArgumentError for options out of range */
  protected abstract checkOptions(options: Readonly<O>): void;
  /** The names of the float32 scalars that are remembered: counters and the like, which equal parameters share. */
  get scalarNames(): readonly string[] {
    return [];
  }
  /** The names of the tensors that are remembered of a parameter with these options, in PyTorch's order. */
  abstract stateNames(options: Readonly<O>, p: Tensor): readonly string[];
  /** The shape of one of them. */
  stateShape(_name: string, p: Tensor): Shape {
    return p.shape;
  }
  /** What all elements of a state are at first. */
  protected initial(_name: string, _options: Readonly<O>): number {
    return 0;
  }
  protected abstract update(group: ParamGroup<O>, batch: Batch): void;

  /**
   * Adds parameters: layers of a trained network that are to be learned after all, for instance.
   * @throws ArgumentError when one is no leaf, or is in a group already
   */
  addParamGroup(group: Partial<O> & { params: Tensor | Iterable<Tensor> }): void {
    const where = this.constructor.name;
    this.#checkGroup(where, group);
    const params = group.params instanceof Tensor ? [group.params as Tensor] : [...group.params];
    const known = new Set<Tensor>(this.paramGroups.flatMap((g) => g.params));
    for (const p of params) {
      checkTensor(p, where, 'a parameter');
      if (!p.isLeaf) throw new ArgumentError(`${where}: a parameter was computed by ${p.gradFn!.name}; only leaves can be learned`);
      if (!isFloating(p.dtype)) throw new DTypeError(`${where}: parameters must be floating, got ${p.dtype}`);
      if (!isDense(p.shape, p.strides)) throw new ArgumentError(`${where}: a parameter is a view with gaps in memory`);
      if (known.has(p)) throw new ArgumentError(`${where}: a parameter of shape ${formatShape(p.shape)} appears twice`);
      known.add(p);
    }
    const full: ParamGroup<O> = { ...this.defaults, ...given(group), params };
    this.checkOptions(full);
    this.paramGroups.push(full);
  }

  /**
   * Forgets the gradients, whose memory is free at once: clone() one that is to be looked at afterwards.
   */
  zeroGrad(): void {
    for (const group of this.paramGroups) for (const p of group.params) dropGrad(p);
  }

  /**
   * Updates the parameters that have gradients.
   * @param closure computes the loss and its gradients first, and is returned the result of
   */
  step(): void;
  step<R>(closure: () => R): R;
  step<R>(closure?: () => R): R | void {
    const result = closure && enableGrad(closure);
    if (this.composed) this.#applyComposed();
    else update(this, (before) => this.#apply(before));
    return result;
  }

  /**
   * @internal step(), left out where one of the scalars of `foundInf` is not 0: by the device, which nothing waits for, or
   * after having read them where JavaScript has a part in the step.
   */
  stepUnless(foundInf: ReadonlyMap<Device, Tensor>): void {
    if (this.skippable && this.step === Optimizer.prototype.step) {
      update(this, (before) => this.#apply(before, foundInf));
      return;
    }
    refuse(`${this.constructor.name}.step() of a GradScaler`, 'whether it is left out has to be read back; call it outside');
    if ([...foundInf.values()].every((found) => found.itemSync() === 0)) this.step();
  }

  /** Whether all that update() changes are the operands of native steps, which it gives `foundInf` to. */
  protected get skippable(): boolean {
    return false;
  }

  /**
   * Whether update() consists of many operations. A captured step then has them as they are; else it makes the update's
   * native calls again before each replay, for options that have changed.
   */
  protected get composed(): boolean {
    return false;
  }

  // Learning rates are followed by a captured step; other options, and other states, need a new recording.
  #applyComposed(): void {
    for (const group of this.paramGroups) this.checkGroup(group);
    let nth = 0;
    let known: unknown[] | undefined = undefined;
    update(this, (before) => {
      nth = before;
      const now = known && this.#dependencies();
      if (now && (now.length !== known!.length || now.some((x, i) => x !== known![i]))) throw new StaleRecording();
      for (const group of this.paramGroups) for (const p of group.params) if (p.grad) this.#rate(group, p.device, nth);
    });
    this.#apply(nth);
    known = this.#dependencies();
  }

  #dependencies(): unknown[] {
    return this.paramGroups.flatMap(({ params, lr: _, ...options }) => [
      JSON.stringify(options),
      ...params.flatMap((p) => [p, ...Object.values(this.state.get(p) ?? {})]),
    ]);
  }

  // `nth`: how many updates a captured step has made before this one. Each reads a learning rate of its own, which is
  // written before the whole step is replayed.
  #apply(nth: number, foundInf?: ReadonlyMap<Device, Tensor>): void {
    const moved = new Map<Tensor, Tensor>();
    for (const group of this.paramGroups) {
      this.checkGroup(group);
      const batches = new Map<Device, Batch>();
      for (const p of group.params) {
        if (isDeferred(p)) throw new UninitializedError(`step: a parameter ${NO_SHAPE_YET}`);
        if (!p.grad) continue;
        let batch = batches.get(p.device);
        if (!batch) {
          batch = { params: [], grads: [], lr: this.#rate(group, p.device, nth), foundInf: foundInf?.get(p.device) ?? null };
          batches.set(p.device, batch);
        }
        batch.params.push(p);
        batch.grads.push(fitted(p.grad as Tensor, p));
        this.#relocate(p, moved);
      }
      for (const batch of batches.values()) {
        if (this.skippable) {
          this.update(group, batch);
        } else {
          // What is to stay as it was must be there before.
          if (this.composed) this.#prepare(group, batch.params);
          updating(batch.grads, () => this.update(group, batch));
        }
        for (const p of batch.params) p.version.count++;
      }
    }
  }

  /** Before a step: options may be changed at any time, by schedules to values that are out of range by rounding. */
  protected checkGroup(group: ParamGroup<O>): void {
    this.#checkGroup(this.constructor.name, group);
    for (const name in this.defaults)
      if (group[name] === undefined && this.defaults[name] !== undefined)
        throw new ArgumentError(`${this.constructor.name}: ${name} must be given, got undefined`);
  }

  #prepare(group: ParamGroup<O>, params: readonly Tensor[]): void {
    if (this.scalarNames.length > 0) this.counted(group, params);
    for (const p of params) this.remember(p, this.stateNames(group, p), group);
  }

  #rate(group: ParamGroup<O>, device: Device, nth: number): Tensor {
    let byDevice = this.#rates.get(group);
    if (!byDevice) this.#rates.set(group, (byDevice = new Map()));
    let rates = byDevice.get(device);
    if (!rates) byDevice.set(device, (rates = []));
    const rate = rates[nth];
    const { lr } = group;
    if (rate?.value === lr) return rate.tensor;
    // A captured step reads whatever the tensor holds.
    outside(() => {
      if (rate) run(Op.fill, [], [rate.tensor], [lr]);
      else rates[nth] = { tensor: fullKernel([], lr, 'float64', device), value: lr };
    });
    rates[nth]!.value = lr;
    return rates[nth]!.tensor;
  }

  // Takes what is remembered of p to where p is, should that have moved. Shared counters stay shared.
  #relocate(p: Tensor, moved: Map<Tensor, Tensor>): void {
    const state = this.state.get(p);
    for (const name in state) {
      const t = state[name]!;
      const scalar = this.scalarNames.includes(name);
      if (t.device === p.device && (scalar || t.dtype === p.dtype)) continue;
      if (!moved.has(t)) moved.set(t, placed(t, p, scalar));
      state[name] = moved.get(t)!;
    }
  }

  /**
   * Options and memory in PyTorch's form: `state` by parameter number, `param_groups` with parameter numbers. The
   * tensors share memory with the optimizer.
   */
  stateDict(): OptimizerState {
    return saveState(this);
  }

  /**
   * Takes over options and memory, converted to the parameters' dtypes, devices and layouts.
   * @throws StateDictError when the groups, parameters or tensors do not fit; the optimizer is then as it was
   */
  loadStateDict(saved: OptimizerState): void {
    this.prepareLoad(saved)();
  }

  /** @internal Checks everything; what it returns does the loading. */
  prepareLoad(saved: OptimizerState, exact = false): () => void {
    return prepareLoad(this, saved, (options) => this.checkOptions(options), exact);
  }

  /** What is remembered of p, with tensors under these names: initial ones, at first. */
  protected remember(p: Tensor, names: readonly string[], group: Readonly<O>): ParamState {
    let state = this.state.get(p);
    if (!state) this.state.set(p, (state = {}));
    for (const name of names) {
      if (state[name]) continue;
      const shape = this.stateShape(name, p);
      const strides = shape === p.shape ? stridesLike(p.shape, p.strides) : contiguousStrides(shape);
      state[name] = fullKernel(shape, this.initial(name, group), p.dtype, p.device, strides);
    }
    return state;
  }

  /**
   * Which parameters share scalars, by the first of these: a counter of steps. An update advances each once: parameters
   * that get no gradient this time must not share with those that do.
   */
  protected counted(group: ParamGroup<O>, params: readonly Tensor[]): [scalars: Tensor[], indices: number[]][] {
    const names = this.scalarNames;
    const counter = names[0]!;
    const sharers = new Map<Tensor, number>();
    for (const p of group.params) {
      const step = this.state.get(p)?.[counter];
      if (step) sharers.set(step, (sharers.get(step) ?? 0) + 1);
    }
    const newcomers: number[] = [];
    const byStep = new Map<Tensor, number[]>();
    params.forEach((p, i) => {
      const step = this.state.get(p)?.[counter];
      if (!step) newcomers.push(i);
      else if (!byStep.get(step)?.push(i)) byStep.set(step, [i]);
    });
    const result: [Tensor[], number[]][] = [];
    const assign = (scalars: Tensor[], indices: number[]) => {
      for (const i of indices) {
        const state = this.remember(params[i]!, [], group);
        names.forEach((name, k) => (state[name] = scalars[k]!));
      }
      result.push([scalars, indices]);
    };
    for (const [step, indices] of byStep) {
      const state = this.state.get(params[indices[0]!]!)!;
      const scalars = names.map((name) => state[name]!);
      if (indices.length === sharers.get(step)) result.push([scalars, indices]);
      else assign(scalars.map((t) => copyKernel(t)), indices);
    }
    if (newcomers.length > 0)
      assign(names.map((name) => fullKernel([], this.initial(name, group), 'float32', params[0]!.device)), newcomers);
    return result;
  }
}

// A gradient laid out as its parameter; backward() makes them so, users need not.
function fitted(grad: Tensor, p: Tensor): Tensor {
  if (!sameShape(grad.shape, p.shape))
    throw new ShapeError(`step: a parameter of shape ${formatShape(p.shape)} has a gradient of shape ${formatShape(grad.shape)}`);
  const alike = grad.dtype === p.dtype && p.strides.every((s, i) => s === grad.strides[i] || p.shape[i] === 1);
  return alike ? grad : copyKernel(grad, p.dtype, [...p.strides]);
}

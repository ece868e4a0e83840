// SPDX-License-Identifier: Apache-2.0
// Optimizers' memory in PyTorch's form, and back.
import { StateDictError } from '../native/errors.js';
import { checkFit, type TensorInfo } from '../nn/state.js';
import { copyKernel } from '../ops/kernels.js';
import { moveTo } from '../ops/transfer.js';
import { contiguousStrides, sameShape, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { camelCase, snakeCase } from './keys.js';
import type { GroupOptions, ParamGroup, ParamState } from './group.js';

/** What PyTorch's Optimizer.state_dict() holds. */
export interface OptimizerState {
  /** By parameter number, counted through all groups. LBFGS has numbers and lists of tensors too. */
  state: Record<number, Record<string, Tensor | null>>;
  /** Options under PyTorch's names, and `params`: the numbers of the group's parameters. */
  param_groups: Record<string, unknown>[];
}

/** What saving and loading need of an optimizer. */
interface Owner<O extends GroupOptions> {
  readonly paramGroups: readonly ParamGroup<O>[];
  readonly state: Map<Tensor, ParamState>;
  readonly defaults: Readonly<O>;
  readonly scalarNames: readonly string[];
  stateNames(options: Readonly<O>, p: Tensor): readonly string[];
  stateShape(name: string, p: Tensor): Shape;
}

// What schedules add to groups.
const scheduled = ['initialLr', 'maxLr', 'minLr', 'swaLr', 'baseMomentum', 'maxMomentum'];

export function saveState({ paramGroups, state }: Pick<Owner<GroupOptions>, 'paramGroups' | 'state'>): OptimizerState {
  const saved: OptimizerState = { state: {}, param_groups: [] };
  let number = 0;
  for (const { params, ...options } of paramGroups) {
    const entries = Object.entries(options).map(([name, value]) => [snakeCase(name), structuredClone(value)] as const);
    saved.param_groups.push({ ...Object.fromEntries(entries), params: params.map((_, i) => number + i) });
    for (const p of params) {
      const own = Object.entries(state.get(p) ?? {});
      if (own.length > 0) saved.state[number] = Object.fromEntries(own.map(([name, t]) => [name, t.detach()]));
      number++;
    }
  }
  return saved;
}

/** What is remembered of p, as its update needs it: scalars in float32, the rest as p is. */
export function placed(t: Tensor, p: Tensor, scalar: boolean): Tensor {
  const moved = t.device === p.device ? t : moveTo(t, p.device);
  if (scalar) return copyKernel(moved, 'float32');
  return copyKernel(moved, p.dtype, sameShape(t.shape, p.shape) ? [...p.strides] : contiguousStrides(t.shape));
}

/** Checks everything; the function that is returned does the loading. */
export function prepareLoad<O extends GroupOptions>(
  optimizer: Owner<O>,
  saved: OptimizerState,
  checkOptions: (options: O) => void,
  exact = false,
): () => void {
  const what = `loadStateDict: the values do not fit this ${optimizer.constructor.name}`;
  const { paramGroups } = optimizer;
  if (!isRecord(saved) || !isRecord(saved.state) || !Array.isArray(saved.param_groups))
    throw new StateDictError(`${what}: expected { state, param_groups }`);
  if (saved.param_groups.length !== paramGroups.length)
    throw new StateDictError(`${what}: it has ${paramGroups.length} parameter groups, they have ${saved.param_groups.length}`);

  const options: O[] = [];
  const expected = new Map<string, TensorInfo>();
  const owners = new Map<string, { p: Tensor; group: number }>();
  paramGroups.forEach((group, g) => {
    const theirs = saved.param_groups[g]!;
    const numbers: unknown = isRecord(theirs) ? theirs['params'] : undefined;
    if (!Array.isArray(numbers) || numbers.length !== group.params.length || !numbers.every(Number.isSafeInteger))
      throw new StateDictError(
        `${what}: group ${g} has ${group.params.length} parameters, ` +
          `theirs lists ${Array.isArray(numbers) ? `${numbers.length}, by number` : 'none'}`,
      );
    try {
      options[g] = optionsOf(group, theirs, optimizer.defaults);
      checkOptions(options[g]);
    } catch (cause) {
      throw new StateDictError(`${what}: group ${g}: ${(cause as Error).message}`, { cause });
    }
    group.params.forEach((p, i) => {
      const number = String(numbers[i]);
      if (owners.has(number)) throw new StateDictError(`${what}: parameter ${number} is listed twice`);
      owners.set(number, { p, group: g });
      const started = Object.values(saved.state[numbers[i] as number] ?? {}).some((t) => t !== null);
      if (started)
        for (const name of optimizer.scalarNames) expected.set(`state.${number}.${name}`, { shape: [], dtype: 'float32' });
      if (started)
        for (const name of optimizer.stateNames(options[g]!, p))
          expected.set(`state.${number}.${name}`, { shape: optimizer.stateShape(name, p), dtype: p.dtype });
    });
  });

  const offered = new Map<string, Tensor>();
  for (const [number, entry] of Object.entries(saved.state))
    for (const [name, t] of Object.entries(isRecord(entry) ? entry : {})) {
      if (t === null) continue;
      if (!(t instanceof Tensor)) throw new StateDictError(`${what}: state.${number}.${name} is no tensor`);
      offered.set(`state.${number}.${name}`, t as Tensor);
    }
  checkFit(expected, offered, `${what}:`, { strict: true, exact });

  const state = new Map<Tensor, ParamState>();
  const shared = new Map<string, Tensor[]>();
  for (const [number, { p, group }] of owners) {
    const at = (name: string) => offered.get(`state.${number}.${name}`)!;
    const names = optimizer.stateNames(options[group]!, p).filter((name) => expected.has(`state.${number}.${name}`));
    const counters = optimizer.scalarNames.filter((name) => expected.has(`state.${number}.${name}`));
    if (names.length + counters.length === 0) continue;
    // Parameters that have been updated equally often share their scalars, and so one native call.
    const id = [group, p.device, ...counters.map((name) => Number(at(name).itemSync()))].join(' ');
    if (!shared.has(id)) shared.set(id, counters.map((name) => placed(at(name), p, true)));
    const own: ParamState = {};
    counters.forEach((name, i) => (own[name] = shared.get(id)![i]!));
    for (const name of names) own[name] = placed(at(name), p, false);
    state.set(p, own);
  }
  return () => {
    paramGroups.forEach((group, g) => Object.assign(group, options[g]));
    optimizer.state.clear();
    for (const [p, own] of state) optimizer.state.set(p, own);
  };
}

// The options of a group after loading: theirs as far as this optimizer knows them.
function optionsOf<O extends GroupOptions>(group: O, theirs: Record<string, unknown>, defaults: Readonly<O>): O {
  const { params: _params, ...options } = group as GroupOptions & { params?: unknown };
  const known = options as Record<string, unknown>;
  for (const [key, value] of Object.entries(theirs)) {
    const name = camelCase(key);
    const model: unknown = scheduled.includes(name) ? 0 : Object.hasOwn(defaults, name) ? defaults[name as keyof O] : undefined;
    if (model === undefined) continue; // other implementations have more
    if (model !== null && (typeof value !== typeof model || Array.isArray(value) !== Array.isArray(model)))
      throw new StateDictError(`${key} must be ${Array.isArray(model) ? 'an array' : `a ${typeof model}`}, is ${value === null ? 'null' : typeof value}`);
    known[name] = structuredClone(value);
  }
  return options as O;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

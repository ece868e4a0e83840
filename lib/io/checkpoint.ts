// SPDX-License-Identifier: Apache-2.0
// A training run in one safetensors file: tensors called model.*, optimizer.state.* and rng.*, and the rest as JSON in
// its metadata.
import type { GradScaler, GradScalerState } from '../amp/grad-scaler.js';
import { defaultGenerator, type Generator, type GeneratorState } from '../data/generator.js';
import type { DataLoader, LoaderState } from '../data/loader.js';
import { ArgumentError, LenodeError, StateDictError } from '../native/errors.js';
import { boolean, checked, kind, number, optionsOf, required, withMethods, type Schema } from '../native/options.js';
import { openDevices } from '../native/devices.js';
import type { AnyModule } from '../nn/module.js';
import { checkFit, type StateDict } from '../nn/state.js';
import { tensor } from '../ops/creation.js';
import { generatorOf, setRngState } from '../ops/random.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { Scheduler, SchedulerState } from '../optim/schedulers.js';
import type { OptimizerState } from '../optim/state.js';
import { Device } from '../tensor/device.js';
import type { Tensor } from '../tensor/tensor.js';
import { SafetensorsFile, saveSafetensors } from './safetensors.js';

/** A checkpoint that does not fit what it was to be loaded into. Nothing was loaded. */
export class CheckpointError extends LenodeError {}

/** Plain data. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What loadCheckpoint() restores. */
export interface CheckpointParts {
  model?: AnyModule;
  optimizer?: Pick<Optimizer, 'stateDict' | 'prepareLoad'>;
  scheduler?: Scheduler;
  scaler?: GradScaler;
  /** An average of the model, such as fit()'s `ema`. */
  ema?: AnyModule;
  /** Where it is in its order of epochs. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a loader of anything
  loader?: Pick<DataLoader<any, any>, 'stateDict' | 'prepareLoad'>;
  /** Generators of JavaScript's, by names of one's own: what MixUp or a loss of one's own draws from. */
  generators?: Readonly<Record<string, Generator>>;
}

export interface CheckpointContents extends CheckpointParts {
  model: AnyModule;
  /** Epochs completed. Default 0. */
  epoch?: number;
  /** Steps made of the epoch after those, for fit()'s `firstStep`. Default 0. */
  step?: number;
  /** Anything that JSON holds. */
  metadata?: Json;
}

// Of any class: what is saved is what these methods give.
const partsSchema: Schema<CheckpointParts> = {
  model: withMethods('a Module', 'stateDict', 'prepareLoad'),
  optimizer: withMethods('an optimizer', 'stateDict', 'prepareLoad'),
  scheduler: withMethods('a schedule', 'stateDict', 'loadStateDict'),
  scaler: withMethods('a GradScaler', 'stateDict', 'prepareLoad'),
  ema: withMethods('a Module', 'stateDict', 'prepareLoad'),
  loader: withMethods('a DataLoader', 'stateDict', 'prepareLoad'),
  generators: kind('an object of Generators', (v) => typeof v === 'object' && v !== null),
};
const loadOptions = optionsOf<CheckpointParts & { rng?: boolean }>({ ...partsSchema, rng: boolean });
const contentsOptions = optionsOf<CheckpointContents>({
  ...partsSchema,
  model: required(partsSchema.model),
  epoch: number,
  step: number,
  metadata: checked,
});

export interface CheckpointInfo {
  epoch: number;
  /** Steps made of the epoch after those; left out if there are none. */
  step?: number;
  metadata: Json;
}

interface Saved extends CheckpointInfo {
  optimizer?: { type: string; param_groups: OptimizerState['param_groups'] };
  scheduler?: { type: string; state: SchedulerState };
  scaler?: { type: string; state: GradScalerState | Record<string, never> };
  loader?: LoaderState;
  generators?: Record<string, GeneratorState>;
  /** Of defaultGenerator(). */
  generator?: GeneratorState;
}

const FORMAT = 'lenode checkpoint 1';

/**
 * Saves a training run: the model's parameters and buffers, and those of an average, the optimizer's, the schedule's and the
 * scaler's state, where a loader and generators are, the random generators of the devices in use and JavaScript's
 * defaultGenerator(), the epoch and metadata. The file is complete or not there at all; a checkpoint
 * that was there before is only then replaced. Do not train on before the promise is fulfilled.
 */
export async function saveCheckpoint(path: string, contents: CheckpointContents): Promise<void> {
  contents = contentsOptions('saveCheckpoint', contents, arguments.length > 2);
  const { model, optimizer, scheduler, scaler, ema, loader, generators, epoch = 0, step = 0, metadata = null } = contents;
  for (const [name, count] of Object.entries({ epoch, step }))
    if (!Number.isSafeInteger(count) || count < 0) throw new ArgumentError(`saveCheckpoint: ${name} must be a count, got ${count}`);
  const tensors = new Map<string, Tensor>();
  for (const [name, t] of Object.entries(model.stateDict())) tensors.set(`model.${name}`, t);
  if (ema) for (const [name, t] of Object.entries(ema.stateDict())) tensors.set(`ema.${name}`, t);
  const saved: Saved = { epoch, ...(step > 0 && { step }), metadata, generator: defaultGenerator().getState() };
  if (loader) saved.loader = loader.stateDict();
  if (generators)
    saved.generators = Object.fromEntries(Object.entries(generators).map(([name, generator]) => [name, generator.getState()]));
  if (optimizer) {
    const { state, param_groups } = optimizer.stateDict();
    saved.optimizer = { type: optimizer.constructor.name, param_groups };
    for (const [number, entry] of Object.entries(state))
      for (const [name, t] of flattened(entry)) tensors.set(`optimizer.state.${number}.${name}`, t);
  }
  if (scheduler) saved.scheduler = { type: scheduler.constructor.name, state: scheduler.stateDict() };
  if (scaler) saved.scaler = { type: scaler.constructor.name, state: scaler.stateDict() };
  for (const place of [Device.cpu, ...openCudaDevices()]) tensors.set(`rng.${place}`, generatorOf(place));
  let json: string;
  try {
    json = JSON.stringify(saved);
  } catch (cause) {
    throw new ArgumentError(`saveCheckpoint: metadata must be plain data: ${(cause as Error).message}`, { cause });
  }
  await saveSafetensors(path, tensors, { metadata: { format: FORMAT, checkpoint: json } });
}

// Numbers as tensors, lists as name:0, name:1 and so on.
function flattened(entry: Record<string, unknown>): [name: string, t: Tensor][] {
  return Object.entries(entry).flatMap(([name, value]): [string, Tensor][] => {
    if (value === null) return [];
    if (typeof value === 'number') return [[name, tensor(value, { dtype: 'float64' })]];
    if (Array.isArray(value)) return (value as Tensor[]).map((t, i) => [`${name}:${i}`, t]);
    return [[name, value as Tensor]];
  });
}

function openCudaDevices(): Device[] {
  return openDevices()
    .filter((id) => id !== Device.cpu.id)
    .map((id) => Device.cuda(id - 1));
}

/**
 * Restores what saveCheckpoint() saved; parts that are left out are not touched. The random generators, those of the
 * devices in use and defaultGenerator(), are restored unless `rng` is false.
 *
 * Everything is checked before anything is changed: names, shapes and dtypes must be exactly what the model and the
 * optimizer have.
 *
 * @throws FormatError for a file that is truncated or no safetensors file; CheckpointError, naming them, for missing,
 * unexpected and misfitting tensors, and for a file without the parts asked for
 */
export async function loadCheckpoint(
  path: string,
  options?: CheckpointParts & { rng?: boolean },
): Promise<CheckpointInfo> {
  const { model, optimizer, scheduler, scaler, ema, loader, generators, rng = true } = loadOptions('loadCheckpoint', options, arguments.length > 2);
  const file = await SafetensorsFile.open(path);
  const read: Tensor[] = [];
  try {
    const saved = describe(file);
    const names = sort(file);
    // From the header alone, so that a file that does not fit is not read.
    const modules = [['model', model], ['ema', ema]] as const;
    for (const [name, module] of modules) {
      if (!module) continue;
      if (name === 'ema' && names.ema.size === 0) throw new CheckpointError('there is no ema in it');
      const present = new Map(Object.entries(module.stateDict()));
      const offered = new Map([...names[name]].map(([key, full]) => [key, file.tensors.get(full)!]));
      checkFit(present, offered, `the ${name} in it does not fit ${module.constructor.name}:`, { strict: true, exact: true });
    }
    const load = async (wanted: ReadonlyMap<string, string>): Promise<StateDict> => {
      const result = Object.create(null) as StateDict;
      for (const [name, key] of wanted) read.push((result[name] = await file.tensor(key)));
      return result;
    };
    const commits: (() => unknown)[] = [];
    if (scheduler) {
      const { state } = part(saved.scheduler, 'schedule', scheduler);
      commits.push(() => scheduler.loadStateDict(state)); // changes nothing if it throws, and so goes first
    }
    if (scaler) commits.push(scaler.prepareLoad(part(saved.scaler, 'scaler', scaler).state as GradScalerState));
    if (loader) commits.push(loader.prepareLoad(entry(saved.loader, 'loader')));
    for (const [name, generator] of Object.entries(generators ?? {}))
      commits.push(generator.prepareState(entry(saved.generators?.[name], `generator '${name}'`)));
    for (const [name, module] of modules)
      if (module) commits.push(module.prepareLoad(await load(names[name]), { strict: true, exact: true }).commit);
    if (optimizer) {
      const { param_groups } = part(saved.optimizer, 'optimizer', optimizer);
      const state = byParameter(await load(names.optimizer));
      commits.push(optimizer.prepareLoad({ state, param_groups }, true));
    }
    if (rng) {
      if (saved.generator) commits.push(defaultGenerator().prepareState(saved.generator));
      const states = await load(new Map([...names.rng].filter(([place]) => inUse(place))));
      for (const [place, state] of Object.entries(states)) commits.push(() => setRngState(state, place as 'cpu'));
    }
    for (const commit of commits) commit();
    return { epoch: saved.epoch, ...(saved.step ? { step: saved.step } : {}), metadata: saved.metadata };
  } catch (error) {
    if (error instanceof StateDictError || error instanceof CheckpointError || error instanceof ArgumentError)
      throw new CheckpointError(`${path}: ${error.message}`, { cause: error });
    throw error;
  } finally {
    for (const t of read) t.dispose();
    await file.close();
  }
}

function describe(file: SafetensorsFile): Saved {
  if (file.metadata.get('format') !== FORMAT)
    throw new CheckpointError('this is no checkpoint; loadSafetensors() reads other safetensors files');
  let saved: Partial<Saved> | null = null;
  try {
    saved = JSON.parse(file.metadata.get('checkpoint') ?? '') as Partial<Saved> | null;
  } catch {
    // reported below
  }
  if (typeof saved !== 'object' || saved === null || !Number.isSafeInteger(saved.epoch))
    throw new CheckpointError('its description is damaged');
  const { step = 0 } = saved;
  if (!Number.isSafeInteger(step) || step < 0) throw new CheckpointError('its description is damaged');
  return { ...saved, epoch: saved.epoch!, step, metadata: saved.metadata ?? null };
}

interface Names {
  model: Map<string, string>;
  ema: Map<string, string>;
  optimizer: Map<string, string>;
  rng: Map<string, string>;
}

// The tensors of each part, by their names in it.
function sort(file: SafetensorsFile): Names {
  const names: Names = { model: new Map(), ema: new Map(), optimizer: new Map(), rng: new Map() };
  for (const [key, { dtype, shape }] of file.tensors) {
    const [, kind, name] = /^(model|ema|optimizer|rng)\.(.+)$/s.exec(key) ?? [];
    if (kind === undefined || (kind === 'optimizer' && !/^state\.\d+\.[^.]+$/.test(name!)))
      throw new CheckpointError(`unexpected tensor ${key}`);
    if (kind === 'rng' && (!/^(cpu|cuda:\d+)$/.test(name!) || dtype !== 'int64' || shape.length !== 1 || shape[0] !== 2))
      throw new CheckpointError(`${key}: the state of a generator is int64 [2], this is ${dtype} [${shape.join(', ')}]`);
    names[kind as keyof Names].set(name!, key);
  }
  return names;
}

function entry<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new CheckpointError(`there is no ${what} in it`);
  return found;
}

function part<P extends { type: string }>(found: P | undefined, what: string, owner: object): P {
  if (typeof found !== 'object' || found === null) throw new CheckpointError(`there is no ${what} in it`);
  if (found.type !== owner.constructor.name)
    throw new CheckpointError(`the ${what} in it is of type ${JSON.stringify(found.type)}, not ${owner.constructor.name}`);
  return found;
}

function byParameter(tensors: StateDict): OptimizerState['state'] {
  const result: OptimizerState['state'] = {};
  for (const [key, t] of Object.entries(tensors)) {
    const [, number, name] = key.split('.') as [string, string, string];
    const entry = (result[Number(number)] ??= Object.create(null) as StateDict) as Record<string, Tensor | Tensor[]>;
    const [, list, index] = /^(.+):(\d+)$/.exec(name) ?? [];
    if (list === undefined) entry[name] = t;
    else ((entry[list] ??= []) as Tensor[])[Number(index)] = t;
  }
  return result;
}

function inUse(place: string): boolean {
  return place === 'cpu' || openCudaDevices().some((open) => String(open) === place);
}

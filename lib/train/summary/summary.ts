// SPDX-License-Identifier: Apache-2.0
// What a network consists of and costs, found by running it once.
import { inspect } from 'node:util';
import { noGrad } from '../../autograd/mode.js';
import { ArgumentError } from '../../native/errors.js';
import { checked, number, optionsOf, show } from '../../native/options.js';
import { observed } from '../../native/observer.js';
import { Module, type AnyModule } from '../../nn/module.js';
import { checkInteger } from '../../ops/checks.js';
import { zeros } from '../../ops/creation.js';
import { getRngState, setRngState } from '../../ops/random.js';
import { itemSize, type DType } from '../../tensor/dtype.js';
import { Tensor } from '../../tensor/tensor.js';
import { Tracer, type Field } from './receptive-field.js';
import { renderSummary } from './table.js';
import type { LayerSummary, SummaryTotals } from './types.js';

export interface SummaryOptions {
  /** How deep modules are shown in the table; the result has all. Default 3. */
  depth?: number;
  /** Of inputs given by their shapes. Default 'float32'. */
  dtype?: DType;
}
const summaryOptions = optionsOf<SummaryOptions>({ depth: number, dtype: checked });

export interface TableOptions {
  /** How many characters a line has. Default: as the terminal, or 80. */
  columns?: number;
  depth?: number;
}
const tableOptions = optionsOf<TableOptions>({ columns: number, depth: number });

/** What summary() found. */
export class Summary {
  constructor(
    readonly model: string,
    readonly inputShapes: readonly (readonly number[])[],
    /** In the order of their calls, each container before what it calls. */
    readonly layers: readonly LayerSummary[],
    readonly totals: SummaryTotals,
    private readonly depth: number,
  ) {}

  /** The layer of a name, at its first call. @throws ArgumentError when it was not called */
  layer(name: string): LayerSummary {
    const found = this.layers.find((layer) => layer.name === name);
    if (!found) throw new ArgumentError(`summary: no layer '${name}' was called`);
    return found;
  }

  /** A table for people: for narrow terminals two lines for each layer. */
  toString(options?: TableOptions): string {
    const { columns = process.stdout.columns ?? 80, depth = this.depth } = tableOptions('toString', options);
    return renderSummary(this, columns, depth);
  }
  [inspect.custom](): string {
    return this.toString();
  }

  toJSON(): object {
    const { model, inputShapes, layers, totals } = this;
    return { model, inputShapes, layers, totals };
  }
}

/** Shapes of inputs that are made of zeros, or inputs. */
export type SummaryInputs = readonly number[] | readonly (readonly number[])[] | Tensor | readonly Tensor[];

/**
 * Lists a model's layers with the shapes of their outputs, parameters, multiply-adds, memory and receptive fields.
 *
 * The model runs once, in eval mode and without gradients; its mode, buffers and the random generator are left as they
 * were. Receptive fields are those of the arithmetic, without regard to the image's edges, and follow all operations,
 * whatever module makes them; where branches meet the largest counts.
 *
 * ```ts
 * console.log(summary(models.lenet5(), [1, 1, 28, 28]));
 * ```
 *
 * @param inputs a shape such as [1, 3, 224, 224], a list of them, or tensors
 * @throws ArgumentError for inputs of another kind; whatever forward() throws for inputs that do not fit
 */
export function summary(model: AnyModule, inputs: SummaryInputs, options?: SummaryOptions): Summary {
  const { depth = 3, dtype = 'float32' } = summaryOptions('summary', options, arguments.length > 3);
  if (!(model instanceof Module)) throw new ArgumentError(`summary: expected a Module, got ${show(model)}`);
  checkInteger(depth, 0, 'summary', 'depth');
  const place = model.parameters()[0]?.device;
  const args = tensorsOf(inputs).map((x) => (x instanceof Tensor ? x : zeros([...x], { dtype, ...(place && { device: place }) })));
  const trace = new Trace(model, args);
  const modes = model.modules().map((module) => [module, module.training] as const);
  const rng = getRngState(place ?? 'cpu');
  try {
    model.eval();
    noGrad(() => trace.run());
  } finally {
    for (const [module, training] of modes) module.training = training;
    setRngState(rng, place ?? 'cpu');
  }
  return trace.result(depth);
}

function tensorsOf(inputs: SummaryInputs): readonly (Tensor | readonly number[])[] {
  if (inputs instanceof Tensor) return [inputs as Tensor];
  if (Array.isArray(inputs) && inputs.length > 0) {
    if (inputs.every((x) => typeof x === 'number')) return [inputs as number[]];
    if (inputs.every((x) => x instanceof Tensor || Array.isArray(x))) return inputs as (Tensor | number[])[];
  }
  throw new ArgumentError('summary: expected the shape of an input, a list of shapes, or tensors');
}

type Open = { -readonly [K in keyof LayerSummary]: LayerSummary[K] } & { macsBefore: number };

// Follows the calls of all modules through hooks, and the native calls beside them.
class Trace {
  readonly #tracer = new Tracer();
  readonly #layers: LayerSummary[] = [];
  readonly #stack: Open[] = [];
  readonly #seen = new Set<AnyModule>();

  constructor(
    private readonly model: AnyModule,
    private readonly args: readonly Tensor[],
  ) {}

  run(): void {
    const removers: (() => void)[] = [];
    try {
      for (const [name, module] of this.model.namedModules()) {
        removers.push(module.registerForwardPreHook((_: unknown, args: unknown[]) => this.#enter(name, module, args)));
        removers.push(module.registerForwardHook((_: unknown, _args: unknown, output: unknown) => this.#leave(output)));
      }
      for (const x of this.args) this.#tracer.begin(x);
      observed(this.#tracer, () => this.model.forward(...this.args));
    } finally {
      for (const remove of removers) remove();
    }
  }

  #enter(name: string, module: AnyModule, args: readonly unknown[]): void {
    const again = this.#seen.has(module);
    this.#seen.add(module);
    const parameters = again ? [] : module.parameters();
    const weight = (module as unknown as { weight?: unknown }).weight;
    const x = args.find((value) => value instanceof Tensor) as Tensor | undefined;
    const open: Open = {
      name,
      type: module.constructor.name,
      depth: this.#stack.length,
      isLeaf: module.children().length === 0,
      inputShape: x ? [...x.shape] : null,
      outputShape: null,
      kernelShape: weight instanceof Tensor && weight.ndim >= 2 ? [...weight.shape] : null,
      params: parameters.reduce((n, p) => n + p.numel, 0),
      trainableParams: parameters.reduce((n, p) => n + (p.requiresGrad ? p.numel : 0), 0),
      multAdds: 0,
      activationBytes: 0,
      receptiveField: null,
      jump: null,
      again,
      macsBefore: this.#tracer.macs,
    };
    this.#stack.push(open);
    this.#layers.push(open);
  }

  #leave(output: unknown): void {
    const open = this.#stack.pop()!;
    open.multAdds = this.#tracer.macs - open.macsBefore;
    delete (open as Partial<Open>).macsBefore;
    const outputs = tensorsIn(output);
    const [y] = outputs;
    if (y) {
      open.outputShape = [...y.shape];
      const field = this.#tracer.fieldOf(y);
      if (field) Object.assign(open, shownField(field));
    }
    if (open.isLeaf) {
      open.activationBytes = outputs.reduce((n, t) => n + (this.#takesMemory(t) ? t.numel * itemSize(t.dtype) : 0), 0);
    }
    const parent = this.#stack.at(-1);
    if (parent) parent.activationBytes += open.activationBytes;
  }

  // Each tensor counts once, where it is first the result of a leaf.
  #counted = new WeakSet<Tensor>();
  #takesMemory(t: Tensor): boolean {
    if (this.#tracer.isView(t) || this.#counted.has(t) || this.args.includes(t)) return false;
    this.#counted.add(t);
    return true;
  }

  result(depth: number): Summary {
    const parameters = this.model.parameters();
    const bytes = (tensors: readonly Tensor[]) => tensors.reduce((n, t) => n + t.numel * itemSize(t.dtype), 0);
    const totals: SummaryTotals = {
      params: parameters.reduce((n, p) => n + p.numel, 0),
      trainableParams: parameters.reduce((n, p) => n + (p.requiresGrad ? p.numel : 0), 0),
      multAdds: this.#tracer.macs,
      inputBytes: bytes(this.args),
      forwardBackwardBytes: 2 * this.#layers[0]!.activationBytes,
      paramsBytes: bytes(parameters as Tensor[]),
    };
    const shapes = this.args.map((x) => [...x.shape]);
    return new Summary(this.model.constructor.name, shapes, this.#layers, totals, depth);
  }
}

function shownField({ size, jump }: Field): Pick<LayerSummary, 'receptiveField' | 'jump'> {
  return { receptiveField: size, jump: jump.length > 0 ? jump : null };
}

function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value as Tensor];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(tensorsIn);
}

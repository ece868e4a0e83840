// SPDX-License-Identifier: Apache-2.0
// Hooks on the gradients of a module: its tensor arguments and its results pass a gate, an operation that changes nothing
// and whose gradient shows what comes by.
import { defineOp, type Context } from '../autograd/op.js';
import { ArgumentError, AutogradError } from '../native/errors.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';

/** One for each argument or result: null for what is no tensor, or has no gradient. */
export type ModuleGradients = readonly (Tensor | null)[];
export type BackwardPreHook = (module: object, gradOutput: ModuleGradients) => ModuleGradients | Tensor | void;
export type BackwardHook = (module: object, gradInput: ModuleGradients, gradOutput: ModuleGradients) => ModuleGradients | Tensor | void;

type Show = (grads: ModuleGradients) => ModuleGradients;

const gate = defineOp({
  name: 'backwardHook',
  inputs: 'list',
  forward(ctx: Context<Show>, tensors: readonly Tensor[], show: Show): Tensor[] {
    ctx.keep(show);
    return tensors.map((t) => t.detach());
  },
  backward: (grads, ctx) => ctx.params(grads),
});

// `values` with those that require gradients behind a gate; `show` sees all gradients, in the values' places.
function guard(values: readonly unknown[], show: Show): { passed: unknown[]; places: number[] } {
  const places = values.flatMap((v, i) => (v instanceof Tensor && v.requiresGrad ? [i] : []));
  const passed = [...values];
  if (places.length === 0) return { passed, places };
  const behind = gate(places.map((i) => values[i] as Tensor), (grads) => {
    const all = new Array<Tensor | null>(values.length).fill(null);
    places.forEach((at, i) => (all[at] = grads[i]!));
    for (const g of grads) if (g) g.inFlight++; // hooks may keep it
    const shown = show(all);
    return places.map((at) => shown[at]!);
  });
  places.forEach((at, i) => (passed[at] = behind[i]));
  return { passed, places };
}

/** One call of a module with backward hooks. */
export class BackwardWatch {
  #gradOutput: ModuleGradients = [];
  #arguments = 0;
  #guarded = false;

  constructor(
    private readonly module: object,
    private readonly before: Iterable<BackwardPreHook>,
    private readonly after: Iterable<BackwardHook>,
  ) {}

  inputs(args: readonly unknown[]): unknown[] {
    const { passed, places } = guard(args, (grads) => this.#finish(grads));
    this.#arguments = args.length;
    this.#guarded = places.length > 0;
    return passed;
  }

  outputs(result: unknown): unknown {
    const list: readonly unknown[] = Array.isArray(result) ? result : [result];
    if (!list.some((t) => t instanceof Tensor))
      throw new ArgumentError(
        `${this.module.constructor.name}: backward hooks are for modules that return a tensor or an array of tensors`,
      );
    const { passed } = guard(list, (grads) => {
      let shown = grads;
      for (const hook of [...this.before]) shown = replaced(shown, hook(this.module, shown), 'registerFullBackwardPreHook');
      this.#gradOutput = shown;
      if (!this.#guarded) this.#finish(new Array<null>(this.#arguments).fill(null));
      return shown;
    });
    return Array.isArray(result) ? passed : passed[0];
  }

  #finish(gradInput: ModuleGradients): ModuleGradients {
    let shown = gradInput;
    for (const hook of [...this.after])
      shown = replaced(shown, hook(this.module, shown, this.#gradOutput), 'registerFullBackwardHook');
    return shown;
  }
}

function replaced(grads: ModuleGradients, value: ModuleGradients | Tensor | void, where: string): ModuleGradients {
  if (value === undefined) return grads;
  const list = value instanceof Tensor ? [value] : value;
  if (!Array.isArray(list) || list.length !== grads.length)
    throw new AutogradError(`${where}: the hook must return ${grads.length} gradients, or nothing`);
  return grads.map((g, i) => {
    const other = (list as ModuleGradients)[i] ?? null;
    if (other === g) return g;
    if (!g || (other && (!sameShape(other.shape, g.shape) || other.dtype !== g.dtype)))
      throw new AutogradError(
        `${where}: gradient ${i} must be ${g ? `of shape ${formatShape(g.shape)} and dtype ${g.dtype}` : 'null'}, got ` +
          (other ? `${formatShape(other.shape)} ${other.dtype}` : 'null'),
      );
    if (other) other.inFlight++; // it is the user's
    return other;
  });
}

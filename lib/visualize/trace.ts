// SPDX-License-Identifier: Apache-2.0
// What every layer of a network makes of one image.
import { noGrad } from '../autograd/mode.js';
import { ArgumentError, ShapeError } from '../native/errors.js';
import type { AnyModule, Module } from '../nn/module.js';
import { unsqueeze } from '../ops/view.js';
import { formatShape } from '../tensor/shape.js';
import { checkTensor, Tensor } from '../tensor/tensor.js';

/** One call of a layer without children. */
export interface LayerCall {
  /** The layer's path, such as 'features.0'. */
  readonly name: string;
  readonly module: AnyModule;
  readonly input: Tensor;
  readonly output: Tensor;
}

/** A batch of one: [1, C, H, W] of [C, H, W] or [1, C, H, W]. @throws ShapeError for anything else */
export function oneImage(image: Tensor, where: string): Tensor {
  checkTensor(image, where, 'image');
  if (image.ndim === 3) return unsqueeze(image, 0);
  if (image.ndim === 4 && image.shape[0] === 1) return image;
  throw new ShapeError(`${where}: expected one image [C, H, W] or [1, C, H, W], got ${formatShape(image.shape)}`);
}

/** Runs `body` in eval mode and without recording gradients unless `recorded`; the mode of every module is restored. */
export function inEvalMode<R>(model: AnyModule, body: () => R): R {
  const modes = model.modules().map((module) => [module, module.training] as const);
  model.eval();
  try {
    return body();
  } finally {
    for (const [module, training] of modes) module.training = training;
  }
}

/**
 * The calls of the layers that have no children, in their order, for one image in eval mode.
 *
 * @param image [C, H, W] or [1, C, H, W]
 * @returns the calls, and what the network returns
 */
export function trace(model: Module, image: Tensor, where = 'trace'): { calls: LayerCall[]; output: Tensor } {
  const x = oneImage(image, where);
  const calls: LayerCall[] = [];
  const removers = model
    .namedModules()
    .filter(([, module]) => module.children().length === 0)
    .map(([name, module]) =>
      module.registerForwardHook((_: unknown, [input]: unknown[], output: unknown) => {
        if (input instanceof Tensor && output instanceof Tensor)
          calls.push({ name, module, input: input as Tensor, output: output as Tensor });
      }),
    );
  try {
    const output = inEvalMode(model, () => noGrad(() => model.forward(x)));
    return { calls, output: firstTensor(output) };
  } finally {
    for (const remove of removers) remove();
  }
}

// Networks with auxiliary heads return several results.
function firstTensor(output: unknown): Tensor {
  if (output instanceof Tensor) return output as Tensor;
  const found = output !== null && typeof output === 'object' ? Object.values(output).find((t) => t instanceof Tensor) : undefined;
  if (!found) throw new ArgumentError('trace: the network returns no tensor');
  return found as Tensor;
}

/** The module at a path, or the only one whose path ends in it. @throws ArgumentError that lists the candidates */
export function layerAt(model: AnyModule, name: string, accepts: (module: AnyModule) => boolean, where: string): AnyModule {
  const candidates = model.namedModules().filter(([, module]) => accepts(module));
  const exact = candidates.find(([path]) => path === name);
  const ends = candidates.filter(([path]) => path.endsWith(`.${name}`));
  const found = exact ?? (ends.length === 1 ? ends[0] : undefined);
  if (found) return found[1];
  const names = candidates.map(([path]) => path);
  throw new ArgumentError(`${where}: there is no such layer: ${name}; there are ${names.join(', ') || 'none'}`);
}

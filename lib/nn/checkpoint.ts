// SPDX-License-Identifier: Apache-2.0
// Memory for time: what a part of a network computes is forgotten, and computed again for the backward pass.
import { types } from 'node:util';
import { enableGrad, isGradEnabled } from '../autograd/mode.js';
import { Segment } from '../autograd/recompute.js';
import { ArgumentError, AutogradError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { checkInteger } from '../ops/checks.js';
import { restoreGenerators, saveGenerators } from '../ops/random.js';
import { formatShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { Sequential } from './containers.js';
import type { AnyModule } from './module.js';

type Computation<A extends unknown[], R> = ((...args: A) => R) | { forward(...args: A): R };

/**
 * Calls `fn` without keeping what its operations save for their gradients: when backward() gets there, it is called once
 * more to have it again (Chen et al., "Training deep nets with sublinear memory cost", arXiv:1604.06174). Gradients reach
 * the arguments and all parameters that `fn` uses. Random numbers repeat, and running statistics count once.
 *
 * @param fn a synchronous function, or a module
 * @returns what `fn` returns
 * @throws ArgumentError for an asynchronous function. backward() throws AutogradError when `fn` computes something else
 * the second time, or something it uses was changed in place since
 */
export function checkpoint<A extends unknown[], R>(fn: Computation<A, R>, ...args: A): R {
  if (typeof fn !== 'function' && typeof fn?.forward !== 'function')
    throw new ArgumentError('checkpoint: expected a function or a module');
  const call = () => (typeof fn === 'function' ? fn(...args) : fn.forward(...args));
  if (!isGradEnabled()) return call();
  const generators = saveGenerators();
  const versions = args.flatMap((x) => (x instanceof Tensor ? [{ x, version: x.version, count: x.version.count }] : []));
  const segment = new Segment(() => {
    for (const { x, version, count } of versions)
      if (x.version !== version || version.count !== count)
        throw new AutogradError(`checkpoint: an argument of shape ${formatShape(x.shape)} was changed in place since`);
    const now = saveGenerators();
    restoreGenerators(generators);
    try {
      enableGrad(call);
    } finally {
      restoreGenerators(now);
    }
  });
  const result = segment.record(call);
  if (types.isPromise(result)) throw new ArgumentError('checkpoint: the function must not be asynchronous');
  return result;
}

/**
 * Runs modules one after the other in `segments` parts of about equal length, each but the last as a checkpoint().
 *
 * @param modules a Sequential, or the modules themselves
 * @param segments from 1 to the number of modules
 * @throws ArgumentError for another number of segments
 */
export function checkpointSequential(modules: Iterable<AnyModule>, segments: number, input: Tensor): Tensor {
  noMore('checkpointSequential', arguments.length > 3);
  const list = [...modules];
  checkInteger(segments, 1, 'checkpointSequential', 'segments');
  if (segments > list.length)
    throw new ArgumentError(`checkpointSequential: there are ${list.length} modules for ${segments} segments`);
  const size = Math.floor(list.length / segments);
  let x = input;
  for (let i = 0; i < segments; i++) {
    const last = i === segments - 1;
    const part = new Sequential(...(list.slice(i * size, last ? undefined : (i + 1) * size) as never)) as Sequential;
    x = last ? part.forward(x) : checkpoint(part, x);
  }
  return x;
}

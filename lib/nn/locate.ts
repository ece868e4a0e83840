// SPDX-License-Identifier: Apache-2.0
// Errors inside a network say in which layer: 'features.3 (Conv2d): conv2d: ...'. The methods forward() of all classes
// let errors pass through here; nothing else is done for it while all goes well.
import { isRecomputing } from '../autograd/recompute.js';
import { LenodeError } from '../native/errors.js';

interface Located {
  readonly constructor: { readonly name: string };
  namedModules(): [name: string, module: object][];
}
type Forward = (this: Located, ...args: unknown[]) => unknown;

/** The innermost module that an error came from, and what it said there. */
const origins = new WeakMap<LenodeError, { readonly module: Located; readonly message: string }>();

/** An error that passes a module, with the path from there to where it came from. */
export function located(error: unknown, module: Located): unknown {
  // While checkpoint() computes again, the layer is only where it was noticed that the function is another.
  if (!(error instanceof LenodeError) || isRecomputing()) return error;
  const origin = origins.get(error);
  if (!origin) origins.set(error, { module, message: error.message });
  else {
    const [path] = module.namedModules().find(([name, m]) => name !== '' && m === origin.module) ?? [];
    if (path !== undefined) error.restate(`${path} (${origin.module.constructor.name}): ${origin.message}`);
  }
  return error;
}

const seen = new WeakSet<object>();

/** Makes the errors of a class's forward(), and of those it inherits, pass through located(). */
export function locateErrors(prototype: object, end: object): void {
  for (let own = prototype; own !== end && !seen.has(own); own = Object.getPrototypeOf(own) as object) {
    seen.add(own);
    const descriptor = Object.getOwnPropertyDescriptor(own, 'forward');
    if (typeof descriptor?.value !== 'function' || !descriptor.configurable) continue;
    const forward = descriptor.value as Forward;
    const value: Forward = function (...args) {
      try {
        return forward.apply(this, args);
      } catch (error) {
        throw located(error, this);
      }
    };
    Object.defineProperty(value, 'name', { value: 'forward' });
    Object.defineProperty(value, 'length', { value: forward.length });
    Object.defineProperty(own, 'forward', { ...descriptor, value });
  }
}

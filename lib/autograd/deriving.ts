// SPDX-License-Identifier: Apache-2.0
// Whether a gradient is being computed that is itself to be differentiated. Kernels then record themselves, which they do
// at no other time, and a native call by anything else that depends on what is recorded is refused: its part of the
// gradient's gradient would be missing.
import { AutogradError } from '../native/errors.js';
import { observed, observer, type Observer, type Operands } from '../native/observer.js';
import type { Tensor } from '../tensor/tensor.js';
import { isFloating } from '../tensor/dtype.js';

let deriving = false;

/** Whether kernels are to record themselves. */
export function isDeriving(): boolean {
  return deriving;
}

function set<R>(value: boolean, body: () => R): R {
  const before = deriving;
  deriving = value;
  try {
    return body();
  } finally {
    deriving = before;
  }
}

/** Runs `body`, the inside of something that is recorded as a whole. */
export function within<R>(body: () => R): R {
  return deriving ? set(false, body) : body();
}

function refuse(name: string): never {
  throw new AutogradError(`${name}: there is no gradient of its gradient (createGraph)`);
}

const recorded = (t: unknown): boolean => t !== null && (t as Tensor).requiresGrad === true;

/** Runs `body`, the gradient of operation `name`, so that it is recorded. */
export function derive<R>(name: string, body: () => R): R {
  const before = observer;
  const differentiable = (outputs: Operands) => outputs.some((t) => t !== null && isFloating((t as Tensor).dtype));
  const guard: Observer = {
    call(op, inputs, outputs, attrs) {
      if (deriving && inputs.some(recorded) && differentiable(outputs)) refuse(name);
      return before?.call(op, inputs, outputs, attrs);
    },
    view(base, object, offset) {
      if (deriving && recorded(base)) refuse(name);
      return before?.view(base, object, offset);
    },
    allocate: (object) => before?.allocate?.(object),
    release: (object) => before?.release?.(object) ?? false,
    get defers() {
      return before?.defers ?? false;
    },
  };
  return observed(guard, () => set(true, body));
}

/** For what a saved tensor that is neither argument nor result of an operation would leave out. */
export function refuseOpaque(name: string): never {
  refuse(name);
}

// SPDX-License-Identifier: Apache-2.0
// Finding the operation whose gradient goes wrong.
import { LenodeError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { fresh, type Tensor } from '../tensor/tensor.js';
import { checkBody, Mode } from './mode.js';

const checking = new Mode(false);

/**
 * Runs `body`, which computes a loss and calls backward(), and throws when a gradient has NaN: an AutogradError that names
 * the operation and whose stack is that of its call in the forward pass, as is that of any other error in its gradient.
 * Slow, as every gradient is looked at. `body` may be asynchronous.
 */
export function detectAnomaly<R>(body: () => R): R {
  checkBody(body, 'detectAnomaly', arguments.length > 1);
  return checking.with(true, body);
}

/** The place of the call, if anomalies are looked for. */
export function markOrigin(): Error | null {
  if (!checking.get()) return null;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 30;
  const origin = new Error();
  Error.stackTraceLimit = limit;
  return origin;
}

/** Runs `body`; its errors point at `origin`. */
export function blaming<R>(origin: Error, body: () => R): R {
  try {
    return body();
  } catch (error) {
    if (error instanceof LenodeError && origin.stack) error.adoptStack(origin.stack);
    throw error;
  }
}

/** Blocks until the device has caught up. */
export function hasNaN(t: Tensor): boolean {
  const where = fresh(t.shape, 'bool', t.device);
  const any = fresh([], 'bool', t.device);
  run(Op.isnan, [t], [where], []);
  run(Op.any, [where], [any], [2 ** t.ndim - 1]);
  return any.itemSync();
}

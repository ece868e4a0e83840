// SPDX-License-Identifier: Apache-2.0
// What steps return: tensors, in arrays and objects.
import { CaptureError } from '../native/errors.js';
import { Tensor } from '../tensor/tensor.js';

/** The same structure with `change` of every tensor in it. @throws CaptureError for anything but tensors */
export function mapTensors(value: unknown, change: (t: Tensor) => unknown): unknown {
  if (value instanceof Tensor) return change(value as Tensor);
  if (value === undefined || value === null) return value;
  if (Array.isArray(value)) return value.map((entry) => mapTensors(entry, change));
  if (typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value) as null))
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, mapTensors(entry, change)]));
  throw new CaptureError(
    `capture: the step returned ${typeof value === 'object' ? `a ${value.constructor.name}` : `the ${typeof value} ${String(value)}`}, ` +
      'which a replay could not compute; return tensors, in arrays or objects',
  );
}

/** The results of a step that ran plainly, without the recorded computation behind them. */
export function detached<R>(value: R): R {
  return mapTensors(value, (t) => (t.gradFn ? t.detach() : t)) as R;
}

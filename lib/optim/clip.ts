// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, LenodeError } from '../native/errors.js';
import { boolean, noMore, number, optionsOf, show } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { checkFloat, checkNumber } from '../ops/checks.js';
import { fullKernel } from '../ops/kernels.js';
import { moveTo } from '../ops/transfer.js';
import { Device } from '../tensor/device.js';
import { checkTensor, fresh, Tensor } from '../tensor/tensor.js';

export interface ClipOptions {
  /** p of the p-norm; may be Infinity. Default 2. */
  normType?: number;
  /** Throw if the norm is infinite or NaN. Waits for the norm and blocks the event loop. Default false. */
  errorIfNonfinite?: boolean;
}
const clipOptions = optionsOf<ClipOptions>({ normType: number, errorIfNonfinite: boolean });

function gradientsOf(parameters: Tensor | Iterable<Tensor>, where: string): Tensor[] {
  const isList = typeof parameters === 'object' && parameters !== null && Symbol.iterator in parameters;
  if (!(parameters instanceof Tensor) && !isList)
    throw new ArgumentError(`${where}: expected parameters in an array or another iterable, got ${show(parameters)}`);
  const list = parameters instanceof Tensor ? [parameters as Tensor] : [...parameters];
  return list.flatMap((p) => checkTensor(p, where, 'a parameter').grad ?? []);
}

function byDevice(tensors: readonly Tensor[]): Map<Device, Tensor[]> {
  const result = new Map<Device, Tensor[]>();
  for (const t of tensors) if (!result.get(t.device)?.push(t)) result.set(t.device, [t]);
  return result;
}

// The norm of all tensors, on the first one's device: the norm of norms is the norm of all.
function normOf(tensors: readonly Tensor[], p: number): Tensor {
  if (tensors.length === 0) return fullKernel([], 0, 'float32', Device.cpu);
  const norms = [...byDevice(tensors).values()].map((list) => deviceNorm(list, p));
  const first = norms[0]!.device;
  return norms.length === 1 ? norms[0]! : deviceNorm(norms.map((n) => moveTo(n, first)), p);
}

function checkFinite(norm: Tensor, where: string): void {
  if (!Number.isFinite(norm.itemSync())) throw new LenodeError(`${where}: the norm of the gradients is ${norm.itemSync()}`);
}

function deviceNorm(tensors: readonly Tensor[], p: number): Tensor {
  const dtype = tensors.every((t) => t.dtype === 'float64') ? 'float64' : 'float32';
  const norm: Tensor = fresh([], dtype, tensors[0]!.device);
  run(Op.totalNorm, [...tensors], [norm], [p]);
  return norm;
}

/**
 * Scales gradients down in place so that the norm of all of them together is at most `maxNorm` (Pascanu et al.,
 * arXiv:1211.5063).
 *
 * @returns the norm before, a scalar
 * @throws ArgumentError for a negative maxNorm; LenodeError with errorIfNonfinite
 */
export function clipGradNorm_(
  parameters: Tensor | Iterable<Tensor>,
  maxNorm: number,
  options?: ClipOptions,
): Tensor {
  const { normType = 2, errorIfNonfinite = false } = clipOptions('clipGradNorm_', options, arguments.length > 3);
  const where = 'clipGradNorm_';
  checkNumber(maxNorm, 0, Infinity, where, 'maxNorm');
  checkNumber(normType, -Infinity, Infinity, where, 'normType');
  const grads = gradientsOf(parameters, where);
  const norm = normOf(grads, normType);
  if (errorIfNonfinite) checkFinite(norm, where);
  for (const [device, list] of byDevice(grads)) {
    run(Op.clipScale, [device === norm.device ? norm : moveTo(norm, device)], list, [maxNorm]);
    for (const g of list) g.version.count++;
  }
  return norm;
}

/**
 * The norm of all elements of some tensors together, of the gradients for instance: a scalar, on the first one's device.
 *
 * @throws ArgumentError for a norm that is no number; LenodeError with errorIfNonfinite
 */
export function getTotalNorm(
  tensors: Tensor | Iterable<Tensor>,
  options?: ClipOptions,
): Tensor {
  const { normType = 2, errorIfNonfinite = false } = clipOptions('getTotalNorm', options, arguments.length > 2);
  const where = 'getTotalNorm';
  checkNumber(normType, -Infinity, Infinity, where, 'normType');
  const list = tensors instanceof Tensor ? [tensors as Tensor] : [...tensors];
  for (const t of list) checkFloat(checkTensor(t, where, 'a tensor'), where, 'a tensor');
  const norm = normOf(list, normType);
  if (errorIfNonfinite) checkFinite(norm, where);
  return norm;
}

/** Limits each element of the gradients to [-clipValue, clipValue], in place. @throws ArgumentError if it is negative */
export function clipGradValue_(parameters: Tensor | Iterable<Tensor>, clipValue: number): void {
  noMore('clipGradValue_', arguments.length > 2);
  checkNumber(clipValue, 0, Infinity, 'clipGradValue_', 'clipValue');
  for (const g of gradientsOf(parameters, 'clipGradValue_')) {
    run(Op.clamp, [g], [g], [-clipValue, clipValue]);
    g.version.count++;
  }
}

// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, DTypeError, LenodeError } from '../native/errors.js';
import { number, optionsOf } from '../native/options.js';
import { fromArray, Tensor } from '../tensor/tensor.js';
import { backward } from './engine.js';
import { withoutGrad } from './mode.js';

export interface GradcheckOptions {
  /** Step of the central difference. Default 1e-6. */
  eps?: number;
  /** Absolute tolerance. Default 1e-5. */
  atol?: number;
  /** Relative tolerance. Default 1e-3. */
  rtol?: number;
}
const gradcheckOptions = optionsOf<GradcheckOptions>({ eps: number, atol: number, rtol: number });

/** A gradient that differs from the numerical one. */
export class GradcheckError extends LenodeError {}

/**
 * Compares the gradients of `fn` with central differences, in float64.
 *
 * @param fn a deterministic function of tensors that returns one tensor or several
 * @param inputs its arguments; those that require gradients must be float64 leaves and are checked
 * @returns true
 * @throws GradcheckError naming the input, the element and both numbers
 */
export async function gradcheck(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options?: GradcheckOptions,
): Promise<true> {
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3 } = gradcheckOptions('gradcheck', options, arguments.length > 3);
  const checked = inputs.filter((t) => t.requiresGrad);
  if (checked.length === 0) throw new ArgumentError('gradcheck: no input requires gradients');
  for (const t of checked)
    if (t.dtype !== 'float64') throw new DTypeError(`gradcheck: inputs must be float64, got ${t.dtype}`);

  const outputsOf = (args: readonly Tensor[]) => {
    const result = fn(...args);
    return (result instanceof Tensor ? [result] : [...result]).filter((t) => t.dtype === 'float64');
  };
  // Leaves of their own, so that the caller's gradients stay as they are.
  const leaves = inputs.map((t) => (t.requiresGrad ? t.detach().requiresGrad_() : t));
  const outputs = outputsOf(leaves);
  // One random direction per output: the gradient of <direction, output> is a vector-Jacobian product.
  const directions = outputs.map((t, k) => Float64Array.from({ length: t.numel }, (_, i) => Math.sin(1 + i * 1.7 + k)));
  outputs.forEach((t, k) => {
    if (t.requiresGrad)
      backward(t, fromArray(directions[k]!, t.shape, 'float64', t.device) as Tensor, { retainGraph: true });
  });

  const project = async (args: readonly Tensor[]) => {
    const values = await Promise.all(withoutGrad(() => outputsOf(args)).map((t) => t.data()));
    let sum = 0;
    values.forEach((v, k) => (v as Float64Array).forEach((x, i) => (sum += x * directions[k]![i]!)));
    return sum;
  };
  for (const [k, leaf] of leaves.entries()) {
    if (!inputs[k]!.requiresGrad) continue;
    const values = (await leaf.data()) as Float64Array;
    const analytic = leaf.grad ? ((await leaf.grad.data()) as Float64Array) : new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const at = async (delta: number) => {
        const moved = values.slice();
        moved[i]! += delta;
        const t = fromArray(moved, leaf.shape, 'float64', leaf.device) as Tensor;
        return project(leaves.map((other, j) => (j === k ? t : other.detach())));
      };
      const numeric = ((await at(eps)) - (await at(-eps))) / (2 * eps);
      const difference = Math.abs(numeric - analytic[i]!);
      if (!(difference <= atol + rtol * Math.abs(numeric)))
        throw new GradcheckError(
          `gradcheck: input ${k}, element ${i}: the gradient is ${analytic[i]}, central differences give ${numeric}`,
        );
    }
  }
  return true;
}

// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, DTypeError, LenodeError } from '../native/errors.js';
import { boolean, number, optionsOf } from '../native/options.js';
import { fromArray, Tensor } from '../tensor/tensor.js';
import { backward, grad } from './engine.js';
import { withGrad, withoutGrad } from './mode.js';

export interface GradcheckOptions {
  /** Step of the central difference. Default 1e-6. */
  eps?: number;
  /** Absolute tolerance. Default 1e-5. */
  atol?: number;
  /** Relative tolerance. Default 1e-3. */
  rtol?: number;
  /** Compare along one direction for each input instead of element by element. Default false. */
  fast?: boolean;
}
const gradcheckOptions = optionsOf<GradcheckOptions>({ eps: number, atol: number, rtol: number, fast: boolean });

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
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, fast = false } = gradcheckOptions('gradcheck', options, arguments.length > 3);
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
    const values = await Promise.all(withoutGrad(() => outputsOf(args)).map((t) => t.detach().data()));
    let sum = 0;
    values.forEach((v, k) => (v as Float64Array).forEach((x, i) => (sum += x * directions[k]![i]!)));
    return sum;
  };
  for (const [k, leaf] of leaves.entries()) {
    if (!inputs[k]!.requiresGrad) continue;
    const values = (await leaf.data()) as Float64Array;
    const analytic = leaf.grad ? ((await leaf.grad.data()) as Float64Array) : new Float64Array(values.length);
    // The directions to go: all of them together, or one axis after the other.
    const along = Float64Array.from(values, (_, i) => Math.sin(3 + i * 2.3));
    const slope = analytic.reduce((sum, g, i) => sum + g * along[i]!, 0);
    for (let i = 0; i < (fast ? Math.min(1, values.length) : values.length); i++) {
      const at = async (delta: number) => {
        const moved = values.map((x, j) => (fast ? x + delta * along[j]! : j === i ? x + delta : x));
        const t = fromArray(moved, leaf.shape, 'float64', leaf.device) as Tensor;
        return project(leaves.map((other, j) => (j === k ? t : other.detach())));
      };
      const numeric = ((await at(eps)) - (await at(-eps))) / (2 * eps);
      const expected = fast ? slope : analytic[i]!;
      const difference = Math.abs(numeric - expected);
      if (!(difference <= atol + rtol * Math.abs(numeric)))
        throw new GradcheckError(
          `gradcheck: input ${k}, ${fast ? 'along one direction' : `element ${i}`}: the gradient is ${expected}, ` +
            `central differences give ${numeric}`,
        );
    }
  }
  return true;
}

/**
 * Compares the gradients of the gradients of `fn` with central differences, in float64: gradcheck() of the function that
 * takes `inputs` and the incoming gradients to the gradients of `inputs`.
 *
 * @param fn a deterministic function of tensors that returns one tensor or several
 * @param inputs its arguments; those that require gradients must be float64 leaves and are checked
 * @returns true
 * @throws GradcheckError naming the input (first those of `inputs` that require gradients, then the incoming gradients),
 * the element and both numbers; AutogradError when an operation has no gradient of its gradient
 */
export async function gradgradcheck(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options?: GradcheckOptions,
): Promise<true> {
  options = gradcheckOptions('gradgradcheck', options, arguments.length > 3);
  const checkedAt = inputs.flatMap((t, i) => (t.requiresGrad ? [i] : []));
  const outputsOf = (args: readonly Tensor[]) => {
    const result = fn(...args);
    return (result instanceof Tensor ? [result] : [...result]).filter((t) => t.dtype === 'float64' && t.requiresGrad);
  };
  const outputs = withGrad(() => outputsOf(inputs));
  if (checkedAt.length === 0 || outputs.length === 0) throw new ArgumentError('gradgradcheck: nothing requires gradients');
  const upstream = outputs.map((t, k) => {
    const values = Float64Array.from({ length: t.numel }, (_, i) => Math.cos(2 + i * 1.3 + k));
    return (fromArray(values, t.shape, 'float64', t.device) as Tensor).requiresGrad_();
  });
  const gradients = (...args: Tensor[]): Tensor[] =>
    withGrad(() => {
      const leaves = inputs.map((t, i) => (checkedAt.includes(i) ? args[checkedAt.indexOf(i)]! : t));
      // Where gradcheck() takes differences they are no leaves of anything.
      const own = leaves.map((t, i) => (checkedAt.includes(i) && !t.requiresGrad ? t.detach().requiresGrad_() : t));
      const wanted = checkedAt.map((i) => own[i]!);
      const gradOutputs = args.slice(checkedAt.length);
      return grad(outputsOf(own), wanted, { gradOutputs, createGraph: true, allowUnused: true }).filter((g) => g !== null);
    });
  return gradcheck(gradients, [...checkedAt.map((i) => inputs[i]!), ...upstream], options);
}

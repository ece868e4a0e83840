// SPDX-License-Identifier: Apache-2.0
// Mixed precision: which operations compute in a half type and which in float32 while autocast() is on. The operations
// say so themselves, by passing their arguments through lower(), full() or widest() before they check them. The lists are
// PyTorch's: products and convolutions are lowered; losses, softmax, exponentials, logarithms, powers and the
// normalisations of layers and groups are computed in float32; the others take what they get.
import { types } from 'node:util';
import { Mode } from '../autograd/mode.js';
import { ArgumentError } from '../native/errors.js';
import { boolean, noMore, optionsOf } from '../native/options.js';
import { stepNow } from '../native/recording.js';
import { isFloating, type DType } from '../tensor/dtype.js';
import { hold, letGoOf, Tensor } from '../tensor/tensor.js';
import { cast, castInside } from './promote.js';

export interface AutocastOptions {
  /** Whether it does anything: false switches an outer autocast() off. Default true. */
  enabled?: boolean;
  /** Whether the half form of a parameter is kept until the end, for layers that are called again. Default true. */
  cacheEnabled?: boolean;
}
const autocastOptions = optionsOf<AutocastOptions>({ enabled: boolean, cacheEnabled: boolean });

interface Scope {
  readonly dtype: 'bfloat16' | 'float16';
  /** Half forms of leaves, with the version of the values that they were made from. */
  readonly cache: Map<Tensor, { version: number; recorded: boolean; half: Tensor }> | null;
}

const mode = new Mode<Scope | null>(null, (scope) => scope?.dtype ?? null);

/**
 * Runs `body` with mixed precision (Micikevicius et al., arXiv:1710.03740): convolutions and matrix products compute in
 * `dtype`, sensitive operations in float32. Parameters stay as they are. Only the forward pass and the loss belong inside;
 * backward() uses the types of the forward pass. float64 is left alone. `body` may be asynchronous.
 *
 * ```ts
 * const loss = amp.autocast('bfloat16', () => F.crossEntropy(model.forward(images), labels));
 * loss.backward();
 * ```
 *
 * With 'float16', small gradients vanish: scale the loss with a GradScaler.
 *
 * @throws ArgumentError for another dtype
 */
export function autocast<R>(dtype: 'bfloat16' | 'float16', body: () => R, options?: AutocastOptions): R {
  options = autocastOptions('autocast', options, arguments.length > 3);
  const { enabled = true, cacheEnabled = true } = options;
  if (dtype !== 'bfloat16' && dtype !== 'float16')
    throw new ArgumentError(`autocast: dtype must be 'bfloat16' or 'float16', got ${String(dtype)}`);
  if (typeof body !== 'function') throw new ArgumentError(`autocast: expected a function to run, got ${typeof body}`);
  if (!enabled) return mode.with(null, body);
  const scope: Scope = { dtype, cache: cacheEnabled ? new Map() : null };
  const end = () => {
    for (const known of scope.cache?.values() ?? []) letGoOf(known.half);
    scope.cache?.clear();
  };
  let result: R;
  try {
    result = mode.with(scope, body);
  } catch (error) {
    end();
    throw error;
  }
  if (types.isPromise(result)) return result.finally(end) as R;
  end();
  return result;
}

/** Whether autocast() is on here and now, and with which dtype. */
export function autocastDType(): 'bfloat16' | 'float16' | null {
  noMore('autocastDType', arguments.length > 0);
  return mode.get()?.dtype ?? null;
}

const isSingle = (dtype: DType): boolean => isFloating(dtype) && dtype !== 'float64';

// A captured step makes its own half forms, from the values of each replay.
function isPartOfStep(t: Tensor): boolean {
  const step = stepNow();
  return step === null || step.inner.has(t);
}

function halfOf(x: Tensor, dtype: DType): Tensor {
  const made = castInside(x, dtype);
  made.holders = 0;
  return made;
}

function half(x: Tensor, { dtype, cache }: Scope): Tensor {
  if (x.dtype === dtype || !isSingle(x.dtype)) return x;
  // Only leaves come again and again; a cast made without recording has no way back to them.
  if (!cache || !x.requiresGrad || !x.isLeaf) return halfOf(x, dtype);
  const known = cache.get(x);
  if (known?.version === x.version.count && known.recorded && isPartOfStep(known.half)) return known.half;
  const made = halfOf(x, dtype);
  hold(made);
  if (known) letGoOf(known.half);
  cache.set(x, { version: x.version.count, recorded: made.requiresGrad, half: made });
  return made;
}

type Cast<A extends readonly unknown[]> = { [K in keyof A]: A[K] };

/** The arguments that are tensors in the half type, for what autocast() speeds up. */
export function lower<A extends readonly unknown[]>(...args: A): Cast<A> {
  const scope = mode.get();
  if (!scope) return args;
  return args.map((x) => (x instanceof Tensor ? half(x as Tensor, scope) : x)) as unknown as Cast<A>;
}

/** x in float32 where it came in a half type, for what loses too much in it. */
export function full<X>(x: X): X {
  if (!mode.get() || !(x instanceof Tensor) || (x.dtype !== 'float16' && x.dtype !== 'bfloat16')) return x;
  return cast(x as Tensor, 'float32') as X;
}

// SPDX-License-Identifier: Apache-2.0
// Runs op cases on a device, forward and backward, and compares with PyTorch's numbers. The tests and the command
// `lenode selftest` share it.
import { backward } from '../autograd/engine.js';
import { gradcheck, gradgradcheck } from '../autograd/gradcheck.js';
import { noGrad } from '../autograd/mode.js';
import * as creation from '../ops/creation.js';
import * as functional from '../ops/functional.js';
import { einsum } from '../ops/einsum.js';
import * as indexing from '../ops/indexing.js';
import * as inplace from '../ops/inplace.js';
import * as join from '../ops/join.js';
import * as linalg from '../ops/linalg.js';
import * as matmul from '../ops/matmul.js';
import '../ops/methods.js';
import { norm } from '../ops/norm.js';
import { batchNormRelu } from '../ops/normalization.js';
import * as order from '../ops/order.js';
import * as pick from '../ops/pick.js';
import * as pointwise from '../ops/pointwise.js';
import * as rearrange from '../ops/rearrange.js';
import * as reduce from '../ops/reduce.js';
import { renorm } from '../ops/renorm.js';
import * as search from '../ops/search.js';
import * as special from '../ops/special.js';
import * as statistics from '../ops/statistics.js';
import * as triangular from '../ops/triangular.js';
import * as unique from '../ops/unique.js';
import * as view from '../ops/view.js';
import { unfoldDim } from '../ops/windows.js';
import { device as toDevice, type Device, type DeviceLike } from '../tensor/device.js';
import { isFloating } from '../tensor/dtype.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import type { CaseArgument, CaseInput, CaseTensor, OpCase, Tolerance } from './cases.js';

/** What came of one case on one device. */
export interface CaseReport {
  readonly name: string;
  readonly fn: string;
  readonly passed: boolean;
  /** The largest error as a multiple of its tolerance: at most 1 in a case that passes. */
  readonly error: number;
  /** What went wrong, for people; empty if nothing. */
  readonly failure: string;
}

type Callable = (...args: unknown[]) => unknown;

const homes: readonly Readonly<Record<string, unknown>>[] = [
  functional,
  pointwise,
  reduce,
  join,
  order,
  pick,
  matmul,
  { norm, batchNormRelu, einsum, renorm, tensorUnfold: unfoldDim },
  special,
  search,
  statistics,
  triangular,
  unique,
  rearrange,
  indexing,
  linalg,
  view,
  inplace,
  creation,
];
const creators = new Set(['zeros', 'ones', 'full', 'empty', 'arange', 'linspace', 'eye']);

// A function of F, a function of the library, or a method of the first argument.
function resolve(fn: string): Callable {
  for (const home of homes) if (typeof home[fn] === 'function') return home[fn] as Callable;
  return (first, ...rest) => {
    const method = (first as Record<string, unknown>)[fn];
    if (typeof method !== 'function') throw new TypeError(`there is no function or method ${fn}`);
    return (method as Callable).apply(first, rest);
  };
}

// ---- arguments ---------------------------------------------------------------------------------------------------------

/** The tensor that a case describes, in its memory layout. */
export function toTensor(input: CaseTensor & Partial<CaseInput>, device: Device): Tensor {
  const { tensor } = creation;
  return noGrad(() => {
    const x = tensor(input.data, { shape: input.shape, dtype: input.dtype, device }) as Tensor;
    switch (input.layout) {
      case 'channels_last':
        return view.contiguous(x, 'channelsLast');
      case 'transposed':
        return view.transpose(view.contiguous(view.transpose(x, -1, -2)), -1, -2);
      case 'strided slice': {
        const wide = creation.zeros(x.shape.with(-1, 2 * x.shape.at(-1)!), { dtype: x.dtype, device }) as Tensor;
        const part = view.slice(wide, -1, 1, undefined, 2);
        inplace.copy_(part, x);
        return part;
      }
      case 'expanded':
        return view.expand(x, input.expandedShape!);
      default:
        return x;
    }
  });
}

// The arguments with tensors in the place of their descriptions.
function build(value: CaseArgument, tensors: ReadonlyMap<CaseInput, Tensor>): unknown {
  if (Array.isArray(value)) return (value as readonly CaseArgument[]).map((v) => build(v, tensors));
  return value !== null && typeof value === 'object' ? tensors.get(value as CaseInput)! : value;
}

function call(row: OpCase, tensors: ReadonlyMap<CaseInput, Tensor>, device: Device): Tensor[] {
  const args = row.args.map((value) => build(value, tensors));
  const options = Object.fromEntries(Object.entries(row.kwargs).map(([k, v]) => [k, build(v, tensors)]));
  if (creators.has(row.fn)) options['device'] = device;
  const result = resolve(row.fn)(...args, ...(Object.keys(options).length > 0 ? [options] : []));
  return result instanceof Tensor ? [result] : (result as Tensor[]);
}

// ---- comparison --------------------------------------------------------------------------------------------------------

/** The largest error of `got` as a multiple of the tolerance, and a message if it is above 1 or the kinds differ. */
export async function compare(
  got: Tensor,
  expected: CaseTensor,
  { rtol, atol }: Tolerance,
): Promise<{ error: number; failure: string }> {
  if (!sameShape(got.shape, expected.shape) || got.dtype !== expected.dtype)
    return {
      error: Infinity,
      failure: `is ${got.dtype} ${formatShape(got.shape)}, expected ${expected.dtype} ${formatShape(expected.shape)}`,
    };
  const values = await got.data();
  const floating = isFloating(expected.dtype);
  let error = 0;
  let worst = -1;
  for (let i = 0; i < values.length; i++) {
    const [a, b] = [Number(values[i]), Number(expected.data[i])];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    const difference = Math.abs(a - b);
    const limit = floating ? atol + rtol * Math.abs(b) : 0;
    // What cannot be measured (NaN, an infinity on one side) is as wrong as it can be.
    const ratio = limit > 0 && Number.isFinite(difference) ? difference / limit : Infinity;
    if (ratio > error) [error, worst] = [ratio, i];
  }
  if (error <= 1) return { error, failure: '' };
  return {
    error,
    failure: `element ${worst} of ${formatShape(got.shape)} is ${String(values[worst])}, expected ${String(expected.data[worst])} (rtol ${rtol}, atol ${atol})`,
  };
}

/**
 * Runs one case on one device: results, gradients and, where the case says so, finite differences.
 * Never throws: what the case throws is its failure.
 *
 * @param relaid gives each argument another place in memory
 */
export async function runCase(row: OpCase, place: DeviceLike, relaid: (x: Tensor) => Tensor = (x) => x): Promise<CaseReport> {
  const failures: string[] = [];
  let error = 0;
  const check = async (what: string, got: Tensor | null | undefined, expected: CaseTensor, tolerance: Tolerance) => {
    const result = got ? await compare(got, expected, tolerance) : { error: Infinity, failure: 'is missing' };
    error = Math.max(error, result.error);
    if (result.failure) failures.push(`${what} ${result.failure}`);
  };
  try {
    const device = toDevice(place);
    const tensors = new Map(row.inputs.map((input) => [input, relaid(toTensor(input, device))]));
    for (const [input, x] of tensors) if (input.grad) x.requiresGrad = true;
    const outputs = call(row, tensors, device);
    if (outputs.length !== row.outputs.length)
      failures.push(`gave ${outputs.length} results, expected ${row.outputs.length}`);
    for (const [i, expected] of row.outputs.entries())
      await check(row.outputs.length > 1 ? `result ${i}` : 'the result', outputs[i], expected, row.forward);
    for (const [i, { upstream }] of row.outputs.entries())
      if (upstream && outputs[i]) backward(outputs[i], relaid(toTensor(upstream, device)), { retainGraph: true });
    for (const [i, input] of row.inputs.entries())
      if (input.grad) await check(`the gradient of input ${i}`, tensors.get(input)!.grad, input.grad, row.gradient);
    if (row.gradcheck) await checkDerivative(row, tensors, device);
  } catch (thrown) {
    error = Infinity;
    failures.push(thrown instanceof Error ? `threw ${thrown.name}: ${thrown.message}` : String(thrown));
  }
  return { name: row.name, fn: row.fn, passed: failures.length === 0, error, failure: failures.join('\n  ') };
}

async function checkDerivative(row: OpCase, tensors: ReadonlyMap<CaseInput, Tensor>, device: Device, check = gradcheck): Promise<void> {
  const inputs = [...tensors.keys()];
  await check(
    (...args) => call(row, new Map(inputs.map((input, i) => [input, args[i]!])), device),
    inputs.map((input) => tensors.get(input)!),
    { atol: 1e-6, rtol: 1e-4, fast: check === gradgradcheck },
  );
}

/** gradgradcheck() of a case. @throws what it throws */
export async function checkSecondDerivative(row: OpCase, place: DeviceLike): Promise<void> {
  const device = toDevice(place);
  const tensors = new Map(row.inputs.map((input) => [input, toTensor(input, device)]));
  for (const [input, x] of tensors) if (input.grad) x.requiresGrad = true;
  await checkDerivative(row, tensors, device, gradgradcheck);
}

/** Runs the cases one after the other. */
export async function* runCases(rows: Iterable<OpCase>, place: DeviceLike): AsyncGenerator<CaseReport> {
  for (const row of rows) yield await runCase(row, place);
}

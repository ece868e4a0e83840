// SPDX-License-Identifier: Apache-2.0
// Results and gradients at the ends of every floating type, and under incoming gradients of 0, 1, infinity and NaN,
// against PyTorch's (fixtures/make_extremes.py). Right is what PyTorch gives in the type itself, or what it gives in
// float64 rounded to the type: the two differ where PyTorch's formula leaves the type's range on the way.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import * as lenode from '../lib/index.js';
import { F, full, grad, tensor, where, zeros, type DType, type Tensor } from '../lib/index.js';

interface Case {
  fn: string;
  dtype: 'float32' | 'float64' | 'float16' | 'bfloat16';
  set: string;
  args: unknown[];
  options: Record<string, unknown>;
  /** The result, then the gradients of the inputs for each incoming gradient. */
  results: (string | null)[];
  exact?: Record<number, Record<number, string>>;
}
interface Input {
  shape: number[];
  values: string;
}

const path = fileURLToPath(new URL('fixtures/extremes.json', import.meta.url));
const { cases, inputs } = JSON.parse(readFileSync(path, 'utf8')) as { cases: Case[]; inputs: Record<string, Record<string, Input[]>> };

const upstream = [0, 1, Infinity, NaN];
const epsilon = { float32: 2 ** -23, float64: 2 ** -52, float16: 2 ** -10, bfloat16: 2 ** -7 };
const normal = { float32: 2 ** -126, float64: 2 ** -1022, float16: 2 ** -14, bfloat16: 2 ** -126 };
// The fixture has 7 to 9 digits.
const written = { float32: 1e-6, float64: 1e-8, float16: 1e-4, bfloat16: 1e-3 };

// Functions that subtract nearly equal numbers of the size of the gradient.
const cancels = new Set(['softmax', 'softmin', 'logSoftmax', 'layerNorm', 'groupNorm', 'crossEntropyFirst', 'localResponseNorm', 'std', 'var', 'softsign']);

// What is different on purpose; docs/gradients.md says why.
const overflows = /gradient of .*: (-?0|-?Infinity), expected NaN/;
const different: Record<string, RegExp> = {
  'square(line': overflows,
  'rsqrt(line': overflows,
  'reciprocal(line': overflows,
  'pow(': overflows,
  'mseLoss(pairs': overflows,
  'lpPool1d(windows': overflows,
  'remainder(pairs': /result .*, expected NaN/,
  'elu(line': /NaN\)/,
  'selu(line': /NaN\)/,
  'celu(line': /NaN\)/,
  'hardswish(line': /NaN\)/,
  'hardsigmoid(line': /0.16666666666666666, expected 0.16666667/,
  'klDiv(scores': /gradient of 1 .*: -?Infinity, expected NaN/,
  'binaryCrossEntropyWithLogits(scores': /result .*: Infinity, expected NaN/,
  'prod(rows': /gradient/,
  'layerNorm(rows': /: -?0, expected NaN/,
  'groupNorm(windows': /: -?0, expected NaN/,
  'interpolate(windows': /, expected NaN/,
  'crossEntropyFirst(rows': /at (18|24|54|55|72|73) /, // two scores of 1e19 and more
  'norm(rows, 0.5': /1.797693/,
  'norm(rows, -1': overflows,
};

const numberOf = (s: string) => (s === 'inf' ? Infinity : s === '-inf' ? -Infinity : Number(s));
const parse = (s: string) => s.split(' ').map(numberOf);
const plain = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(plain) : value && typeof value === 'object' ? Number((value as { number: string }).number) : value;

const first = (x: Tensor) => zeros([x.shape[0]!], { dtype: 'int64' }) as Tensor;
type Callable = (...args: unknown[]) => Tensor | Tensor[];
const composed: Record<string, (...xs: Tensor[]) => Tensor> = {
  wherePositive: (a, b) => where(a!.gt(0), a!, b!),
  crossEntropyFirst: (x) => F.crossEntropy(x!, first(x!), { reduction: 'none' }),
  nllLossFirst: (x) => F.nllLoss(x!, first(x!), { reduction: 'none' }),
};

function call(row: Case, xs: Tensor[]): Tensor {
  const homes = [composed, F, lenode] as unknown as Record<string, Callable>[];
  const home = homes.find((h) => typeof h[row.fn] === 'function');
  const args = row.args.map(plain);
  if (Object.keys(row.options).length > 0)
    args.push(Object.fromEntries(Object.entries(row.options).map(([k, v]) => [k, plain(v)])));
  const method = (x: Tensor, ...rest: unknown[]) => (x as unknown as Record<string, Callable>)[row.fn]!(...rest);
  const result = home ? home[row.fn]!(...xs, ...args) : method(xs[0]!, ...xs.slice(1), ...args);
  return Array.isArray(result) ? result[0]! : result;
}

const nameOf = (row: Case) => `${row.fn}(${[row.set, ...row.args.map((a) => JSON.stringify(a)), JSON.stringify(row.options)].join(', ')})`;

function near(a: number, b: number, row: Case, unit: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  const noise = cancels.has(row.fn) ? 8 * epsilon[row.dtype] * unit : 0;
  return Math.abs(a - b) <= (16 * epsilon[row.dtype] + written[row.dtype]) * Math.abs(b) + 2 * normal[row.dtype] + noise;
}

/** What is wrong, by result and element. */
function faults(row: Case): string[] {
  const given = inputs[row.dtype]![row.set]!;
  const xs = given.map(({ shape, values }) => (tensor(parse(values), { shape, dtype: row.dtype as DType }) as Tensor).requiresGrad_());
  const y = call(row, xs);
  const got: (Tensor | null)[] = [y];
  for (const g of upstream) {
    const gradOutputs = [full([...y.shape], g, { dtype: y.dtype }) as Tensor];
    got.push(...grad(y, xs, { gradOutputs, retainGraph: true, allowUnused: true }));
  }
  return row.results.flatMap((text, k) => {
    const what = k === 0 ? 'result' : `gradient of ${(k - 1) % xs.length} for ${upstream[Math.floor((k - 1) / xs.length)]}`;
    if (got[k] === null) return text === null ? [] : [`${what} is missing`];
    const exact = row.exact?.[k] ?? {};
    const values = [...got[k]!.dataSync()].map(Number);
    if (text === null) return values.every((v) => v === 0) ? [] : [`${what} should be 0`];
    return parse(text).flatMap((expected, i) => {
      const others = exact[i] === undefined ? [expected] : [expected, numberOf(exact[i]!)];
      if (others.some((b) => near(values[i]!, b, row, k === 0 ? 0 : 1))) return [];
      const line = given[0]!.shape.length > 1 ? 3 * Math.floor((i * given[0]!.shape[0]!) / values.length) : i;
      const at = given.map((x) => parse(x.values).slice(line, line + (given[0]!.shape.length > 1 ? 3 : 1)).join(', ')).join('; ');
      return [`${what} at ${i} (${at}): ${values[i]}, expected ${others.join(' or ')}`];
    });
  });
}

const met = new Set<string>();

describe.each(['float32', 'float64', 'float16', 'bfloat16'])('%s', (dtype) => {
  test.each(cases.filter((row) => row.dtype === dtype).map((row) => [nameOf(row), row] as const))('%s', (name, row) => {
    const found = faults(row);
    const known = Object.entries(different).find(([key]) => name.startsWith(key));
    const wrong = known ? found.filter((fault) => !known[1].test(fault)) : found;
    for (const fault of known ? found : []) if (known![1].test(fault)) met.add(known![0]);
    expect(wrong.slice(0, 8)).toEqual([]);
  });
});

test('every difference on the list is one', () => {
  expect(Object.keys(different).filter((name) => !met.has(name))).toEqual([]);
});

describe('composed functions', () => {
  const at = (...values: number[]) => tensor(values, { requiresGrad: true }) as Tensor;
  const gradients = (y: Tensor, incoming: number, ...inputs: Tensor[]) =>
    grad(y, inputs, { gradOutputs: [full(y.shape, incoming) as Tensor] }).map((g) => [...(g!.dataSync() as Float32Array)].map((v) => v + 0));

  test('atan2 at the origin', () => {
    const [y, x] = [at(0, 0, 1), at(0, 2, 0)];
    expect(gradients(lenode.atan2(y, x), 1, y, x)).toEqual([[0, 0.5, 0], [0, 0, -1]]);
  });

  test.each(['trunc', 'floor'] as const)('a quotient rounded by %s has gradient 0, by 0 too', (roundingMode) => {
    const [a, b] = [at(0, 1, 5, Infinity), at(0, 0, 2, 3)];
    for (const incoming of upstream)
      expect(gradients(lenode.div(a, b, { roundingMode }), incoming, a, b)).toEqual([[0, 0, 0, 0], [0, 0, 0, 0]]);
  });

  test('lerp from and to infinities', () => {
    const weight = at(0.25, 0.75, 0.25, 0.75);
    const way = lenode.lerp(tensor([1, 1, -Infinity, 2]) as Tensor, tensor([Infinity, -Infinity, 1, 4]) as Tensor, weight);
    expect(gradients(way, 1, weight)).toEqual([[Infinity, -Infinity, Infinity, 2]]);
    expect([...way.dataSync()]).toEqual([Infinity, NaN, NaN, 3.5]);
  });

  test('logit at 0 and 1', () => {
    const x = at(0, 0.5, 1);
    expect(gradients(lenode.logit(x), 1, x)).toEqual([[Infinity, 4, Infinity]]);
  });
});

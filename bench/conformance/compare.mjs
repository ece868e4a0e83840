// SPDX-License-Identifier: Apache-2.0
// Compares what came with what PyTorch gives.

/**
 * |got - expected| <= atol + rtol * |expected|, as in test/fixtures; NaN equals NaN. Expected is PyTorch's result in the
 * same dtype, or that in float64 rounded once: a sum in float32 has no one right value, and a half type's intermediate
 * results may be rounded or not. Where elements are sums, atol is multiplied by the largest |expected| of the tensor, if
 * that is above 1: terms of that size may cancel in another element, and leave their rounding errors. Nor
 * is wrong what is no further from the float64 result than PyTorch's own: terms may cancel within one element, too.
 */
export const TOLERANCES = {
  float64: { forward: [1e-9, 1e-12], gradient: [1e-8, 1e-11] },
  float32: { forward: [1e-4, 1e-6], gradient: [1e-3, 1e-5] },
  float16: { forward: [2e-3, 2e-3], gradient: [4e-3, 4e-3] },
  bfloat16: { forward: [1.6e-2, 1.6e-2], gradient: [3.2e-2, 3.2e-2] },
};

export const isFloat = (dtype) => dtype in TOLERANCES;
const shapeText = (shape) => `[${shape.join(', ')}]`;

/**
 * What is wrong with `got`; empty if nothing.
 * @param exact PyTorch's result in float64, rounded; may be absent
 * @param kind 'forward' or 'gradient'
 * @param options sums: elements are sums of several terms; drawn: values are random, only shape and dtype count;
 * precision: the dtype whose tolerance holds
 */
export function compareTensor(lenode, got, expected, exact, kind, { sums = false, drawn = false, precision = expected.dtype } = {}) {
  if (!(got instanceof lenode.Tensor)) return `is ${got === null ? 'null' : typeof got}, expected a tensor ${shapeText(expected.shape)}`;
  if (got.dtype !== expected.dtype || shapeText(got.shape) !== shapeText(expected.shape))
    return `is ${got.dtype} ${shapeText(got.shape)}, expected ${expected.dtype} ${shapeText(expected.shape)}`;
  const values = got.dataSync();
  if (drawn) return '';
  const [rtol, narrow] = isFloat(expected.dtype) ? TOLERANCES[precision][kind] : [0, 0];
  const atol = sums && narrow > 0 ? narrow * expected.data.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 1) : narrow;
  const near = (a, b) => a === b || (Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) <= atol + rtol * Math.abs(b);
  let [wrong, first] = [0, -1];
  for (let i = 0; i < values.length; i++) {
    const a = values[i];
    if (a === expected.data[i]) continue;
    if (typeof a !== 'bigint' && (near(a, expected.data[i]) || (exact && near(a, exact.data[i])))) continue;
    if (exact && Number.isFinite(expected.data[i]) && Math.abs(a - exact.data[i]) <= Math.abs(expected.data[i] - exact.data[i])) continue;
    // A half type's range was exceeded on the way, here as there.
    if (exact && Number.isFinite(exact.data[i]) && !Number.isFinite(expected.data[i]) && !Number.isFinite(a)) continue;
    if (wrong++ === 0) first = i;
  }
  if (wrong === 0) return '';
  const reference = exact && exact.data[first] !== expected.data[first] ? ` (in float64: ${exact.data[first]})` : '';
  return `has ${wrong} of ${values.length} elements wrong; element ${first} is ${values[first]}, expected ${expected.data[first]}${reference}`;
}

/** The same of a call's results: tensors, lists, numbers. Named results are compared in their order. */
export function compareResults(lenode, got, expected, exact, { tensor, ...rules }, path = 'the result') {
  if (expected !== null && typeof expected === 'object' && 't' in expected) {
    const failure = compareTensor(lenode, got, tensor(expected.t), exact && tensor(exact.t), 'forward', rules);
    return failure && `${path} ${failure}`;
  }
  if (Array.isArray(expected)) {
    const named = got !== null && typeof got === 'object' && !(got instanceof lenode.Tensor);
    const list = Array.isArray(got) ? got : named ? Object.values(got) : null;
    if (list?.length !== expected.length) return `${path} is ${list ? `${list.length} values` : 'no list'}, expected ${expected.length} values`;
    for (const [i, e] of expected.entries()) {
      const failure = compareResults(lenode, list[i], e, exact?.[i], { tensor, ...rules }, `result ${i}`);
      if (failure) return failure;
    }
    return '';
  }
  const value = expected !== null && typeof expected === 'object' && 'f' in expected ? pythonFloat(expected.f) : expected;
  if (rules.drawn || Object.is(got, value) || got === value || (got === undefined && value === null)) return '';
  const [rtol, atol] = TOLERANCES.float32.forward;
  if (typeof got === 'number' && typeof value === 'number' && Math.abs(got - value) <= atol + rtol * Math.abs(value)) return '';
  return `${path} is ${String(got)}, expected ${JSON.stringify(value)}`;
}

export function pythonFloat(text) {
  return text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text);
}

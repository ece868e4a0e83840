// SPDX-License-Identifier: Apache-2.0
// Runs samples of PyTorch's and compares.
import { callable } from './signature.mjs';
import { LAYOUTS, place } from './samples.mjs';

/**
 * |got - expected| <= atol + rtol * |expected|, as in test/fixtures; NaN equals NaN. Expected is PyTorch's result in the
 * same dtype, or that in float64 rounded once: a sum in float32 has no one right value, and a half type's intermediate
 * results may be rounded or not.
 */
export const TOLERANCES = {
  float64: { forward: [1e-9, 1e-12], gradient: [1e-8, 1e-11] },
  float32: { forward: [1e-4, 1e-6], gradient: [1e-3, 1e-5] },
  float16: { forward: [2e-3, 2e-3], gradient: [4e-3, 4e-3] },
  bfloat16: { forward: [1.6e-2, 1.6e-2], gradient: [3.2e-2, 3.2e-2] },
};

const isFloat = (dtype) => dtype in TOLERANCES;
const isTensor = (lenode, x) => x instanceof lenode.Tensor;
const shapeText = (shape) => `[${shape.join(', ')}]`;

/** What is wrong with `got`; empty if nothing. `exact` may be absent. */
function compareTensor(lenode, got, expected, exact, kind, random) {
  if (!isTensor(lenode, got)) return `is ${got === null ? 'null' : typeof got}, expected a tensor ${shapeText(expected.shape)}`;
  if (got.dtype !== expected.dtype || shapeText(got.shape) !== shapeText(expected.shape))
    return `is ${got.dtype} ${shapeText(got.shape)}, expected ${expected.dtype} ${shapeText(expected.shape)}`;
  const values = got.dataSync();
  if (random) return '';
  const [rtol, atol] = isFloat(expected.dtype) ? TOLERANCES[expected.dtype][kind] : [0, 0];
  const near = (a, b) => a === b || (Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) <= atol + rtol * Math.abs(b);
  let [wrong, first] = [0, -1];
  for (let i = 0; i < values.length; i++) {
    const a = values[i];
    if (a === expected.data[i]) continue;
    if (typeof a !== 'bigint' && (near(a, expected.data[i]) || (exact && near(a, exact.data[i])))) continue;
    if (wrong++ === 0) first = i;
  }
  if (wrong === 0) return '';
  const reference = exact && exact.data[first] !== expected.data[first] ? ` (in float64: ${exact.data[first]})` : '';
  return `has ${wrong} of ${values.length} elements wrong; element ${first} is ${values[first]}, expected ${expected.data[first]}${reference}`;
}

/** Walks what PyTorch gives and what came together. */
function compareResults(lenode, got, expected, exact, context, path = 'the result') {
  const { tensor, random } = context;
  if (expected !== null && typeof expected === 'object' && 't' in expected)
    return compareTensor(lenode, got, tensor(expected.t), exact && tensor(exact.t), 'forward', random) && `${path} ${compareTensor(lenode, got, tensor(expected.t), exact && tensor(exact.t), 'forward', random)}`;
  if (Array.isArray(expected)) {
    const list = Array.isArray(got) ? got : got && typeof got === 'object' && !isTensor(lenode, got) ? Object.values(got) : null;
    if (!list || list.length !== expected.length)
      return `${path} is ${list ? `${list.length} values` : 'no list'}, expected ${expected.length} values`;
    for (const [i, e] of expected.entries()) {
      const failure = compareResults(lenode, list[i], e, exact?.[i], context, `result ${i}`);
      if (failure) return failure;
    }
    return '';
  }
  const value = expected !== null && typeof expected === 'object' && 'f' in expected ? pythonFloat(expected.f) : expected;
  if (random || Object.is(got, value) || got === value) return '';
  if (typeof got === 'number' && typeof value === 'number' && Math.abs(got - value) <= 1e-6 + 1e-4 * Math.abs(value)) return '';
  if (got === undefined && value === null) return '';
  return `${path} is ${String(got)}, expected ${JSON.stringify(value)}`;
}

function pythonFloat(text) {
  return text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text);
}

/** Calls of JavaScript's values cannot say which of 1 and 1.0 is meant. */
export const WHOLE_FLOAT = 'a float with an integer\'s value decides the dtype';

/** Arguments with tensors in the place of their descriptions. */
function build(value, tensorOf) {
  if (Array.isArray(value)) return value.map((v) => build(v, tensorOf));
  if (value === null || typeof value !== 'object') return value;
  if ('t' in value) return tensorOf(value.t);
  if ('f' in value) return pythonFloat(value.f);
  if ('o' in value) return Object.fromEntries(Object.entries(value.o).map(([k, v]) => [k, build(v, tensorOf)]));
  if ('slice' in value || 'ellipsis' in value) return { ...value, ...('slice' in value && { slice: build(value.slice, tensorOf) }) };
  return value.dtype ?? value.memory ?? value.device ?? value;
}

function flatTensors(lenode, x, found = []) {
  if (isTensor(lenode, x)) found.push(x);
  else if (x !== null && typeof x === 'object') for (const v of Object.values(x)) flatTensors(lenode, v, found);
  return found;
}

/** The positions of a sample's operands in the file, in the order in which Python counts them. */
function operandsOf(sample) {
  const found = [];
  const walk = (v) => {
    if (v === null || typeof v !== 'object') return;
    if (!Array.isArray(v) && typeof v.t === 'number') found.push(v.t);
    else for (const part of Object.values(v)) walk(part);
  };
  walk(sample.args);
  walk(sample.kwargs);
  return found;
}

/** Whether there is a Python float among the arguments that is an integer here, beside no tensor of a floating dtype. */
function ambiguous(sample, operands, tensor) {
  if (operands.some((i) => isFloat(tensor(i).dtype))) return false;
  const within = (v) => v !== null && typeof v === 'object' && ('f' in v ? /^-?\d+\.\d*$/.test(v.f) : Object.values(v).some(within));
  return within(sample.args) || within(sample.kwargs);
}

export class Runner {
  /** @param modes which of 'alone', 'captured' and 'layouts' are run beside the plain call */
  constructor(lenode, modes = ['alone', 'captured', 'layouts']) {
    this.lenode = lenode;
    this.modes = new Set(modes);
  }

  /** Runs one sample; yields what came of each way to run it: {way, outcome: 'pass' | 'wrong' | 'refused', message}. */
  *run(row, sample, tensor, began = () => {}) {
    const { lenode } = this;
    const call = typeof row.call === 'function' ? (a, k) => row.call(lenode, a, k) : callable(lenode, row.call);
    const operands = operandsOf(sample);
    const wants = sample.wants ?? [];
    const context = { tensor, random: row.random ?? false, check: row.check };
    const attempt = function* (way, body) {
      began(way);
      try {
        const message = body();
        yield { way, outcome: message ? 'wrong' : 'pass', message };
      } catch (error) {
        yield { way, ...outcomeOf(lenode, error) };
      }
    };
    if (sample.refusal) {
      began('refusal');
      yield this.refusal(call, sample, tensor);
      return;
    }
    if (!row.floats && ambiguous(sample, operands, tensor)) {
      yield { way: 'own', outcome: 'refused', message: WHOLE_FLOAT, inexpressible: true };
      return;
    }
    let refused = false;
    for (const layout of this.modes.has('layouts') ? LAYOUTS : ['own'])
      for (const result of attempt(layout, () => this.plain(call, sample, context, operands, layout, wants))) {
        refused = layout === 'own' && result.outcome === 'refused';
        yield result;
        if (layout === 'own' && result.outcome !== 'pass') return;
      }
    if (refused) return;
    if (this.modes.has('alone') && wants.length > 1)
      for (const want of wants)
        yield* attempt(`gradient of operand ${want} alone`, () => this.plain(call, sample, context, operands, 'own', [want]));
    if (this.modes.has('captured') && !row.uncaptured)
      yield* attempt('captured', () => this.captured(call, sample, context, operands, wants));
  }

  operands(sample, operands, tensor, layout, wants) {
    const made = operands.map((i, k) => {
      const t = place(this.lenode, tensor(i), layout);
      if (wants.includes(k)) t.requiresGrad = true;
      return t;
    });
    let next = 0;
    const args = build(sample.args, () => made[next++]);
    return { made, args, kwargs: build(sample.kwargs, () => made[next++]) };
  }

  upstream(sample, tensor) {
    return (sample.up ?? []).map((u) => place(this.lenode, tensor(u.t), 'contiguous'));
  }

  plain(call, sample, context, operands, layout, wants) {
    const { made, args, kwargs } = this.operands(sample, operands, context.tensor, layout, wants);
    const result = call(args, kwargs);
    const failure = this.compareResult(result, sample, context, made);
    if (failure || wants.length === 0) return failure;
    const grads = this.gradients(result, wants.map((w) => made[w]), this.upstream(sample, context.tensor));
    return this.compareGradients(grads, sample, context, wants);
  }

  compareResult(result, sample, context, made) {
    const { lenode } = this;
    const compare = (got = result, expected = sample.out, exact = sample.exact) => compareResults(lenode, got, expected, exact, context);
    if (!context.check) return compare();
    return context.check({ lenode, result, sample, tensor: context.tensor, operands: made, compare });
  }

  gradients(result, inputs, upstream) {
    const { lenode } = this;
    const outs = flatTensors(lenode, result).filter((t) => isFloat(t.dtype));
    const pairs = outs.map((out, i) => [out, upstream[i]]).filter(([out, up]) => up && out.requiresGrad);
    if (pairs.length === 0) return inputs.map(() => null);
    return lenode.autograd.grad(pairs.map(([out]) => out), inputs, { gradOutputs: pairs.map(([, up]) => up), allowUnused: true });
  }

  compareGradients(grads, sample, { tensor, random }, wants) {
    for (const [i, want] of wants.entries()) {
      const at = sample.wants.indexOf(want);
      const expected = sample.grads[at];
      const name = `the gradient of operand ${want}`;
      if (expected === null || expected === undefined) {
        if (grads[i] && grads[i].dataSync().some((v) => v !== 0)) return `${name} is there, expected none`;
        continue;
      }
      if (!grads[i]) {
        if (tensor(expected.t).data.every((v) => v === 0)) continue;
        return `${name} is missing`;
      }
      const failure = compareTensor(this.lenode, grads[i], tensor(expected.t), sample.exactGrads?.[at] && tensor(sample.exactGrads[at].t), 'gradient', random);
      if (failure) return `${name} ${failure}`;
    }
    return '';
  }

  captured(call, sample, context, operands, wants) {
    const { lenode } = this;
    const { tensor } = context;
    const upstream = this.upstream(sample, tensor);
    let step;
    try {
      step = lenode.capture((given) => {
        const made = given.map((t, i) => (wants.includes(i) ? t.detach() : t));
        for (const want of wants) made[want].requiresGrad = true;
        let next = 0;
        const args = build(sample.args, () => made[next++]);
        const kwargs = build(sample.kwargs, () => made[next++]);
        const result = call(args, kwargs);
        return { result, grads: wants.length === 0 ? [] : this.gradients(result, wants.map((w) => made[w]), upstream) };
      });
      for (let i = 0; i < 3; i++) {
        const { made } = this.operands(sample, operands, tensor, 'own', []);
        const { result, grads } = step(made);
        const failure = this.compareResult(result, sample, context, made) ||
          (wants.length > 0 ? this.compareGradients(grads, sample, context, wants) : '');
        if (failure) return `call ${i}: ${failure}`;
      }
      return '';
    } finally {
      step?.dispose();
    }
  }

  /** A call that PyTorch refuses. */
  refusal(call, sample, tensor) {
    const { lenode } = this;
    try {
      const { args, kwargs } = this.operands(sample, operandsOf(sample), tensor, 'own', []);
      for (const t of flatTensors(lenode, call(args, kwargs))) t.dataSync();
      return { way: 'refusal', outcome: 'accepted', message: sample.refusal };
    } catch (error) {
      const { outcome, message } = outcomeOf(lenode, error);
      return { way: 'refusal', outcome: outcome === 'refused' ? 'pass' : outcome, message };
    }
  }
}

function outcomeOf(lenode, error) {
  if (error.constructor.name === 'Missing') return { outcome: 'refused', message: `there is no ${error.message}`, missing: true };
  if (error.constructor.name === 'Refusal') return { outcome: 'refused', message: error.message };
  if (error instanceof lenode.LenodeError && !(error instanceof lenode.InternalError))
    return { outcome: 'refused', message: `${error.name}: ${error.message}` };
  // A row that is a function called what is not there.
  const absent = error instanceof TypeError && /^\s+at [^\n]*table\.mjs/.test(error.stack.split('\n')[1]) && /(\S+) is not a function/.exec(error.message);
  if (absent) return { outcome: 'refused', message: `there is no ${absent[1]}`, missing: true };
  return { outcome: 'wrong', message: `throws ${error.stack.split('\n').slice(0, 3).join(' | ')}` };
}

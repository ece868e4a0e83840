// SPDX-License-Identifier: Apache-2.0
// Runs samples of PyTorch's in each of the ways, and says what came of them.
import { compareResults, compareTensor, isFloat, pythonFloat } from './compare.mjs';
import { callable, Missing, Refusal } from './signature.mjs';
import { differs, LAYOUTS, place } from './samples.mjs';

/** A kind of refusal: 1 and 1.0 are one number here. */
export const WHOLE_FLOAT = 'a float with an integer\'s value decides the dtype';

/** Arguments with tensors in the place of their descriptions. */
export function build(value, tensorOf) {
  if (Array.isArray(value)) return value.map((v) => build(v, tensorOf));
  if (value === null || typeof value !== 'object') return value;
  if ('t' in value) return tensorOf(value.t);
  if ('f' in value) return pythonFloat(value.f);
  if ('o' in value) return Object.fromEntries(Object.entries(value.o).map(([k, v]) => [k, build(v, tensorOf)]));
  if ('slice' in value) return { slice: build(value.slice, tensorOf) };
  return value.dtype ?? value.memory ?? value.device ?? value;
}

function flatTensors(lenode, x, found = []) {
  if (x instanceof lenode.Tensor) found.push(x);
  else if (x !== null && typeof x === 'object') for (const v of Object.values(x)) flatTensors(lenode, v, found);
  return found;
}

/** The positions of a sample's operands in the file, in the order in which Python counts them. */
function operandsOf({ args, kwargs }) {
  const found = [];
  build([args, kwargs], (i) => found.push(i));
  return found;
}

/** Whether a Python float that is an integer here decides the dtype, there being no tensor of a floating one. */
function ambiguous(sample, operands, tensor) {
  if (operands.some((i) => isFloat(tensor(i).dtype))) return false;
  const within = (v) => v !== null && typeof v === 'object' && ('f' in v ? /^-?\d+\.\d*$/.test(v.f) : Object.values(v).some(within));
  return within(sample.args) || within(sample.kwargs);
}

/** Runs samples of operations. */
export class Runner {
  /** @param modes which of 'alone', 'captured' and 'layouts' are run beside the plain call */
  constructor(lenode, modes = ['alone', 'captured', 'layouts']) {
    this.lenode = lenode;
    this.modes = new Set(modes);
    /** Whether the next samples are captured, too. */
    this.capturing = true;
  }

  /**
   * Runs one sample in each way; yields what came of each: {way, outcome, message}. Outcomes are 'pass'; 'wrong';
   * 'refused', by one of the library's errors; and 'accepted', where PyTorch throws.
   * @param began told of each way before it is run
   */
  *run(row, sample, tensor, began = () => {}) {
    const operands = operandsOf(sample);
    const wants = this.wants(sample, operands);
    const about = { row, sample, tensor, operands, drawn: row.random ?? false };
    const attempt = (way, body) => {
      began(way);
      try {
        const message = body();
        return { way, outcome: message ? 'wrong' : 'pass', message };
      } catch (error) {
        return { way, ...outcomeOf(this.lenode, error) };
      }
    };
    if (sample.refusal) {
      const { outcome, message } = attempt('refusal', () => this.accepts(about));
      yield { way: 'refusal', outcome: { refused: 'pass', pass: 'accepted' }[outcome] ?? outcome, message: outcome === 'pass' ? sample.refusal : message };
      return;
    }
    if (!row.floats && ambiguous(sample, operands, tensor)) {
      yield { way: 'own', outcome: 'refused', message: WHOLE_FLOAT };
      return;
    }
    for (const layout of this.modes.has('layouts') ? LAYOUTS : ['own']) {
      if (layout !== 'own' && !operands.some((i) => differs(tensor(i), layout))) continue;
      const result = attempt(layout, () => this.plain(about, layout, wants));
      yield result;
      if (layout === 'own' && result.outcome !== 'pass') return; // the others say the same
    }
    if (this.modes.has('alone') && wants.length > 1)
      for (const want of wants) yield attempt(`gradient of operand ${want} alone`, () => this.plain(about, 'own', [want]));
    if (this.modes.has('captured') && this.capturing && !row.uncaptured) yield attempt('captured', () => this.captured(about, wants));
  }

  /** The numbers of what gradients are asked for. */
  wants(sample) {
    return sample.wants ?? [];
  }

  /** What is called: `call` of the operands, and `target` of a number, for which a gradient is asked. */
  subject({ row, sample }) {
    const f = typeof row.call === 'function' ? (args, kwargs) => row.call(this.lenode, args, kwargs) : callable(this.lenode, row.call);
    return {
      call: (made) => {
        let next = 0;
        return f(...build([sample.args, sample.kwargs], () => made[next++]));
      },
      target: (made, number) => made[number],
    };
  }

  operands({ operands, tensor }, layout) {
    return operands.map((i) => place(this.lenode, tensor(i), layout));
  }

  plain(about, layout, wants) {
    const made = this.operands(about, layout);
    for (const want of wants) if (want < made.length) made[want].requiresGrad = true;
    const subject = this.subject(about, made, wants);
    const result = subject.call(made);
    const failure = this.compareResult(about, result, made) || (subject.after?.() ?? '');
    if (failure || wants.length === 0) return failure;
    const grads = this.gradients(result, wants.map((want) => subject.target(made, want)), this.upstream(about));
    return this.compareGradients(about, grads, wants);
  }

  /** A plain call, one that is recorded, one that is replayed. */
  captured(about, wants) {
    const upstream = this.upstream(about);
    const subject = this.subject(about, this.operands(about, 'own'), wants);
    const step = this.lenode.capture((given) => {
      const made = given.map((t, i) => (wants.includes(i) ? t.detach() : t));
      for (const want of wants) if (want < made.length) made[want].requiresGrad = true;
      const result = subject.call(made);
      const targets = wants.map((want) => subject.target(made, want));
      return { result, grads: wants.length === 0 ? [] : this.gradients(result, targets, upstream) };
    });
    try {
      for (let i = 0; i < 3; i++) {
        const made = this.operands(about, 'own');
        const { result, grads } = step(made);
        const failure = this.compareResult(about, result, made) || this.compareGradients(about, grads, wants);
        if (failure) return `call ${i}: ${failure}`;
      }
      return '';
    } finally {
      step.dispose();
    }
  }

  /** Makes a call that PyTorch refuses. */
  accepts(about) {
    const made = this.operands(about, 'own');
    for (const t of flatTensors(this.lenode, this.subject(about, made, []).call(made))) t.dataSync();
    return '';
  }

  // ---- results -------------------------------------------------------------------------------------------------------

  compareResult({ row, sample, tensor, drawn }, result, operands) {
    const compare = (got = result, expected = sample.out, exact = sample.exact) =>
      compareResults(this.lenode, got, expected, exact, { tensor, sums: row.sums, drawn, precision: precisionOf(row, sample) });
    const plainly = compare();
    const failure = plainly && row.check ? row.check({ lenode: this.lenode, result, sample, tensor, operands, compare }) : plainly;
    // Another choice among equals is as good, and so are its gradients.
    this.choseOthers = plainly !== '' && failure === '';
    return failure;
  }

  upstream({ sample, tensor }) {
    return (sample.up ?? []).map((u) => place(this.lenode, tensor(u.t), 'contiguous'));
  }

  gradients(result, inputs, upstream) {
    const { lenode } = this;
    const outs = flatTensors(lenode, result).filter((t) => isFloat(t.dtype));
    const pairs = outs.map((out, i) => [out, upstream[i]]).filter(([out, up]) => up && out.requiresGrad);
    if (pairs.length === 0) return inputs.map(() => null);
    return lenode.autograd.grad(pairs.map(([out]) => out), inputs, { gradOutputs: pairs.map(([, up]) => up), allowUnused: true });
  }

  compareGradients({ row, sample, tensor, drawn, operands }, grads, wants) {
    if (this.choseOthers) return '';
    const all = this.wants(sample, operands);
    for (const [i, want] of wants.entries()) {
      const at = all.indexOf(want);
      const [expected, exact] = [sample.grads[at], sample.exactGrads?.[at]];
      const name = `the gradient of operand ${want}`;
      // None is as good as zeros.
      if (!expected || !grads[i]) {
        const values = expected ? tensor(expected.t).data : (grads[i]?.dataSync() ?? []);
        if (!drawn && values.some((v) => v !== 0)) return `${name} is ${expected ? 'missing' : 'there, expected none'}`;
        continue;
      }
      let [gradient, target] = [grads[i], tensor(expected.t)];
      if (row.gradient) [gradient, target] = row.gradient({ lenode: this.lenode, operand: tensor(operands[want]), gradient, expected: target });
      // A broadcast operand's gradient is a sum, too.
      const sums = row.sums || target.data.length < Math.max(...sample.up.map(({ t }) => tensor(t).data.length));
      const failure = compareTensor(this.lenode, gradient, target, row.gradient ? undefined : exact && tensor(exact.t), 'gradient',
        { sums, drawn, precision: precisionOf(row, sample) });
      if (failure) return `${name} ${failure}`;
    }
    return '';
  }
}

// What PyTorch computes in float32 although its operands are wider.
const precisionOf = (row, sample) => (row.single && sample.dtype === 'float64' ? 'float32' : undefined);

function outcomeOf(lenode, error) {
  if (error instanceof Refusal) return { outcome: 'refused', message: error.message };
  const absent = error instanceof Missing ? error.message : absentIn(error);
  if (absent) return { outcome: 'refused', message: `there is no ${absent}` };
  if (error instanceof lenode.LenodeError && !(error instanceof lenode.InternalError))
    return { outcome: 'refused', message: `${error.name}: ${error.message}` };
  return { outcome: 'wrong', message: `throws ${error.stack.split('\n').slice(0, 3).join(' | ')}` };
}

/** What a row that is a function called although it does not exist. */
function absentIn(error) {
  const called = error instanceof TypeError && /(\S+) is not a function/.exec(error.message);
  return called && /^\s+at [^\n]*table\.mjs/.test(error.stack.split('\n')[1]) ? called[1] : undefined;
}

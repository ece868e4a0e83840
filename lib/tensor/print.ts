// SPDX-License-Identifier: Apache-2.0
// Tensors as text, laid out as PyTorch prints them.
import { inspect } from 'node:util';
import { isFloating, type DType } from './dtype.js';
import { Tensor } from './tensor.js';

const MAX_ELEMENTS = 1000; // beyond this the middle of each dimension is left out
const EDGE = 3;

type Values = ArrayLike<number | bigint>;

function formatter(values: Values, dtype: DType): (x: number | bigint) => string {
  if (dtype === 'bool') return (x) => (x ? 'true' : 'false');
  if (!isFloating(dtype)) return String;
  const finite = Array.from(values as ArrayLike<number>).filter(Number.isFinite);
  if (finite.every(Number.isInteger)) return (x) => (Number.isFinite(x as number) ? `${x}.` : special(x as number));
  const largest = finite.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const smallest = finite.reduce((m, x) => (x === 0 ? m : Math.min(m, Math.abs(x))), Infinity);
  const scientific = largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1e3 * 1e4;
  return (x) => (!Number.isFinite(x as number) ? special(x as number) : scientific ? (x as number).toExponential(4) : (x as number).toFixed(4));
}

const special = (x: number): string => (Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf');

function render(texts: (offset: number) => string, shape: readonly number[], depth: number, offset: number, cut: boolean, indent: number): string {
  if (depth === shape.length) return texts(offset);
  const size = shape[depth]!;
  const step = shape.slice(depth + 1).reduce((a, b) => a * b, 1);
  const skip = cut && size > 2 * EDGE;
  const parts: string[] = [];
  for (let i = 0; i < size; i++) {
    if (skip && i === EDGE) {
      parts.push('...');
      i = size - EDGE;
    }
    parts.push(render(texts, shape, depth + 1, offset + i * step, cut, indent + 1));
  }
  const gap = depth === shape.length - 1 ? ', ' : `,${'\n'.repeat(shape.length - 1 - depth)}${' '.repeat(indent + 1)}`;
  return `[${parts.join(gap)}]`;
}

/** The values of a tensor as text. Blocks until they are computed. */
export function formatTensor(t: Tensor): string {
  const values = t.dataSync() as Values;
  const cut = values.length > MAX_ELEMENTS;
  const format = formatter(values, t.dtype);
  const shown: string[] = [];
  if (!cut) for (let i = 0; i < values.length; i++) shown.push(format(values[i]!));
  const width = cut ? 0 : shown.reduce((w, s) => Math.max(w, s.length), 0);
  const text = (i: number) => (cut ? format(values[i]!) : shown[i]!.padStart(t.ndim ? width : 0));
  const notes = [
    t.dtype === 'float32' || t.dtype === 'bool' ? '' : `, dtype=${t.dtype}`,
    t.device.type === 'cpu' ? '' : `, device=${t.device}`,
    values.length === 0 && t.ndim !== 1 ? `, size=[${t.shape.join(', ')}]` : '',
    t.gradFn ? `, gradFn=${t.gradFn.name}` : t.requiresGrad ? ', requiresGrad=true' : '',
  ].join('');
  return `tensor(${render(text, t.shape, 0, 0, cut, 'tensor('.length)}${notes})`;
}

Tensor.prototype.toString = function (this: Tensor): string {
  return this.disposed ? `tensor(disposed, shape=[${this.shape.join(', ')}])` : formatTensor(this);
};
Object.defineProperty(Tensor.prototype, inspect.custom, {
  value(this: Tensor): string {
    return this.toString();
  },
});

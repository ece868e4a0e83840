// SPDX-License-Identifier: Apache-2.0
// Sums of products by Einstein's convention.
import { ArgumentError, ShapeError } from '../native/errors.js';
import { broadcastShapes, formatShape, MAX_RANK, numelOf, type Shape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { matmul } from './matmul.js';
import { mul } from './pointwise.js';
import { sum } from './reduce.js';
import { diagonal } from './triangular.js';
import { expand, permute, reshape } from './view.js';

/** A tensor whose dimensions have names; those of '...' are numbers, counted from the last. */
interface Named {
  x: Tensor;
  names: readonly string[];
}

const where = 'einsum';

function parse(equation: string, operands: readonly Tensor[]): { inputs: string[][]; output: string[] } {
  if (typeof equation !== 'string') throw new ArgumentError(`${where}: expected an equation such as 'ij,jk->ik', got ${String(equation)}`);
  const [left = '', right, ...more] = equation.replaceAll(' ', '').split('->');
  const terms = left.split(',');
  if (more.length > 0 || terms.length !== operands.length)
    throw new ArgumentError(`${where}: '${equation}' has ${terms.length} operands, got ${operands.length} tensors`);
  let ellipsis = 0;
  const namesOf = (term: string, rank: number | null): string[] => {
    const [before = '', behind, ...rest] = term.split('...');
    const letters = [...before, ...(behind ?? '')];
    if (rest.length > 0 || letters.some((c) => !/[a-zA-Z]/.test(c)))
      throw new ArgumentError(`${where}: '${term}' of '${equation}' is no list of letters with at most one '...'`);
    const count = behind === undefined ? 0 : rank === null ? ellipsis : rank - letters.length;
    if (count < 0 || (behind === undefined && rank !== null && rank !== letters.length))
      throw new ShapeError(`${where}: '${term}' of '${equation}' does not fit a tensor of ${rank} dimensions`);
    if (rank !== null) ellipsis = Math.max(ellipsis, count);
    return [...before, ...Array.from({ length: count }, (_, i) => String(count - 1 - i)), ...(behind ?? '')];
  };
  const inputs = terms.map((term, i) => namesOf(term, operands[i]!.ndim));
  let output: string[];
  if (right === undefined) {
    const all = inputs.flat();
    const letters = [...new Set(all)].filter((c) => /\D/.test(c) && all.indexOf(c) === all.lastIndexOf(c)).sort();
    output = [...Array.from({ length: ellipsis }, (_, i) => String(ellipsis - 1 - i)), ...letters];
  } else {
    output = namesOf(right, null);
    const known = new Set(inputs.flat());
    for (const [i, c] of output.entries())
      if (!known.has(c) || output.indexOf(c) !== i)
        throw new ArgumentError(`${where}: '${c}' of the result of '${equation}' ${known.has(c) ? 'stands twice' : 'is in no operand'}`);
  }
  return { inputs, output };
}

// A name that stands twice is the diagonal of its two dimensions.
function withoutTwins({ x, names }: Named): Named {
  const second = names.findIndex((c, i) => names.indexOf(c) !== i);
  if (second < 0) return { x, names };
  const first = names.indexOf(names[second]!);
  if (x.shape[first] !== x.shape[second])
    throw new ShapeError(`${where}: the dimensions '${names[second]}' of ${formatShape(x.shape)} differ`);
  const rest = names.filter((_, i) => i !== first && i !== second);
  return withoutTwins({ x: diagonal(x, { dim1: first, dim2: second }), names: [...rest, names[second]!] });
}

function summed({ x, names }: Named, keep: (name: string) => boolean): Named {
  const gone = names.flatMap((c, i) => (keep(c) ? [] : [i]));
  return gone.length === 0 ? { x, names } : { x: sum(x, gone), names: names.filter(keep) };
}

// Dimensions in the order of `names`, those that are missing with size 1.
function arranged({ x, names }: Named, order: readonly string[]): Tensor {
  const present = order.filter((c) => names.includes(c));
  const y = permute(x, present.map((c) => names.indexOf(c)));
  let next = 0;
  return reshape(y, order.map((c) => (names.includes(c) ? y.shape[next++]! : 1)));
}

// The product of two, summed over the names that nobody needs any more.
function contract(a: Named, b: Named, needed: ReadonlySet<string>): Named {
  const left = summed(a, (c) => needed.has(c) || b.names.includes(c));
  const right = summed(b, (c) => needed.has(c) || a.names.includes(c));
  const size = (c: string): number => {
    const sizes = [left, right].flatMap(({ x, names }) => (names.includes(c) ? [x.shape[names.indexOf(c)]!] : []));
    return sizes.find((n) => n !== 1) ?? 1;
  };
  const both = left.names.filter((c) => right.names.includes(c));
  const inner = both.filter((c) => !needed.has(c));
  const batch = both.filter((c) => needed.has(c));
  const rows = left.names.filter((c) => !both.includes(c));
  const columns = right.names.filter((c) => !both.includes(c));
  const names = [...batch, ...rows, ...columns];
  if (names.length + inner.length > MAX_RANK && inner.length === 0)
    throw new ShapeError(`${where}: a product of ${names.length} dimensions; at most ${MAX_RANK} are supported`);
  if (inner.length === 0) return { x: mul(arranged(left, names), arranged(right, names)), names };
  const sizes = (list: readonly string[]): Shape => list.map(size);
  const flat = (of: Named, order: readonly string[], wide: readonly string[], shape: Shape) => {
    const x = arranged(of, order);
    return reshape(expand(x, x.shape.map((n, i) => (wide.includes(order[i]!) ? size(order[i]!) : n))), shape);
  };
  const [m, k, n] = [numelOf(sizes(rows)), numelOf(sizes(inner)), numelOf(sizes(columns))];
  const b0 = numelOf(sizes(batch));
  const p = flat(left, [...batch, ...rows, ...inner], both, batch.length ? [b0, m, k] : [m, k]);
  const q = flat(right, [...batch, ...inner, ...columns], both, batch.length ? [b0, k, n] : [k, n]);
  return { x: reshape(matmul(p, q), sizes(names)), names };
}

/**
 * Sums of products by Einstein's convention: `einsum('bij,bjk->bik', a, b)`. Letters name dimensions; a letter that the
 * result lacks is summed over, one that stands twice in an operand takes its diagonal, '...' stands for leading dimensions
 * that are broadcast. Without '->' the result has the letters that stand once, in alphabetical order. Operands are
 * multiplied from left to right, as matrices where that is possible.
 *
 * @throws ArgumentError for an equation that is none; ShapeError where sizes or ranks do not fit
 */
export function einsum(equation: string, ...tensors: readonly (Tensor | readonly Tensor[])[]): Tensor {
  const operands = (tensors.length === 1 && Array.isArray(tensors[0]) ? tensors[0] : tensors) as readonly Tensor[];
  operands.forEach((x, i) => checkTensor(x, where, `operand ${i}`));
  const { inputs, output } = parse(equation, operands);
  const known = new Map<string, number>();
  for (const [i, names] of inputs.entries())
    for (const [d, c] of names.entries())
      known.set(c, broadcastShapes([known.get(c) ?? 1], [operands[i]!.shape[d]!], `${where}: '${c}' of '${equation}'`)[0]!);
  const named = operands.map((x, i) => withoutTwins({ x, names: inputs[i]! }));
  let result = named[0]!;
  for (let i = 1; i < named.length; i++) {
    const needed = new Set([...output, ...named.slice(i + 1).flatMap(({ names }) => names)]);
    result = contract(result, named[i]!, needed);
  }
  return arranged(summed(result, (c) => output.includes(c)), output);
}

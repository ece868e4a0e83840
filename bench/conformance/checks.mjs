// SPDX-License-Identifier: Apache-2.0
// Comparisons where PyTorch leaves open which of several results comes.

/**
 * Positions of equal elements may be others than PyTorch's: the operand must have there what it has at PyTorch's. For a
 * result of positions, or [values, positions]. The elements in question lie along one dimension of the operand.
 */
export function byPosition({ lenode, result, sample, tensor, operands, compare }) {
  const list = Array.isArray(result) ? result : [result];
  const expected = Array.isArray(sample.out) ? sample.out : [sample.out];
  const positions = list.length - 1;
  const mine = list[positions];
  const theirs = tensor(expected[positions].t);
  // Values without positions, as in a median of everything.
  if (theirs.dtype !== 'int64' || !Array.isArray(sample.out) && operands[0].dtype === 'int64' && !sample.positions) return compare();
  if (mine?.dtype !== 'int64' || String(mine.shape) !== String(theirs.shape)) return compare();
  const x = operands[0];
  const dim = dimensionOf(x, theirs.shape, sample);
  const at = (index) => pick(lenode, x, dim, index);
  const [a, b] = [at(mine), at(lenode.tensor(theirs.data, { shape: theirs.shape, dtype: 'int64' }))];
  if (a.some((v, i) => v !== b[i] && !(Number.isNaN(v) && Number.isNaN(b[i])))) return compare();
  if (list.length === 1) return '';
  return compare([list[0]], [expected[0]], sample.exact && [sample.exact[0]]);
}

// The dimension is an argument of the call, in one of several places; the last one by default.
function dimensionOf(x, shape, { args, kwargs }) {
  const named = kwargs.o.dim;
  const given = named ?? args.slice(1).find((v) => Number.isInteger(v) && (x.ndim === shape.length || true) && v < Math.max(x.ndim, 1) && v >= -x.ndim);
  return typeof given === 'number' ? given : -1;
}

function pick(lenode, x, dim, index) {
  if (x.ndim === 0) return [...x.reshape([1]).dataSync()];
  const wide = index.ndim === x.ndim ? index : index.unsqueeze(dim);
  return [...lenode.gather(x.detach(), dim, wide).dataSync()];
}

/** The same elements in any order. */
export function sameSet({ result, sample, tensor, compare }) {
  if (Array.isArray(sample.out) || sample.kwargs.o.sorted !== false) return compare();
  const order = (values) => [...values].map(Number).sort((a, b) => a - b);
  const [mine, theirs] = [order(result.dataSync()), order(tensor(sample.out.t).data)];
  return mine.length === theirs.length && mine.every((v, i) => Object.is(v, theirs[i]) || v === theirs[i]) ? '' : compare();
}

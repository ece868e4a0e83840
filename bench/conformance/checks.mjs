// SPDX-License-Identifier: Apache-2.0
// Comparisons where PyTorch leaves open which of several results comes.

/**
 * Positions of equal elements may be others than PyTorch's: the operand must have there what it has at PyTorch's. For a
 * result of [values, positions], or of positions alone.
 * @param at which argument the dimension is, by default the last dimension
 */
export function byPosition(at, alone = false) {
  return ({ lenode, result, sample, tensor, operands: [x], compare }) => {
    const expected = Array.isArray(sample.out) ? sample.out : [sample.out];
    const got = Array.isArray(result) ? result : [result];
    const theirs = tensor(expected.at(-1).t);
    const mine = got.at(-1);
    if (expected.length !== (alone ? 1 : 2) || mine?.dtype !== 'int64' || String(mine.shape) !== String(theirs.shape) || expected.length !== got.length) return compare();
    const dim = sample.kwargs.o.dim ?? sample.args[at] ?? -1;
    const look = (index) => [...pick(lenode, x.detach(), dim, index)];
    const [a, b] = [look(mine), look(lenode.tensor(theirs.data, { shape: theirs.shape, dtype: 'int64' }))];
    if (a.some((v, i) => !Object.is(v, b[i]) && v !== b[i])) return compare();
    return got.length === 1 ? '' : compare([got[0]], [expected[0]], sample.exact && [sample.exact[0]]);
  };
}

function pick(lenode, x, dim, index) {
  if (x.ndim === 0) return x.dataSync();
  return lenode.gather(x, dim, index.ndim === x.ndim ? index : index.unsqueeze(dim)).dataSync();
}

/**
 * The gradient of what orders the elements of each column: of equal elements it may be given in any order. Puts both
 * gradients of them in one order.
 */
export function inColumns({ lenode, operand, gradient, expected }) {
  const size = operand.shape.length === 0 ? 1 : operand.data.length / Math.max(operand.shape[0], 1);
  const equals = new Map();
  for (const [i, x] of operand.data.entries()) {
    const key = `${i % size} ${x}`;
    if (!equals.get(key)?.push(i)) equals.set(key, [i]);
  }
  const ordered = (given) => {
    const data = given.slice();
    for (const places of equals.values()) {
      const values = places.map((i) => given[i]).sort((a, b) => a - b);
      places.forEach((place, i) => (data[place] = values[i]));
    }
    return data;
  };
  return [
    lenode.tensor(ordered(gradient.dataSync()), { shape: gradient.shape, dtype: gradient.dtype }),
    { ...expected, data: ordered(expected.data) },
  ];
}

/** The same elements in any order. */
export function sameSet({ result, sample, tensor, compare }) {
  if (Array.isArray(sample.out) || sample.kwargs.o.sorted !== false) return compare();
  const order = (values) => [...values].map(Number).sort((a, b) => a - b);
  const [mine, theirs] = [order(result.dataSync()), order(tensor(sample.out.t).data)];
  return mine.length === theirs.length && mine.every((v, i) => v === theirs[i]) ? '' : compare();
}

// SPDX-License-Identifier: Apache-2.0
// Distinct values. How many there are has to be read back: all of these wait for the device.
import { ArgumentError } from '../native/errors.js';
import { boolean, integer, nullable, optionsOf } from '../native/options.js';
import { normalizeDim } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { cat } from './join.js';
import { fullKernel } from './kernels.js';
import { scatter } from './indexing.js';
import { argsort, cumsum } from './order.js';
import { indexSelect } from './pick.js';
import { ne, sub } from './pointwise.js';
import { iota, positionsOf } from './positions.js';
import { movedim } from './rearrange.js';
import { any } from './reduce.js';
import { narrow, reshape, select } from './view.js';

export interface UniqueConsecutiveOptions {
  /** Give for each element the position of its value, too. Default false. */
  returnInverse?: boolean;
  /** Give how often each value occurs, too. Default false. */
  returnCounts?: boolean;
  /** Compare the parts along this dimension instead of elements. Default null. */
  dim?: number | null;
}

export interface UniqueOptions extends UniqueConsecutiveOptions {
  /** Accepted for PyTorch's sake: the values always come in order. */
  sorted?: boolean;
}

const consecutiveOptions = optionsOf<UniqueConsecutiveOptions>({
  returnInverse: boolean,
  returnCounts: boolean,
  dim: nullable(integer),
});
const uniqueOptions = optionsOf<UniqueOptions>({ ...consecutiveOptions.schema, sorted: boolean });

// The order of rows [n, k], by their first elements first.
function orderOf(rows: Tensor): Tensor {
  const columns = rows.shape[1]!;
  let order = iota(rows.shape[0]!, rows);
  for (let k = columns - 1; k >= 0; k--)
    order = indexSelect(order, 0, argsort(indexSelect(select(rows, 1, k), 0, order), { dim: 0, stable: true }));
  return order;
}

function distinct(where: string, given: Tensor, options: UniqueConsecutiveOptions, sorts: boolean): Tensor | Tensor[] {
  const { returnInverse = false, returnCounts = false, dim = null } = options;
  const x = checkTensor(given, where).detach() as Tensor;
  const at = dim === null ? 0 : normalizeDim(dim, x.ndim, where);
  const moved = dim === null ? reshape(x, [x.numel]) : movedim(x, at, 0);
  const n = moved.shape[0] ?? 1;
  if (n > 0 && x.numel === 0) throw new ArgumentError(`${where}: there is nothing to compare in parts without elements`);
  const rows = reshape(moved, [n, n === 0 ? 1 : x.numel / n]);
  const order = sorts ? orderOf(rows) : null;
  const ordered = order ? indexSelect(rows, 0, order) : rows;
  const differs = n < 2 ? null : any(ne(narrow(ordered, 0, 1, n - 1), narrow(ordered, 0, 0, n - 1)), 1);
  const begins = n === 0 ? iota(0, x) : cat([fullKernel([1], 1, 'bool', x.device) as Tensor, ...(differs ? [differs] : [])]);
  const starts = positionsOf(begins, where);
  const count = starts.numel;
  const values = reshape(indexSelect(ordered, 0, starts), [count, ...moved.shape.slice(1)]);
  const results = [dim === null ? values : movedim(values, 0, at)];
  if (returnInverse) {
    const groups = n === 0 ? iota(0, x) : sub(cumsum(begins, 0), 1);
    const inverse = order ? scatter(groups, 0, order, groups) : groups;
    results.push(dim === null ? reshape(inverse, x.shape) : inverse);
  }
  if (returnCounts)
    results.push(count === 0 ? iota(0, x) : sub(cat([narrow(starts, 0, 1, count - 1), fullKernel([1], n, 'int64', x.device) as Tensor]), starts));
  return results.length === 1 ? results[0]! : results;
}

/**
 * The distinct elements in order, or the distinct parts along `dim`. Every NaN counts as distinct. Waits for the device.
 * @returns the values, or [values, inverse, counts] as far as they are asked for; the latter are int64. No gradient
 */
export function unique(x: Tensor, options?: UniqueOptions): Tensor | Tensor[] {
  return distinct('unique', x, uniqueOptions('unique', options, arguments.length > 2), true);
}

/** As unique(), but only equal neighbours count once, and the order stays. */
export function uniqueConsecutive(x: Tensor, options?: UniqueConsecutiveOptions): Tensor | Tensor[] {
  return distinct('uniqueConsecutive', x, consecutiveOptions('uniqueConsecutive', options, arguments.length > 2), false);
}

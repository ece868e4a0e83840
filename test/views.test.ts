// SPDX-License-Identifier: Apache-2.0
// Chains of view operations against a model that knows nothing of strides: which element of the first tensor each element
// of a view is. LENODE_VIEW_CHAINS says how many chains (default 3,000), LENODE_VIEW_SEED where they begin.
import { expect, test } from 'vitest';
import { cat, ShapeError, tensor, type Tensor } from '../lib/index.js';

const CHAINS = Number(process.env.LENODE_VIEW_CHAINS ?? 3000);
const SEED = Number(process.env.LENODE_VIEW_SEED ?? 1);
const MOST_ELEMENTS = 400;

/** A view: its shape, and the leaf's element behind each of its own, in row-major order. */
interface Model {
  shape: number[];
  from: number[];
}

type Random = (below: number) => number;

function random(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const flatIndex = (at: readonly number[], shape: readonly number[]) => at.reduce((flat, i, d) => flat * shape[d]! + i, 0);

function positions(shape: readonly number[]): number[][] {
  let all: number[][] = [[]];
  for (const size of shape) all = all.flatMap((at) => Array.from({ length: size }, (_, i) => [...at, i]));
  return all;
}

/** The model of another shape, each of whose positions is one of m's. */
function picked(m: Model, shape: number[], source: (at: number[]) => number[]): Model {
  return { shape, from: positions(shape).map((at) => m.from[flatIndex(source(at), m.shape)]!) };
}

const reshaped = (m: Model, shape: number[]): Model => ({ shape, from: m.from });
const splice = (list: readonly number[], at: number, remove: number, ...insert: number[]) => list.toSpliced(at, remove, ...insert);

// ---- random arguments ----------------------------------------------------------------------------------------------------

function randomShape(r: Random): number[] {
  for (;;) {
    const shape = Array.from({ length: r(7) }, () => [0, 1, 1, 1, 2, 2, 3, 4][r(8)]!);
    if (product(shape) <= MOST_ELEMENTS && (product(shape) > 0 || r(3) === 0)) return shape;
  }
}

// Sizes whose product is n, ones among them.
function factors(n: number, r: Random): number[] {
  if (n === 0) return Array.from({ length: 1 + r(4) }, () => r(4)).with(0, 0);
  const sizes: number[] = [];
  for (let rest = n; rest > 1; ) {
    const divisors = Array.from({ length: rest }, (_, i) => i + 1).filter((d) => d > 1 && rest % d === 0);
    const size = divisors[r(divisors.length)]!;
    sizes.splice(r(sizes.length + 1), 0, size);
    rest /= size;
  }
  while (sizes.length < 7 && r(3) === 0) sizes.splice(r(sizes.length + 1), 0, 1);
  return sizes.slice(0, 8);
}

// One of the sizes as -1, if it follows from the others.
function withUnknown(sizes: number[], r: Random): number[] {
  const at = r(sizes.length + 1);
  return at < sizes.length && product(splice(sizes, at, 1)) > 0 ? sizes.with(at, -1) : sizes;
}

const eitherEnd = (dim: number, rank: number, r: Random) => (r(2) ? dim : dim - Math.max(rank, 1));

// ---- operations ------------------------------------------------------------------------------------------------------------

interface Step {
  text: string;
  apply: (x: Tensor) => Tensor;
  model: Model;
}

type Maker = (m: Model, r: Random) => Step | null;

// An operation along one dimension of a tensor that has some.
const along =
  (make: (m: Model, r: Random, dim: number, given: number, size: number) => Step | null): Maker =>
  (m, r) => {
    if (m.shape.length === 0) return null;
    const dim = r(m.shape.length);
    return make(m, r, dim, eitherEnd(dim, m.shape.length, r), m.shape[dim]!);
  };

const part = (m: Model, dim: number, start: number, length: number, step = 1): Model =>
  picked(m, m.shape.with(dim, length), (at) => at.with(dim, start + at[dim]! * step));

// The pieces of `sizes` along dim, of which one is taken.
function piece(m: Model, r: Random, dim: number, sizes: number[], text: string, apply: (x: Tensor) => Tensor[]): Step {
  const i = r(sizes.length);
  const start = sizes.slice(0, i).reduce((a, b) => a + b, 0);
  return {
    text: `${text}[${i}]`,
    apply: (x) => {
      const pieces = apply(x);
      if (pieces.length !== sizes.length) throw new Error(`${text} gave ${pieces.length} pieces, expected ${sizes.length}`);
      return pieces[i]!;
    },
    model: part(m, dim, start, sizes[i]!),
  };
}

const makers: Record<string, Maker> = {
  reshape(m, r) {
    const sizes = factors(m.from.length, r);
    const given = withUnknown(sizes, r);
    return { text: `reshape(${JSON.stringify(given)})`, apply: (x) => x.reshape(given), model: reshaped(m, sizes) };
  },
  view(m, r) {
    const sizes = factors(m.from.length, r);
    const apply = (x: Tensor) => {
      try {
        return x.view(sizes);
      } catch (error) {
        if (!(error instanceof ShapeError) || x.isContiguous()) throw error; // a copy is needed
        return x.clone().contiguous().view(sizes);
      }
    };
    return { text: `view(${JSON.stringify(sizes)})`, apply, model: reshaped(m, sizes) };
  },
  flatten(m, r) {
    const rank = m.shape.length;
    const [start, end] = [r(Math.max(rank, 1)), r(Math.max(rank, 1))].sort((a, b) => a - b) as [number, number];
    const [from, to] = [eitherEnd(start, rank, r), eitherEnd(end, rank, r)];
    const shape = rank === 0 ? [1] : splice(m.shape, start, end - start + 1, product(m.shape.slice(start, end + 1)));
    return { text: `flatten(${from}, ${to})`, apply: (x) => x.flatten(from, to), model: reshaped(m, shape) };
  },
  unflatten: along((m, r, dim, given, size) => {
    const sizes = factors(size, r).slice(0, 9 - m.shape.length);
    if (sizes.length === 0) sizes.push(1);
    if (product(sizes) !== size) return null;
    const shown = withUnknown(sizes, r);
    return {
      text: `unflatten(${given}, ${JSON.stringify(shown)})`,
      apply: (x) => x.unflatten(given, shown),
      model: reshaped(m, splice(m.shape, dim, 1, ...sizes)),
    };
  }),
  squeeze(m, r) {
    const rank = m.shape.length;
    const kept = (gone: (i: number) => boolean) => reshaped(m, m.shape.filter((size, i) => size !== 1 || !gone(i)));
    if (r(3) === 0 || rank === 0) return { text: 'squeeze()', apply: (x) => x.squeeze(), model: kept(() => true) };
    const dims = [...m.shape.keys()].filter(() => r(2) === 0);
    if (dims.length === 1 && r(2)) return { text: `squeeze(${dims[0]})`, apply: (x) => x.squeeze(dims[0]), model: kept((i) => i === dims[0]) };
    return { text: `squeeze([${dims.join()}])`, apply: (x) => x.squeeze(dims), model: kept((i) => dims.includes(i)) };
  },
  unsqueeze(m, r) {
    if (m.shape.length > 6) return null;
    const dim = r(m.shape.length + 1);
    const given = eitherEnd(dim, m.shape.length + 1, r);
    return { text: `unsqueeze(${given})`, apply: (x) => x.unsqueeze(given), model: reshaped(m, splice(m.shape, dim, 0, 1)) };
  },
  permute(m, r) {
    const order = m.shape.map((_, i) => i);
    for (let i = order.length - 1; i > 0; i--) {
      const j = r(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    const model = picked(m, order.map((d) => m.shape[d]!), (at) => order.map((_, d) => at[order.indexOf(d)]!));
    return { text: `permute(${JSON.stringify(order)})`, apply: (x) => x.permute(order), model };
  },
  transpose: along((m, r, a, given) => {
    const b = r(m.shape.length);
    const swap = (list: readonly number[]) => list.with(a, list[b]!).with(b, list[a]!);
    return { text: `transpose(${given}, ${b})`, apply: (x) => x.transpose(given, b), model: picked(m, swap(m.shape), swap) };
  }),
  t(m) {
    if (m.shape.length > 2) return null;
    const swap = (list: readonly number[]) => list.toReversed();
    return { text: 't()', apply: (x) => x.t(), model: picked(m, swap(m.shape), swap) };
  },
  expand(m, r) {
    const extra = m.shape.length > 5 ? 0 : r(2);
    const shape = [...Array.from({ length: extra }, () => r(4)), ...m.shape.map((size) => (size === 1 ? r(4) : size))];
    if (product(shape) > MOST_ELEMENTS) return null;
    const shown = shape.map((size, i) => (i >= extra && size === m.shape[i - extra] && r(3) === 0 ? -1 : size));
    const model = picked(m, shape, (at) => at.slice(extra).map((i, d) => (m.shape[d] === 1 ? 0 : i)));
    return { text: `expand(${JSON.stringify(shown)})`, apply: (x) => x.expand(shown), model };
  },
  slice: along((m, r, dim, given, size) => {
    const [start, step] = [r(size + 2), 1 + r(4)];
    const end = r(3) === 0 ? undefined : r(size + 3);
    const from = Math.min(start, size);
    const length = Math.ceil(Math.max(Math.min(end ?? size, size) - from, 0) / step);
    const shownStart = start < size && r(3) === 0 ? start - size : start;
    return {
      text: `slice(${given}, ${shownStart}, ${end}, ${step})`,
      apply: (x) => x.slice(given, shownStart, end, step),
      model: part(m, dim, from, length, step),
    };
  }),
  narrow: along((m, r, dim, given, size) => {
    const start = r(size + 1);
    const length = r(size - start + 1);
    return { text: `narrow(${given}, ${start}, ${length})`, apply: (x) => x.narrow(given, start, length), model: part(m, dim, start, length) };
  }),
  select: along((m, r, dim, given, size) => {
    if (size === 0) return null;
    const index = r(size);
    const shown = r(2) ? index : index - size;
    const model = picked(m, splice(m.shape, dim, 1), (at) => splice(at, dim, 0, index));
    return { text: `select(${given}, ${shown})`, apply: (x) => x.select(given, shown), model };
  }),
  unbind: along((m, r, dim, given, size) => {
    if (size === 0) return null;
    const index = r(size);
    const model = picked(m, splice(m.shape, dim, 1), (at) => splice(at, dim, 0, index));
    return { text: `unbind(${given})[${index}]`, apply: (x) => x.unbind(given)[index]!, model };
  }),
  split: along((m, r, dim, given, size) => {
    if (r(2)) {
      const each = 1 + r(4);
      const sizes = Array.from({ length: Math.max(1, Math.ceil(size / each)) }, (_, i) => Math.min(each, size - i * each));
      return piece(m, r, dim, sizes, `split(${each}, ${given})`, (x) => x.split(each, given));
    }
    const first = r(size + 1);
    const sizes = [first, 0, size - first];
    return piece(m, r, dim, sizes, `split(${JSON.stringify(sizes)}, ${given})`, (x) => x.split(sizes, given));
  }),
  chunk: along((m, r, dim, given, size) => {
    const chunks = 1 + r(4);
    const each = Math.ceil(size / chunks);
    const sizes = size === 0 ? new Array<number>(chunks).fill(0) : Array.from({ length: Math.ceil(size / each) }, (_, i) => Math.min(each, size - i * each));
    return piece(m, r, dim, sizes, `chunk(${chunks}, ${given})`, (x) => x.chunk(chunks, given));
  }),
  movedim: along((m, r, source, given) => {
    const destination = r(m.shape.length);
    const move = (list: readonly number[], from: number, to: number) => splice(splice(list, from, 1), to, 0, list[from]!);
    return {
      text: `movedim(${given}, ${destination})`,
      apply: (x) => x.movedim(given, destination),
      model: picked(m, move(m.shape, source, destination), (at) => move(at, destination, source)),
    };
  }),
  diagonal(m, r) {
    if (m.shape.length < 2) return null;
    const dim1 = r(m.shape.length);
    const dim2 = (dim1 + 1 + r(m.shape.length - 1)) % m.shape.length;
    const offset = r(4) - 1;
    const [below, above] = [Math.max(-offset, 0), Math.max(offset, 0)];
    const length = Math.max(Math.min(m.shape[dim1]! - below, m.shape[dim2]! - above), 0);
    const rest = m.shape.filter((_, d) => d !== dim1 && d !== dim2);
    const model = picked(m, [...rest, length], (at) => {
      const others = at.slice(0, -1).values();
      const i = at.at(-1)!;
      return m.shape.map((_, d) => (d === dim1 ? i + below : d === dim2 ? i + above : others.next().value!));
    });
    return { text: `diagonal(${offset}, ${dim1}, ${dim2})`, apply: (x) => x.diagonal({ offset, dim1, dim2 }), model };
  },
  unfold: along((m, r, dim, given, size) => {
    if (size === 0 || m.shape.length > 6) return null;
    const [window, step] = [1 + r(size), 1 + r(3)];
    const shape = [...m.shape.with(dim, Math.floor((size - window) / step) + 1), window];
    if (product(shape) > MOST_ELEMENTS) return null;
    const model = picked(m, shape, (at) => at.slice(0, -1).with(dim, at[dim]! * step + at.at(-1)!));
    return { text: `unfold(${given}, ${window}, ${step})`, apply: (x) => x.unfold(given, window, step), model };
  }),
  // Not views, but what views meet: copies in other layouts, and the gradient of cat, which is views.
  clone: (m) => ({ text: 'clone()', apply: (x) => x.clone(), model: m }),
  contiguous: (m) => ({ text: 'contiguous()', apply: (x) => x.contiguous(), model: m }),
  channelsLast(m) {
    if (m.shape.length < 3 || m.shape.length > 5) return null;
    return { text: "contiguous('channelsLast')", apply: (x) => x.contiguous('channelsLast'), model: m };
  },
  flip: along((m, _r, dim, given, size) => ({
    text: `flip(${given})`,
    apply: (x) => x.flip(given),
    model: picked(m, m.shape, (at) => at.with(dim, size - 1 - at[dim]!)),
  })),
  cat: along((m, _r, dim, given, size) => {
    if (2 * m.from.length > MOST_ELEMENTS) return null;
    const model = picked(m, m.shape.with(dim, 2 * size), (at) => at.with(dim, at[dim]! % Math.max(size, 1)));
    return { text: `cat([x, x], ${given})`, apply: (x) => cat([x, x], given), model };
  }),
};

const names = Object.keys(makers);

// ---- chains ----------------------------------------------------------------------------------------------------------------

const same = (a: ArrayLike<number>, b: ArrayLike<number>) => a.length === b.length && Array.prototype.every.call(b, (x, i) => a[i] === x);

// Runs one chain; what is wrong, or null.
function check(seed: number): string | null {
  const r = random(seed);
  const shape = randomShape(r);
  const n = product(shape);
  const leaf = tensor(Float64Array.from({ length: n }, (_, i) => i + 1), { shape, requiresGrad: true });
  let m: Model = { shape, from: Array.from({ length: n }, (_, i) => i) };
  let x: Tensor = leaf;
  const done = [`seed ${seed}: [${shape.join()}]`];
  const failed = (what: string) => `${done.join('.')}: ${what}`;
  try {
    for (let left = 1 + r(7); left > 0; ) {
      const step = makers[names[r(names.length)]!]!(m, r);
      if (!step || step.model.shape.length > 8) continue;
      left--;
      done.push(step.text);
      x = step.apply(x);
      m = step.model;
      if (!same(x.shape, m.shape)) return failed(`shape [${x.shape.join()}], expected [${m.shape.join()}]`);
    }
    const expected = m.from.map((i) => i + 1);
    const values = x.dataSync() as Float64Array;
    if (!same(values, expected)) return failed(`${values.join()}, expected ${expected.join()}`);
    // The gradient comes dense, or as one number repeated, or in another order of dimensions.
    const kind = r(3);
    const upstream = m.from.map(() => (kind === 1 ? 1 : 1 + r(9)));
    if (x.requiresGrad) {
      const dense = tensor(Float64Array.from(upstream), { shape: m.shape });
      if (kind === 0) x.backward(dense);
      else if (kind === 1) x.sum().backward();
      else x.backward(m.shape.length > 1 ? dense.transpose(0, -1).contiguous().transpose(0, -1) : dense);
      const gradient = new Array<number>(n).fill(0);
      m.from.forEach((i, k) => (gradient[i]! += upstream[k]!));
      const got = leaf.grad!.dataSync() as Float64Array;
      if (!same(got, gradient)) return failed(`gradient (kind ${kind}) ${got.join()}, expected ${gradient.join()}`);
    }
    return null;
  } catch (error) {
    return failed(String(error));
  }
}

test(`${CHAINS} random chains of views, forward and backward`, () => {
  const wrong: string[] = [];
  for (let i = 0; i < CHAINS && wrong.length < 10; i++) {
    const message = check(SEED * 1_000_003 + i);
    if (message) wrong.push(message);
  }
  expect(wrong).toEqual([]);
});

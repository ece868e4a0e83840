// SPDX-License-Identifier: Apache-2.0
// What each value of a network depends on, and what it costs, from the native calls of a forward pass.
import { opNames } from '../../native/ops.gen.js';
import type { Observer } from '../../native/observer.js';
import type { Tensor } from '../../tensor/tensor.js';

/** Of a tensor that was computed from the input: per spatial dimension. */
export interface Field {
  /** How many neighbouring pixels of the input one value depends on. Padding counts as pixels. */
  readonly size: readonly number[];
  /** By how many pixels of the input the fields of neighbouring values are apart: the product of the strides. */
  readonly jump: readonly number[];
  /** How many values there are. What is flattened keeps them in mind. */
  readonly extent: readonly number[];
}

// Attributes of windows: (stride, padding, dilation, ...) of convolutions, (kernel, stride, padding, ...) of pooling.
interface Windowed {
  kernel: readonly number[];
  stride: readonly number[];
}

/** Sees the calls of a forward pass; knows the fields of all tensors and counts multiply-adds. */
export class Tracer implements Observer {
  macs = 0;
  readonly #fields = new WeakMap<object, Field>();
  readonly #views = new WeakSet<object>();

  /** An input: [N, C, spatial...]; each value sees itself. */
  begin(x: Tensor): void {
    const extent = x.shape.slice(2);
    if (extent.length > 0) this.#fields.set(x, { size: extent.map(() => 1), jump: extent.map(() => 1), extent });
  }

  fieldOf(x: object): Field | undefined {
    return this.#fields.get(x);
  }
  /** Whether the tensor shows memory of another. */
  isView(x: object): boolean {
    return this.#views.has(x);
  }

  view(base: object, object: object): void {
    this.#views.add(object);
    const field = this.#fields.get(base);
    if (field) this.#fields.set(object, moved(field, object as Tensor));
  }

  call(op: number, inputs: readonly (object | null)[], outputs: readonly (object | null)[], attrs: readonly number[]): void {
    const name = opNames[op]!;
    const [x, weight] = inputs as readonly (Tensor | null)[];
    const y = outputs[0] as Tensor | null;
    if (!y) return;
    this.macs += macsOf(name, x, weight, y);
    const known = inputs.flatMap((t) => (t && this.#fields.get(t)) ?? []);
    if (known.length === 0) return;
    const field = moved(after(name, attrs, known.reduce(larger), x, weight, y), y);
    for (const t of outputs) if (t) this.#fields.set(t, field);
  }
}

function macsOf(name: string, x: Tensor | null | undefined, weight: Tensor | null | undefined, y: Tensor): number {
  if (!x || !weight) return 0;
  if (name === 'conv') return y.numel * product(weight.shape.slice(1));
  if (name === 'convBackwardInput') return x.numel * product(weight.shape.slice(1)); // a transposed convolution's forward
  if (name === 'linear' || name === 'matmul') return y.numel * x.shape.at(-1)!;
  return 0;
}

function after(
  name: string,
  attrs: readonly number[],
  field: Field,
  x: Tensor | null | undefined,
  weight: Tensor | null | undefined,
  y: Tensor,
): Field {
  const n = field.extent.length;
  if (!x || n === 0) return field;
  if (name === 'conv' && x.ndim === n + 2)
    return windowed(field, {
      kernel: weight!.shape.slice(2).map((k, d) => (k - 1) * attrs[6 + d]! + 1),
      stride: attrs.slice(0, n),
    });
  if (name === 'convBackwardInput' && x.ndim === n + 2) {
    const spans = weight!.shape.slice(2).map((k, d) => (k - 1) * attrs[6 + d]! + 1);
    // Each value is the sum of at most this many.
    const kernel = spans.map((k, d) => Math.ceil(k / attrs[d]!));
    const { size, extent, jump } = windowed(field, { kernel, stride: field.extent.map(() => 1) });
    return { size, extent, jump: jump.map((j, d) => j / attrs[d]!) };
  }
  if ((name === 'maxPool' || name === 'avgPool') && x.ndim === n + 2) {
    const sizes = y.shape.slice(2);
    // A kernel of 0 stands for adaptive pooling.
    const kernel = field.extent.map((e, d) => {
      if (attrs[d] === 0) return Math.ceil(e / sizes[d]!);
      return name === 'maxPool' ? (attrs[d]! - 1) * attrs[9 + d]! + 1 : attrs[d]!;
    });
    const stride = field.extent.map((e, d) => (attrs[d] === 0 ? Math.max(1, Math.floor(e / sizes[d]!)) : attrs[3 + d]!));
    return windowed(field, { kernel, stride });
  }
  if (/^(linear|matmul)$/.test(name) && x.ndim <= 2) return everything(field);
  if (/^(sum|mean|prod|amax|amin|var|any|all)$/.test(name) && x.ndim === n + 2) {
    const kernel = field.extent.map((e, d) => (attrs[0]! & (1 << (2 + d)) ? e : 1));
    const { size, jump } = windowed(field, { kernel, stride: kernel });
    return { size, jump, extent: field.extent.map((e, d) => (kernel[d] === 1 ? e : 1)) };
  }
  return field;
}

function windowed({ size, jump, extent }: Field, { kernel, stride }: Windowed): Field {
  return {
    size: size.map((r, d) => r + (kernel[d]! - 1) * jump[d]!),
    jump: jump.map((j, d) => j * stride[d]!),
    extent,
  };
}

function everything(field: Field): Field {
  const { size } = windowed(field, { kernel: field.extent, stride: field.extent });
  return { size, jump: [], extent: [] };
}

// Where branches meet, the largest of each dimension.
function larger(a: Field, b: Field): Field {
  if (a.extent.length !== b.extent.length) return product(a.size) >= product(b.size) ? a : b;
  const most = (p: readonly number[], q: readonly number[]) => p.map((v, d) => Math.max(v, q[d]!));
  return { size: most(a.size, b.size), jump: most(a.jump, b.jump), extent: most(a.extent, b.extent) };
}

// The field of the same values in another tensor: the extent is its own, unless they were flattened.
function moved(field: Field, to: Tensor): Field {
  const n = field.extent.length;
  if (n === 0 || to.ndim < n + 1) return field;
  const extent = to.shape.slice(-n);
  return to.ndim >= n + 2 ? { ...field, extent } : field;
}

const product = (values: readonly number[]): number => values.reduce((n, v) => n * v, 1);

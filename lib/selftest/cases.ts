// SPDX-License-Identifier: Apache-2.0
// The table of op cases: calls, with the results and gradients that PyTorch gives. cases.json says what to call,
// cases.safetensors holds the numbers; test/fixtures/make_cases.py writes both.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { libraryRoot } from '../native/paths.js';
import type { ArrayOf, DType } from '../tensor/dtype.js';

/** Row-major values; those of float16 and bfloat16 are widened to float32, which changes none of them. */
export interface CaseTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: ArrayOf<DType>;
}

/**
 * How an argument lies in memory. 'transposed': its last two dimensions are exchanged. 'strided slice': every second
 * element, from the second on, of a buffer whose last dimension is twice as long. 'expanded': broadcast by strides of
 * 0 from `data`'s shape (of equal or lower rank) to `expandedShape`.
 */
export type CaseLayout = 'contiguous' | 'channels_last' | 'transposed' | 'strided slice' | 'expanded';

export interface CaseInput extends CaseTensor {
  readonly kind: 'tensor';
  readonly layout: CaseLayout;
  /** The shape the function is given; `shape`, unless the layout is 'expanded'. */
  readonly expandedShape: readonly number[];
  /** The expected gradient, of `expandedShape`, with respect to what the function is given. Absent: asks for none. */
  readonly grad?: CaseTensor;
}

export interface CaseOutput extends CaseTensor {
  /** The name of this result where PyTorch's are named, as in {values, indices}. */
  readonly field?: 'values' | 'indices';
  /** The gradient to run backward from. Absent: this result takes none. */
  readonly upstream?: CaseTensor;
}

export type CaseArgument = CaseInput | number | boolean | string | null | readonly CaseArgument[];

export interface Tolerance {
  /** |got - expected| <= atol + rtol * |expected|; NaN equals NaN. Results that are not floating must be equal. */
  readonly rtol: number;
  readonly atol: number;
}

export interface OpCase {
  /** Unique; reads as the call. */
  readonly name: string;
  /** PyTorch's function in camelCase: a function of tensors, or else a method of the first argument. */
  readonly fn: string;
  readonly args: readonly CaseArgument[];
  /** The trailing options object; empty: none is passed. */
  readonly kwargs: Readonly<Record<string, CaseArgument>>;
  /** One, or those of the array or the named object that the function returns. */
  readonly outputs: readonly CaseOutput[];
  /** Every tensor among args and kwargs, in order. */
  readonly inputs: readonly CaseInput[];
  readonly forward: Tolerance;
  readonly gradient: Tolerance;
  /** The inputs (float64, away from kinks) suit finite differences. */
  readonly gradcheck: boolean;
  /** Why the tolerances are not the default ones; else empty. */
  readonly reason: string;
}

interface Ref {
  tensor: string;
  layout?: CaseLayout;
  shape?: number[];
  grad?: string;
}

type JsonArgument = Ref | { number: string } | number | boolean | string | null | JsonArgument[];

interface JsonCase {
  name: string;
  key: string;
  fn: string;
  args: JsonArgument[];
  kwargs?: Record<string, JsonArgument>;
  outputs: { tensor: string; field?: 'values' | 'indices'; upstream?: string }[];
  forward?: Tolerance;
  gradient?: Tolerance;
  gradcheck?: boolean;
  reason?: string;
}

const defaults = { forward: { rtol: 1e-4, atol: 1e-6 }, gradient: { rtol: 1e-3, atol: 1e-5 } } as const;

/** Reads the table; `folder` holds cases.json and cases.safetensors. */
export function loadCases(folder: string = casesFolder()): OpCase[] {
  const tensors = readTensors(`${folder}/cases.safetensors`);
  const rows = JSON.parse(readFileSync(`${folder}/cases.json`, 'utf8')) as JsonCase[];
  return rows.map((row) => resolveCase(row, tensors));
}

/** Beside this file, and copied to dist by the build. */
function casesFolder(): string {
  const folder = join(libraryRoot, 'selftest', 'cases');
  if (!existsSync(join(folder, 'cases.json'))) throw new Error(`op cases: there is no cases.json in ${folder}`);
  return folder;
}

function resolveCase(row: JsonCase, tensors: ReadonlyMap<string, CaseTensor>): OpCase {
  const inputs: CaseInput[] = [];
  const lookUp = (role: string): CaseTensor => {
    const tensor = tensors.get(`${row.key}/${role}`);
    if (!tensor) throw new Error(`op cases: ${row.name} lacks its tensor ${row.key}/${role}; the two files differ`);
    return tensor;
  };
  const argument = (value: JsonArgument): CaseArgument => {
    if (Array.isArray(value)) return value.map(argument);
    if (value === null || typeof value !== 'object') return value;
    if ('number' in value) return Number(value.number);
    const stored = lookUp(value.tensor);
    const input: CaseInput = {
      kind: 'tensor',
      ...stored,
      layout: value.layout ?? 'contiguous',
      expandedShape: value.shape ?? stored.shape,
      ...(value.grad !== undefined && { grad: lookUp(value.grad) }),
    };
    inputs.push(input);
    return input;
  };
  return {
    name: row.name,
    fn: row.fn,
    args: row.args.map(argument),
    kwargs: Object.fromEntries(Object.entries(row.kwargs ?? {}).map(([key, value]) => [key, argument(value)])),
    inputs,
    outputs: row.outputs.map((output) => ({
      ...lookUp(output.tensor),
      ...(output.field !== undefined && { field: output.field }),
      ...(output.upstream !== undefined && { upstream: lookUp(output.upstream) }),
    })),
    forward: row.forward ?? defaults.forward,
    gradient: row.gradient ?? defaults.gradient,
    gradcheck: row.gradcheck ?? false,
    reason: row.reason ?? '',
  };
}

const dtypeOf: Readonly<Record<string, DType>> = {
  F32: 'float32',
  F64: 'float64',
  F16: 'float16',
  BF16: 'bfloat16',
  I32: 'int32',
  I64: 'int64',
  U8: 'uint8',
  BOOL: 'bool',
};

/** Every tensor of a safetensors file: an 8-byte length, a JSON header of that length, the numbers. */
function readTensors(path: string): Map<string, CaseTensor> {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  type Entry = { dtype: string; shape: number[]; data_offsets: [number, number] };
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<string, Entry>;
  delete header['__metadata__'];
  const tensors = new Map<string, CaseTensor>();
  for (const [name, entry] of Object.entries(header)) {
    const dtype = dtypeOf[entry.dtype];
    if (!dtype) throw new Error(`op cases: ${name} has the unknown dtype ${entry.dtype}`);
    const [from, to] = entry.data_offsets;
    // A copy of its own: typed arrays need aligned offsets.
    const bytes = new Uint8Array(file.subarray(start + from, start + to)).buffer;
    tensors.set(name, { dtype, shape: entry.shape, data: decode(dtype, bytes) });
  }
  return tensors;
}

function decode(dtype: DType, bytes: ArrayBuffer): ArrayOf<DType> {
  switch (dtype) {
    case 'float32':
      return new Float32Array(bytes);
    case 'float64':
      return new Float64Array(bytes);
    case 'int32':
      return new Int32Array(bytes);
    case 'int64':
      return new BigInt64Array(bytes);
    case 'float16':
      return Float32Array.from(new Uint16Array(bytes), fromFloat16);
    case 'bfloat16':
      return new Float32Array(Uint32Array.from(new Uint16Array(bytes), (half) => half << 16).buffer);
    default:
      return new Uint8Array(bytes);
  }
}

function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file: 8 bytes of its length, then JSON that says where each tensor lies in the rest.
// Files come from anywhere: nothing of it is believed.
import { ArgumentError, FormatError } from '../native/errors.js';
import { itemSize, type DType } from '../tensor/dtype.js';
import { MAX_RANK, numelOf, type Shape } from '../tensor/shape.js';
import { dtypeOf, storedItemSize, type StoredDType, type WidenOptions } from './stored.js';

export interface TensorEntry {
  /** What it is read as. */
  readonly dtype: DType;
  /** What it is in the file. */
  readonly stored: StoredDType;
  readonly shape: Shape;
  /** Bytes from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly tensors: Map<string, TensorEntry>;
  readonly metadata: Map<string, string>;
}

const dtypeNames: Readonly<Record<StoredDType, string>> = {
  float32: 'F32',
  float64: 'F64',
  float16: 'F16',
  bfloat16: 'BF16',
  int32: 'I32',
  int64: 'I64',
  uint8: 'U8',
  bool: 'BOOL',
  int8: 'I8',
  int16: 'I16',
  uint16: 'U16',
  uint32: 'U32',
};
const dtypeByName = new Map(Object.entries(dtypeNames).map(([dtype, name]) => [name, dtype as StoredDType]));
const METADATA = '__metadata__';

/** That of the safetensors library. */
export const MAX_HEADER_BYTES = 100_000_000;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// Of a value that came from JSON.
function excerpt(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value).slice(0, 100);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** @throws FormatError that begins with `path`, unless text and file are a valid header and its tensors */
export function parseHeader(text: string, dataBytes: number, path: string, options: WidenOptions = {}): Header {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${path}: the header is no JSON: ${(cause as Error).message}`, { cause });
  }
  if (!isObject(json)) throw new FormatError(`${path}: the header is no JSON object`);
  const tensors = new Map<string, TensorEntry>();
  let metadata = new Map<string, string>();
  for (const [name, value] of Object.entries(json)) {
    if (name === METADATA) metadata = parseMetadata(value, path);
    else tensors.set(name, parseEntry(value, `${path}: ${name}`, options));
  }
  checkPlaces(tensors, dataBytes, path);
  return { tensors, metadata };
}

function parseMetadata(value: unknown, path: string): Map<string, string> {
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === 'string'))
    throw new FormatError(`${path}: ${METADATA} must hold strings`);
  return new Map(Object.entries(value as Record<string, string>));
}

function parseEntry(value: unknown, where: string, options: WidenOptions): TensorEntry {
  if (!isObject(value)) throw new FormatError(`${where}: its header entry is no object`);
  const { dtype: code, shape, data_offsets: offsets } = value;
  const stored = dtypeByName.get(code as string);
  if (stored === undefined)
    throw new FormatError(`${where}: expected one of the dtypes ${[...dtypeByName.keys()].join(', ')}, got ${excerpt(code)}`);
  if (!Array.isArray(shape) || !shape.every(isCount))
    throw new FormatError(`${where}: the shape must be an array of sizes, got ${excerpt(shape)}`);
  if (shape.length > MAX_RANK) throw new FormatError(`${where}: at most ${MAX_RANK} dimensions, got ${shape.length}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw new FormatError(`${where}: data_offsets must be two positions, got ${excerpt(offsets)}`);
  const [begin, end] = offsets as [number, number];
  const bytes = numelOf(shape) * storedItemSize(stored);
  if (end - begin !== bytes)
    throw new FormatError(`${where}: shape [${shape.join(', ')}] of ${stored} takes ${bytes} bytes, data_offsets give ${end - begin}`);
  return { dtype: dtypeOf(stored, where, options), stored, shape, begin, end };
}

// The tensors must cover the data with no gap and no overlap.
function checkPlaces(tensors: ReadonlyMap<string, TensorEntry>, dataBytes: number, path: string): void {
  const ordered = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const [name, { begin, end }] of ordered) {
    if (end > dataBytes)
      throw new FormatError(`${path}: ${name} ends at byte ${end}, but the file has only ${dataBytes} bytes of data: it is truncated`);
    if (begin !== at)
      throw new FormatError(`${path}: ${name} begins at byte ${begin}, ${begin < at ? 'inside another tensor' : `after a gap`} (expected ${at})`);
    at = end;
  }
  if (at !== dataBytes) throw new FormatError(`${path}: ${dataBytes - at} bytes after the last tensor belong to nothing`);
}

/** Places tensors one after the other, the largest elements first, so that all are aligned. */
export function placeTensors(infos: Iterable<readonly [name: string, info: { shape: Shape; dtype: DType }]>): Map<string, TensorEntry> {
  const ordered = [...infos].sort(([, a], [, b]) => itemSize(b.dtype) - itemSize(a.dtype));
  const result = new Map<string, TensorEntry>();
  let at = 0;
  for (const [name, { shape, dtype }] of ordered) {
    if (name === METADATA) throw new ArgumentError(`saveSafetensors: no tensor can be called ${METADATA}`);
    const end = at + numelOf(shape) * itemSize(dtype);
    result.set(name, { dtype, stored: dtype, shape, begin: at, end });
    at = end;
  }
  return result;
}

/** The bytes that a file begins with; padded so that the data is aligned. @throws ArgumentError when they are too many */
export function formatHeader({ tensors, metadata }: Header): Buffer {
  const json: [string, unknown][] = [...tensors].map(([name, { stored, shape, begin, end }]) => [
    name,
    { dtype: dtypeNames[stored], shape, data_offsets: [begin, end] },
  ]);
  if (metadata.size > 0) json.unshift([METADATA, Object.fromEntries(metadata)]);
  const text = Buffer.from(JSON.stringify(Object.fromEntries(json)), 'utf8');
  const length = Math.ceil(text.length / 8) * 8;
  if (length > MAX_HEADER_BYTES)
    throw new ArgumentError(`saveSafetensors: names and metadata take ${length} bytes, more than ${MAX_HEADER_BYTES}`);
  const result = Buffer.alloc(8 + length, ' ');
  result.writeBigUInt64LE(BigInt(length), 0);
  text.copy(result, 8);
  return result;
}

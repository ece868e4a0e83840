// SPDX-License-Identifier: Apache-2.0
// Reads the files of encoding.py, and lays their tensors out in memory.
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';

const arrays = {
  float32: Float32Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array, uint8: Uint8Array, bool: Uint8Array,
};

/** The samples of a file's bytes, with functions that find their tensors. */
export function readSamples(bytes) {
  const start = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const { tensors, ...header } = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + 8, start - 8).toString());
  let decoded = new Map();
  const tensor = (i) => {
    if (!decoded.has(i)) {
      if (decoded.size > 100) decoded = new Map(); // one sample's are looked at many times, older ones never again
      const { d: dtype, s: shape, o: offset, st: strides } = tensors[i];
      const count = shape.reduce((a, b) => a * b, 1);
      decoded.set(i, { dtype, shape, strides, data: decode(dtype, bytes, start + offset, count) });
    }
    return decoded.get(i);
  };
  return { ...header, tensor };
}

/** Row-major values; those of float16 and bfloat16 widened to float32, which changes none of them. */
function decode(dtype, bytes, offset, count) {
  const half = dtype === 'float16' || dtype === 'bfloat16';
  const Type = half ? Uint16Array : arrays[dtype];
  // A copy of its own: typed arrays need aligned offsets.
  const values = new Type(new Uint8Array(bytes.subarray(offset, offset + count * Type.BYTES_PER_ELEMENT)).buffer);
  if (dtype === 'bfloat16') return new Float32Array(Uint32Array.from(values, (bits) => bits << 16).buffer);
  return dtype === 'float16' ? Float32Array.from(values, fromFloat16) : values;
}

function fromFloat16(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

// ---- files of several jobs ---------------------------------------------------------------------------------------------

/** Writes files of samples as one: for each its length, a header {kind, row, variant, refused} and its bytes; compressed. */
export function writeFixture(path, jobs) {
  const parts = jobs.flatMap(({ bytes, ...header }) => {
    const text = Buffer.from(JSON.stringify(header));
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32LE(text.length, 0);
    sizes.writeUInt32LE(bytes.length, 4);
    return [sizes, text, bytes];
  });
  writeFileSync(path, gzipSync(Buffer.concat(parts), { level: 9 }));
}

/** The jobs of such a file. */
export function readFixture(path) {
  const content = gunzipSync(readFileSync(path));
  const jobs = [];
  for (let at = 0; at < content.length; ) {
    const [header, body] = [content.readUInt32LE(at), content.readUInt32LE(at + 4)];
    const start = at + 8 + header;
    jobs.push({ ...JSON.parse(content.toString('utf8', at + 8, start)), ...readSamples(content.subarray(start, start + body)) });
    at = start + body;
  }
  return jobs;
}

// ---- layouts -----------------------------------------------------------------------------------------------------------

/** How operands lie in memory. 'own': as PyTorch's sample does. */
export const LAYOUTS = ['own', 'contiguous', 'sliced', 'offset', 'permuted', 'channelsLast'];

/** Whether a layout is another one than PyTorch's sample has. */
export function differs({ shape, strides }, layout) {
  switch (layout) {
    case 'contiguous':
      return strides !== undefined;
    case 'permuted':
      return shape.length > 1;
    case 'channelsLast':
      return shape.length > 2;
    default:
      return true;
  }
}

/** A tensor with these values in this layout. */
export function place(lenode, { dtype, shape, strides, data }, layout) {
  const { tensor, noGrad } = lenode;
  return noGrad(() => {
    const x = tensor(data, { shape, dtype });
    switch (layout) {
      case 'own':
        return strides ? strided(lenode, x, shape, strides) : x;
      case 'sliced': {
        // Every second element of a last dimension that begins with one too many.
        if (shape.length === 0) return embed(lenode, x, [3], (wide) => wide.select(0, 1));
        return embed(lenode, x, shape.with(-1, 2 * shape.at(-1) + 1), (wide) => wide.slice(-1, 1, undefined, 2));
      }
      case 'offset': {
        // The middle of every dimension.
        return embed(lenode, x, shape.map((n) => n + 2), (wide) =>
          shape.reduce((part, n, dim) => part.slice(dim, 1, 1 + n), wide));
      }
      case 'permuted': {
        const backwards = shape.map((_, i) => shape.length - 1 - i);
        return x.permute(backwards).contiguous().permute(backwards);
      }
      case 'channelsLast': {
        if (shape.length < 3) return x;
        const last = shape.map((_, i) => (i === 0 ? 0 : i === shape.length - 1 ? 1 : i + 1));
        const first = shape.map((_, i) => (i === 0 ? 0 : i === 1 ? shape.length - 1 : i - 1));
        return x.permute(last).contiguous().permute(first);
      }
      default:
        return x;
    }
  });
}

/** `x` copied into the part of a larger tensor that `cut` takes. What lies around it is no value of any sample. */
function embed({ full }, x, wideShape, cut) {
  const around = x.dtype === 'bool' ? true : x.dtype.startsWith('float') || x.dtype === 'bfloat16' ? NaN : 77;
  const part = cut(full(wideShape, around, { dtype: x.dtype }));
  part.copy_(x);
  return part;
}

/** A view with these strides: broadcast, permuted, and cut out of a larger tensor, as far as they are such. */
function strided(lenode, x, shape, strides) {
  const order = shape.map((_, i) => i).filter((i) => strides[i] !== 0 && shape[i] > 1);
  order.sort((a, b) => strides[b] - strides[a]);
  const wide = [];
  for (const [k, i] of order.entries()) {
    const room = k === 0 ? shape[i] : strides[order[k - 1]] / strides[i];
    if (!Number.isInteger(room) || room < shape[i]) return x; // overlaps
    wide.push(room);
  }
  if (order.length === 0 || shape.includes(0)) return x;
  const step = strides[order.at(-1)];
  const rest = shape.map((_, i) => i).filter((i) => !order.includes(i));
  // Dimensions without memory of their own, then the others from the widest strides to the narrowest.
  let dense = x;
  for (const i of rest) dense = dense.slice(i, 0, 1);
  dense = dense.permute([...rest, ...order]);
  const kept = rest.length;
  const part = embed(lenode, dense, [...rest.map(() => 1), ...wide, ...(step > 1 ? [step] : [])], (whole) => {
    let view = step > 1 ? whole.select(-1, 0) : whole;
    for (const [k, i] of order.entries()) view = view.slice(kept + k, 0, shape[i]);
    return view;
  });
  const back = [...rest, ...order].map((_, i) => [...rest, ...order].indexOf(i));
  return part.permute(back).expand(shape);
}

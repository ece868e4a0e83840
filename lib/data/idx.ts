// SPDX-License-Identifier: Apache-2.0
// The IDX format of MNIST and its relatives: a magic number, big-endian sizes, the values.
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { FormatError } from '../native/errors.js';
import { noMore } from '../native/options.js';

export interface IdxFile {
  shape: number[];
  values: Uint8Array;
}

const MAX_BYTES = 2 ** 31;

/**
 * Reads an IDX file of unsigned bytes, gzipped or not.
 *
 * @param source what to call the file in errors
 * @throws FormatError when it is truncated, too long or no IDX file of bytes
 */
export function parseIdx(bytes: Uint8Array, source: string): IdxFile {
  noMore('parseIdx', arguments.length > 2);
  const raw = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzip(bytes, source) : bytes;
  if (raw.length < 4) throw new FormatError(`${source}: too short for an IDX file (${raw.length} bytes)`);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const magic = view.getUint32(0);
  const type = (magic >> 8) & 0xff;
  const rank = magic & 0xff;
  if (magic >>> 16 !== 0 || rank < 1 || rank > 4)
    throw new FormatError(`${source}: no IDX file: its magic number is 0x${magic.toString(16).padStart(8, '0')}`);
  if (type !== 0x08) throw new FormatError(`${source}: expected IDX values of unsigned bytes (0x08), got type 0x${type.toString(16)}`);
  const header = 4 + 4 * rank;
  if (raw.length < header) throw new FormatError(`${source}: truncated inside its header`);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const expected = header + shape.reduce((n, size) => n * size, 1);
  if (raw.length !== expected)
    throw new FormatError(
      `${source}: shape [${shape.join(', ')}] needs ${expected} bytes, the file has ${raw.length} ` +
        `(${raw.length < expected ? 'truncated' : 'too long'})`,
    );
  return { shape, values: raw.subarray(header) };
}

function gunzip(bytes: Uint8Array, source: string): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_BYTES });
  } catch (cause) {
    throw new FormatError(`${source}: its gzip data are truncated or corrupt (${(cause as Error).message})`, { cause });
  }
}

/** SHA-256 of a file's content, decompressed if it is gzipped. */
export function contentHash(bytes: Uint8Array, source: string): string {
  const raw = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzip(bytes, source) : bytes;
  return createHash('sha256').update(raw).digest('hex');
}

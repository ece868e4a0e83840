// SPDX-License-Identifier: Apache-2.0
// Files of named tensors that other libraries read and write, too; the format has no code in it and is read in parts.
import { open, type FileHandle } from 'node:fs/promises';
import { ArgumentError, FileError, FormatError } from '../native/errors.js';
import type { StateDict } from '../nn/state.js';
import { device as toDevice, type DeviceLike } from '../tensor/device.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { writeAtomically } from './atomic.js';
import { fromBytes, toBytes } from './bytes.js';
import { formatHeader, MAX_HEADER_BYTES, parseHeader, placeTensors, type Header, type TensorEntry } from './header.js';

/** A safetensors file, of which only the header has been read. Close it when done, or declare it with `await using`. */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    private readonly header: Header,
    private readonly dataStart: number,
  ) {}

  /** @throws FileError when there is no such file; FormatError for what is no safetensors file, or a truncated one */
  static async open(path: string): Promise<SafetensorsFile> {
    const file = await open(path, 'r').catch((cause: Error) => {
      throw new FileError(`${path} cannot be opened: ${cause.message}`, { cause });
    });
    try {
      const { size } = await file.stat();
      if (size < 8) throw new FormatError(`${path}: ${size} bytes are no safetensors file`);
      const length = (await readExactly(file, 0, 8, path)).readBigUInt64LE(0);
      if (length > BigInt(Math.min(size - 8, MAX_HEADER_BYTES)))
        throw new FormatError(
          `${path}: the header should have ${length} bytes, but the file has ${size - 8} and at most ` +
            `${MAX_HEADER_BYTES} are allowed: it is truncated, or no safetensors file`,
        );
      const dataStart = 8 + Number(length);
      const text = (await readExactly(file, 8, Number(length), path)).toString('utf8');
      return new SafetensorsFile(path, file, parseHeader(text, size - dataStart, path), dataStart);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Shapes, dtypes and places by name. */
  get tensors(): ReadonlyMap<string, TensorEntry> {
    return this.header.tensors;
  }
  /** Texts that were saved beside the tensors. */
  get metadata(): ReadonlyMap<string, string> {
    return this.header.metadata;
  }

  /**
   * Reads one tensor.
   * @throws ArgumentError when there is none of this name; FormatError when the file has shrunk since it was opened
   */
  async read(name: string, where: DeviceLike = 'cpu'): Promise<Tensor> {
    const entry = this.tensors.get(name);
    if (!entry) throw new ArgumentError(`${this.path}: there is no tensor ${name}`);
    const { shape, dtype, begin, end } = entry;
    const bytes = await readExactly(this.file, this.dataStart + begin, end - begin, `${this.path}: ${name}`);
    if (dtype === 'bool' && bytes.some((b) => b > 1)) throw new FormatError(`${this.path}: ${name}: bools must be 0 or 1`);
    return fromBytes(bytes, shape, dtype, toDevice(where));
  }

  async close(): Promise<void> {
    await this.file.close();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function readExactly(file: FileHandle, position: number, length: number, what: string): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) throw new FormatError(`${what}: the file ended ${length - done} bytes too early`);
    done += bytesRead;
  }
  return bytes;
}

/**
 * Reads all tensors of a safetensors file.
 *
 * @param options device: where to put them; default the CPU
 * @throws FormatError for what is no safetensors file, or a truncated or contradictory one
 */
export async function loadSafetensors(path: string, { device = 'cpu' }: { device?: DeviceLike } = {}): Promise<StateDict> {
  const file = await SafetensorsFile.open(path);
  try {
    const result = Object.create(null) as StateDict;
    for (const name of file.tensors.keys()) result[name] = await file.read(name, device);
    return result;
  } finally {
    await file.close();
  }
}

/**
 * Writes named tensors, row-major, to a file that is complete or not there at all. One tensor at a time is held in
 * memory; their values should not be changed before the promise is fulfilled.
 *
 * @param options metadata: texts to be saved beside them
 */
export async function saveSafetensors(
  path: string,
  tensors: Readonly<StateDict> | ReadonlyMap<string, Tensor>,
  { metadata = {} }: { metadata?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const entries = new Map(tensors instanceof Map ? tensors : Object.entries(tensors));
  for (const [name, t] of entries) checkTensor(t, 'saveSafetensors', name);
  for (const [name, text] of Object.entries(metadata))
    if (typeof text !== 'string') throw new ArgumentError(`saveSafetensors: metadata must be texts, ${name} is ${typeof text}`);
  const placed = placeTensors(entries);
  const header = formatHeader({ tensors: placed, metadata: new Map(Object.entries(metadata)) });
  await writeAtomically(path, async (write) => {
    await write(header);
    for (const name of placed.keys()) await write(await toBytes(entries.get(name)!));
  });
}

// SPDX-License-Identifier: Apache-2.0
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { FileError, FormatError } from '../../native/errors.js';

const BLOCK = 512;
// No member that a dataset here reads is larger.
const MAX_MEMBER = 2 ** 30;

/**
 * Some files of a gzipped tar archive (POSIX ustar), by the last part of their names. The archive is read once, as a
 * stream, and only as far as it takes to find them all.
 *
 * @returns what was found
 * @throws FormatError for an archive that is truncated or corrupt; FileError when it can't be opened
 */
export async function readTarGz(path: string, wanted: ReadonlySet<string>): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const file = createReadStream(path);
  const stream = file.pipe(createGunzip());
  let opening: Error | undefined;
  file.on('error', (error) => stream.destroy((opening = error)));
  const blocks = new ByteReader(stream);
  try {
    for (;;) {
      const header = await blocks.take(BLOCK);
      if (header === undefined || header.every((b) => b === 0)) break;
      const { name, size, regular } = parseHeader(header, path);
      const padded = Math.ceil(size / BLOCK) * BLOCK;
      const keep = regular && wanted.has(name.split('/').at(-1)!);
      if (keep) {
        if (size > MAX_MEMBER) throw new FormatError(`${path}: ${name} says that it has ${size} bytes`);
        const content = await blocks.take(padded);
        if (content === undefined) break;
        found.set(name.split('/').at(-1)!, content.subarray(0, size));
        if (found.size === wanted.size) break;
      } else await blocks.skip(padded);
    }
  } catch (cause) {
    if (opening) throw new FileError(`${path} cannot be read: ${opening.message}`, { cause: opening });
    if (cause instanceof FormatError) throw cause;
    throw new FormatError(`${path}: the archive is truncated or corrupt (${(cause as Error).message})`, { cause });
  } finally {
    stream.destroy();
    file.destroy();
  }
  return found;
}

function parseHeader(header: Uint8Array, path: string) {
  const text = (start: number, length: number): string => {
    const field = header.subarray(start, start + length);
    const end = field.indexOf(0);
    return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString();
  };
  const octal = (start: number, length: number): number => {
    const digits = text(start, length).trim();
    if (!/^[0-7]*$/.test(digits)) throw new FormatError(`${path}: no tar archive: a number in a header is '${digits}'`);
    return parseInt(digits || '0', 8);
  };
  const sum = header.reduce((n, byte, i) => n + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (sum !== octal(148, 8)) throw new FormatError(`${path}: no tar archive, or a corrupt one: the checksum of a header is wrong`);
  const prefix = text(257, 5) === 'ustar' ? text(345, 155) : '';
  const type = header[156]!;
  return { name: prefix ? `${prefix}/${text(0, 100)}` : text(0, 100), size: octal(124, 12), regular: type === 0x30 || type === 0 };
}

/** Takes bytes of a stream in given amounts. */
class ByteReader {
  private readonly chunks: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.chunks = stream[Symbol.asyncIterator]();
  }

  /** Undefined at the end of the stream. */
  async take(count: number): Promise<Uint8Array | undefined> {
    // What is promised may be far more than there is: memory is taken as it comes.
    const parts: Uint8Array[] = [];
    const got = await this.pull(count, (part) => parts.push(part));
    if (got === 0 && count > 0) return undefined;
    if (got < count) throw new Error('unexpected end of file');
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, count);
  }

  async skip(count: number): Promise<void> {
    if ((await this.pull(count, () => {})) < count) throw new Error('unexpected end of file');
  }

  private async pull(count: number, each: (part: Uint8Array) => void): Promise<number> {
    let got = 0;
    while (got < count) {
      if (this.rest.length === 0) {
        const next = await this.chunks.next();
        if (next.done) return got;
        this.rest = next.value;
      }
      const part = this.rest.subarray(0, count - got);
      this.rest = this.rest.subarray(part.length);
      got += part.length;
      each(part);
    }
    return got;
  }
}

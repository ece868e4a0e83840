// SPDX-License-Identifier: Apache-2.0
// Zip archives, read by position.
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import yauzl from 'yauzl';
import { FormatError } from '../native/errors.js';
import type { RandomFile } from './files.js';

const MAX_ENTRIES = 2 ** 20;
const LOCAL_HEADER_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
const MAX_RATIO = 1032; // of deflate: a code of one bit for 258 bytes, twice

interface Place {
  readonly entry: yauzl.Entry;
  /** Where the next entry begins: what belongs to this one ends before. */
  readonly limit: number;
}

/**
 * The entries of a zip archive.
 *
 * Entries that lie in one another are refused, so that no file can claim to have more data than it is long, and so are
 * compressed ones that claim to become more than deflate can make of them. PyTorch compresses nothing, but reads it.
 */
export class ZipArchive {
  private constructor(
    private readonly file: RandomFile,
    private readonly zip: yauzl.ZipFile,
    private readonly places: ReadonlyMap<string, Place>,
  ) {}

  /** @throws FormatError for what is no such archive */
  static async open(file: RandomFile): Promise<ZipArchive> {
    const { zip, entries } = await list(file).catch((cause: Error) => {
      throw new FormatError(`${file.path}: ${cause.message}`, { cause });
    });
    return new ZipArchive(file, zip, place(entries, file));
  }

  get names(): string[] {
    return [...this.places.keys()];
  }

  /** How many bytes an entry has; undefined if there is no such entry. */
  sizeOf(name: string): number | undefined {
    return this.places.get(name)?.entry.uncompressedSize;
  }

  /** @throws FormatError when there is no such entry, or it is damaged */
  async read(name: string): Promise<Buffer> {
    const where = `${this.file.path}: ${name}`;
    const found = this.places.get(name);
    if (!found) throw new FormatError(`${where}: there is no such entry in the archive`);
    const { entry, limit } = found;
    const { fileDataStart } = await this.zip
      .readLocalFileHeaderPromise(entry, { minimal: true })
      .catch((cause: Error) => {
        throw new FormatError(`${where}: ${cause.message}`, { cause });
      });
    if (fileDataStart + entry.compressedSize > limit) throw new FormatError(`${where}: it reaches into the next entry`);
    const stored = await this.file.read(fileDataStart, entry.compressedSize, where);
    const bytes = entry.compressionMethod === STORED ? stored : await inflated(stored, entry.uncompressedSize, where);
    // PyTorch can be told to save none, and then writes 0.
    if (entry.crc32 !== 0 && crc32(bytes) !== entry.crc32) throw new FormatError(`${where}: its checksum is wrong`);
    return bytes;
  }
}

async function inflated(bytes: Buffer, size: number, where: string): Promise<Buffer> {
  const made = await promisify(inflateRaw)(bytes, { maxOutputLength: Math.max(1, size) }).catch((cause: Error) => {
    throw new FormatError(`${where}: its compressed data is damaged: ${cause.message}`, { cause });
  });
  if (made.length !== size) throw new FormatError(`${where}: it becomes ${made.length} bytes instead of ${size}`);
  return made;
}

// Reads for yauzl. What yauzl throws into a callback would end the process; here it ends the promise.
class Reader extends yauzl.RandomAccessReader {
  constructor(
    private readonly file: RandomFile,
    private readonly crashed: (error: unknown) => void,
  ) {
    super();
  }

  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (err: Error | null) => void): void {
    const answer = (error: Error | null) => {
      try {
        callback(error);
      } catch (thrown) {
        this.crashed(thrown);
      }
    };
    this.file.read(position, length).then(
      (bytes) => {
        bytes.copy(buffer, offset);
        answer(null);
      },
      (error: Error) => answer(error),
    );
  }
  // The file is closed by whoever opened it.
  override close(callback: (err: Error | null) => void): void {
    callback(null);
  }
}

function list(file: RandomFile): Promise<{ zip: yauzl.ZipFile; entries: yauzl.Entry[] }> {
  return new Promise((resolve, reject) => {
    const options = { lazyEntries: true, autoClose: false, strictFileNames: true };
    yauzl.fromRandomAccessReader(new Reader(file, reject), file.size, options, (error, zip) => {
      if (error) return reject(error);
      const entries: yauzl.Entry[] = [];
      zip.on('error', reject);
      zip.on('end', () => resolve({ zip, entries }));
      zip.on('entry', (entry: yauzl.Entry) => {
        if (entries.push(entry) > MAX_ENTRIES) return reject(new Error(`more than ${MAX_ENTRIES} entries`));
        zip.readEntry();
      });
      zip.readEntry();
    });
  });
}

function place(entries: readonly yauzl.Entry[], { path, size }: RandomFile): Map<string, Place> {
  const ordered = [...entries].sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  const result = new Map<string, Place>();
  ordered.forEach((entry, i) => {
    const { fileName, fileNameLength, relativeOffsetOfLocalHeader, compressedSize, uncompressedSize } = entry;
    const where = `${path}: ${fileName}`;
    if (entry.isEncrypted()) throw new FormatError(`${where}: it is encrypted`);
    if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED)
      throw new FormatError(`${where}: it is compressed by method ${entry.compressionMethod}, which is neither of PyTorch's two`);
    const most = entry.compressionMethod === STORED ? compressedSize : compressedSize * MAX_RATIO;
    if (uncompressedSize > most || (entry.compressionMethod === STORED && uncompressedSize !== compressedSize))
      throw new FormatError(`${where}: ${compressedSize} bytes cannot become ${uncompressedSize}`);
    const limit = ordered[i + 1]?.relativeOffsetOfLocalHeader ?? size;
    // At least: the local header may have fields that are read later.
    if (relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + fileNameLength + compressedSize > limit)
      throw new FormatError(
        limit === size
          ? `${where}: it should have ${compressedSize} bytes, which the file has not: it is truncated`
          : `${where}: its ${compressedSize} bytes reach into the next entry`,
      );
    if (result.has(fileName)) throw new FormatError(`${where}: there are two entries of this name`);
    result.set(fileName, { entry, limit });
  });
  return result;
}

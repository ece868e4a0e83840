// SPDX-License-Identifier: Apache-2.0
import { open, type FileHandle } from 'node:fs/promises';
import { FileError, FormatError } from '../native/errors.js';

/** An open file of which parts are read by their positions. */
export class RandomFile {
  private constructor(
    readonly path: string,
    readonly size: number,
    private readonly file: FileHandle,
  ) {}

  /** @throws FileError when there is no such file, or it is a folder */
  static async open(path: string): Promise<RandomFile> {
    const file = await open(path, 'r').catch((cause: Error) => {
      throw new FileError(`${path} cannot be opened: ${cause.message}`, { cause });
    });
    const found = await file.stat();
    if (found.isFile()) return new RandomFile(path, found.size, file);
    await file.close();
    throw new FileError(`${path} is no file`);
  }

  /** Reads exactly so many bytes. @throws FormatError that begins with `what` when the file ends before */
  async read(position: number, length: number, what = this.path): Promise<Buffer> {
    if (!(position >= 0 && length >= 0 && position + length <= this.size))
      throw new FormatError(`${what}: bytes ${position} to ${position + length} of a file of ${this.size}: it is truncated`);
    const bytes = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.file.read(bytes, done, length - done, position + done);
      if (bytesRead === 0) throw new FormatError(`${what}: the file ended ${length - done} bytes too early`);
      done += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

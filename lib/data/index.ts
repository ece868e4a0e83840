// SPDX-License-Identifier: Apache-2.0
export { Subset, TensorDataset, type BatchDataset, type Dataset } from './dataset.js';
export { DataLoader, defaultCollate, type Collated, type LoaderOptions } from './loader.js';
export { download, DownloadError, type DownloadProgress } from './download.js';
export { parseIdx, type IdxFile } from './idx.js';

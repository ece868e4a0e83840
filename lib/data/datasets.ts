// SPDX-License-Identifier: Apache-2.0
export { FashionMNIST, KMNIST, MNIST, type MnistOptions } from './mnist.js';
export { CIFAR10, CIFAR100, type CifarOptions } from './vision/cifar.js';
export { DatasetFolder, ImageFolder, IMG_EXTENSIONS, type FolderOptions, type ImageFolderOptions, type OnCorrupt } from './vision/folder.js';
export { FakeData, type FakeDataOptions } from './vision/fake.js';
export { InMemoryImages, type InMemoryOptions } from './vision/in-memory.js';

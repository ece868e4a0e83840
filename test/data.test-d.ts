// SPDX-License-Identifier: Apache-2.0
// What the compiler knows of datasets, loaders and transforms.
import { expectTypeOf, test } from 'vitest';
import { type data, DataLoader, datasets, transforms as T, type Dataset, type Tensor } from '../lib/index.js';

declare function batchOf<B>(loader: AsyncIterable<B>): B;

test('a loader knows its batches', () => {
  const fake = new datasets.FakeData({ transform: new T.Resize(8) });
  expectTypeOf(fake.get(0)).toEqualTypeOf<[data.Image, number]>();
  const loader = new DataLoader(fake, { numWorkers: 2 });
  expectTypeOf(batchOf(loader)).toExtend<[Tensor, Tensor]>();
  const cifar = new DataLoader({} as datasets.CIFAR10);
  expectTypeOf(batchOf(cifar)).toEqualTypeOf<readonly [images: Tensor, labels: Tensor]>();
  const collated = new DataLoader(fake, { collateFn: (samples) => samples.length });
  expectTypeOf(batchOf(collated)).toEqualTypeOf<number>();
  const numbers = new DataLoader({ length: 1, get: (i: number) => i } as Dataset<number>);
  expectTypeOf(batchOf(numbers)).toEqualTypeOf<Tensor>();
});

test('a transform makes of an image what it makes', () => {
  const image = {} as data.Image;
  expectTypeOf(new T.Resize(4).forward(image)).toEqualTypeOf<data.Image>();
  expectTypeOf(new T.Resize(4).forward({} as Tensor)).toEqualTypeOf<Tensor>();
  expectTypeOf(new T.TenCrop(4).forward(image)).toEqualTypeOf<data.Image[]>();
  expectTypeOf(new T.TenCrop(4).forward({} as Tensor)).toEqualTypeOf<Tensor[]>();
  expectTypeOf(new T.Compose([new T.Resize(4), new T.Lambda((x) => x.width)]).forward(image)).toEqualTypeOf<number>();
  // @ts-expect-error a list of crops is no image for the next transform
  new T.Compose([new T.TenCrop(4), new T.Resize(4)]);
  // @ts-expect-error a slip of the pen
  new T.Resize(4, { antialis: true });
});

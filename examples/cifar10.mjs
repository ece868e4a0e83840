// SPDX-License-Identifier: Apache-2.0
// Trains a small network on CIFAR-10 with random crops and flips.
//   node examples/cifar10.mjs [--root data] [--epochs 10] [--batch-size 128] [--device auto] [--amp] [--subset]
// The data set is downloaded to --root if it is not there. --subset: files with fewer images than CIFAR-10's are fine.
import { parseArgs } from 'node:util';
import { amp, DataLoader, datasets, device, evaluate, F, manualSeed, models, optim, transforms as T } from 'lenode';

const { values } = parseArgs({
  options: {
    root: { type: 'string', default: 'data' },
    epochs: { type: 'string', default: '10' },
    'batch-size': { type: 'string', default: '128' },
    device: { type: 'string', default: 'auto' },
    amp: { type: 'boolean', default: false },
    subset: { type: 'boolean', default: false },
  },
});
const place = device(/** @type {any} */ (values.device));
const batchSize = Number(values['batch-size']);
const epochs = Number(values.epochs);
manualSeed(0);

// All of these are native on whole batches: no worker threads are needed.
const toInput = new T.Compose([new T.ToDtype('float32', { scale: true }), new T.Normalize([0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616])]);
const augment = new T.Compose([new T.RandomCrop(32, { padding: 4 }), new T.RandomHorizontalFlip(), toInput]);
const source = { root: values.root, device: place, verify: !values.subset };
const train = await datasets.CIFAR10.load({ ...source, transform: augment });
const held = await datasets.CIFAR10.load({ ...source, train: false, transform: toInput });
const trainLoader = new DataLoader(train, { batchSize, shuffle: true, dropLast: true });
const heldLoader = new DataLoader(held, { batchSize });

const model = models.cifarCnn().to(place);
const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
for (let epoch = 0; epoch < epochs; epoch++) {
  model.train();
  let total = 0;
  for await (const [images, labels] of trainLoader) {
    optimizer.zeroGrad();
    const step = () => F.crossEntropy(model.forward(images), labels);
    const loss = values.amp ? amp.autocast('bfloat16', step) : step();
    loss.backward();
    optimizer.step();
    total += Number(await loss.item());
  }
  const { accuracy = NaN } = await evaluate(model, heldLoader);
  console.log(`epoch ${epoch + 1}: loss ${(total / trainLoader.length).toFixed(4)}, accuracy ${(100 * accuracy).toFixed(1)} %`);
}

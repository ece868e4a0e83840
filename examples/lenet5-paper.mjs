// SPDX-License-Identifier: Apache-2.0
// LeNet-5 as published in 1998 on MNIST: trainable subsampling, a partly connected third layer, scaled tanh, outputs
// that measure the distance from a picture of each digit.
//   node examples/lenet5-paper.mjs [--epochs 10] [--batch-size 64] [--limit 60000] [--device auto]
import { parseArgs } from 'node:util';
import { DataLoader, datasets, device, fit, manualSeed, models, optim, Subset, summary, transforms as T } from 'lenode';

const { values } = parseArgs({
  options: {
    epochs: { type: 'string', default: '10' },
    'batch-size': { type: 'string', default: '64' },
    limit: { type: 'string', default: '60000' },
    device: { type: 'string', default: 'auto' },
  },
});
const place = device(/** @type {any} */ (values.device));
const batchSize = Number(values['batch-size']);
manualSeed(0);

// The paper's input: 32 x 32 pixels, the background -0.1 and the ink 1.175.
const transform = new T.Compose([new T.Pad(2), new T.ToDtype('float32', { scale: true }), new T.Normalize([0.1 / 1.275], [1 / 1.275])]);
const train = await datasets.MNIST.load({ transform, device: place });
const held = await datasets.MNIST.load({ train: false, transform, device: place });
/** @param {typeof train} digits @param {number} count */
const first = (digits, count) => new Subset(digits, Array.from({ length: Math.min(count, digits.length) }, (_, i) => i));

const model = models.lenet5({ variant: 'paper' }).to(place);
console.log((await summary(model, [1, 1, 32, 32])).toString());
const epochs = Number(values.epochs);
const trainLoader = new DataLoader(first(train, Number(values.limit)), { batchSize, shuffle: true, device: place });
const optimizer = new optim.SGD(model.parameters(), { lr: 0.005, momentum: 0.9 });
await fit({
  model,
  train: trainLoader,
  validation: new DataLoader(first(held, Number(values.limit)), { batchSize: 1000, device: place }),
  optimizer,
  scheduler: new optim.CosineAnnealingLR(optimizer, epochs * trainLoader.length),
  epochs,
  onEpoch: ({ epoch, trainLoss, accuracy = NaN }) =>
    console.log(`epoch ${epoch + 1}: loss ${trainLoss.toFixed(4)}, accuracy ${(100 * accuracy).toFixed(2)} %`),
});

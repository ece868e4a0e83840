// SPDX-License-Identifier: Apache-2.0
// Fine-tunes ResNet-18 on a folder of images, one folder per class: FOLDER/train/cat/1.jpg, FOLDER/val/cat/2.jpg.
//   node examples/finetune-resnet18.mjs FOLDER [--weights resnet18.pth] [--freeze] [--epochs 5] [--batch-size 32]
//     [--size 224] [--workers 2] [--lr 0.001] [--device auto]
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DataLoader, datasets, device, fit, manualSeed, models, nn, optim, transforms as T } from 'lenode';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    weights: { type: 'string' },
    freeze: { type: 'boolean', default: false },
    epochs: { type: 'string', default: '5' },
    'batch-size': { type: 'string', default: '32' },
    size: { type: 'string', default: '224' },
    workers: { type: 'string', default: '2' },
    lr: { type: 'string', default: '0.001' },
    device: { type: 'string', default: 'auto' },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('which folder? See the first lines of this file');
const size = Number(values.size);
const place = device(/** @type {any} */ (values.device));
manualSeed(0);

// What ImageNet's weights expect.
const toInput = new T.Compose([new T.ToDtype('float32', { scale: true }), new T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]);
const augment = new T.Compose([new T.RandomResizedCrop(size), new T.RandomHorizontalFlip(), toInput]);
const plain = new T.Compose([new T.Resize([Math.round(size / 0.875)]), new T.CenterCrop(size), toInput]);
const train = await datasets.ImageFolder.load(join(folder, 'train'), { transform: augment, onCorrupt: 'skip' });
const val = await datasets.ImageFolder.load(join(folder, 'val'), { transform: plain, onCorrupt: 'skip' });
const common = { batchSize: Number(values['batch-size']), numWorkers: Number(values.workers), device: place, persistentWorkers: Number(values.workers) > 0 };
const trainLoader = new DataLoader(train, { ...common, shuffle: true });
const valLoader = new DataLoader(val, common);

const model = values.weights ? await models.resnet18({ weights: values.weights }) : models.resnet18();
if (values.freeze) model.requiresGrad_(false); // the new head below is made afterwards, and learns
model.fc = new nn.Linear(512, train.classes.length);
model.to(place);

const learning = [...model.parameters()].filter((p) => p.requiresGrad);
console.log(`${train.length} images of ${train.classes.join(', ')}; ${learning.length} parameter tensors learn`);
await fit({
  model,
  train: trainLoader,
  validation: valLoader,
  optimizer: new optim.AdamW(learning, { lr: Number(values.lr) }),
  epochs: Number(values.epochs),
  onEpoch: ({ epoch, trainLoss, accuracy = NaN }) =>
    console.log(`epoch ${epoch + 1}: loss ${trainLoss.toFixed(4)}, accuracy ${(100 * accuracy).toFixed(1)} %`),
});
await trainLoader.close();
await valLoader.close();

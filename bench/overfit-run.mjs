// SPDX-License-Identifier: Apache-2.0
// Learning 64 images of noise by heart: whether a network, its gradients and an optimizer work together.
import { lossOf } from './parity-run.mjs';

export const IMAGES = 64;
export const GOAL = 0.01;
const CLASSES = 10;

const imagenet = { input: [3, 32, 32], options: { dropout: 0 } };
const grey = { input: [1, 28, 28], options: {} };

/**
 * How each network learns them. Adam with `lr`, which falls to nothing along a cosine over `steps`; images as small as
 * the network allows, so that all of it runs on a laptop's CPU in minutes; no dropout, which would be noise in the loss.
 */
export const recipes = {
  lenet5: { ...grey, lr: 3e-3, steps: 150 },
  'lenet5 paper': { name: 'lenet5', input: [1, 32, 32], options: { variant: 'paper' }, lr: 3e-3, steps: 300 },
  'lenet5 tutorial': { name: 'lenet5', input: [3, 32, 32], options: { variant: 'tutorial', imageSize: 32 }, lr: 3e-3, steps: 150 },
  mnistCnn: { ...grey, options: { dropout: 0 }, lr: 2e-3, steps: 100 },
  cifarCnn: { ...imagenet, lr: 3e-3, steps: 150 },
  alexnet: { ...imagenet, input: [3, 63, 63], lr: 3e-4, steps: 200 },
  alexnet2012: { ...imagenet, input: [3, 63, 63], lr: 3e-4, steps: 500 },
  vgg11: { ...imagenet, lr: 1e-4, steps: 60 },
  vgg13: { ...imagenet, lr: 1e-4, steps: 120 },
  vgg16: { ...imagenet, lr: 1e-4, steps: 200 },
  vgg19: { ...imagenet, lr: 1e-4, steps: 600 },
  vgg11Bn: { ...imagenet, lr: 1e-4, steps: 40 },
  vgg13Bn: { ...imagenet, lr: 1e-4, steps: 40 },
  vgg16Bn: { ...imagenet, lr: 1e-4, steps: 40 },
  vgg19Bn: { ...imagenet, lr: 1e-4, steps: 40 },
  googlenet: { ...imagenet, options: { dropout: 0, dropoutAux: 0 }, lr: 1e-3, steps: 80 },
  resnet18: { ...imagenet, options: {}, lr: 1e-3, steps: 40 },
  resnet34: { ...imagenet, options: {}, lr: 1e-3, steps: 40 },
  resnet50: { ...imagenet, options: {}, lr: 1e-3, steps: 60 },
  resnet101: { ...imagenet, options: {}, lr: 1e-3, steps: 60 },
  resnet152: { ...imagenet, options: {}, lr: 1e-3, steps: 60 },
  resnext50_32x4d: { ...imagenet, options: {}, lr: 1e-3, steps: 60 },
  wideResnet50_2: { ...imagenet, options: {}, lr: 1e-3, steps: 60 },
  densenet121: { ...imagenet, options: {}, lr: 1e-3, steps: 40 },
  densenet161: { ...imagenet, options: {}, lr: 1e-3, steps: 40 },
  densenet169: { ...imagenet, options: {}, lr: 1e-3, steps: 40 },
  densenet201: { ...imagenet, options: {}, lr: 1e-3, steps: 40 },
};

/** Trains until the loss is below the goal or the recipe's steps are done; returns the losses. */
export async function overfit(lenode, label, { device = 'cpu', onStep = () => {} } = {}) {
  const { name = label, input, options, lr, steps } = recipes[label];
  lenode.manualSeed(0);
  const model = lenode.models[name]({ numClasses: CLASSES, ...options }).to(device);
  const images = lenode.randn([IMAGES, ...input]).to(device);
  const labels = lenode.randint(CLASSES, [IMAGES]).to(device);
  const optimizer = new lenode.optim.Adam(model.parameters(), { lr });
  const scheduler = new lenode.optim.CosineAnnealingLR(optimizer, steps);
  const losses = [];
  while (losses.length < steps) {
    optimizer.zeroGrad();
    const loss = lossOf(lenode, model.forward(images), labels);
    loss.backward();
    optimizer.step();
    scheduler.step();
    losses.push(await loss.item());
    onStep(losses.length, losses.at(-1));
    if (losses.at(-1) < GOAL) break;
  }
  return losses;
}

// SPDX-License-Identifier: Apache-2.0
// What users know as models.
export { AlexNet, alexnet, type AlexNetOptions } from './alexnet.js';
export { AlexNet2012, alexnet2012 } from './alexnet2012.js';
export type { Builder, ClassifierOptions, WeightsOptions } from './builder.js';
export { CifarCnn, cifarCnn, type CifarCnnOptions } from './cifar-cnn.js';
export {
  DenseNet,
  densenet121,
  densenet161,
  densenet169,
  densenet201,
  type DenseNetOptions,
} from './densenet.js';
export { GoogLeNet, googlenet, type GoogLeNetOptions, type GoogLeNetOutputs } from './googlenet.js';
export { LeNet5, LeNet5Tutorial, lenet5, type LeNet5TutorialOptions } from './lenet.js';
export { LeNet5Paper } from './lenet-paper.js';
export { MnistCnn, mnistCnn, type MnistCnnOptions } from './mnist-cnn.js';
export {
  BasicBlock,
  Bottleneck,
  ResNet,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  resnet152,
  resnext50_32x4d,
  wideResnet50_2,
  type NormLayer,
  type ResNetOptions,
} from './resnet.js';
export {
  VGG,
  vgg11,
  vgg11Bn,
  vgg13,
  vgg13Bn,
  vgg16,
  vgg16Bn,
  vgg19,
  vgg19Bn,
  type VggFeatures,
  type VggLayerOptions,
  type VggOptions,
} from './vgg.js';

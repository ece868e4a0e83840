// SPDX-License-Identifier: Apache-2.0
import { ArgumentError } from '../native/errors.js';
import { boolean, number, optionsOf } from '../native/options.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d, type ConvLayerOptions } from '../nn/conv.js';
import { Dropout } from '../nn/dropout.js';
import { normRelu } from '../nn/fused.js';
import { truncNormal_ } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { BatchNorm2d } from '../nn/normalization.js';
import { AdaptiveAvgPool2d } from '../nn/adaptive-pooling.js';
import { MaxPool2d } from '../nn/pooling.js';
import { tensor } from '../ops/creation.js';
import { cat } from '../ops/join.js';
import { linearRelu } from '../ops/matmul.js';
import { add, mul } from '../ops/pointwise.js';
import { flatten } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { builder, classifierOptions, type Builder, type ClassifierOptions } from './builder.js';
import { checkImages } from './images.js';

export interface GoogLeNetOptions extends ClassifierOptions {
  /** Whether there are the two auxiliary classifiers. Default true; with `weights`, default false. */
  auxLogits?: boolean;
  /**
   * Whether images that were normalised with ImageNet's mean and deviation are put into the range -1 to 1, which the
   * published weights expect. Default false; with `weights`, default true.
   */
  transformInput?: boolean;
  /** Whether weights start from the paper's truncated normal distribution; else with PyTorch's defaults. Default true. */
  initWeights?: boolean;
  /** Probability of the dropout before the last layer. Default 0.2. */
  dropout?: number;
  /** The same in the auxiliary classifiers. Default 0.7. */
  dropoutAux?: number;
}
const googLeNetOptions = optionsOf<GoogLeNetOptions>({
  ...classifierOptions.schema,
  auxLogits: boolean,
  transformInput: boolean,
  initWeights: boolean,
  dropout: number,
  dropoutAux: number,
});

/** What a GoogLeNet with auxiliary classifiers gives in training: [N, numClasses] each. */
export interface GoogLeNetOutputs {
  logits: Tensor;
  /** From inception4d. */
  auxLogits2: Tensor;
  /** From inception4a. */
  auxLogits1: Tensor;
}

// Not a part of any module, so that names and printing are torchvision's.
const relu = new ReLU();

class BasicConv2d extends Module {
  readonly conv: Conv2d;
  readonly bn: BatchNorm2d;

  constructor(inChannels: number, outChannels: number, kernelSize: number, options: ConvLayerOptions = {}) {
    super();
    this.conv = new Conv2d(inChannels, outChannels, kernelSize, { bias: false, ...options });
    this.bn = new BatchNorm2d(outChannels, { eps: 0.001 });
  }
  forward(x: Tensor): Tensor {
    return normRelu(this.bn, relu, this.conv.forward(x));
  }
}

/** Four branches side by side: 1 x 1; 1 x 1 and 3 x 3, twice; pooling and 1 x 1. */
class Inception extends Module {
  readonly branch1: Module;
  readonly branch2: Module;
  readonly branch3: Module;
  readonly branch4: Module;

  constructor(
    inChannels: number,
    ch1x1: number,
    [ch3x3red, ch3x3]: readonly [number, number],
    [ch5x5red, ch5x5]: readonly [number, number],
    poolProj: number,
  ) {
    super();
    this.branch1 = new BasicConv2d(inChannels, ch1x1, 1);
    this.branch2 = new Sequential(new BasicConv2d(inChannels, ch3x3red, 1), new BasicConv2d(ch3x3red, ch3x3, 3, { padding: 1 }));
    // The paper's 5 x 5 convolution is one of 3 x 3 in torchvision and in all weights that were published for it.
    this.branch3 = new Sequential(new BasicConv2d(inChannels, ch5x5red, 1), new BasicConv2d(ch5x5red, ch5x5, 3, { padding: 1 }));
    this.branch4 = new Sequential(
      new MaxPool2d(3, { stride: 1, padding: 1, ceilMode: true }),
      new BasicConv2d(inChannels, poolProj, 1),
    );
  }
  forward(x: Tensor): Tensor {
    return cat([this.branch1, this.branch2, this.branch3, this.branch4].map((branch) => branch.forward(x)), 1);
  }
}

class InceptionAux extends Module {
  readonly #pool = new AdaptiveAvgPool2d([4, 4]);
  readonly conv: BasicConv2d;
  readonly fc1 = new Linear(2048, 1024);
  /** The last layer: put another one in its place to train the network for other classes. */
  fc2: Linear;
  readonly dropout: Dropout;

  constructor(inChannels: number, numClasses: number, dropout: number) {
    super();
    this.conv = new BasicConv2d(inChannels, 128, 1);
    this.fc2 = new Linear(1024, numClasses);
    this.dropout = new Dropout(dropout);
  }
  forward(x: Tensor): Tensor {
    const features = flatten(this.conv.forward(this.#pool.forward(x)), 1);
    return this.fc2.forward(this.dropout.forward(linearRelu(features, this.fc1.weight, this.fc1.bias)));
  }
}

const poolHalf = (window: number) => new MaxPool2d(window, { stride: 2, ceilMode: true });

/**
 * GoogLeNet, the first Inception network (Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842), as in
 * torchvision: batch normalisation after each convolution, and 3 x 3 windows where the paper has 5 x 5. For 1000
 * classes 6,624,904 parameters, 13,004,888 with the auxiliary classifiers.
 *
 * forward: [N, 3, H, W] with H and W at least 15, 224 in the paper, to [N, numClasses] scores. In training with
 * auxiliary classifiers, an object with theirs, too: the paper's loss is that of `logits` and 0.3 times each other.
 */
export class GoogLeNet extends Module<[x: Tensor], Tensor | GoogLeNetOutputs> {
  auxLogits: boolean;
  readonly transformInput: boolean;
  readonly conv1 = new BasicConv2d(3, 64, 7, { stride: 2, padding: 3 });
  readonly maxpool1 = poolHalf(3);
  readonly conv2 = new BasicConv2d(64, 64, 1);
  readonly conv3 = new BasicConv2d(64, 192, 3, { padding: 1 });
  readonly maxpool2 = poolHalf(3);
  readonly inception3a = new Inception(192, 64, [96, 128], [16, 32], 32);
  readonly inception3b = new Inception(256, 128, [128, 192], [32, 96], 64);
  readonly maxpool3 = poolHalf(3);
  readonly inception4a = new Inception(480, 192, [96, 208], [16, 48], 64);
  readonly inception4b = new Inception(512, 160, [112, 224], [24, 64], 64);
  readonly inception4c = new Inception(512, 128, [128, 256], [24, 64], 64);
  readonly inception4d = new Inception(512, 112, [144, 288], [32, 64], 64);
  readonly inception4e = new Inception(528, 256, [160, 320], [32, 128], 128);
  readonly maxpool4 = poolHalf(2);
  readonly inception5a = new Inception(832, 256, [160, 320], [32, 128], 128);
  readonly inception5b = new Inception(832, 384, [192, 384], [48, 128], 128);
  aux1: InceptionAux | null;
  aux2: InceptionAux | null;
  readonly avgpool = new AdaptiveAvgPool2d([1, 1]);
  readonly dropout: Dropout;
  /** The last layer: put another one in its place to train the network for other classes. */
  fc: Linear;

  constructor(options?: GoogLeNetOptions) {
    options = googLeNetOptions(new.target.name, options, arguments.length > 1);
    super();
    const { numClasses = 1000, auxLogits = true, transformInput = false, initWeights = true } = options;
    const { dropout = 0.2, dropoutAux = 0.7 } = options;
    this.auxLogits = auxLogits;
    this.transformInput = transformInput;
    this.aux1 = auxLogits ? new InceptionAux(512, numClasses, dropoutAux) : null;
    this.aux2 = auxLogits ? new InceptionAux(528, numClasses, dropoutAux) : null;
    this.dropout = new Dropout(dropout);
    this.fc = new Linear(1024, numClasses);
    if (!initWeights) return;
    for (const module of this.modules())
      if (module instanceof Conv2d || module instanceof Linear) truncNormal_(module.weight, { std: 0.01, a: -2, b: 2 });
  }

  forward(x: Tensor): Tensor | GoogLeNetOutputs {
    checkImages(x, this.constructor.name, { channels: 3, smallest: 15 });
    const { aux1, aux2 } = this;
    const chain = (input: Tensor, ...layers: Module[]) => layers.reduce((y, layer) => layer.forward(y), input);
    let y = chain(this.transformInput ? toUnitRange(x) : x, this.conv1, this.maxpool1, this.conv2, this.conv3, this.maxpool2);
    const from4a = chain(y, this.inception3a, this.inception3b, this.maxpool3, this.inception4a);
    const from4d = chain(from4a, this.inception4b, this.inception4c, this.inception4d);
    const auxLogits1 = this.training && this.auxLogits ? aux1?.forward(from4a) : undefined;
    const auxLogits2 = this.training && this.auxLogits ? aux2?.forward(from4d) : undefined;
    y = chain(from4d, this.inception4e, this.maxpool4, this.inception5a, this.inception5b, this.avgpool);
    const logits = this.fc.forward(this.dropout.forward(flatten(y, 1)));
    return auxLogits1 && auxLogits2 ? { logits, auxLogits2, auxLogits1 } : logits;
  }
}

const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

// From ImageNet's normalisation to (pixel - 0.5) / 0.5.
function toUnitRange(x: Tensor): Tensor {
  const perChannel = (values: number[]) => tensor(values, { shape: [1, 3, 1, 1], dtype: x.dtype, device: x.device });
  const scale = perChannel(DEVIATION.map((deviation) => deviation / 0.5));
  return add(mul(x, scale), perChannel(MEAN.map((mean) => (mean - 0.5) / 0.5)));
}

/**
 * torchvision's GoogLeNet with its initialisation; see GoogLeNet. As there, `weights` imply transformInput; a file's
 * auxiliary classifiers are dropped unless auxLogits is true.
 */
export const googlenet: Builder<GoogLeNetOptions, GoogLeNet> = builder('googlenet', {
  options: googLeNetOptions,
  make: (options: GoogLeNetOptions) => new GoogLeNet(options),
  head: 'fc',
  fromFile(options, tensors) {
    const auxLogits = tensors.has('aux1.fc1.weight');
    if (options.auxLogits && !auxLogits)
      throw new ArgumentError('googlenet: auxLogits is true, but the file has no auxiliary classifiers (aux1, aux2)');
    return { transformInput: true, ...options, auxLogits, initWeights: false };
  },
  afterwards(model, { auxLogits = false }) {
    if (auxLogits) return;
    model.auxLogits = false;
    model.aux1 = model.aux2 = null;
  },
});

// SPDX-License-Identifier: Apache-2.0
import { ArgumentError, UnsupportedError } from '../native/errors.js';
import { boolean, callable, checked, number, optionsOf, required } from '../native/options.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d } from '../nn/conv.js';
import { normRelu } from '../nn/fused.js';
import { kaimingNormal_, zeros_ } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { BatchNorm2d } from '../nn/normalization.js';
import { Parameter } from '../nn/parameter.js';
import { AdaptiveAvgPool2d } from '../nn/adaptive-pooling.js';
import { MaxPool2d } from '../nn/pooling.js';
import { checkInteger } from '../ops/checks.js';
import { flatten } from '../ops/view.js';
import type { Tensor } from '../tensor/tensor.js';
import { builder, classifierOptions, type Builder, type ClassifierOptions } from './builder.js';
import { checkImages } from './images.js';

/** Makes the normalisation of so many channels. */
export type NormLayer = (channels: number) => Module;

export interface ResNetOptions extends ClassifierOptions {
  /**
   * Whether the last normalisation of each block starts with weights of 0, so that at first each block passes its input
   * on (Goyal et al., arXiv:1706.02677). Default false.
   */
  zeroInitResidual?: boolean;
  /** Groups of the bottlenecks' 3 x 3 convolutions: 32 in ResNeXt-50. Default 1. */
  groups?: number;
  /** Channels of each of these groups where the block has 64: 128 in Wide ResNet-50-2. Default 64. */
  widthPerGroup?: number;
  /** Whether layer2, layer3 and layer4 have dilated convolutions instead of strides of 2. Default none of them. */
  replaceStrideWithDilation?: readonly [boolean, boolean, boolean];
  /** Default: (channels) => new BatchNorm2d(channels). */
  normLayer?: NormLayer;
}
const resNetOptions = optionsOf<ResNetOptions>({
  ...classifierOptions.schema,
  zeroInitResidual: boolean,
  groups: number,
  widthPerGroup: number,
  replaceStrideWithDilation: checked,
  normLayer: callable,
});

interface BlockOptions {
  stride?: number;
  downsample?: Module | null;
  groups: number;
  widthPerGroup: number;
  dilation: number;
  normLayer: NormLayer;
}
const blockOptions = optionsOf<BlockOptions>({
  stride: number,
  downsample: checked,
  groups: required(number),
  widthPerGroup: required(number),
  dilation: required(number),
  normLayer: required(callable),
});

/** What a residual block adds to its input, and the input itself or its projection. */
export abstract class ResidualBlock extends Module {
  abstract readonly downsample: Module | null;
  /** The last normalisation, whose weights `zeroInitResidual` sets to 0. */
  abstract get last(): Module;
}

type BlockClass = (new (inplanes: number, planes: number, options: BlockOptions) => ResidualBlock) & {
  readonly expansion: number;
};

function conv3x3(inputs: number, outputs: number, stride = 1, groups = 1, dilation = 1): Conv2d {
  return new Conv2d(inputs, outputs, 3, { stride, padding: dilation, groups, dilation, bias: false });
}
function conv1x1(inputs: number, outputs: number, stride = 1): Conv2d {
  return new Conv2d(inputs, outputs, 1, { stride, bias: false });
}

/** Two 3 x 3 convolutions and a shortcut: the block of ResNet-18 and ResNet-34. */
export class BasicBlock extends ResidualBlock {
  static readonly expansion = 1;
  readonly conv1: Conv2d;
  readonly bn1: Module;
  readonly relu = new ReLU();
  readonly conv2: Conv2d;
  readonly bn2: Module;
  readonly downsample: Module | null;

  constructor(inplanes: number, planes: number, options: BlockOptions) {
    super();
    blockOptions(new.target.name, options, arguments.length > 3);
    const { stride = 1, downsample = null, groups, widthPerGroup, dilation, normLayer } = options;
    if (groups !== 1 || widthPerGroup !== 64)
      throw new ArgumentError(`BasicBlock: groups must be 1 and widthPerGroup 64, got ${groups} and ${widthPerGroup}`);
    if (dilation > 1) throw new UnsupportedError('BasicBlock: replaceStrideWithDilation is for bottlenecks: ResNet-50 and deeper');
    this.conv1 = conv3x3(inplanes, planes, stride);
    this.bn1 = normLayer(planes);
    this.conv2 = conv3x3(planes, planes);
    this.bn2 = normLayer(planes);
    this.downsample = downsample;
  }

  get last(): Module {
    return this.bn2;
  }

  forward(x: Tensor): Tensor {
    const { relu, downsample } = this;
    const y = normRelu(this.bn1, relu, this.conv1.forward(x));
    return normRelu(this.bn2, relu, this.conv2.forward(y), downsample ? downsample.forward(x) : x);
  }
}

/**
 * Convolutions of 1 x 1, 3 x 3 and 1 x 1 and a shortcut: the block of ResNet-50 and deeper. As in torchvision the
 * stride is that of the 3 x 3 convolution ("v1.5"); the paper has it in the first one.
 */
export class Bottleneck extends ResidualBlock {
  static readonly expansion = 4;
  readonly conv1: Conv2d;
  readonly bn1: Module;
  readonly conv2: Conv2d;
  readonly bn2: Module;
  readonly conv3: Conv2d;
  readonly bn3: Module;
  readonly relu = new ReLU();
  readonly downsample: Module | null;

  constructor(inplanes: number, planes: number, options: BlockOptions) {
    super();
    blockOptions(new.target.name, options, arguments.length > 3);
    const { stride = 1, downsample = null, groups, widthPerGroup, dilation, normLayer } = options;
    const width = Math.trunc(planes * (widthPerGroup / 64)) * groups;
    this.conv1 = conv1x1(inplanes, width);
    this.bn1 = normLayer(width);
    this.conv2 = conv3x3(width, width, stride, groups, dilation);
    this.bn2 = normLayer(width);
    this.conv3 = conv1x1(width, planes * Bottleneck.expansion);
    this.bn3 = normLayer(planes * Bottleneck.expansion);
    this.downsample = downsample;
  }

  get last(): Module {
    return this.bn3;
  }

  forward(x: Tensor): Tensor {
    const { relu, downsample } = this;
    let y = normRelu(this.bn1, relu, this.conv1.forward(x));
    y = normRelu(this.bn2, relu, this.conv2.forward(y));
    return normRelu(this.bn3, relu, this.conv3.forward(y), downsample ? downsample.forward(x) : x);
  }
}

/**
 * ResNet (He et al., "Deep residual learning for image recognition", arXiv:1512.03385), as in torchvision.
 *
 * forward: [N, 3, H, W], 224 x 224 in the paper and any size possible, to [N, numClasses] scores. In training, the
 * images of a batch must leave more than one position per channel to the last normalisation: more than one image, or
 * images larger than 32 x 32.
 */
export class ResNet extends Module {
  readonly conv1 = new Conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false });
  readonly bn1: Module;
  readonly relu = new ReLU();
  readonly maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d([1, 1]);
  /** The last layer: put another one in its place to train the network for other classes. */
  fc: Linear;

  /**
   * @param block BasicBlock or Bottleneck
   * @param layers how many blocks layer1 to layer4 have
   */
  constructor(block: BlockClass, layers: readonly [number, number, number, number], options?: ResNetOptions) {
    options = resNetOptions(new.target.name, options, arguments.length > 3);
    super();
    const { numClasses = 1000, zeroInitResidual = false, groups = 1, widthPerGroup = 64 } = options;
    const { replaceStrideWithDilation: dilate = [false, false, false] } = options;
    const { normLayer = (channels: number) => new BatchNorm2d(channels) } = options;
    layers.forEach((count) => checkInteger(count, 1, 'ResNet', 'layers'));
    checkInteger(groups, 1, 'ResNet', 'groups');
    checkInteger(widthPerGroup, 1, 'ResNet', 'widthPerGroup');
    if (!Array.isArray(dilate) || dilate.length !== 3)
      throw new ArgumentError(`ResNet: replaceStrideWithDilation must be three booleans, got ${String(dilate)}`);

    let [inplanes, dilation] = [64, 1];
    const stage = (index: 0 | 1 | 2 | 3): Sequential => {
      const planes = 64 * 2 ** index;
      const outputs = planes * block.expansion;
      const first = dilation;
      let stride = index === 0 ? 1 : 2;
      if (index > 0 && dilate[index - 1]) [dilation, stride] = [dilation * stride, 1];
      const shared = { groups, widthPerGroup, normLayer };
      const downsample =
        stride === 1 && inplanes === outputs ? null : new Sequential<Module[]>(conv1x1(inplanes, outputs, stride), normLayer(outputs));
      const blocks: Module[] = [new block(inplanes, planes, { ...shared, stride, downsample, dilation: first })];
      while (blocks.length < layers[index]) blocks.push(new block(outputs, planes, { ...shared, dilation }));
      inplanes = outputs;
      return new Sequential<Module[]>(...blocks);
    };
    this.bn1 = normLayer(64);
    this.layer1 = stage(0);
    this.layer2 = stage(1);
    this.layer3 = stage(2);
    this.layer4 = stage(3);
    this.fc = new Linear(inplanes, numClasses);

    // Normalisations start from 1 and 0 by themselves.
    for (const module of this.modules()) {
      if (module instanceof Conv2d) kaimingNormal_(module.weight, { mode: 'fan_out', nonlinearity: 'relu' });
      if (!zeroInitResidual || !(module instanceof ResidualBlock)) continue;
      const { weight } = module.last as { weight?: unknown };
      if (weight instanceof Parameter) zeros_(weight as Tensor);
    }
  }

  forward(x: Tensor): Tensor {
    checkImages(x, this.constructor.name, { channels: this.conv1.inChannels });
    let y = this.maxpool.forward(normRelu(this.bn1, this.relu, this.conv1.forward(x)));
    for (const layer of [this.layer1, this.layer2, this.layer3, this.layer4]) y = layer.forward(y);
    return this.fc.forward(flatten(this.avgpool.forward(y), 1));
  }
}

function resnet(
  name: string,
  block: BlockClass,
  layers: readonly [number, number, number, number],
  defaults: ResNetOptions = {},
): Builder<ResNetOptions, ResNet> {
  return builder(name, {
    options: resNetOptions,
    make: (options: ResNetOptions) => new ResNet(block, layers, { ...defaults, ...options }),
    head: 'fc',
  });
}

/** ResNet-18: 11,689,512 parameters for 1000 classes; see ResNet. */
export const resnet18 = resnet('resnet18', BasicBlock, [2, 2, 2, 2]);
/** ResNet-34: 21,797,672 parameters for 1000 classes; see ResNet. */
export const resnet34 = resnet('resnet34', BasicBlock, [3, 4, 6, 3]);
/** ResNet-50: 25,557,032 parameters for 1000 classes; see ResNet. */
export const resnet50 = resnet('resnet50', Bottleneck, [3, 4, 6, 3]);
/** ResNet-101: 44,549,160 parameters for 1000 classes; see ResNet. */
export const resnet101 = resnet('resnet101', Bottleneck, [3, 4, 23, 3]);
/** ResNet-152: 60,192,808 parameters for 1000 classes; see ResNet. */
export const resnet152 = resnet('resnet152', Bottleneck, [3, 8, 36, 3]);
/** ResNeXt-50 32x4d (Xie et al., arXiv:1611.05431): 25,028,904 parameters for 1000 classes; see ResNet. */
export const resnext50_32x4d = resnet('resnext50_32x4d', Bottleneck, [3, 4, 6, 3], { groups: 32, widthPerGroup: 4 });
/** Wide ResNet-50-2 (Zagoruyko and Komodakis, arXiv:1605.07146): 68,883,240 parameters for 1000 classes; see ResNet. */
export const wideResnet50_2 = resnet('wideResnet50_2', Bottleneck, [3, 4, 6, 3], { widthPerGroup: 128 });

// SPDX-License-Identifier: Apache-2.0
// PyTorch's module_db names, and the layers here. A row has the arguments of the constructor that are positional here, by
// PyTorch's names; all others go into the options object in camelCase, the null of `option?` too.

const table = {
  ...alike('AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d', 'output_size'),
  ...alike('AvgPool1d AvgPool2d AvgPool3d MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d', 'kernel_size'),
  ...alike('BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d', 'num_features {momentum?}'),
  ...alike('Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d', 'in_channels out_channels kernel_size'),
  ...alike('LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d', 'out_channels kernel_size'),
  ...alike('LPPool1d LPPool2d LPPool3d', 'norm_type kernel_size'),
  ...alike('BCELoss BCEWithLogitsLoss CosineEmbeddingLoss CrossEntropyLoss GaussianNLLLoss HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss', ''),
  ...alike('MSELoss MarginRankingLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss PoissonNLLLoss', ''),
  ...alike('SmoothL1Loss SoftMarginLoss TripletMarginLoss CTCLoss', ''),
  ...alike('CELU ELU GELU Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish ReLU ReLU6 SELU SiLU Sigmoid', ''),
  ...alike('Softmax2d Softplus Softsign Tanh Tanhshrink', ''),
  ...alike('GLU Softmax LogSoftmax Softmin', 'dim'),
  ...alike('Hardshrink Softshrink', 'lambd'),
  ...alike('CircularPad1d CircularPad2d CircularPad3d ReflectionPad1d ReflectionPad2d ReflectionPad3d', 'padding'),
  ...alike('ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d', 'padding'),
  ...alike('ConstantPad1d ConstantPad2d ConstantPad3d', 'padding value'),
  Bilinear: 'in1_features in2_features out_features',
  Embedding: 'num_embeddings embedding_dim',
  GroupNorm: 'num_groups num_channels',
  LayerNorm: 'normalized_shape',
  Linear: 'in_features out_features',
  LocalResponseNorm: 'size',
  PReLU: 'num_parameters',
  RMSNorm: 'normalized_shape',
  Threshold: 'threshold value',
};

function alike(names, positional) {
  return Object.fromEntries(names.split(' ').map((name) => [name, positional]));
}

export const MODULES = Object.fromEntries(Object.entries(table).map(([name, positional]) => [
  `nn.${name}`, { name, sums: true, call: `${name}(${positional.replaceAll(' ', ', ')})` },
]));

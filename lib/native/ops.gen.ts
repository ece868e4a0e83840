// SPDX-License-Identifier: Apache-2.0
// Written by scripts/gen-ops.mjs from native/core/ops.def. Do not edit.

/** Native operations by name: the ids of the op table's rows. */
export const Op = {
  neg: 0,
  abs: 1,
  sign: 2,
  square: 3,
  relu: 4,
  clamp: 5,
  floor: 6,
  ceil: 7,
  round: 8,
  exp: 9,
  log: 10,
  sqrt: 11,
  rsqrt: 12,
  reciprocal: 13,
  sin: 14,
  cos: 15,
  erf: 16,
  sigmoid: 17,
  tanh: 18,
  leakyRelu: 19,
  gelu: 20,
  silu: 21,
  elu: 22,
  softplus: 23,
  logicalNot: 24,
  isnan: 25,
  isfinite: 26,
  add: 27,
  sub: 28,
  mul: 29,
  div: 30,
  pow: 31,
  minimum: 32,
  maximum: 33,
  remainder: 34,
  floorDivide: 35,
  eq: 36,
  ne: 37,
  lt: 38,
  le: 39,
  gt: 40,
  ge: 41,
  logicalAnd: 42,
  logicalOr: 43,
  logicalXor: 44,
  bceWithLogits: 45,
  where: 46,
  absBackward: 47,
  reluBackward: 48,
  clampBackward: 49,
  sqrtBackward: 50,
  rsqrtBackward: 51,
  reciprocalBackward: 52,
  erfBackward: 53,
  sigmoidBackward: 54,
  tanhBackward: 55,
  leakyReluBackward: 56,
  geluBackward: 57,
  siluBackward: 58,
  eluBackward: 59,
  softplusBackward: 60,
  maximumBackward: 61,
  minimumBackward: 62,
  powBackwardBase: 63,
  powBackwardExponent: 64,
  bceWithLogitsBackward: 65,
  sum: 66,
  mean: 67,
  prod: 68,
  amax: 69,
  amin: 70,
  var: 71,
  any: 72,
  all: 73,
  maxDim: 74,
  minDim: 75,
  cumsum: 76,
  sort: 77,
  topk: 78,
  matmul: 79,
  linear: 80,
  linearBackwardWeight: 81,
  conv: 82,
  convBackwardInput: 83,
  convBackwardWeight: 84,
  maxPool: 85,
  maxPoolBackward: 86,
  avgPool: 87,
  avgPoolBackward: 88,
  resample: 89,
  localResponseNorm: 90,
  localResponseNormBackward: 91,
  batchNorm: 92,
  batchNormInference: 93,
  batchNormBackward: 94,
  groupNorm: 95,
  groupNormBackward: 96,
  softmax: 97,
  logSoftmax: 98,
  softmaxBackward: 99,
  logSoftmaxBackward: 100,
  crossEntropy: 101,
  crossEntropyBackward: 102,
  nllLoss: 103,
  nllLossBackward: 104,
  copy: 105,
  fill: 106,
  arange: 107,
  cat: 108,
  indexSelect: 109,
  indexAdd: 110,
  gather: 111,
  scatterAdd: 112,
  oneHot: 113,
  rand: 114,
  randn: 115,
  randint: 116,
  dropout: 117,
  dropoutBackward: 118,
  sgdStep: 119,
  adamStep: 120,
  nadamStep: 121,
  radamStep: 122,
  adamaxStep: 123,
  adagradStep: 124,
  adadeltaStep: 125,
  rmspropStep: 126,
  rpropStep: 127,
  asgdStep: 128,
  lerpStep: 129,
  totalNorm: 130,
  clipScale: 131,
} as const;

export type OpId = (typeof Op)[keyof typeof Op];

/** Operand and attribute lists of each row; T is the tensor type. */
export interface Signatures<T> {
  0: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  1: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  2: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  3: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  4: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  5: { inputs: [x: T]; outputs: [y: T]; attrs: [min: number, max: number] };
  6: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  7: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  8: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  9: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  10: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  11: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  12: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  13: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  14: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  15: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  16: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  17: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  18: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  19: { inputs: [x: T]; outputs: [y: T]; attrs: [slope: number] };
  20: { inputs: [x: T]; outputs: [y: T]; attrs: [tanh: number] };
  21: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  22: { inputs: [x: T]; outputs: [y: T]; attrs: [alpha: number] };
  23: { inputs: [x: T]; outputs: [y: T]; attrs: [beta: number, threshold: number] };
  24: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  25: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  26: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  27: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  28: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  29: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  30: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  31: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  32: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  33: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  34: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  35: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  36: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  37: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  38: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  39: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  40: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  41: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  42: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  43: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  44: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  45: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  46: { inputs: [condition: T, a: T | null, b: T | null]; outputs: [y: T]; attrs: [aScalar: number, bScalar: number] };
  47: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  48: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  49: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, min: number, max: number] };
  50: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  51: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  52: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  53: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  54: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  55: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  56: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, slope: number] };
  57: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, tanh: number] };
  58: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  59: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, alpha: number] };
  60: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, beta: number, threshold: number] };
  61: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  62: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  63: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  64: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  65: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  66: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  67: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  68: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  69: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  70: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  71: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number, correction: number] };
  72: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  73: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  74: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number] };
  75: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number] };
  76: { inputs: [x: T]; outputs: [y: T]; attrs: [dim: number] };
  77: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number, descending: number] };
  78: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number, largest: number] };
  79: { inputs: [a: T, b: T]; outputs: [y: T]; attrs: [] };
  80: { inputs: [x: T, weight: T, bias: T | null]; outputs: [y: T]; attrs: [relu: number] };
  81: { inputs: [grad: T, x: T]; outputs: [dWeight: T, dBias: T | null]; attrs: [] };
  82: { inputs: [x: T, weight: T, bias: T | null]; outputs: [y: T]; attrs: [stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number, groups: number, relu: number] };
  83: { inputs: [grad: T, weight: T]; outputs: [dX: T]; attrs: [stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number, groups: number] };
  84: { inputs: [grad: T, x: T]; outputs: [dWeight: T, dBias: T | null]; attrs: [stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number, groups: number] };
  85: { inputs: [x: T]; outputs: [y: T, indices: T | null]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number] };
  86: { inputs: [grad: T, indices: T]; outputs: [dX: T]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number] };
  87: { inputs: [x: T]; outputs: [y: T]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, countIncludePad: number, divisor: number] };
  88: { inputs: [grad: T]; outputs: [dX: T]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, countIncludePad: number, divisor: number] };
  89: { inputs: [x: T, offsets: T, places: T, weights: T]; outputs: [y: T]; attrs: [] };
  90: { inputs: [x: T]; outputs: [y: T]; attrs: [size: number, alpha: number, beta: number, k: number] };
  91: { inputs: [grad: T, x: T]; outputs: [dX: T]; attrs: [size: number, alpha: number, beta: number, k: number] };
  92: { inputs: [x: T, weight: T | null, bias: T | null, residual: T | null]; outputs: [y: T, mean: T, invStd: T, runningMean: T | null, runningVar: T | null, batches: T | null]; attrs: [momentum: number, eps: number, relu: number] };
  93: { inputs: [x: T, mean: T, var_: T, weight: T | null, bias: T | null, residual: T | null]; outputs: [y: T, invStd: T]; attrs: [eps: number, relu: number] };
  94: { inputs: [grad: T, x: T, mean: T, invStd: T, weight: T | null, bias: T | null, y: T | null]; outputs: [dX: T | null, dWeight: T | null, dBias: T | null, dResidual: T | null]; attrs: [training: number, relu: number] };
  95: { inputs: [x: T, weight: T | null, bias: T | null]; outputs: [y: T, mean: T, invStd: T]; attrs: [groups: number, eps: number] };
  96: { inputs: [grad: T, x: T, mean: T, invStd: T, weight: T | null]; outputs: [dX: T | null, dWeight: T | null, dBias: T | null]; attrs: [groups: number] };
  97: { inputs: [x: T]; outputs: [y: T]; attrs: [dim: number] };
  98: { inputs: [x: T]; outputs: [y: T]; attrs: [dim: number] };
  99: { inputs: [grad: T, y: T]; outputs: [dX: T]; attrs: [dim: number] };
  100: { inputs: [grad: T, y: T]; outputs: [dX: T]; attrs: [dim: number] };
  101: { inputs: [logits: T, target: T, weight: T | null]; outputs: [loss: T, logSumExp: T, totalWeight: T]; attrs: [reduction: number, ignoreIndex: number, labelSmoothing: number] };
  102: { inputs: [grad: T, logits: T, target: T, weight: T | null, logSumExp: T, totalWeight: T]; outputs: [dLogits: T]; attrs: [reduction: number, ignoreIndex: number, labelSmoothing: number] };
  103: { inputs: [logProbs: T, target: T, weight: T | null]; outputs: [loss: T, totalWeight: T]; attrs: [reduction: number, ignoreIndex: number] };
  104: { inputs: [grad: T, target: T, weight: T | null, totalWeight: T]; outputs: [dLogProbs: T]; attrs: [reduction: number, ignoreIndex: number] };
  105: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  106: { inputs: []; outputs: [y: T]; attrs: [value: number] };
  107: { inputs: []; outputs: [y: T]; attrs: [start: number, step: number] };
  108: { inputs: [...tensors: T[]]; outputs: [y: T]; attrs: [dim: number] };
  109: { inputs: [x: T, index: T]; outputs: [y: T]; attrs: [dim: number] };
  110: { inputs: [index: T, source: T]; outputs: [y: T]; attrs: [dim: number] };
  111: { inputs: [x: T, index: T]; outputs: [y: T]; attrs: [dim: number] };
  112: { inputs: [index: T, source: T]; outputs: [y: T]; attrs: [dim: number] };
  113: { inputs: [index: T]; outputs: [y: T]; attrs: [] };
  114: { inputs: []; outputs: [y: T, state: T]; attrs: [low: number, high: number] };
  115: { inputs: []; outputs: [y: T, state: T]; attrs: [mean: number, std: number] };
  116: { inputs: []; outputs: [y: T, state: T]; attrs: [low: number, high: number] };
  117: { inputs: [x: T]; outputs: [y: T, mask: T, state: T]; attrs: [p: number] };
  118: { inputs: [grad: T, mask: T]; outputs: [dX: T]; attrs: [p: number] };
  119: { inputs: [lr: T, ...grads: T[]]; outputs: [...tensors: T[]]; attrs: [momentum: number, dampening: number, weightDecay: number, nesterov: number, maximize: number, first: number] };
  120: { inputs: [lr: T, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, amsgrad: number, maximize: number, decoupled: number] };
  121: { inputs: [lr: T, ...grads: T[]]; outputs: [step: T, muProduct: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, momentumDecay: number, decoupled: number, maximize: number] };
  122: { inputs: [lr: T, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, decoupled: number, maximize: number] };
  123: { inputs: [lr: T, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, maximize: number] };
  124: { inputs: [lr: T, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [lrDecay: number, weightDecay: number, eps: number, maximize: number] };
  125: { inputs: [lr: T, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [rho: number, eps: number, weightDecay: number, maximize: number] };
  126: { inputs: [lr: T, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [alpha: number, eps: number, weightDecay: number, momentum: number, centered: number, maximize: number] };
  127: { inputs: [lr: T, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [etaMinus: number, etaPlus: number, stepSizeMin: number, stepSizeMax: number, maximize: number] };
  128: { inputs: [lr: T, ...grads: T[]]; outputs: [step: T, eta: T, mu: T, ...tensors: T[]]; attrs: [lambd: number, alpha: number, t0: number, weightDecay: number, maximize: number] };
  129: { inputs: [lr: T, ...grads: T[]]; outputs: [...tensors: T[]]; attrs: [] };
  130: { inputs: [...tensors: T[]]; outputs: [norm: T]; attrs: [p: number] };
  131: { inputs: [norm: T]; outputs: [...tensors: T[]]; attrs: [maxNorm: number] };
}

/** Names by id, for error messages. */
export const opNames: readonly string[] = [
  'neg', 'abs', 'sign', 'square', 'relu', 'clamp', 'floor', 'ceil', 'round', 'exp', 'log', 'sqrt', 'rsqrt',
  'reciprocal', 'sin', 'cos', 'erf', 'sigmoid', 'tanh', 'leakyRelu', 'gelu', 'silu', 'elu', 'softplus',
  'logicalNot', 'isnan', 'isfinite', 'add', 'sub', 'mul', 'div', 'pow', 'minimum', 'maximum', 'remainder',
  'floorDivide', 'eq', 'ne', 'lt', 'le', 'gt', 'ge', 'logicalAnd', 'logicalOr', 'logicalXor',
  'bceWithLogits', 'where', 'absBackward', 'reluBackward', 'clampBackward', 'sqrtBackward',
  'rsqrtBackward', 'reciprocalBackward', 'erfBackward', 'sigmoidBackward', 'tanhBackward',
  'leakyReluBackward', 'geluBackward', 'siluBackward', 'eluBackward', 'softplusBackward',
  'maximumBackward', 'minimumBackward', 'powBackwardBase', 'powBackwardExponent', 'bceWithLogitsBackward',
  'sum', 'mean', 'prod', 'amax', 'amin', 'var', 'any', 'all', 'maxDim', 'minDim', 'cumsum', 'sort', 'topk',
  'matmul', 'linear', 'linearBackwardWeight', 'conv', 'convBackwardInput', 'convBackwardWeight', 'maxPool',
  'maxPoolBackward', 'avgPool', 'avgPoolBackward', 'resample', 'localResponseNorm',
  'localResponseNormBackward', 'batchNorm', 'batchNormInference', 'batchNormBackward', 'groupNorm',
  'groupNormBackward', 'softmax', 'logSoftmax', 'softmaxBackward', 'logSoftmaxBackward', 'crossEntropy',
  'crossEntropyBackward', 'nllLoss', 'nllLossBackward', 'copy', 'fill', 'arange', 'cat', 'indexSelect',
  'indexAdd', 'gather', 'scatterAdd', 'oneHot', 'rand', 'randn', 'randint', 'dropout', 'dropoutBackward',
  'sgdStep', 'adamStep', 'nadamStep', 'radamStep', 'adamaxStep', 'adagradStep', 'adadeltaStep',
  'rmspropStep', 'rpropStep', 'asgdStep', 'lerpStep', 'totalNorm', 'clipScale'
];

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
  threshold: 24,
  hardswish: 25,
  hardsigmoid: 26,
  mish: 27,
  selu: 28,
  celu: 29,
  logsigmoid: 30,
  smoothL1: 31,
  logicalNot: 32,
  isnan: 33,
  isfinite: 34,
  add: 35,
  sub: 36,
  mul: 37,
  div: 38,
  pow: 39,
  minimum: 40,
  maximum: 41,
  remainder: 42,
  floorDivide: 43,
  eq: 44,
  ne: 45,
  lt: 46,
  le: 47,
  gt: 48,
  ge: 49,
  logicalAnd: 50,
  logicalOr: 51,
  logicalXor: 52,
  bceWithLogits: 53,
  bce: 54,
  klDiv: 55,
  prelu: 56,
  where: 57,
  absBackward: 58,
  reluBackward: 59,
  clampBackward: 60,
  sqrtBackward: 61,
  rsqrtBackward: 62,
  reciprocalBackward: 63,
  erfBackward: 64,
  sigmoidBackward: 65,
  tanhBackward: 66,
  leakyReluBackward: 67,
  geluBackward: 68,
  siluBackward: 69,
  eluBackward: 70,
  softplusBackward: 71,
  thresholdBackward: 72,
  hardtanhBackward: 73,
  hardswishBackward: 74,
  hardsigmoidBackward: 75,
  mishBackward: 76,
  seluBackward: 77,
  celuBackward: 78,
  logsigmoidBackward: 79,
  smoothL1Backward: 80,
  preluBackwardWeight: 81,
  maximumBackward: 82,
  minimumBackward: 83,
  powBackwardBase: 84,
  powBackwardExponent: 85,
  bceWithLogitsBackward: 86,
  bceBackward: 87,
  preluBackward: 88,
  sum: 89,
  mean: 90,
  prod: 91,
  amax: 92,
  amin: 93,
  var: 94,
  any: 95,
  all: 96,
  maxDim: 97,
  minDim: 98,
  cumsum: 99,
  sort: 100,
  topk: 101,
  matmul: 102,
  linear: 103,
  linearBackwardWeight: 104,
  conv: 105,
  convBackwardInput: 106,
  convBackwardWeight: 107,
  maxPool: 108,
  maxPoolBackward: 109,
  avgPool: 110,
  avgPoolBackward: 111,
  resample: 112,
  localResponseNorm: 113,
  localResponseNormBackward: 114,
  batchNorm: 115,
  batchNormInference: 116,
  batchNormBackward: 117,
  groupNorm: 118,
  groupNormBackward: 119,
  softmax: 120,
  logSoftmax: 121,
  softmaxBackward: 122,
  logSoftmaxBackward: 123,
  crossEntropy: 124,
  crossEntropyBackward: 125,
  nllLoss: 126,
  nllLossBackward: 127,
  copy: 128,
  fill: 129,
  arange: 130,
  cat: 131,
  indexSelect: 132,
  indexAdd: 133,
  gather: 134,
  scatterAdd: 135,
  oneHot: 136,
  rand: 137,
  randn: 138,
  randint: 139,
  dropout: 140,
  dropoutBackward: 141,
  sgdStep: 142,
  adamStep: 143,
  nadamStep: 144,
  radamStep: 145,
  adamaxStep: 146,
  adagradStep: 147,
  adadeltaStep: 148,
  rmspropStep: 149,
  rpropStep: 150,
  asgdStep: 151,
  lerpStep: 152,
  totalNorm: 153,
  clipScale: 154,
  unscale: 155,
  updateScale: 156,
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
  24: { inputs: [x: T]; outputs: [y: T]; attrs: [threshold: number, value: number] };
  25: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  26: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  27: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  28: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  29: { inputs: [x: T]; outputs: [y: T]; attrs: [alpha: number] };
  30: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  31: { inputs: [x: T]; outputs: [y: T]; attrs: [beta: number, factor: number] };
  32: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  33: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  34: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
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
  46: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  47: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  48: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  49: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  50: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  51: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  52: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  53: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  54: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  55: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, logTarget: number] };
  56: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  57: { inputs: [condition: T, a: T | null, b: T | null]; outputs: [y: T]; attrs: [aScalar: number, bScalar: number] };
  58: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  59: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  60: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, min: number, max: number] };
  61: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  62: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  63: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  64: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  65: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  66: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  67: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, slope: number] };
  68: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, tanh: number] };
  69: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  70: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, alpha: number] };
  71: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, beta: number, threshold: number] };
  72: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, threshold: number] };
  73: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, min: number, max: number] };
  74: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  75: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  76: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  77: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  78: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, alpha: number] };
  79: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  80: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, beta: number, factor: number] };
  81: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  82: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  83: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  84: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  85: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  86: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  87: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  88: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  89: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  90: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  91: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  92: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  93: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  94: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number, correction: number] };
  95: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  96: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  97: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number] };
  98: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number] };
  99: { inputs: [x: T]; outputs: [y: T]; attrs: [dim: number] };
  100: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number, descending: number] };
  101: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number, largest: number] };
  102: { inputs: [a: T, b: T]; outputs: [y: T]; attrs: [] };
  103: { inputs: [x: T, weight: T, bias: T | null]; outputs: [y: T]; attrs: [relu: number] };
  104: { inputs: [grad: T, x: T]; outputs: [dWeight: T, dBias: T | null]; attrs: [] };
  105: { inputs: [x: T, weight: T, bias: T | null]; outputs: [y: T]; attrs: [stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number, groups: number, relu: number] };
  106: { inputs: [grad: T, weight: T]; outputs: [dX: T]; attrs: [stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number, groups: number] };
  107: { inputs: [grad: T, x: T]; outputs: [dWeight: T, dBias: T | null]; attrs: [stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number, groups: number] };
  108: { inputs: [x: T]; outputs: [y: T, indices: T | null]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number] };
  109: { inputs: [grad: T, indices: T]; outputs: [dX: T]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number] };
  110: { inputs: [x: T]; outputs: [y: T]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, countIncludePad: number, divisor: number] };
  111: { inputs: [grad: T]; outputs: [dX: T]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, countIncludePad: number, divisor: number] };
  112: { inputs: [x: T, offsets: T, places: T, weights: T]; outputs: [y: T]; attrs: [] };
  113: { inputs: [x: T]; outputs: [y: T]; attrs: [size: number, alpha: number, beta: number, k: number] };
  114: { inputs: [grad: T, x: T]; outputs: [dX: T]; attrs: [size: number, alpha: number, beta: number, k: number] };
  115: { inputs: [x: T, weight: T | null, bias: T | null, residual: T | null]; outputs: [y: T, mean: T, invStd: T, runningMean: T | null, runningVar: T | null, batches: T | null]; attrs: [momentum: number, eps: number, relu: number] };
  116: { inputs: [x: T, mean: T, var_: T, weight: T | null, bias: T | null, residual: T | null]; outputs: [y: T, invStd: T]; attrs: [eps: number, relu: number] };
  117: { inputs: [grad: T, x: T, mean: T, invStd: T, weight: T | null, bias: T | null, y: T | null]; outputs: [dX: T | null, dWeight: T | null, dBias: T | null, dResidual: T | null]; attrs: [training: number, relu: number] };
  118: { inputs: [x: T, weight: T | null, bias: T | null]; outputs: [y: T, mean: T, invStd: T]; attrs: [groups: number, eps: number] };
  119: { inputs: [grad: T, x: T, mean: T, invStd: T, weight: T | null]; outputs: [dX: T | null, dWeight: T | null, dBias: T | null]; attrs: [groups: number] };
  120: { inputs: [x: T]; outputs: [y: T]; attrs: [dim: number] };
  121: { inputs: [x: T]; outputs: [y: T]; attrs: [dim: number] };
  122: { inputs: [grad: T, y: T]; outputs: [dX: T]; attrs: [dim: number] };
  123: { inputs: [grad: T, y: T]; outputs: [dX: T]; attrs: [dim: number] };
  124: { inputs: [logits: T, target: T, weight: T | null]; outputs: [loss: T, logSumExp: T, totalWeight: T]; attrs: [reduction: number, ignoreIndex: number, labelSmoothing: number] };
  125: { inputs: [grad: T, logits: T, target: T, weight: T | null, logSumExp: T, totalWeight: T]; outputs: [dLogits: T]; attrs: [reduction: number, ignoreIndex: number, labelSmoothing: number] };
  126: { inputs: [logProbs: T, target: T, weight: T | null]; outputs: [loss: T, totalWeight: T]; attrs: [reduction: number, ignoreIndex: number] };
  127: { inputs: [grad: T, target: T, weight: T | null, totalWeight: T]; outputs: [dLogProbs: T]; attrs: [reduction: number, ignoreIndex: number] };
  128: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  129: { inputs: []; outputs: [y: T]; attrs: [value: number] };
  130: { inputs: []; outputs: [y: T]; attrs: [start: number, step: number] };
  131: { inputs: [...tensors: T[]]; outputs: [y: T]; attrs: [dim: number] };
  132: { inputs: [x: T, index: T]; outputs: [y: T]; attrs: [dim: number] };
  133: { inputs: [index: T, source: T]; outputs: [y: T]; attrs: [dim: number] };
  134: { inputs: [x: T, index: T]; outputs: [y: T]; attrs: [dim: number] };
  135: { inputs: [index: T, source: T]; outputs: [y: T]; attrs: [dim: number] };
  136: { inputs: [index: T]; outputs: [y: T]; attrs: [] };
  137: { inputs: []; outputs: [y: T, state: T]; attrs: [low: number, high: number] };
  138: { inputs: []; outputs: [y: T, state: T]; attrs: [mean: number, std: number] };
  139: { inputs: []; outputs: [y: T, state: T]; attrs: [low: number, high: number] };
  140: { inputs: [x: T]; outputs: [y: T, mask: T, state: T]; attrs: [p: number] };
  141: { inputs: [grad: T, mask: T]; outputs: [dX: T]; attrs: [p: number] };
  142: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [...tensors: T[]]; attrs: [momentum: number, dampening: number, weightDecay: number, nesterov: number, maximize: number, first: number] };
  143: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, amsgrad: number, maximize: number, decoupled: number] };
  144: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, muProduct: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, momentumDecay: number, decoupled: number, maximize: number] };
  145: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, decoupled: number, maximize: number] };
  146: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, maximize: number] };
  147: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [lrDecay: number, weightDecay: number, eps: number, maximize: number] };
  148: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [rho: number, eps: number, weightDecay: number, maximize: number] };
  149: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [alpha: number, eps: number, weightDecay: number, momentum: number, centered: number, maximize: number] };
  150: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [etaMinus: number, etaPlus: number, stepSizeMin: number, stepSizeMax: number, maximize: number] };
  151: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, eta: T, mu: T, ...tensors: T[]]; attrs: [lambd: number, alpha: number, t0: number, weightDecay: number, maximize: number] };
  152: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [...tensors: T[]]; attrs: [] };
  153: { inputs: [...tensors: T[]]; outputs: [norm: T]; attrs: [p: number] };
  154: { inputs: [norm: T]; outputs: [...tensors: T[]]; attrs: [maxNorm: number] };
  155: { inputs: [scale: T]; outputs: [foundInf: T, ...tensors: T[]]; attrs: [] };
  156: { inputs: [foundInf: T | null]; outputs: [scale: T, growthTracker: T]; attrs: [growthFactor: number, backoffFactor: number, growthInterval: number] };
}

/** Names by id, for error messages. */
export const opNames: readonly string[] = [
  'neg', 'abs', 'sign', 'square', 'relu', 'clamp', 'floor', 'ceil', 'round', 'exp', 'log', 'sqrt', 'rsqrt',
  'reciprocal', 'sin', 'cos', 'erf', 'sigmoid', 'tanh', 'leakyRelu', 'gelu', 'silu', 'elu', 'softplus',
  'threshold', 'hardswish', 'hardsigmoid', 'mish', 'selu', 'celu', 'logsigmoid', 'smoothL1', 'logicalNot',
  'isnan', 'isfinite', 'add', 'sub', 'mul', 'div', 'pow', 'minimum', 'maximum', 'remainder', 'floorDivide',
  'eq', 'ne', 'lt', 'le', 'gt', 'ge', 'logicalAnd', 'logicalOr', 'logicalXor', 'bceWithLogits', 'bce',
  'klDiv', 'prelu', 'where', 'absBackward', 'reluBackward', 'clampBackward', 'sqrtBackward',
  'rsqrtBackward', 'reciprocalBackward', 'erfBackward', 'sigmoidBackward', 'tanhBackward',
  'leakyReluBackward', 'geluBackward', 'siluBackward', 'eluBackward', 'softplusBackward',
  'thresholdBackward', 'hardtanhBackward', 'hardswishBackward', 'hardsigmoidBackward', 'mishBackward',
  'seluBackward', 'celuBackward', 'logsigmoidBackward', 'smoothL1Backward', 'preluBackwardWeight',
  'maximumBackward', 'minimumBackward', 'powBackwardBase', 'powBackwardExponent', 'bceWithLogitsBackward',
  'bceBackward', 'preluBackward', 'sum', 'mean', 'prod', 'amax', 'amin', 'var', 'any', 'all', 'maxDim',
  'minDim', 'cumsum', 'sort', 'topk', 'matmul', 'linear', 'linearBackwardWeight', 'conv',
  'convBackwardInput', 'convBackwardWeight', 'maxPool', 'maxPoolBackward', 'avgPool', 'avgPoolBackward',
  'resample', 'localResponseNorm', 'localResponseNormBackward', 'batchNorm', 'batchNormInference',
  'batchNormBackward', 'groupNorm', 'groupNormBackward', 'softmax', 'logSoftmax', 'softmaxBackward',
  'logSoftmaxBackward', 'crossEntropy', 'crossEntropyBackward', 'nllLoss', 'nllLossBackward', 'copy',
  'fill', 'arange', 'cat', 'indexSelect', 'indexAdd', 'gather', 'scatterAdd', 'oneHot', 'rand', 'randn',
  'randint', 'dropout', 'dropoutBackward', 'sgdStep', 'adamStep', 'nadamStep', 'radamStep', 'adamaxStep',
  'adagradStep', 'adadeltaStep', 'rmspropStep', 'rpropStep', 'asgdStep', 'lerpStep', 'totalNorm',
  'clipScale', 'unscale', 'updateScale'
];

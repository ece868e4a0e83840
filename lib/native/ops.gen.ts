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
  erfc: 17,
  log1p: 18,
  expm1: 19,
  log2: 20,
  log10: 21,
  tan: 22,
  asin: 23,
  acos: 24,
  atan: 25,
  sinh: 26,
  cosh: 27,
  asinh: 28,
  acosh: 29,
  atanh: 30,
  trunc: 31,
  sigmoid: 32,
  tanh: 33,
  leakyRelu: 34,
  gelu: 35,
  silu: 36,
  elu: 37,
  softplus: 38,
  threshold: 39,
  hardswish: 40,
  hardsigmoid: 41,
  mish: 42,
  selu: 43,
  celu: 44,
  logsigmoid: 45,
  smoothL1: 46,
  hardshrink: 47,
  softshrink: 48,
  logicalNot: 49,
  isnan: 50,
  isfinite: 51,
  isinf: 52,
  add: 53,
  sub: 54,
  mul: 55,
  div: 56,
  pow: 57,
  minimum: 58,
  maximum: 59,
  remainder: 60,
  floorDivide: 61,
  fmod: 62,
  atan2: 63,
  hypot: 64,
  logaddexp: 65,
  eq: 66,
  ne: 67,
  lt: 68,
  le: 69,
  gt: 70,
  ge: 71,
  logicalAnd: 72,
  logicalOr: 73,
  logicalXor: 74,
  bceWithLogits: 75,
  bce: 76,
  klDiv: 77,
  prelu: 78,
  where: 79,
  absBackward: 80,
  reluBackward: 81,
  clampBackward: 82,
  sqrtBackward: 83,
  rsqrtBackward: 84,
  reciprocalBackward: 85,
  erfBackward: 86,
  sigmoidBackward: 87,
  tanhBackward: 88,
  leakyReluBackward: 89,
  geluBackward: 90,
  siluBackward: 91,
  eluBackward: 92,
  softplusBackward: 93,
  thresholdBackward: 94,
  hardtanhBackward: 95,
  hardswishBackward: 96,
  hardsigmoidBackward: 97,
  mishBackward: 98,
  seluBackward: 99,
  celuBackward: 100,
  logsigmoidBackward: 101,
  smoothL1Backward: 102,
  shrinkBackward: 103,
  preluBackwardWeight: 104,
  maximumBackward: 105,
  minimumBackward: 106,
  divBackward: 107,
  powBackwardBase: 108,
  powBackwardExponent: 109,
  bceWithLogitsBackward: 110,
  bceBackward: 111,
  preluBackward: 112,
  sum: 113,
  mean: 114,
  prod: 115,
  amax: 116,
  amin: 117,
  var: 118,
  any: 119,
  all: 120,
  maxDim: 121,
  minDim: 122,
  cumsum: 123,
  cumprod: 124,
  sort: 125,
  topk: 126,
  matmul: 127,
  linear: 128,
  linearBackwardWeight: 129,
  conv: 130,
  convBackwardInput: 131,
  convBackwardWeight: 132,
  maxPool: 133,
  maxPoolBackward: 134,
  avgPool: 135,
  avgPoolBackward: 136,
  resample: 137,
  localResponseNorm: 138,
  localResponseNormBackward: 139,
  batchNorm: 140,
  batchNormInference: 141,
  batchNormBackward: 142,
  groupNorm: 143,
  groupNormBackward: 144,
  softmax: 145,
  logSoftmax: 146,
  softmaxBackward: 147,
  logSoftmaxBackward: 148,
  crossEntropy: 149,
  crossEntropyBackward: 150,
  nllLoss: 151,
  nllLossBackward: 152,
  copy: 153,
  fill: 154,
  arange: 155,
  linspace: 156,
  cat: 157,
  indexSelect: 158,
  indexAdd: 159,
  gather: 160,
  scatterAdd: 161,
  scatter: 162,
  oneHot: 163,
  rand: 164,
  randn: 165,
  randint: 166,
  dropout: 167,
  dropoutBackward: 168,
  sgdStep: 169,
  adamStep: 170,
  nadamStep: 171,
  radamStep: 172,
  adamaxStep: 173,
  adagradStep: 174,
  adadeltaStep: 175,
  rmspropStep: 176,
  rpropStep: 177,
  asgdStep: 178,
  lerpStep: 179,
  totalNorm: 180,
  clipScale: 181,
  beginUpdate: 182,
  endUpdate: 183,
  unscale: 184,
  updateScale: 185,
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
  19: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  20: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  21: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  22: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  23: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  24: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  25: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  26: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  27: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  28: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  29: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  30: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  31: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  32: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  33: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  34: { inputs: [x: T]; outputs: [y: T]; attrs: [slope: number] };
  35: { inputs: [x: T]; outputs: [y: T]; attrs: [tanh: number] };
  36: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  37: { inputs: [x: T]; outputs: [y: T]; attrs: [alpha: number] };
  38: { inputs: [x: T]; outputs: [y: T]; attrs: [beta: number, threshold: number] };
  39: { inputs: [x: T]; outputs: [y: T]; attrs: [threshold: number, value: number] };
  40: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  41: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  42: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  43: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  44: { inputs: [x: T]; outputs: [y: T]; attrs: [alpha: number] };
  45: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  46: { inputs: [x: T]; outputs: [y: T]; attrs: [beta: number, factor: number] };
  47: { inputs: [x: T]; outputs: [y: T]; attrs: [lambda: number] };
  48: { inputs: [x: T]; outputs: [y: T]; attrs: [lambda: number] };
  49: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  50: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  51: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  52: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  53: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  54: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  55: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  56: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  57: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  58: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  59: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  60: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  61: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  62: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  63: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  64: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  65: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  66: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  67: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  68: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  69: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  70: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  71: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  72: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  73: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  74: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  75: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  76: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  77: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, logTarget: number] };
  78: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  79: { inputs: [condition: T, a: T | null, b: T | null]; outputs: [y: T]; attrs: [aScalar: number, bScalar: number] };
  80: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  81: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  82: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, min: number, max: number] };
  83: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  84: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  85: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  86: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  87: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  88: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  89: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, slope: number] };
  90: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, tanh: number] };
  91: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  92: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, alpha: number] };
  93: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, beta: number, threshold: number] };
  94: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, threshold: number] };
  95: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, min: number, max: number] };
  96: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  97: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  98: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  99: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  100: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, alpha: number] };
  101: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  102: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, beta: number, factor: number] };
  103: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number, lambda: number] };
  104: { inputs: [a: T | null, b: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  105: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  106: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  107: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  108: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  109: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  110: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  111: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  112: { inputs: [a: T | null, b: T | null, c: T | null]; outputs: [y: T]; attrs: [scalar: number] };
  113: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  114: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  115: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  116: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  117: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  118: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number, correction: number, root: number] };
  119: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  120: { inputs: [x: T]; outputs: [y: T]; attrs: [dimMask: number] };
  121: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number] };
  122: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number] };
  123: { inputs: [x: T]; outputs: [y: T]; attrs: [dim: number] };
  124: { inputs: [x: T]; outputs: [y: T]; attrs: [dim: number] };
  125: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number, descending: number] };
  126: { inputs: [x: T]; outputs: [values: T, indices: T]; attrs: [dim: number, largest: number] };
  127: { inputs: [a: T, b: T]; outputs: [y: T]; attrs: [] };
  128: { inputs: [x: T, weight: T, bias: T | null]; outputs: [y: T]; attrs: [relu: number] };
  129: { inputs: [grad: T, x: T]; outputs: [dWeight: T, dBias: T | null]; attrs: [] };
  130: { inputs: [x: T, weight: T, bias: T | null]; outputs: [y: T]; attrs: [stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number, groups: number, relu: number] };
  131: { inputs: [grad: T, weight: T]; outputs: [dX: T]; attrs: [stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number, groups: number] };
  132: { inputs: [grad: T, x: T]; outputs: [dWeight: T, dBias: T | null]; attrs: [stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number, groups: number] };
  133: { inputs: [x: T]; outputs: [y: T, indices: T | null]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number] };
  134: { inputs: [grad: T, indices: T]; outputs: [dX: T]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, dilation0: number, dilation1: number, dilation2: number] };
  135: { inputs: [x: T]; outputs: [y: T]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, countIncludePad: number, divisor: number] };
  136: { inputs: [grad: T]; outputs: [dX: T]; attrs: [kernel0: number, kernel1: number, kernel2: number, stride0: number, stride1: number, stride2: number, padding0: number, padding1: number, padding2: number, countIncludePad: number, divisor: number] };
  137: { inputs: [x: T, offsets: T, places: T, weights: T]; outputs: [y: T]; attrs: [] };
  138: { inputs: [x: T]; outputs: [y: T]; attrs: [size: number, alpha: number, beta: number, k: number] };
  139: { inputs: [grad: T, x: T]; outputs: [dX: T]; attrs: [size: number, alpha: number, beta: number, k: number] };
  140: { inputs: [x: T, weight: T | null, bias: T | null, residual: T | null]; outputs: [y: T, mean: T, invStd: T, runningMean: T | null, runningVar: T | null, batches: T | null]; attrs: [momentum: number, eps: number, relu: number] };
  141: { inputs: [x: T, mean: T, var_: T, weight: T | null, bias: T | null, residual: T | null]; outputs: [y: T, invStd: T]; attrs: [eps: number, relu: number] };
  142: { inputs: [grad: T, x: T, mean: T, invStd: T, weight: T | null, bias: T | null, y: T | null]; outputs: [dX: T | null, dWeight: T | null, dBias: T | null, dResidual: T | null]; attrs: [training: number, relu: number] };
  143: { inputs: [x: T, weight: T | null, bias: T | null]; outputs: [y: T, mean: T, invStd: T]; attrs: [groups: number, eps: number] };
  144: { inputs: [grad: T, x: T, mean: T, invStd: T, weight: T | null]; outputs: [dX: T | null, dWeight: T | null, dBias: T | null]; attrs: [groups: number] };
  145: { inputs: [x: T]; outputs: [y: T]; attrs: [dim: number] };
  146: { inputs: [x: T]; outputs: [y: T]; attrs: [dim: number] };
  147: { inputs: [grad: T, y: T]; outputs: [dX: T]; attrs: [dim: number] };
  148: { inputs: [grad: T, y: T]; outputs: [dX: T]; attrs: [dim: number] };
  149: { inputs: [logits: T, target: T, weight: T | null]; outputs: [loss: T, logSumExp: T, totalWeight: T]; attrs: [reduction: number, ignoreIndex: number, labelSmoothing: number] };
  150: { inputs: [grad: T, logits: T, target: T, weight: T | null, logSumExp: T, totalWeight: T]; outputs: [dLogits: T]; attrs: [reduction: number, ignoreIndex: number, labelSmoothing: number] };
  151: { inputs: [logProbs: T, target: T, weight: T | null]; outputs: [loss: T, totalWeight: T]; attrs: [reduction: number, ignoreIndex: number] };
  152: { inputs: [grad: T, target: T, weight: T | null, totalWeight: T]; outputs: [dLogProbs: T]; attrs: [reduction: number, ignoreIndex: number] };
  153: { inputs: [x: T]; outputs: [y: T]; attrs: [] };
  154: { inputs: []; outputs: [y: T]; attrs: [value: number] };
  155: { inputs: []; outputs: [y: T]; attrs: [start: number, step: number] };
  156: { inputs: []; outputs: [y: T]; attrs: [start: number, end: number] };
  157: { inputs: [...tensors: T[]]; outputs: [y: T]; attrs: [dim: number] };
  158: { inputs: [x: T, index: T]; outputs: [y: T]; attrs: [dim: number] };
  159: { inputs: [index: T, source: T]; outputs: [y: T]; attrs: [dim: number] };
  160: { inputs: [x: T, index: T]; outputs: [y: T]; attrs: [dim: number] };
  161: { inputs: [index: T, source: T]; outputs: [y: T]; attrs: [dim: number] };
  162: { inputs: [index: T, source: T]; outputs: [y: T]; attrs: [dim: number] };
  163: { inputs: [index: T]; outputs: [y: T]; attrs: [] };
  164: { inputs: []; outputs: [y: T, state: T]; attrs: [low: number, high: number] };
  165: { inputs: []; outputs: [y: T, state: T]; attrs: [mean: number, std: number] };
  166: { inputs: []; outputs: [y: T, state: T]; attrs: [low: number, high: number] };
  167: { inputs: [x: T]; outputs: [y: T, mask: T, state: T]; attrs: [p: number] };
  168: { inputs: [grad: T, mask: T]; outputs: [dX: T]; attrs: [p: number] };
  169: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [...tensors: T[]]; attrs: [momentum: number, dampening: number, weightDecay: number, nesterov: number, maximize: number, first: number] };
  170: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, amsgrad: number, maximize: number, decoupled: number] };
  171: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, muProduct: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, momentumDecay: number, decoupled: number, maximize: number] };
  172: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, decoupled: number, maximize: number] };
  173: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [beta1: number, beta2: number, eps: number, weightDecay: number, maximize: number] };
  174: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [lrDecay: number, weightDecay: number, eps: number, maximize: number] };
  175: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [rho: number, eps: number, weightDecay: number, maximize: number] };
  176: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [alpha: number, eps: number, weightDecay: number, momentum: number, centered: number, maximize: number] };
  177: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, ...tensors: T[]]; attrs: [etaMinus: number, etaPlus: number, stepSizeMin: number, stepSizeMax: number, maximize: number] };
  178: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [step: T, eta: T, mu: T, ...tensors: T[]]; attrs: [lambd: number, alpha: number, t0: number, weightDecay: number, maximize: number] };
  179: { inputs: [lr: T, foundInf: T | null, ...grads: T[]]; outputs: [...tensors: T[]]; attrs: [] };
  180: { inputs: [...tensors: T[]]; outputs: [norm: T]; attrs: [p: number] };
  181: { inputs: [norm: T]; outputs: [...tensors: T[]]; attrs: [maxNorm: number] };
  182: { inputs: [...grads: T[]]; outputs: []; attrs: [made: number] };
  183: { inputs: [...grads: T[]]; outputs: []; attrs: [] };
  184: { inputs: [scale: T]; outputs: [foundInf: T, ...tensors: T[]]; attrs: [] };
  185: { inputs: [foundInf: T | null]; outputs: [scale: T, growthTracker: T]; attrs: [growthFactor: number, backoffFactor: number, growthInterval: number] };
}

/** Names by id, for error messages. */
export const opNames: readonly string[] = [
  'neg', 'abs', 'sign', 'square', 'relu', 'clamp', 'floor', 'ceil', 'round', 'exp', 'log', 'sqrt', 'rsqrt',
  'reciprocal', 'sin', 'cos', 'erf', 'erfc', 'log1p', 'expm1', 'log2', 'log10', 'tan', 'asin', 'acos',
  'atan', 'sinh', 'cosh', 'asinh', 'acosh', 'atanh', 'trunc', 'sigmoid', 'tanh', 'leakyRelu', 'gelu',
  'silu', 'elu', 'softplus', 'threshold', 'hardswish', 'hardsigmoid', 'mish', 'selu', 'celu', 'logsigmoid',
  'smoothL1', 'hardshrink', 'softshrink', 'logicalNot', 'isnan', 'isfinite', 'isinf', 'add', 'sub', 'mul',
  'div', 'pow', 'minimum', 'maximum', 'remainder', 'floorDivide', 'fmod', 'atan2', 'hypot', 'logaddexp',
  'eq', 'ne', 'lt', 'le', 'gt', 'ge', 'logicalAnd', 'logicalOr', 'logicalXor', 'bceWithLogits', 'bce',
  'klDiv', 'prelu', 'where', 'absBackward', 'reluBackward', 'clampBackward', 'sqrtBackward',
  'rsqrtBackward', 'reciprocalBackward', 'erfBackward', 'sigmoidBackward', 'tanhBackward',
  'leakyReluBackward', 'geluBackward', 'siluBackward', 'eluBackward', 'softplusBackward',
  'thresholdBackward', 'hardtanhBackward', 'hardswishBackward', 'hardsigmoidBackward', 'mishBackward',
  'seluBackward', 'celuBackward', 'logsigmoidBackward', 'smoothL1Backward', 'shrinkBackward',
  'preluBackwardWeight', 'maximumBackward', 'minimumBackward', 'divBackward', 'powBackwardBase',
  'powBackwardExponent', 'bceWithLogitsBackward', 'bceBackward', 'preluBackward', 'sum', 'mean', 'prod',
  'amax', 'amin', 'var', 'any', 'all', 'maxDim', 'minDim', 'cumsum', 'cumprod', 'sort', 'topk', 'matmul',
  'linear', 'linearBackwardWeight', 'conv', 'convBackwardInput', 'convBackwardWeight', 'maxPool',
  'maxPoolBackward', 'avgPool', 'avgPoolBackward', 'resample', 'localResponseNorm',
  'localResponseNormBackward', 'batchNorm', 'batchNormInference', 'batchNormBackward', 'groupNorm',
  'groupNormBackward', 'softmax', 'logSoftmax', 'softmaxBackward', 'logSoftmaxBackward', 'crossEntropy',
  'crossEntropyBackward', 'nllLoss', 'nllLossBackward', 'copy', 'fill', 'arange', 'linspace', 'cat',
  'indexSelect', 'indexAdd', 'gather', 'scatterAdd', 'scatter', 'oneHot', 'rand', 'randn', 'randint',
  'dropout', 'dropoutBackward', 'sgdStep', 'adamStep', 'nadamStep', 'radamStep', 'adamaxStep',
  'adagradStep', 'adadeltaStep', 'rmspropStep', 'rpropStep', 'asgdStep', 'lerpStep', 'totalNorm',
  'clipScale', 'beginUpdate', 'endUpdate', 'unscale', 'updateScale'
];

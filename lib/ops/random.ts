// SPDX-License-Identifier: Apache-2.0
// Random tensors. Every device has a generator, the Philox counter of Salmon et al. ("Parallel random numbers: as easy
// as 1, 2, 3", SC 2011): a seed and an offset in a tensor on the device, which the operations advance there. The same
// seed gives the same numbers on every device.
import { randomBytes } from 'node:crypto';
import { ArgumentError, DTypeError, ShapeError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { Op } from '../native/ops.gen.js';
import { outside } from '../native/recording.js';
import { run } from '../native/run.js';
import { type Device, device as toDevice, type DeviceLike } from '../tensor/device.js';
import { checkDType, isFloating, type DType } from '../tensor/dtype.js';
import { checkShape, formatShape, givenShape, isDense, stridesLike, type Shape } from '../tensor/shape.js';
import { checkTensor, fresh, fromArray, type Tensor } from '../tensor/tensor.js';
import { checkFloat, checkInteger, checkNumber } from './checks.js';
import { finish, placeOf, tensorOptions, type TensorOptions } from './creation.js';
import { mutate } from './inplace.js';
import { binaryKernel, copyKernel, like } from './kernels.js';

// ---- generators ------------------------------------------------------------------------------------------------------

let seed = randomBytes(6).readUIntBE(0, 6);
let seedingCount = 0;
const states = new Map<Device, Tensor>();

function newState(words: readonly [bigint, bigint], place: Device): Tensor {
  return fromArray(BigInt64Array.from(words), [2], 'int64', place) as Tensor;
}

/** @internal The generator of a device, for operations that draw from it. */
export function generatorOf(place: Device): Tensor {
  let state = states.get(place);
  if (!state) states.set(place, (state = outside(() => newState([BigInt(seed), 0n], place))));
  return state;
}

/**
 * Seeds the generators of all devices.
 * @param value an integer from 0 to 2^53 - 1
 */
export function manualSeed(value: number): void {
  noMore('manualSeed', arguments.length > 1);
  seed = checkInteger(value, 0, 'manualSeed', 'the seed');
  seedingCount++;
  // The tensors stay where they are: recorded work may hold on to them.
  for (const [place, state] of states) run(Op.copy, [newState([BigInt(seed), 0n], place)], [state], []);
}

/** The seed that the generators began with: manualSeed()'s, or one drawn at random when the process began. */
export function initialSeed(): number {
  noMore('initialSeed', arguments.length > 0);
  return seed;
}

/** @internal How often manualSeed() was called, for generators elsewhere that begin anew with it. */
export function seedings(): number {
  return seedingCount;
}

/** The state of a device's generator: int64 [seed, offset], a copy on the CPU. Blocks until the device has caught up. */
export function getRngState(place: DeviceLike = 'cpu'): Tensor {
  noMore('getRngState', arguments.length > 1);
  const words = generatorOf(toDevice(place)).dataSync() as BigInt64Array;
  return newState([words[0]!, words[1]!], toDevice('cpu'));
}

/**
 * Sets the state of a device's generator to one that getRngState() gave.
 * @throws ShapeError, DTypeError unless it is int64 [2]
 */
export function setRngState(state: Tensor, place: DeviceLike = 'cpu'): void {
  noMore('setRngState', arguments.length > 2);
  checkTensor(state, 'setRngState', 'state');
  if (state.dtype !== 'int64') throw new DTypeError(`setRngState: expected an int64 state, got ${state.dtype}`);
  if (state.ndim !== 1 || state.shape[0] !== 2)
    throw new ShapeError(`setRngState: expected a state of shape [2], got ${formatShape(state.shape)}`);
  const target = toDevice(place);
  const words = state.dataSync() as BigInt64Array;
  run(Op.copy, [newState([words[0]!, words[1]!], target)], [generatorOf(target)], []);
}

/** @internal Copies of all generators' states, made on their devices: nothing waits. */
export function saveGenerators(): ReadonlyMap<Device, Tensor> {
  return new Map([...states].map(([place, state]) => [place, copyKernel(state)]));
}

/** @internal Puts all generators into saved states; those that did not exist then, to their beginning. */
export function restoreGenerators(saved: ReadonlyMap<Device, Tensor>): void {
  for (const [place, state] of states)
    run(Op.copy, [saved.get(place) ?? newState([BigInt(seed), 0n], place)], [state], []);
}

// ---- new tensors -----------------------------------------------------------------------------------------------------

type RandomId = typeof Op.rand | typeof Op.randn | typeof Op.randint;

function filled(op: RandomId, y: Tensor, a: number, b: number): Tensor {
  run(op, [], [y, generatorOf(y.device)], [a, b]);
  return y;
}

function floatingDType(dtype: DType, where: string): DType {
  if (!isFloating(checkDType(dtype, where))) throw new DTypeError(`${where}: dtype must be floating, got ${dtype}`);
  return dtype;
}

function made(op: RandomId, where: string, shape: Shape, a: number, b: number, dtype: DType, options: TensorOptions): Tensor {
  const place = placeOf(options);
  return finish(filled(op, fresh(givenShape(shape, where), dtype, place) as Tensor, a, b), options);
}

// Shape, layout and, unless given otherwise, dtype and device of x.
function madeLike(op: RandomId, x: Tensor, a: number, b: number, dtype: DType, options: TensorOptions): Tensor {
  const place = options.device === undefined ? x.device : toDevice(options.device);
  return finish(filled(op, fresh(x.shape, dtype, place, stridesLike(x.shape, x.strides)), a, b), options);
}

/**
 * Uniform numbers in [0, 1).
 * @param options dtype: a floating one, default float32
 * @throws ShapeError for bad sizes, DTypeError
 */
export function rand(shape: Shape, options?: TensorOptions): Tensor {
  options = tensorOptions('rand', options, arguments.length > 2);
  return made(Op.rand, 'rand', shape, 0, 1, floatingDType(options.dtype ?? 'float32', 'rand'), options);
}

/**
 * Numbers of the standard normal distribution.
 * @param options dtype: a floating one, default float32
 * @throws ShapeError for bad sizes, DTypeError
 */
export function randn(shape: Shape, options?: TensorOptions): Tensor {
  options = tensorOptions('randn', options, arguments.length > 2);
  return made(Op.randn, 'randn', shape, 0, 1, floatingDType(options.dtype ?? 'float32', 'randn'), options);
}

/** rand() with the shape, layout, dtype and device of x. */
export function randLike(x: Tensor, options?: TensorOptions): Tensor {
  options = tensorOptions('randLike', options, arguments.length > 2);
  checkTensor(x, 'randLike');
  const dtype = floatingDType(options.dtype ?? x.dtype, 'randLike');
  return madeLike(Op.rand, x, 0, 1, dtype, options);
}

/** randn() with the shape, layout, dtype and device of x. */
export function randnLike(x: Tensor, options?: TensorOptions): Tensor {
  options = tensorOptions('randnLike', options, arguments.length > 2);
  checkTensor(x, 'randnLike');
  const dtype = floatingDType(options.dtype ?? x.dtype, 'randnLike');
  return madeLike(Op.randn, x, 0, 1, dtype, options);
}

function checkRange(low: number, high: number, where: string): void {
  checkInteger(low, -Infinity, where, 'low');
  checkInteger(high, -Infinity, where, 'high');
  if (high <= low || high - low > 2 ** 32)
    throw new ArgumentError(`${where}: expected low < high, at most 2^32 apart, got ${low} and ${high}`);
}

/**
 * Uniform integers in [low, high); low is 0 if left out.
 * @param options dtype: default int64
 * @throws ArgumentError for an empty range or one of more than 2^32 numbers; ShapeError
 */
export function randint(high: number, shape: Shape, options?: TensorOptions): Tensor;
export function randint(low: number, high: number, shape: Shape, options?: TensorOptions): Tensor;
export function randint(first: number, second: number | Shape, third?: Shape | TensorOptions, fourth?: TensorOptions): Tensor {
  const short = typeof second !== 'number';
  const [low, high] = short ? [0, first] : [first, second];
  const shape = (short ? second : third) as Shape;
  const given = (short ? third : fourth) as TensorOptions | undefined;
  const options = tensorOptions('randint', given, arguments.length > (short ? 3 : 4));
  checkRange(low, high, 'randint');
  return made(Op.randint, 'randint', shape, low, high, checkDType(options.dtype ?? 'int64', 'randint'), options);
}

/** randint() with the shape, layout, dtype and device of x. */
export function randintLike(x: Tensor, low: number, high: number, options?: TensorOptions): Tensor {
  options = tensorOptions('randintLike', options, arguments.length > 4);
  checkTensor(x, 'randintLike');
  checkRange(low, high, 'randintLike');
  const dtype = checkDType(options.dtype ?? x.dtype, 'randintLike');
  return madeLike(Op.randint, x, low, high, dtype, options);
}

/**
 * 0 to n - 1 in random order.
 * @param options dtype: default int64
 */
export function randperm(n: number, options?: TensorOptions): Tensor {
  options = tensorOptions('randperm', options, arguments.length > 2);
  checkInteger(n, 0, 'randperm', 'n');
  const dtype = checkDType(options.dtype ?? 'int64', 'randperm');
  const place = placeOf(options);
  // The order of 62 random bits each, so that ties, which would keep their order, do not happen.
  const keys = () => filled(Op.randint, fresh(checkShape([n], 'randperm'), 'int64', place) as Tensor, 0, 2 ** 31);
  const key = binaryKernel(Op.add, binaryKernel(Op.mul, keys(), 2 ** 31), keys());
  const values = like(key);
  const order = like(key);
  run(Op.sort, [key], [values, order], [0, 0]);
  return finish(dtype === 'int64' ? order : copyKernel(order, dtype), options);
}

/**
 * 1 with the probability that the element of `p` says, else 0; in p's dtype.
 * @param p floating, in [0, 1]
 */
export function bernoulli(p: Tensor): Tensor {
  noMore('bernoulli', arguments.length > 1);
  checkFloat(checkTensor(p, 'bernoulli', 'p'), 'bernoulli', 'p');
  const draws = filled(Op.rand, like(p), 0, 1);
  return copyKernel(binaryKernel(Op.lt, draws, p, [], 'bernoulli', 'bool'), p.dtype);
}

// ---- in place --------------------------------------------------------------------------------------------------------

function fill(op: RandomId, where: string, x: Tensor, a: number, b: number): Tensor {
  checkFloat(mutate(x, where), where);
  if (isDense(x.shape, x.strides)) return filled(op, x, a, b);
  run(Op.copy, [filled(op, like(x), a, b)], [x], []);
  return x;
}

/**
 * Fills x with uniform numbers in [from, to).
 * @throws AutogradError for a tensor that requires gradients outside noGrad(); ArgumentError for an empty range
 */
export function uniform_(x: Tensor, from = 0, to = 1): Tensor {
  noMore('uniform_', arguments.length > 3);
  checkNumber(from, -Number.MAX_VALUE, Number.MAX_VALUE, 'uniform_', 'from');
  checkNumber(to, from, Number.MAX_VALUE, 'uniform_', 'to');
  return fill(Op.rand, 'uniform_', x, from, to);
}

/**
 * Fills x with numbers of a normal distribution.
 * @throws AutogradError for a tensor that requires gradients outside noGrad(); ArgumentError for a negative std
 */
export function normal_(x: Tensor, mean = 0, std = 1): Tensor {
  noMore('normal_', arguments.length > 3);
  checkNumber(mean, -Number.MAX_VALUE, Number.MAX_VALUE, 'normal_', 'mean');
  checkNumber(std, 0, Number.MAX_VALUE, 'normal_', 'std');
  return fill(Op.randn, 'normal_', x, mean, std);
}

/**
 * Fills x with 1 with probability p, else 0.
 * @throws AutogradError for a tensor that requires gradients outside noGrad(); ArgumentError for a p outside [0, 1]
 */
export function bernoulli_(x: Tensor, p = 0.5): Tensor {
  noMore('bernoulli_', arguments.length > 2);
  checkNumber(p, 0, 1, 'bernoulli_', 'p');
  mutate(x, 'bernoulli_');
  const draws = filled(Op.rand, fresh(x.shape, 'float32', x.device), 0, 1);
  run(Op.copy, [binaryKernel(Op.lt, draws, p, [], 'bernoulli_', 'bool')], [x], []);
  return x;
}


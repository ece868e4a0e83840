// SPDX-License-Identifier: Apache-2.0
// Changes in place. These are not recorded: a tensor that takes part in gradients can be changed only under noGrad(),
// as optimizers and initialisation do. Recorded ones, such as relu_(), begin with rewrite().
import { isGradEnabled } from '../autograd/mode.js';
import type { Node } from '../autograd/op.js';
import { ArgumentError, AutogradError, DTypeError, ShapeError } from '../native/errors.js';
import { Op } from '../native/ops.gen.js';
import { noMore } from '../native/options.js';
import { keep, run } from '../native/run.js';
import { dtypeCategory } from '../tensor/dtype.js';
import { broadcastShapes, formatShape, sameShape } from '../tensor/shape.js';
import { checkTensor, Tensor } from '../tensor/tensor.js';
import { checkFill } from './creation.js';
import { binaryKernel, copyKernel, type BinaryId } from './kernels.js';
import { alphaOf, cast, refuseBool, resultDType, type AlphaOptions, type Operand } from './promote.js';

/** Checks that x may be changed in place, and marks it as changed. */
export function mutate(x: Tensor, where: string): Tensor {
  checkTensor(x, where);
  if (x.requiresGrad && isGradEnabled())
    throw new AutogradError(
      `${where}: a tensor that requires gradients cannot be changed in place while operations are recorded; ` +
        'do it inside noGrad()',
    );
  // An update of one's own, as those of optimizers.
  if (x.requiresGrad) keep(x);
  return mark(x, where);
}

function mark(x: Tensor, where: string): Tensor {
  if (x.strides.some((stride, i) => stride === 0 && x.shape[i]! > 1) && x.numel > 0)
    throw new ArgumentError(`${where}: an expanded tensor shares memory between elements and cannot be changed in place`);
  x.version.count++;
  return x;
}

/**
 * Checks that a recorded operation may write its result over x, and marks it as changed. After the change of a view,
 * what it is part of can take part in no gradient any more: its record would have to change too.
 */
export function rewrite(x: Tensor, where: string): Tensor {
  checkTensor(x, where);
  if (!x.requiresGrad || !isGradEnabled()) return mark(x, where);
  if (x.isLeaf) throw new AutogradError(`${where}: a leaf that requires gradients cannot be changed in place`);
  if ((x.gradFn as Node).ofLeaf)
    throw new AutogradError(`${where}: a view of a leaf that requires gradients cannot be changed in place`);
  mark(x, where);
  x.version.recorded = x.version.count;
  return x;
}

function inPlace(name: string, op: BinaryId) {
  return function (x: Tensor, other: Operand): Tensor {
    noMore(name, arguments.length > 2);
    mutate(x, name);
    const common = resultDType(x, other, name);
    // A quotient of integers is none.
    const dtype = op === Op.div && dtypeCategory(common) < dtypeCategory('float32') ? 'float32' : common;
    if (dtypeCategory(dtype) > dtypeCategory(x.dtype))
      throw new DTypeError(`${name}: a result of dtype ${dtype} cannot be stored in a tensor of dtype ${x.dtype}`);
    if (!(other instanceof Tensor)) {
      run(op, [x, null], [x] as never, [Number(other)] as never);
      return x;
    }
    if (!sameShape(broadcastShapes(x.shape, other.shape, name), x.shape))
      throw new ShapeError(`${name}: shape ${formatShape(other.shape)} cannot be broadcast to ${formatShape(x.shape)}`);
    run(op, [x, other.dtype === x.dtype ? other : cast(other, x.dtype)], [x] as never, [0] as never);
    return x;
  };
}

const plus_ = inPlace('add_', Op.add);
const minus_ = inPlace('sub_', Op.sub);
export const mul_ = inPlace('mul_', Op.mul);
export const div_ = inPlace('div_', Op.div);

// alpha other, not recorded.
function scaled(x: Tensor, other: Operand, options: AlphaOptions | undefined, extra: boolean, where: string): Operand {
  const alpha = alphaOf(x, other, options, extra, where);
  if (alpha === 1) return other;
  if (!(other instanceof Tensor)) return Number(other) * alpha;
  const dtype = resultDType(x, other, where);
  return binaryKernel(Op.mul, copyKernel(other, dtype), dtype === 'bool' ? Number(alpha !== 0) : alpha);
}

/** x += alpha other. @throws as add() */
export function add_(x: Tensor, other: Operand, options?: AlphaOptions): Tensor {
  return plus_(x, scaled(x, other, options, arguments.length > 3, 'add_'));
}
/** x -= alpha other. @throws as sub() */
export function sub_(x: Tensor, other: Operand, options?: AlphaOptions): Tensor {
  refuseBool('sub_', 'difference', x, other);
  return minus_(x, scaled(x, other, options, arguments.length > 3, 'sub_'));
}

/** Sets all elements to `value`. @throws ArgumentError as full() */
export function fill_(x: Tensor, value: number | boolean): Tensor {
  noMore('fill_', arguments.length > 2);
  const number = checkFill(value, checkTensor(x, 'fill_').dtype, 'fill_');
  run(Op.fill, [], [mutate(x, 'fill_')], [number]);
  return x;
}

export function zero_(x: Tensor): Tensor {
  noMore('zero_', arguments.length > 1);
  return fill_(x, 0);
}

/** Copies the values of `source`, broadcast and converted to x's dtype. */
export function copy_(x: Tensor, source: Tensor): Tensor {
  noMore('copy_', arguments.length > 2);
  checkTensor(source, 'copy_', 'source');
  if (!sameShape(broadcastShapes(checkTensor(x, 'copy_').shape, source.shape, 'copy_'), x.shape))
    throw new ShapeError(`copy_: shape ${formatShape(source.shape)} cannot be broadcast to ${formatShape(x.shape)}`);
  run(Op.copy, [source], [mutate(x, 'copy_')], []);
  return x;
}

# SPDX-License-Identifier: Apache-2.0
import random

import torch
import torch.nn.functional as F

from harness import FLOATS, INTEGERS, arrange, check, exact, fresh, run, shape_of, tensor, values

SIGNED = [torch.int32, torch.int64]
SHAPES = [[1000], [3, 4, 8, 16], [2, 17], [0, 3]]

UNARY = {name: getattr(torch, name) for name in 'neg abs sign square relu'.split()}
UNARY_FLOAT = {name: getattr(torch, name) for name in (
    'floor ceil round exp log sqrt rsqrt reciprocal sin cos erf sigmoid tanh').split()} | {'silu': F.silu}
WITH_ATTRIBUTES = [
    ('clamp', (-1, .5), lambda x: x.clamp(-1, .5)),
    ('clamp', (-1, float('inf')), lambda x: x.clamp(min=-1)),
    ('leaky_relu', (.1,), lambda x: F.leaky_relu(x, .1)),
    ('gelu', (0,), F.gelu),
    ('gelu', (1,), lambda x: F.gelu(x, approximate='tanh')),
    ('elu', (.7,), lambda x: F.elu(x, .7)),
    ('softplus', (2, 3), lambda x: F.softplus(x, 2, 3)),
]
PREDICATES = [torch.logical_not, torch.isnan, torch.isfinite]
BINARY = [torch.add, torch.sub, torch.mul, torch.minimum, torch.maximum]
COMPARE = [getattr(torch, name) for name in 'eq ne lt le gt ge logical_and logical_or logical_xor'.split()]
GRADIENTS = [('sigmoid', torch.sigmoid, 'y'), ('tanh', torch.tanh, 'y'), ('relu', torch.relu, 'y'),
             ('sqrt', torch.sqrt, 'y'), ('rsqrt', torch.rsqrt, 'y'), ('reciprocal', torch.reciprocal, 'y'),
             ('erf', torch.erf, 'x'), ('silu', F.silu, 'x'), ('abs', torch.abs, 'x')]


def unary():
    for name, function in (UNARY | UNARY_FLOAT).items():
        for dtype in FLOATS + (SIGNED if name in UNARY else []):
            shape = random.choice([shape_of(), *SHAPES])
            x, y = tensor(shape, dtype), fresh(shape, dtype)
            run(name, [x], [y], misaligned=random.random() < .3)
            check(name, y, function(exact(x)))
    for name, attrs, function in WITH_ATTRIBUTES:
        for dtype in FLOATS:
            x, y = tensor([5, 33], dtype), fresh([5, 33], dtype)
            run(name, [x], [y], attrs)
            check(name, y, function(exact(x)))
    for function in PREDICATES:
        for dtype in FLOATS + INTEGERS:
            x, y = tensor([7, 9, 8], dtype, nan=True), fresh([7, 9, 8], torch.bool)
            run(function.__name__, [x], [y])
            check(function.__name__, y, function(x))


def broadcast_pair(dtype):
    shape = random.choice([shape_of(random.randint(1, 4)), [2, 8, 4, 16], [3, 5, 64]])
    drop = lambda: [1 if random.random() < .3 else size for size in shape]
    return [tensor(drop(), dtype, nan=True).expand(shape) for _ in range(2)]


def binary():
    for function in [*BINARY, torch.div, *COMPARE]:
        name = function.__name__
        integers = [] if name == 'div' else INTEGERS if function in COMPARE else SIGNED
        for dtype in (FLOATS + integers) * 3:
            a, b = broadcast_pair(dtype)
            y = fresh(list(a.shape), torch.bool if function in COMPARE else dtype)
            absent = random.choice([None, None, 'a', 'b'])
            one_a, one_b = torch.ones_like(a), torch.ones_like(b)
            run(name, [None if absent == 'a' else a, None if absent == 'b' else b], [y], (1,),
                misaligned=random.random() < .2)
            check(name, y, function(one_a if absent == 'a' else a, one_b if absent == 'b' else b))
    for dtype in (torch.float32, torch.float64, torch.int64):
        a, b, y = tensor([40], dtype), tensor([40], dtype), fresh([40], dtype)
        b[b == 0] = 3
        for function in (torch.remainder, torch.floor_divide):
            run(function.__name__, [a, b], [y], (0,))
            check(function.__name__, y, function(a, b))
    x, target, y = tensor([4, 40], torch.float32), torch.rand(4, 40), fresh([4, 40], torch.float32)
    run('bce_with_logits', [x, target], [y], (0,))
    check('bce_with_logits', y, F.binary_cross_entropy_with_logits(x, target, reduction='none'))
    run('pow', [target, x], [y], (0,))
    check('pow', y, target.pow(x))


def where():
    for dtype in FLOATS + INTEGERS:
        shape = [3, 4, 5]
        condition, a, b = tensor(shape, torch.bool), tensor(shape, dtype), tensor(shape, dtype)
        for given_a, given_b in ((a, b), (None, b), (a, None)):
            y = fresh(shape, dtype)
            run('where', [condition, given_a, given_b], [y], (1, 0))
            check('where', y, torch.where(condition, torch.ones_like(a) if given_a is None else a,
                                          torch.zeros_like(b) if given_b is None else b))


def gradients():
    for name, function, saved in GRADIENTS:
        for dtype in FLOATS:
            x = (values([3, 6, 16], torch.float64).abs() + .3).requires_grad_()
            y, grad = function(x), values([3, 6, 16], torch.float64)
            y.backward(grad)
            d_x = fresh([3, 6, 16], dtype)
            kept = (y if saved == 'y' else x).detach()
            run(f'{name}_backward', [arrange(grad.to(dtype)), arrange(kept.to(dtype))], [d_x], (0,))
            check(name, d_x, x.grad, loose=True)
    a, b, y = tensor([50], torch.float32), tensor([50], torch.float32), fresh([50], torch.float32)
    c = torch.where(torch.rand(50) < .5, b, values([50], torch.float32))
    run('maximum_backward', [a, b, c], [y], (0,))
    check('maximum_backward', y, torch.where(b > c, a, torch.where(b == c, a / 2, torch.zeros(50))))
    run('bce_with_logits_backward', [a, b, None], [y], (.25,))
    check('bce_with_logits_backward', y, a * (torch.sigmoid(b) - .25))


CHECKS = {'unary': unary, 'binary': binary, 'where': where, 'gradients': gradients}

# SPDX-License-Identifier: Apache-2.0
import random

import torch
import torch.nn.functional as F

from harness import FLOATS, INTEGERS, arrange, check, exact, fresh, run, shape_of, tensor, values

SIGNED = [torch.int32, torch.int64]
SHAPES = [[1000], [3, 4, 8, 16], [2, 17], [0, 3]]

UNARY = {name: getattr(torch, name) for name in 'neg abs sign square relu'.split()}
UNARY_FLOAT = {name: getattr(torch, name) for name in (
    'floor ceil round exp log sqrt rsqrt reciprocal sin cos erf sigmoid tanh').split()} | {name: getattr(F, name) for name in (
    'silu mish hardswish hardsigmoid selu logsigmoid').split()}
WITH_ATTRIBUTES = [
    ('clamp', (-1, .5), lambda x: x.clamp(-1, .5)),
    ('clamp', (-1, float('inf')), lambda x: x.clamp(min=-1)),
    ('leaky_relu', (.1,), lambda x: F.leaky_relu(x, .1)),
    ('gelu', (0,), F.gelu),
    ('gelu', (1,), lambda x: F.gelu(x, approximate='tanh')),
    ('elu', (.7,), lambda x: F.elu(x, .7)),
    ('softplus', (2, 3), lambda x: F.softplus(x, 2, 3)),
    ('celu', (.7,), lambda x: F.celu(x, .7)),
    ('threshold', (.3, -2), lambda x: F.threshold(x, .3, -2)),
    ('smooth_l1', (.7, 1), lambda x: F.smooth_l1_loss(x, torch.zeros_like(x), reduction='none', beta=.7)),
    ('smooth_l1', (.7, .7), lambda x: F.huber_loss(x, torch.zeros_like(x), reduction='none', delta=.7)),
]


def hardsigmoid(x):
    """For positive x. PyTorch's gradient takes 1 / 6 in float32, whatever the dtype."""
    return torch.where(x < 3, x / 6 + .5, 1)


PREDICATES = [torch.logical_not, torch.isnan, torch.isfinite]
BINARY = [torch.add, torch.sub, torch.mul, torch.minimum, torch.maximum]
COMPARE = [getattr(torch, name) for name in 'eq ne lt le gt ge logical_and logical_or logical_xor'.split()]
GRADIENTS = [('sigmoid', torch.sigmoid, 'y'), ('tanh', torch.tanh, 'y'), ('relu', torch.relu, 'y'),
             ('sqrt', torch.sqrt, 'y'), ('rsqrt', torch.rsqrt, 'y'), ('reciprocal', torch.reciprocal, 'y'),
             ('erf', torch.erf, 'x'), ('silu', F.silu, 'x'), ('abs', torch.abs, 'x'), ('mish', F.mish, 'x'),
             ('hardswish', F.hardswish, 'x'), ('hardsigmoid', hardsigmoid, 'x'), ('selu', F.selu, 'x'),
             ('logsigmoid', F.logsigmoid, 'x')]


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
    p = torch.rand(4, 40)
    run('bce', [p, target], [y], (0,))
    check('bce', y, F.binary_cross_entropy(p, target, reduction='none'), loose=True)
    for log_target in (False, True):
        other = x if log_target else target
        run('kl_div', [p.log(), other], [y], (0, log_target))
        check('kl_div', y, F.kl_div(p.log(), other, reduction='none', log_target=log_target), loose=True)
    slopes = torch.rand(40)
    run('prelu', [x, slopes.expand(4, 40)], [y], (0,))
    check('prelu', y, F.prelu(x, slopes))
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
            x = values([3, 6, 16], torch.float64).abs() + .3
            x = x.to(dtype).double().requires_grad_()  # rounded first: not across a kink
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
    p = torch.rand(50) * .8 + .1
    run('bce_backward', [a, p, None], [y], (.25,))
    check('bce_backward', y, a * (p - .25) / (p * (1 - p)), loose=True)
    slopes = torch.rand(50)
    run('prelu_backward', [a, b, slopes], [y], (0,))
    check('prelu_backward', y, torch.where(b > 0, a, a * slopes))
    run('prelu_backward_weight', [a, b], [y], (0,))
    check('prelu_backward_weight', y, torch.where(b > 0, 0, a * b))
    for name, attrs, slope in (('celu', (.7,), torch.where(b > 0, 1, (b / .7).exp())),
                               ('hardtanh', (-.5, .5), ((b > -.5) & (b < .5)).float()),
                               ('threshold', (.3,), (b > .3).float()),
                               ('smooth_l1', (.7, 2), 2 * (b / .7).clamp(-1, 1))):
        run(f'{name}_backward', [a, b], [y], (0, *attrs))
        check(f'{name}_backward', y, a * slope, loose=True)
    run('bce_with_logits_backward', [a, b, None], [y], (.25,))
    check('bce_with_logits_backward', y, a * (torch.sigmoid(b) - .25))


CHECKS = {'unary': unary, 'binary': binary, 'where': where, 'gradients': gradients}

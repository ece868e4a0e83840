# SPDX-License-Identifier: Apache-2.0
import random

import torch
from torch.optim import (ASGD, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, Rprop)

from harness import FLOATS, arrange, check, fresh, memory_of, run, tensor

PRECISION = {torch.float16: 11, torch.bfloat16: 8}
SHAPES = [[3, 4, 5, 5], [7], [0], [5000], [64, 33], []] + [[5]] * 150
OPTIMIZERS = [
    (SGD, {'lr': .1}),
    (SGD, {'lr': .1, 'momentum': .9, 'dampening': .1, 'weight_decay': .01}),
    (SGD, {'lr': .1, 'momentum': .9, 'nesterov': True, 'maximize': True}),
    (Adam, {'lr': .01, 'weight_decay': .1}),
    (Adam, {'lr': .01, 'amsgrad': True, 'betas': (.8, .99)}),
    (AdamW, {'lr': .01, 'weight_decay': .1, 'maximize': True}),
    (RMSprop, {'lr': .01}),
    (RMSprop, {'lr': .01, 'momentum': .9, 'weight_decay': .1}),
    (RMSprop, {'lr': .01, 'centered': True}),
    (RMSprop, {'lr': .01, 'centered': True, 'momentum': .5, 'alpha': .9}),
    (NAdam, {'lr': .01, 'weight_decay': .1, 'momentum_decay': .1}),
    (NAdam, {'lr': .01, 'weight_decay': .1, 'decoupled_weight_decay': True, 'maximize': True}),
    (RAdam, {'lr': .01, 'betas': (.8, .9), 'weight_decay': .1}),
    (RAdam, {'lr': .01, 'weight_decay': .1, 'decoupled_weight_decay': True, 'maximize': True}),
    (Adamax, {'lr': .01, 'weight_decay': .1}),
    (Adagrad, {'lr': .01, 'lr_decay': .1, 'maximize': True}),
    (Adadelta, {'lr': .5, 'weight_decay': .1}),
    (Rprop, {'lr': .01, 'etas': (.4, 1.5), 'step_sizes': (.008, .02)}),
    (ASGD, {'lr': .1, 'lambd': .05, 't0': 1., 'weight_decay': .1}),
]
DECOUPLED = ('decoupled_weight_decay', 'maximize')
# Per class: its row, the options that are attributes, the states that change in step with the parameters.
ROWS = {
    SGD: ('sgd_step', ('momentum', 'dampening', 'weight_decay', 'nesterov', 'maximize'), ('momentum_buffer',)),
    Adam: ('adam_step', ('betas', 'eps', 'weight_decay', 'amsgrad', 'maximize', 'decoupled_weight_decay'),
           ('exp_avg', 'exp_avg_sq', 'max_exp_avg_sq')),
    NAdam: ('nadam_step', ('betas', 'eps', 'weight_decay', 'momentum_decay', *DECOUPLED), ('exp_avg', 'exp_avg_sq')),
    RAdam: ('radam_step', ('betas', 'eps', 'weight_decay', *DECOUPLED), ('exp_avg', 'exp_avg_sq')),
    Adamax: ('adamax_step', ('betas', 'eps', 'weight_decay', 'maximize'), ('exp_avg', 'exp_inf')),
    Adagrad: ('adagrad_step', ('lr_decay', 'weight_decay', 'eps', 'maximize'), ('sum',)),
    Adadelta: ('adadelta_step', ('rho', 'eps', 'weight_decay', 'maximize'), ('square_avg', 'acc_delta')),
    RMSprop: ('rmsprop_step', ('alpha', 'eps', 'weight_decay', 'momentum', 'centered', 'maximize'),
              ('square_avg', 'momentum_buffer', 'grad_avg')),
    Rprop: ('rprop_step', ('etas', 'step_sizes', 'maximize'), ('prev', 'step_size')),
    ASGD: ('asgd_step', ('lambd', 'alpha', 't0', 'weight_decay', 'maximize'), ('ax',)),
}
SCALARS = {SGD: {}, NAdam: {'step': 0, 'mu_product': 1}, ASGD: {'step': 0, 'eta': 'lr', 'mu': 1}}
INITIAL = {'step_size': 'lr', 'sum': 'initial_accumulator_value'}


def philox(seed, offset, count):
    """core/philox.h in Python's integers."""
    lanes, low = [], 0xffffffff
    for block in range(offset, offset + (count + 3) // 4):
        counter, key = [block & low, block >> 32, 0, 0], [seed & low, seed >> 32]
        for _ in range(10):
            a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
            counter = [(b >> 32) ^ counter[1] ^ key[0], b & low, (a >> 32) ^ counter[3] ^ key[1], a & low]
            key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
        lanes += counter
    return torch.tensor(lanes[:count], dtype=torch.int64)


def random_numbers():
    seed = (5 << 32) | 77
    for dtype in FLOATS:
        for count in (1, 7, 64, 1001):
            state, y = torch.tensor([seed, 3]), fresh([count], dtype, 'contiguous')
            run('rand', [], [y, state], (-1, 2))
            bits = PRECISION.get(dtype, 24)
            check('rand', y, (philox(seed, 3, count) >> (32 - bits)).double() / 2 ** bits * 3 - 1)
            assert state.tolist() == [seed, 3 + (count + 3) // 4] and (y < 2).all() and (y >= -1).all()
    y = fresh([20000], torch.float32, 'contiguous')
    run('randn', [], [y, torch.tensor([9, 1 << 33])], (1, 2))
    assert abs(y.mean() - 1) < .06 and abs(y.std() - 2) < .05
    for dtype in (torch.int64, torch.int32, torch.uint8, torch.float32):
        y = fresh([2, 3, 5, 7], dtype, 'channels_last')
        run('randint', [], [y, torch.tensor([9, 4])], (3, 17))
        check('randint', memory_of(y).long(), 3 + ((philox(9, 4, 210) * 14) >> 32))


def dropouts():
    for dtype in FLOATS:
        for misaligned in (False, True):
            shape = [3, 8, 5, 5]
            x, y = tensor(shape, dtype, 'channels_last'), fresh(shape, dtype, 'channels_last')
            mask, grad, d_x = fresh(shape, torch.bool, 'channels_last'), tensor(shape, dtype), fresh(shape, dtype)
            run('dropout', [x], [y, mask, torch.tensor([1, 0])], (.3,), misaligned=misaligned)
            uniform = (philox(1, 0, 600) >> 8).float() * 2 ** -24
            check('dropout mask', memory_of(mask), uniform >= .3)
            check('dropout', y, x.double() * mask / .7)
            run('dropout_backward', [grad, mask], [d_x], (.3,), misaligned=misaligned)
            check('dropout_backward', d_x, grad.double() * mask / .7)
    x, y = tensor([9], torch.float32, 'contiguous'), fresh([9], torch.float32, 'contiguous')
    mask = fresh([9], torch.bool, 'contiguous')
    run('dropout', [x], [y, mask, torch.tensor([1, 0])], (1,))
    assert not y.any() and not mask.any()


def group(dtype):
    dtypes = [dtype or random.choice([torch.float32, torch.float64]) for _ in SHAPES]
    return [tensor(shape, kind, random.choice(['contiguous', 'channels_last'])) for shape, kind in zip(SHAPES, dtypes)]


def same_strides(values, like):
    return torch.empty_like(like).copy_(values)


def optimizers():
    for dtype in [*FLOATS, None]:
        for kind, options in OPTIMIZERS:
            parameters = group(dtype)
            reference = [p.double().clone().requires_grad_() for p in parameters]
            optimizer = kind(reference, foreach=False, **options)
            config = optimizer.defaults
            row, attributes, names = ROWS[Adam if kind is AdamW else kind]
            names = [name for name in names if (name not in ('momentum_buffer', 'max_exp_avg_sq', 'grad_avg')
                     or config.get('momentum' if name == 'momentum_buffer' else
                                   'amsgrad' if name == 'max_exp_avg_sq' else 'centered'))]
            value = lambda x: config[x] if isinstance(x, str) else x
            scalars = {name: torch.tensor(float(value(x))) for name, x in SCALARS.get(kind, {'step': 0}).items()}
            lr = torch.tensor(options['lr'], dtype=torch.float64)
            states = [[torch.full_like(p, value(INITIAL.get(name, 0))) for p in parameters] for name in names]
            for iteration in range(8 if kind is RAdam else 3):
                gradients = [same_strides(torch.randn(p.shape), p) for p in parameters]
                for wide, gradient in zip(reference, gradients):
                    wide.grad = gradient.double()
                optimizer.step()
                values = [x for key in attributes for x in (config[key] if isinstance(config[key], tuple) else [config[key]])]
                operands = [*scalars.values(), *parameters, *(t for state in states for t in state)]
                found_inf = random.choice([None, torch.tensor(0.)])
                values += [iteration == 0] * (kind is SGD)
                run(row, [lr, found_inf, *gradients], operands, values)
                before = [t.clone() for t in operands]
                run(row, [lr, torch.tensor(1.), *gradients], operands, values)
                assert all(map(torch.equal, operands, before)), f'{row}: not left out'
            for name, scalar in scalars.items():
                check(f'{kind.__name__} {name}', scalar, torch.as_tensor(optimizer.state[reference[0]][name]).double())
            for parameter, wide in zip(parameters, reference):
                check(f'{kind.__name__} {options}', parameter, wide.detach(), loose=True)


def averages():
    for dtype in [*FLOATS, None]:
        for weight in (.1, .75, 1.):
            averaged = group(dtype)
            current = [same_strides(torch.randn(x.shape), x) for x in averaged]
            expected = [torch.lerp(x.double(), y.double(), weight) for x, y in zip(averaged, current)]
            run('lerp_step', [torch.tensor(weight, dtype=torch.float64), None, *current], averaged)
            for x, y in zip(averaged, expected):
                check(f'lerp {weight}', x, y)


def norms():
    for dtype in [*FLOATS, None]:
        tensors = group(dtype)
        every = torch.cat([x.double().flatten() for x in tensors])
        for p in (1, 2, float('inf'), 3, .5, 0):
            norm = fresh([], torch.float64 if dtype == torch.float64 else torch.float32)
            run('total_norm', tensors, [norm], (p,))
            check(f'norm {p}', norm, torch.linalg.vector_norm(every, p), loose=True)
        norm = torch.linalg.vector_norm(every).to(norm.dtype)
        for limit in (1.5, 1e9):
            scaled = [same_strides(x, x) for x in tensors]
            run('clip_scale', [norm], scaled, (limit,))
            for got, x in zip(scaled, tensors):
                check('clip_scale', got, x.double() * min(1, limit / (norm.item() + 1e-6)))
    norm = fresh([], torch.float32)
    run('total_norm', [], [norm], (2,))
    assert norm.item() == 0


def loss_scaling():
    for dtype in [*FLOATS, None]:
        for bad in (None, float('inf'), float('-inf'), float('nan')):
            tensors = group(dtype)
            if bad is not None:
                random.choice([x for x in tensors if x.numel() > 0]).view(-1)[-1] = bad
            scale, found_inf = torch.tensor(3.), fresh([], torch.float32)
            unscaled = [same_strides(x, x) for x in tensors]
            run('unscale', [scale], [found_inf, *unscaled])
            assert found_inf.item() == (bad is not None)
            for got, x in zip(unscaled, tensors):
                check('unscale', got, x.double() / 3)
    for found in [None, 0., 1.]:
        for start in (64., 3e38):
            for tracker in (0, 2):
                scale, count = torch.tensor(start), torch.tensor(tracker, dtype=torch.int32)
                expected, steps = scale.clone(), count.clone()
                torch._amp_update_scale_(expected, steps, torch.tensor(found or 0.), 2.5, .3, 3)
                run('update_scale', [None if found is None else torch.tensor(found)], [scale, count], (2.5, .3, 3))
                assert scale == expected and count == steps


CHECKS = {'random_numbers': random_numbers, 'dropouts': dropouts, 'optimizers': optimizers, 'averages': averages,
          'norms': norms, 'loss_scaling': loss_scaling}

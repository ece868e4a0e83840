# SPDX-License-Identifier: Apache-2.0
import random

import torch
import torch.nn.functional as F

from harness import FLOATS, arrange, check, exact, fresh, run, tensor

HALVES = (torch.float16, torch.bfloat16)
SHAPES = [[5, 3], [64, 130], [4, 3, 7], [2, 16, 4, 5], [3, 8, 1, 1], [1, 1, 9, 5], [2, 5, 3, 4], [2, 8, 2, 3, 4], [40, 4, 8, 8],
          [2, 3, 33, 20], [0, 3, 2, 2]]


def leaf(x):
    return None if x is None else exact(x).detach().clone(memory_format=torch.contiguous_format).requires_grad_()


def dense(shape):
    """The name of a layout that normalisation takes."""
    return random.choice(['contiguous', 'channels_last']) if len(shape) > 2 else 'contiguous'


def batch_norms():
    for _ in range(150):
        dtype, shape = random.choice(FLOATS), random.choice(SHAPES)
        kind, c = dense(shape), shape[1]
        saved = torch.float64 if dtype == torch.float64 else torch.float32
        own = saved if dtype in HALVES and random.random() < .5 else dtype
        training, relu, eps = random.random() < .6, random.random() < .5, random.choice([1e-5, .1])
        with_residual, affine = random.random() < .5, random.random() < .8
        x = tensor(shape, dtype, kind)
        if random.random() < .3:
            x += 8
        residual = tensor(shape, dtype, kind) if with_residual else None
        weight = arrange((torch.rand(c) + .5).to(own)) if affine else None
        bias = arrange(torch.randn(c).to(own)) if affine else None
        running = [arrange(torch.randn(c).to(own)), arrange((torch.rand(c) + .5).to(own))]
        batches = torch.tensor(random.randint(0, 5)) if random.random() < .5 else None
        momentum = float('nan') if batches is not None and random.random() < .5 else .3
        factor = 1 / (batches.item() + 1) if momentum != momentum else momentum
        leaves = [leaf(t) for t in (x, weight, bias, residual)]
        means = [exact(t).clone() for t in running]
        nothing = x.numel() == 0
        if nothing:
            result = leaves[0].clone()
        else:
            result = F.batch_norm(leaves[0], *means, leaves[1], leaves[2], training=training, momentum=factor, eps=eps)
        if with_residual:
            result = result + leaves[3]
        before = result
        if relu:
            result = F.relu(result)
        y, mean, inv_std = fresh(shape, dtype, kind), fresh([c], saved), fresh([c], saved)
        misaligned = random.random() < .3
        if training:
            counted = batches + 1 if batches is not None else None
            again = [None if t is None else t.clone() for t in (*running, batches)]
            run('batch_norm', [x, weight, bias, residual], [y, mean, inv_std, *running, batches], (momentum, eps, relu),
                misaligned=misaligned)
            if batches is not None:
                assert batches == counted
            check('running mean', running[0], means[0], loose=True)
            check('running var', running[1], means[1], loose=True)
            if not nothing:  # from the saved statistics, as beside cuDNN
                run('batch_norm:running', [x], [None, mean, inv_std, *again], (momentum, eps, relu))
                assert batches is None or again[2] == counted
                check('running mean from mean', again[0], means[0], loose=True)
                check('running var from inv_std', again[1], means[1], loose=True)
        else:
            mean = running[0]
            run('batch_norm_inference', [x, *running, weight, bias, residual], [y, inv_std], (eps, relu),
                misaligned=misaligned)
        check('batch_norm', y, result.detach(), loose=True)

        grad = tensor(shape, dtype, kind)
        # Where rounding decides, either side of the kink is right.
        grad[before.detach().abs() < .05] = 0
        targets = [fresh(shape, dtype, kind), fresh([c], own) if affine else None, fresh([c], own) if affine else None,
                   fresh(shape, dtype, kind) if with_residual else None]
        mask = 0 if not relu else 1 if with_residual or random.random() < .5 else 2
        run('batch_norm_backward', [grad, x, mean, inv_std, weight, bias, y if mask == 1 else None], targets,
            (training, mask), misaligned=misaligned)
        if nothing:
            if affine:
                assert not targets[1].any() and not targets[2].any()
            continue
        result.backward(exact(grad))
        for name, got, wanted in zip(('d_x', 'd_weight', 'd_bias', 'd_residual'), targets, leaves):
            if got is not None:
                scale = max(1, wanted.grad.abs().max().item())
                check(f'{name} of batch_norm', got / scale, wanted.grad / scale, loose=True)


def group_norms():
    for _ in range(80):
        dtype, shape = random.choice(FLOATS), random.choice(SHAPES)
        kind, c = dense(shape), shape[1]
        groups = random.choice([g for g in range(1, c + 1) if c % g == 0])
        if shape[0] * c * (torch.Size(shape[2:]).numel()) // max(1, shape[0] * groups) < 3 and shape[0] > 0:
            continue  # of two values nothing is left but rounding
        saved = torch.float64 if dtype == torch.float64 else torch.float32
        own = saved if dtype in HALVES and random.random() < .5 else dtype
        affine, eps = random.random() < .8, random.choice([1e-5, .1])
        x, grad = tensor(shape, dtype, kind), tensor(shape, dtype, kind)
        weight = arrange((torch.rand(c) + .5).to(own)) if affine else None
        bias = arrange(torch.randn(c).to(own)) if affine else None
        leaves = [leaf(t) for t in (x, weight, bias)]
        y, mean, inv_std = fresh(shape, dtype, kind), fresh([shape[0], groups], saved, 'contiguous'), fresh(
            [shape[0], groups], saved, 'contiguous')
        run('group_norm', [x, weight, bias], [y, mean, inv_std], (groups, eps))
        result = F.group_norm(leaves[0], groups, leaves[1], leaves[2], eps)
        check('group_norm', y, result.detach(), loose=True)
        targets = [fresh(shape, dtype, kind), fresh([c], own) if affine else None, fresh([c], own) if affine else None]
        run('group_norm_backward', [grad, x, mean, inv_std, weight], targets, (groups,))
        if x.numel() == 0:
            if affine:
                assert not targets[1].any() and not targets[2].any()
            continue
        result.backward(exact(grad))
        for name, got, wanted in zip(('d_x', 'd_weight', 'd_bias'), targets, leaves):
            if got is not None:
                scale = max(1, wanted.grad.abs().max().item())
                check(f'{name} of group_norm', got / scale, wanted.grad / scale, loose=True)


CHECKS = {'group_norms': group_norms, 'batch_norms': batch_norms}

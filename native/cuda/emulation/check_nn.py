# SPDX-License-Identifier: Apache-2.0
import random

import torch
import torch.nn.functional as F

from harness import FLOATS, INDEX_ERROR, arrange, check, exact, fresh, run, tensor

SOFTMAX_SHAPES = [[4, 10], [64, 1000], [3, 5, 7, 6], [2, 21, 16], [1, 5000], [300, 3], [7], [2, 3, 0]]
LOSS_SHAPES = [[5, 10], [64, 1000], [3, 4, 5], [2, 21, 6, 7], [300, 3], [1, 1], [2, 3, 2, 3, 2]]
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def leaf(x):
    return exact(x).detach().clone(memory_format=torch.contiguous_format).requires_grad_()


def softmaxes():
    for dtype in FLOATS:
        for shape in SOFTMAX_SHAPES:
            for dim in range(len(shape)):
                for name, function in (('softmax', torch.softmax), ('log_softmax', torch.log_softmax)):
                    x, grad, y, d_x = tensor(shape, dtype), tensor(shape, dtype), fresh(shape, dtype), fresh(shape, dtype)
                    run(name, [x], [y], (dim,))
                    reference = leaf(x)
                    result = function(reference, dim)
                    check(name, y, result.detach())
                    result.backward(exact(grad))
                    run(f'{name}_backward', [grad, arrange(result.detach().to(dtype))], [d_x], (dim,))
                    check(f'{name}_backward', d_x, reference.grad, loose=True)
    infinite = float('inf')
    x = torch.tensor([[-infinite, 1, 2], [1, -infinite, -infinite], [1, float('nan'), 0], [infinite, 1, 0]])
    y = fresh([4, 3], torch.float32)
    run('softmax', [x], [y], (1,))
    check('softmax of infinities', y[:3], torch.softmax(x, 1)[:3])
    assert y[3, 0].isnan()


def losses():
    for _ in range(150):
        dtype, shape = random.choice(FLOATS), random.choice(LOSS_SHAPES)
        classes, rows = shape[1], [shape[0], *shape[2:]]
        reduction = random.randrange(3)
        kind = ['none', 'mean', 'sum'][reduction]
        smoothing, ignored = random.choice([0, .1]), random.choice([-100, 0])
        target = torch.randint(0, classes, rows)
        if ignored < 0:
            target[torch.rand(rows) < .2] = ignored
        given = arrange(target.to(random.choice([torch.int64, torch.int32])))
        weight = arrange(torch.rand(classes).to(dtype) + .1) if random.random() < .5 else None
        wide = exact(weight) if weight is not None else None
        saved = torch.float64 if dtype == torch.float64 else torch.float32
        scalar_or_rows = rows if reduction == 0 else []
        loss, grad = fresh(scalar_or_rows, dtype), tensor(scalar_or_rows, dtype)
        log_sum_exp, total = fresh(rows, saved), fresh([], saved)
        kept = target[target != ignored]
        if kept.numel() == 0 and reduction == 1:
            continue

        x, d_x = tensor(shape, dtype), fresh(shape, dtype)
        run('cross_entropy', [x, given, weight], [loss, log_sum_exp, total], (reduction, ignored, smoothing))
        reference = leaf(x)
        result = F.cross_entropy(reference, target, wide, ignore_index=ignored, reduction=kind, label_smoothing=smoothing)
        check('cross_entropy', loss, result.detach(), loose=True)
        check('log_sum_exp', log_sum_exp, torch.logsumexp(exact(x), 1), loose=True)
        check('total_weight', total, (wide if wide is not None else torch.ones(classes))[kept].sum(), loose=True)
        result.backward(exact(grad))
        run('cross_entropy_backward', [grad, x, given, weight, log_sum_exp, total], [d_x],
            (reduction, ignored, smoothing))
        check('cross_entropy_backward', d_x, reference.grad, loose=True)

        x, d_x = tensor(shape, dtype), fresh(shape, dtype)
        run('nll_loss', [x, given, weight], [loss, total], (reduction, ignored))
        reference = leaf(x)
        result = F.nll_loss(reference, target, wide, ignore_index=ignored, reduction=kind)
        check('nll_loss', loss, result.detach(), loose=True)
        result.backward(exact(grad))
        run('nll_loss_backward', [grad, given, weight, total], [d_x], (reduction, ignored))
        check('nll_loss_backward', d_x, reference.grad, loose=True)
    message = run('cross_entropy', [tensor([4, 3], torch.float32), torch.tensor([0, 3, 1, 2]), None],
                  [fresh([], torch.float32), fresh([4], torch.float32), fresh([], torch.float32)], (1, -100, 0),
                  expect=INDEX_ERROR)
    assert message == 'index 3 at 1', message


def three(numbers, filler):
    return [*numbers, *[filler] * (3 - len(numbers))]


def has_empty_window(sizes, kernel, stride, padding, dilation):
    """PyTorch reads outside its input there."""
    return any(not any(0 <= begin + i * d < size for i in range(k))
               for size, k, s, p, d in zip(sizes, kernel, stride, padding, dilation)
               for begin in range(-p, size + p, s))


def pools():
    done = 0
    while done < 150:
        rank, dtype = random.randint(1, 3), random.choice(FLOATS)
        sizes = [random.randint(1, 12) for _ in range(rank)]
        shape = [random.randint(1, 3), random.choice([1, 3, 4, 8]), *sizes]
        kernel = [random.randint(1, 4) for _ in sizes]
        stride = [random.randint(1, 3) for _ in sizes]
        padding = [random.randint(0, k // 2) for k in kernel]
        dilation = [random.choice([1, 1, 2]) for _ in sizes]
        ceil = random.random() < .4
        if has_empty_window(sizes, kernel, stride, padding, dilation):
            continue
        x = tensor(shape, dtype)
        if random.random() < .2:
            x.fill_(1)  # ties
        reference = leaf(x)
        try:
            result, places = MAX_POOL[rank](reference, kernel, stride, padding, dilation, ceil, return_indices=True)
        except RuntimeError:  # the output would be empty
            continue
        attrs = three(kernel, 1) + three(stride, 1) + three(padding, 0) + three(dilation, 1)
        y, indices, d_x = fresh(list(result.shape), dtype), fresh(list(result.shape), torch.int32), fresh(shape, dtype)
        run('max_pool', [x], [y, indices], attrs)
        check('max_pool', y, result.detach())
        check('max_pool indices', indices, places)
        run('max_pool', [x], [y, None], attrs)
        check('max_pool without indices', y, result.detach())
        grad = tensor(list(result.shape), dtype)
        result.backward(exact(grad))
        run('max_pool_backward', [grad, indices], [d_x], attrs)
        check('max_pool_backward', d_x, reference.grad, loose=True)

        count_padding = random.random() < .5
        divisor = random.choice([None, None, 3]) if rank > 1 else None
        reference = leaf(x)
        options = {'divisor_override': divisor} if rank > 1 else {}
        try:
            result = AVG_POOL[rank](reference, kernel, stride, padding, ceil, count_padding, **options)
        except RuntimeError:
            continue
        attrs = attrs[:9] + [count_padding, divisor or 0]
        y, d_x, grad = fresh(list(result.shape), dtype), fresh(shape, dtype), tensor(list(result.shape), dtype)
        run('avg_pool', [x], [y], attrs)
        check('avg_pool', y, result.detach())
        result.backward(exact(grad))
        run('avg_pool_backward', [grad], [d_x], attrs)
        check('avg_pool_backward', d_x, reference.grad, loose=True)
        done += 1


CHECKS = {'softmaxes': softmaxes, 'losses': losses, 'pools': pools}

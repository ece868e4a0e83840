# SPDX-License-Identifier: Apache-2.0
import random

import torch

from harness import FLOATS, INTEGERS, arrange, check, exact, fresh, run, shape_of, tensor

SHAPES = [[1000], [64, 3, 3, 3], [37, 129], [5, 2000], [3000, 7], [2, 8, 33, 4], [40000], [2, 64, 9, 16], [4096, 12],
          [16, 6, 28, 28]]
EMPTY = [[0, 3], [3, 0]]
LINES = [[7], [3, 5, 9], [5000], [2, 20000], [40, 70], [100, 3, 40], [33, 4097]]
SORTED = [[7], [3, 5, 9], [5000], [2, 300], [1, 1], [64, 100]]


def operand(name, shape, dtype):
    if name == 'prod':
        return arrange((torch.rand(shape) * .02 + .99).to(dtype)) if dtype.is_floating_point else tensor(shape, dtype).sign()
    if name in ('any', 'all'):
        return arrange((torch.rand(shape) < (.02 if name == 'any' else .98)).to(dtype))
    return tensor(shape, dtype, nan=name in ('amax', 'amin') and random.random() < .5)


def expected(name, x, dims, keep):
    x = exact(x)
    if name in ('sum', 'mean'):
        return getattr(x, name)(dims, keepdim=keep)
    if name in ('amax', 'amin'):
        return getattr(x.long() if x.dtype == torch.bool else x, name)(dims, keepdim=keep)
    if name == 'var':
        return x.var(dims, correction=1, keepdim=keep)
    for dim in sorted(dims, reverse=True):
        x = getattr(x, name)(dim=dim, keepdim=keep)
    return x.bool() if name in ('any', 'all') else x


def reductions():
    for name in 'sum mean prod amax amin any all var'.split():
        for dtype in (FLOATS + (INTEGERS if name not in ('mean', 'var') else [])) * 5:
            shape = random.choice([*SHAPES, *EMPTY, *(shape_of(random.randint(1, 5), 6) for _ in range(4))])
            dims = [dim for dim in range(len(shape)) if random.random() < .5] or list(range(len(shape)))
            count = torch.tensor([shape[dim] for dim in dims]).prod()
            if count < 2 and name == 'var' or count == 0 and name in ('amax', 'amin'):
                continue
            x = operand(name, shape, dtype)
            keep = random.random() < .5
            result = expected(name, x, dims, keep)
            widened = name in ('sum', 'prod') and dtype in INTEGERS
            y = fresh(list(result.shape), torch.bool if name in ('any', 'all') else torch.int64 if widened else dtype)
            root = name == 'var' and random.random() < .5
            mask = sum(1 << dim for dim in dims)
            run(name, [x], [y], (mask, 1, int(root)) if name == 'var' else (mask,))
            check(f'{name} over {dims} of {shape}', y, result.sqrt() if root else result, loose=True)


def extremes():
    for name in ('max', 'min'):
        for dtype in (FLOATS + INTEGERS) * 4:
            shape = random.choice(SHAPES)
            x = tensor(shape, dtype, nan=random.random() < .5)
            dim, keep = random.randrange(len(shape)), random.random() < .5
            result = getattr(torch, name)(exact(x), dim, keepdim=keep).values
            y, indices = fresh(list(result.shape), dtype), fresh(list(result.shape), torch.int64)
            run(f'{name}_dim', [x], [y, indices], (dim,))
            check(name, y, result)
            wide = y if keep else y.unsqueeze(dim)
            first = ((x == wide) | (torch.isnan(x) & torch.isnan(wide))).long().argmax(dim, keepdim=keep)
            check(f'{name} indices', indices, first)


def scans():
    for dtype in FLOATS + INTEGERS:
        for shape in LINES:
            dim = random.randrange(len(shape))
            x, y = tensor(shape, dtype), fresh(shape, dtype if dtype.is_floating_point else torch.int64)
            run('cumsum', [x], [y], (dim,))
            check(f'cumsum of {shape}', y / 50 if dtype.is_floating_point else y,
                  exact(x).cumsum(dim) / 50 if dtype.is_floating_point else x.cumsum(dim), loose=True)


def sorts():
    for dtype in FLOATS + INTEGERS:
        for shape in SORTED:
            for descending in (False, True):
                dim = random.randrange(len(shape))
                x, y, indices = tensor(shape, dtype, nan=True), fresh(shape, dtype), fresh(shape, torch.int64)
                run('sort', [x], [y, indices], (dim, descending))
                ordered = (x.byte() if dtype == torch.bool else x).contiguous()
                result = torch.sort(ordered, dim=dim, descending=descending, stable=True)
                check('sort', y, result.values.to(dtype))
                check('sort indices', indices, result.indices)
                k = random.choice([1, min(3, shape[dim]), shape[dim]])
                kept = shape[:dim] + [k] + shape[dim + 1:]
                y, indices = fresh(kept, dtype), fresh(kept, torch.int64)
                run('topk', [x], [y, indices], (dim, descending))
                check('topk', y, result.values.narrow(dim, 0, k).to(dtype))
                check('topk indices', indices, result.indices.narrow(dim, 0, k))


CHECKS = {'reductions': reductions, 'extremes': extremes, 'scans': scans, 'sorts': sorts}

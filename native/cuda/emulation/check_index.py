# SPDX-License-Identifier: Apache-2.0
import random

import torch
import torch.nn.functional as F

from harness import FLOATS, INDEX_ERROR, INTEGERS, arrange, check, fresh, run, shape_of, tensor

ALL = FLOATS + INTEGERS
SHAPES = [[64, 48], [3, 40, 50], [2, 16, 9, 11], [2, 3, 33, 65], [1000], [1003], [4, 8, 8, 8], [0, 2]]


def copies():
    for _ in range(300):
        source = random.choice(ALL)
        target = random.choice([source, source, random.choice(ALL)])
        shape = random.choice([shape_of(), *SHAPES])
        x = tensor(shape, source)
        x = x if target.is_floating_point or source == torch.bool else x.abs()
        if shape and shape[0] and random.random() < .2:
            x = x[:1].expand(shape)
        y = fresh(shape, target)
        run('copy', [x], [y], misaligned=random.random() < .3)
        check(f'copy from {source}', y, x.to(target))


def creation():
    for dtype in ALL:
        for value in (0, 1, 2.5) + ((-1,) if dtype != torch.uint8 else ()):
            y = fresh([7, 13], dtype)
            run('fill', [], [y], (value,))
            check('fill', y, torch.full((7, 13), value, dtype=torch.float64).to(dtype))
        if dtype != torch.bool:
            y = fresh([50], dtype)
            run('arange', [], [y], (2, 3))
            check('arange', y, torch.arange(2, 152, 3).to(dtype))
            for n in (1, 2, 50):
                y = fresh([n], dtype)
                run('linspace', [], [y], (3, 80))
                check('linspace', y, torch.linspace(3, 80, n, dtype=dtype))
        parts = [tensor([2, size, 3, 4], dtype) for size in (1, 4, 0, 5)]
        y = fresh([2, 10, 3, 4], dtype)
        run('cat', parts, [y], (1,))
        check('cat', y, torch.cat(parts, 1))


def add_into(name, index, source, x, dim, reference):
    """Both the atomic and the deterministic form; PyTorch adds in float64."""
    if x.dtype == torch.bool:
        return
    wide = (lambda t: t.double()) if x.dtype.is_floating_point else (lambda t: t.clone())
    for deterministic in (False, True):
        y = arrange(x.clone())
        run(name, [index, source], [y], (dim,), deterministic)
        check(name, y, reference(wide(x), wide(source)), loose=True)


def indexing():
    for dtype in ALL * 6:
        shape = shape_of(random.randint(1, 4))
        dim, count = random.randrange(len(shape)), random.randint(1, 12)
        x, kind = tensor(shape, dtype), random.choice([torch.int64, torch.int32])
        position = torch.randint(shape[dim], (count,))
        given = arrange(position.to(kind))
        selected = shape[:dim] + [count] + shape[dim + 1:]
        y = fresh(selected, dtype)
        run('index_select', [x, given], [y], (dim,))
        check('index_select', y, x.index_select(dim, position))
        source = tensor(selected, dtype)
        add_into('index_add', given, source, x, dim, lambda y, s: y.index_add(dim, position, s))

        some = [count if d == dim else random.randint(1, size) for d, size in enumerate(shape)]
        position = torch.randint(shape[dim], some)
        given = arrange(position.to(kind))
        y = fresh(some, dtype)
        run('gather', [x, given], [y], (dim,))
        check('gather', y, x.gather(dim, position))
        source = tensor(some, dtype)
        add_into('scatter_add', given, source, x, dim, lambda y, s: y.scatter_add(dim, position, s))


def half_sums():
    """Many small terms in one place: in a half type the sum would stop growing."""
    for dtype, total in ((torch.float16, 5000), (torch.bfloat16, 4992)):
        for name, index, source in (('index_add', torch.zeros(5000, dtype=torch.int64), torch.ones(5000, 3, dtype=dtype)),
                                    ('scatter_add', torch.zeros(5000, 3, dtype=torch.int64), torch.ones(5000, 3, dtype=dtype))):
            for deterministic in (False, True):
                y = arrange(torch.zeros(2, 3, dtype=dtype))
                run(name, [index, source], [y], (0,), deterministic)
                check(name, y, torch.tensor([[total] * 3, [0] * 3], dtype=dtype))


def index_errors():
    index, y = arrange(torch.randint(0, 7, (4, 5))), fresh([4, 5, 7], torch.int64)
    run('one_hot', [index], [y])
    check('one_hot', y, F.one_hot(index, 7))
    x = tensor([5, 3], torch.float32)
    columns = torch.tensor([[0, 1, 2], [0, 0, 0], [1, -1, 0], [0, 0, 0]]).t().contiguous().t()
    for op, inputs, shape, dtype, attrs, message in [
            ('index_select', [x, torch.tensor([0, 1, 9, 2])], [4, 3], torch.float32, (0,), 'index 9 at 2'),
            ('gather', [x, columns], [4, 3], torch.float32, (0,), 'index -1 at 7'),
            ('one_hot', [torch.tensor([[1, 2], [3, 0]])], [2, 2, 3], torch.int64, (), 'index 3 at 2')]:
        found = run(op, inputs, [fresh(shape, dtype)], attrs, expect=INDEX_ERROR)
        assert found == message, f'{op}: {found}'


CHECKS = {'copies': copies, 'creation': creation, 'indexing': indexing, 'half_sums': half_sums, 'index_errors': index_errors}

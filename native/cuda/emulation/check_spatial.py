# SPDX-License-Identifier: Apache-2.0
import random

import torch
import torch.nn.functional as F

from check_nn import leaf, three
from harness import FLOATS, check, exact, fresh, run, tensor

ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def adaptive_pools():
    for _ in range(80):
        rank, dtype = random.randint(1, 3), random.choice(FLOATS)
        sizes = [random.randint(1, 12) for _ in range(rank)]
        outputs = [random.randint(1, 12) for _ in range(rank)]
        batch = [random.randint(0, 3), random.choice([1, 3, 4, 8])]
        shape, pooled = [*batch, *sizes], [*batch, *outputs]
        kernel = [0 if n % m or random.random() < .5 else n // m for n, m in zip(sizes, outputs)]
        attrs = three(kernel, 1) + three([k or 1 for k in kernel], 1) + [0, 0, 0] + [1, 1, 1]
        x, y, indices, d_x = tensor(shape, dtype), fresh(pooled, dtype), fresh(pooled, torch.int32), fresh(shape, dtype)
        grad, reference = tensor(pooled, dtype), leaf(x)
        result, places = ADAPTIVE_MAX[rank](reference, outputs, return_indices=True)
        run('max_pool', [x], [y, indices], attrs)
        check('adaptive max_pool', y, result.detach())
        check('adaptive max_pool indices', indices, places)
        result.backward(exact(grad))
        run('max_pool_backward', [grad, indices], [d_x], attrs)
        check('adaptive max_pool_backward', d_x, reference.grad, loose=True)

        reference = leaf(x)
        result = ADAPTIVE_AVG[rank](reference, outputs)
        attrs = attrs[:9] + [random.randrange(2), 0]
        run('avg_pool', [x], [y], attrs)
        check('adaptive avg_pool', y, result.detach())
        result.backward(exact(grad))
        run('avg_pool_backward', [grad], [d_x], attrs)
        check('adaptive avg_pool_backward', d_x, reference.grad, loose=True)


def response_norms():
    for _ in range(60):
        dtype, rank = random.choice(FLOATS), random.randint(3, 5)
        shape = [random.randint(0, 3), random.choice([1, 3, 8, 37]), *(random.randint(1, 5) for _ in range(rank - 2))]
        size, alpha, k = random.randint(1, 9), random.choice([1e-4, .5]), random.choice([1, 2])
        beta = random.choice([.75, .5, 1, 1.3])
        x, grad, y, d_x = tensor(shape, dtype), tensor(shape, dtype), fresh(shape, dtype), fresh(shape, dtype)
        run('local_response_norm', [x], [y], (size, alpha, beta, k))
        reference = leaf(x)
        result = F.local_response_norm(reference, size, alpha, beta, k)
        check('local_response_norm', y, result.detach())
        if x.numel() == 0:
            continue
        result.backward(exact(grad))
        run('local_response_norm_backward', [grad, x], [d_x], (size, alpha, beta, k))
        check('local_response_norm_backward', d_x, reference.grad, loose=True)


def random_axis(size, outputs):
    """A matrix [outputs, size] with few entries a row, and its table; some rows are empty."""
    matrix, offsets, places, weights = torch.zeros(outputs, size, dtype=torch.float64), [0], [], []
    for row in matrix:
        for place in sorted(random.sample(range(size), random.randint(0, min(3, size)))):
            row[place] = random.choice([1, .5, -2])
            places.append(place)
            weights.append(row[place].item())
        offsets.append(len(places))
    return matrix, offsets, places, weights


def resamples():
    for _ in range(80):
        rank, dtype = random.randint(1, 3), random.choice(FLOATS)
        batch = [random.randint(0, 3), random.choice([1, 3, 4, 8])]
        sizes, outputs = ([random.randint(1, 6) for _ in range(rank)] for _ in range(2))
        x, y = tensor([*batch, *sizes], dtype), fresh([*batch, *outputs], dtype)
        expected, offsets, places, weights = exact(x), [], [], []
        for d in range(rank):
            matrix, starts, own_places, own_weights = random_axis(sizes[d], outputs[d])
            offsets += [len(places) + start for start in starts]
            places += own_places
            weights += own_weights
            expected = torch.tensordot(expected, matrix, ([2 + d], [1])).movedim(-1, 2 + d)
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        run('resample', [x, torch.tensor(offsets, dtype=torch.int32), torch.tensor(places, dtype=torch.int32),
                         torch.tensor(weights, dtype=wide)], [y])
        check('resample', y, expected, loose=True)


CHECKS = {'resamples': resamples, 'adaptive_pools': adaptive_pools, 'response_norms': response_norms}

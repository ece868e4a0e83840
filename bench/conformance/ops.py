# SPDX-License-Identifier: Apache-2.0
"""Samples of PyTorch's op_db, with its results and gradients."""
import random
import zlib
from collections import Counter

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

from encoding import DTYPES, Encoder, Inexpressible

NAMES = {v: k for k, v in DTYPES.items()}
NARROW = (torch.float16, torch.bfloat16, torch.float32)
LARGEST = 400_000  # elements of a sample's operands and results together


def names():
    return [[op.name, op.variant_test_name, bool(op.error_inputs_func)] for op in op_db]


def find(request):
    return next(op for op in op_db if (op.name, op.variant_test_name) == (request['name'], request['variant']))


def seed_all(seed, *key):
    number = (zlib.crc32(repr(key).encode()) ^ (seed * 0x9e3779b1)) & 0xffffffff
    torch.manual_seed(number)
    random.seed(number)
    np.random.seed(number)


def map_tensors(change, x):
    if isinstance(x, torch.Tensor):
        return change(x)
    if isinstance(x, (list, tuple)):
        values = [map_tensors(change, v) for v in x]
        return type(x)(values) if type(x) in (list, tuple) else tuple(values)
    if isinstance(x, dict):
        return {k: map_tensors(change, v) for k, v in x.items()}
    return x


def tensors_in(x):
    found = []
    map_tensors(found.append, x)
    return found


def own(t):
    """A leaf of its own: operations in place change no other run's operands."""
    return t.detach().clone().requires_grad_(t.requires_grad)


def widened(t):
    t = t.detach().clone()
    return (t.to(torch.float64) if t.dtype in NARROW else t)


def differentiable(outputs):
    return [y for y in outputs if y.requires_grad and y.is_floating_point()]


def gradients(outputs, inputs, upstream):
    """The gradient for each input, None where there is none."""
    ys = [y for y in outputs if y.requires_grad and y.is_floating_point()]
    if not ys or not inputs:
        return [None] * len(inputs)
    return torch.autograd.grad(ys, inputs, upstream, allow_unused=True)


def evaluate(call, operands, seed, upstream=None):
    """Results, the gradients that walk back begins with, and the gradient for each operand that wants one."""
    inputs = [t for t in tensors_in(operands) if t.requires_grad]
    torch.manual_seed(seed)
    result = call(operands)
    ys = differentiable(tensors_in(result))
    if upstream is None:
        upstream = [torch.randn(y.shape, dtype=torch.float64).to(y.dtype) for y in ys]
    return result, upstream, gradients(tensors_in(result), inputs, upstream)


def exactly(call, operands, seed, upstream):
    """The same in float64, from the same numbers; None where PyTorch has no such call."""
    wanted = [t.requires_grad for t in tensors_in(operands)]
    wide = map_tensors(widened, operands)
    try:
        for t, want in zip(tensors_in(wide), wanted):
            t.requires_grad_(want)
        result, _, grads = evaluate(call, wide, seed, [g.to(torch.float64) for g in upstream])
        return result, grads
    except Exception:  # dtypes that must differ, say
        return None


def lean(mine, exact):
    """Whether float64 says nothing that the results do not say, by a quarter of the tolerance."""
    return all(torch.allclose(a.double(), b.double(), rtol=2.5e-5, atol=2.5e-7, equal_nan=True)
               for a, b in zip(tensors_in(mine), tensors_in(exact)) if a.is_floating_point())


def describe(encoder, call, operands, seed, dtype, largest=LARGEST):
    """One sample's entry. Raises what PyTorch does where it cannot compute it."""
    operands = map_tensors(own, operands)
    arguments = encoder.value([operands['args'], operands['kwargs']])
    wants = [i for i, t in enumerate(tensors_in(operands)) if t.requires_grad]
    result, upstream, grads = evaluate(call, map_tensors(own, operands), seed)
    if sum(t.numel() for t in tensors_in([operands, result, grads])) > largest:
        raise Inexpressible('too large to be compared here')
    entry = {'args': arguments[0], 'kwargs': arguments[1], 'out': encoder.value(result)}
    exact = exactly(call, operands, seed, upstream) if dtype in NARROW else None
    if exact and largest < LARGEST and dtype == torch.float32 and lean([result, list(grads)], list(exact)):
        exact = None
    if exact:
        entry['exact'] = encoder.value(rounded(exact[0], result))
    if wants:
        entry['wants'] = wants
        entry['up'] = encoder.value(list(upstream))
        entry['grads'] = encoder.value(list(grads))
        if exact:
            entry['exactGrads'] = encoder.value(rounded(list(exact[1]), list(grads)))
    return entry


def rounded(exact, like):
    """Float64 results in the dtype of the results they stand for."""
    found = iter(tensors_in(like))

    def change(t):
        model = next(found, None)
        return t.to(model.dtype) if model is not None and model.is_floating_point() else t
    return map_tensors(change, exact)


def write_samples(request):
    op = find(request)
    encoder, skipped = Encoder(), Counter()
    for name in request['dtypes']:
        dtype = NAMES[name]
        if dtype not in op.supported_dtypes('cpu'):
            continue
        grad = op.supports_autograd and dtype.is_floating_point and dtype in op.supported_backward_dtypes('cpu')
        seed_all(request['seed'], op.name, op.variant_test_name, name)
        largest, start = request.get('largest', LARGEST), len(encoder.samples)
        samples = op.sample_inputs('cpu', dtype, requires_grad=grad)
        for index, sample in enumerate(samples if largest < LARGEST else limited(samples, request.get('limit'))):
            if largest < LARGEST and len(encoder.samples) - start >= request['limits'][name]:
                break
            args = [listed(a) for a in sample.args] if op.name == '__getitem__' else sample.args
            operands = {'args': (sample.input, *args), 'kwargs': sample.kwargs}

            def call(x):
                return op(*x['args'], **x['kwargs'])
            tally(encoder, skipped, lambda: describe(encoder, call, operands, request['seed'] + index, dtype, largest),
                  {'dtype': name, 'index': index})
    encoder.write(request['file'])
    return {'samples': len(encoder.samples), 'skipped': skipped}


def listed(index):
    """Lists between brackets are tensors, unlike tuples; JSON knows no tuples."""
    if isinstance(index, tuple):
        return tuple(torch.tensor(i) if isinstance(i, list) else i for i in index)
    return torch.tensor(index) if isinstance(index, list) else index


def limited(samples, limit):
    """All, or `limit` of them from all over the list."""
    samples = list(samples)
    if not limit or len(samples) <= limit:
        return samples
    return [samples[i * len(samples) // limit] for i in range(limit)]


def tally(encoder, skipped, describe_one, where):
    """Adds the sample that `describe_one` gives, or counts why there is none."""
    mark = len(encoder.tensors)
    try:
        encoder.samples.append({**where, **describe_one()})
    except Inexpressible as kind:
        del encoder.tensors[mark:]
        skipped[str(kind)] += 1
    except Exception as error:  # PyTorch refuses its own sample on this machine
        del encoder.tensors[mark:]
        skipped[f'PyTorch: {str(error).splitlines()[0][:80] if str(error) else type(error).__name__}'] += 1


def write_errors(request):
    """Calls that PyTorch refuses, with its message."""
    op = find(request)
    encoder, skipped = Encoder(), Counter()
    seed_all(request['seed'], op.name, op.variant_test_name, 'errors')
    for index, error in enumerate(op.error_inputs('cpu') if op.error_inputs_func else ()):
        sample = error.sample_input

        def describe_error():
            if 'out' in sample.kwargs:
                raise Inexpressible('out= is not offered here')
            arguments = encoder.value([[sample.input, *sample.args], sample.kwargs])
            try:
                op(sample.input, *sample.args, **sample.kwargs)
            except Exception as refusal:
                message = str(refusal).splitlines()[0][:200] if str(refusal) else type(refusal).__name__
                return {'args': arguments[0], 'kwargs': arguments[1], 'refusal': message}
            raise Inexpressible('PyTorch takes it')
        tally(encoder, skipped, describe_error, {'dtype': 'errors', 'index': index})
    encoder.write(request['file'])
    return {'samples': len(encoder.samples), 'skipped': skipped}

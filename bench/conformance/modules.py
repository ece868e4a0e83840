# SPDX-License-Identifier: Apache-2.0
"""Samples of PyTorch's module_db: layers with their states, and what they give."""
import copy
import inspect
from collections import Counter

import torch
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

from encoding import Encoder, Inexpressible
from ops import LARGEST, NAMES, NARROW, map_tensors, own, rounded, seed_all, tally, tensors_in, widened


def names():
    return [[m.name, '', bool(m.module_error_inputs_func)] for m in module_db]


def find(request):
    return next(m for m in module_db if m.name == request['name'])


def bound(cls, given):
    """The arguments of a constructor by their names; where the layer lies is not among them."""
    binding = inspect.signature(cls.__init__).bind(None, *given.args, **given.kwargs)
    arguments = {}
    for key, value in list(binding.arguments.items())[1:]:
        kind = inspect.signature(cls.__init__).parameters[key].kind
        if kind == inspect.Parameter.VAR_KEYWORD:
            arguments |= value
        elif kind == inspect.Parameter.VAR_POSITIONAL:
            arguments['args'] = list(value)
        else:
            arguments[key] = value
    return {k: v for k, v in arguments.items() if k not in ('device', 'dtype')}


def inputs_of(info, dtype, training, grad):
    return info.module_inputs_func(info, device='cpu', dtype=dtype, requires_grad=grad, training=training)


def layer(info, given, dtype, training):
    module = info.module_cls(*given.args, **given.kwargs)
    return module.to(dtype).train(training) if dtype.is_floating_point else module.train(training)


def evaluate(module, operands, seed, upstream=None):
    """Results, the gradients that walk back begins with, those of the operands and of the parameters, in this order."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    wanted = [t for t in tensors_in(operands) if t.requires_grad] + parameters
    torch.manual_seed(seed)
    result = module(*operands['args'], **operands['kwargs'])
    ys = [y for y in tensors_in(result) if y.requires_grad and y.is_floating_point()]
    if upstream is None:
        upstream = [torch.randn(y.shape, dtype=torch.float64).to(y.dtype) for y in ys]
    grads = torch.autograd.grad(ys, wanted, upstream, allow_unused=True) if ys and wanted else [None] * len(wanted)
    return result, upstream, list(grads)


def describe(encoder, info, given, dtype, training, seed, largest):
    operands = {'args': given.forward_input.args, 'kwargs': given.forward_input.kwargs}
    operands = map_tensors(own, operands)
    module = layer(info, given.constructor_input, dtype, training)
    if info.is_lazy:
        module(*map_tensors(own, operands)['args'])
    start = {k: v.clone() for k, v in module.state_dict().items()}
    wide = copy.deepcopy(module).double() if dtype in NARROW else None
    arguments = encoder.value([operands['args'], operands['kwargs'], bound(info.module_cls, given.constructor_input), start])
    wants = [i for i, t in enumerate(tensors_in(operands)) if t.requires_grad]
    result, upstream, grads = evaluate(module, map_tensors(own, operands), seed)
    if sum(t.numel() for t in tensors_in([operands, list(start.values()), result])) > largest:
        raise Inexpressible('too large to be compared here')
    entry = {'args': arguments[0], 'kwargs': arguments[1], 'construct': arguments[2], 'state': arguments[3],
             'training': training, 'out': encoder.value(result), 'wants': wants,
             'parameters': [k for k, p in module.named_parameters() if p.requires_grad],
             'buffers': encoder.value({k: v for k, v in module.named_buffers()}),
             'up': encoder.value(list(upstream)), 'grads': encoder.value(grads)}
    if wide is not None:
        try:
            exact, _, exact_grads = evaluate(wide, exactly(operands), seed, [g.double() for g in upstream])
        except Exception:
            return entry
        entry['exact'] = encoder.value(rounded(exact, result))
        entry['exactGrads'] = encoder.value(rounded(exact_grads, grads))
    return entry


def exactly(operands):
    wide = map_tensors(widened, operands)
    for t, model in zip(tensors_in(wide), tensors_in(operands)):
        t.requires_grad_(model.requires_grad)
    return wide


def write_samples(request):
    info = find(request)
    encoder, skipped = Encoder(), Counter()
    for name in request['dtypes']:
        dtype = NAMES[name]
        if dtype not in info.dtypes and dtype not in NARROW or not dtype.is_floating_point:
            continue
        for training in (True, False) if info.train_and_eval_differ else (True,):
            seed_all(request['seed'], info.name, name, training)
            most = request.get('limits', {}).get(name, request.get('limit'))
            for index, given in enumerate(inputs_of(info, dtype, training, True)):
                if given.forward_input is None or most and index >= most:
                    continue
                where = {'dtype': name, 'index': index, 'remark': f'{given.desc} {"" if training else "in use"}'.strip()}
                tally(encoder, skipped, lambda: describe(encoder, info, given, dtype, training, request['seed'] + index,
                                                         request.get('largest', LARGEST)), where)
    encoder.write(request['file'])
    return {'samples': len(encoder.samples), 'skipped': skipped}


def write_errors(request):
    """Layers that PyTorch refuses to make or to call, with its message."""
    info = find(request)
    encoder, skipped = Encoder(), Counter()
    seed_all(request['seed'], info.name, 'errors')
    errors = info.module_error_inputs_func(info, device='cpu', dtype=torch.float32, requires_grad=False, training=True) \
        if info.module_error_inputs_func else ()
    for index, error in enumerate(errors):
        given = error.module_error_input
        forward = given.forward_input if error.error_on != ModuleErrorEnum.CONSTRUCTION_ERROR else None

        def describe_error():
            operands = [list(forward.args), forward.kwargs] if forward else [[], {}]
            arguments = encoder.value([*operands, bound(info.module_cls, given.constructor_input)])
            entry = {'args': arguments[0], 'kwargs': arguments[1], 'construct': arguments[2], 'training': True,
                     'made': forward is not None}
            try:
                module = info.module_cls(*given.constructor_input.args, **given.constructor_input.kwargs)
                module(*forward.args, **forward.kwargs)
            except Exception as refusal:
                return entry | {'refusal': str(refusal).splitlines()[0][:200] if str(refusal) else type(refusal).__name__}
            raise Inexpressible('PyTorch takes it')
        tally(encoder, skipped, describe_error, {'dtype': 'errors', 'index': index})
    encoder.write(request['file'])
    return {'samples': len(encoder.samples), 'skipped': skipped}

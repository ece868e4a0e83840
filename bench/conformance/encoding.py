# SPDX-License-Identifier: Apache-2.0
"""Samples as a file: an 8-byte length, JSON of that length that says what the samples are, the bytes of all tensors.

A value is JSON's own where that says the same, and else an object with one key: {"t": i} is the tensor at position i
of "tensors", {"f": "1.0"} a float that JavaScript would take for an integer or that JSON does not have."""
import json
import math
import struct

import torch

DTYPES = {torch.float32: 'float32', torch.float64: 'float64', torch.float16: 'float16', torch.bfloat16: 'bfloat16',
          torch.int64: 'int64', torch.int32: 'int32', torch.uint8: 'uint8', torch.bool: 'bool'}
MEMORY_FORMATS = {torch.contiguous_format: 'contiguous', torch.channels_last: 'channelsLast',
                  torch.channels_last_3d: 'channelsLast3d', torch.preserve_format: 'preserve'}


class Inexpressible(Exception):
    """A sample with something that has no counterpart outside of PyTorch; the message is its kind."""


class Encoder:
    def __init__(self):
        self.tensors = []
        self.samples = []
        self.blobs = []
        self.offset = 0
        self.places = {}  # equal contents are stored once

    def tensor(self, t):
        if t.layout != torch.strided or t.dtype not in DTYPES:
            raise Inexpressible(f'dtype {t.dtype}' if t.layout == torch.strided else f'layout {t.layout}')
        t = t.detach().resolve_conj().resolve_neg()
        blob = t.clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8).numpy().tobytes()
        if blob not in self.places:
            self.places[blob] = self.offset
            blob_padded = blob + b'\0' * (-len(blob) % 8)
            self.blobs.append(blob_padded)
            self.offset += len(blob_padded)
        entry = {'d': DTYPES[t.dtype], 's': list(t.shape), 'o': self.places[blob]}
        if not t.is_contiguous():
            entry['st'] = list(t.stride())
        self.tensors.append(entry)
        return {'t': len(self.tensors) - 1}

    def value(self, x):
        if isinstance(x, torch.Tensor):
            return self.tensor(x)
        if x is None or isinstance(x, (bool, str)):
            return x
        if isinstance(x, int):
            return x if abs(x) < 2 ** 53 else {'f': str(x)}
        if isinstance(x, float):
            return x if math.isfinite(x) and not x.is_integer() else {'f': repr(x)}
        if isinstance(x, (list, tuple)):
            return [self.value(v) for v in x]
        if isinstance(x, dict):
            return {'o': {k: self.value(v) for k, v in x.items()}}
        if isinstance(x, torch.dtype):
            if x not in DTYPES:
                raise Inexpressible(f'dtype {x}')
            return {'dtype': DTYPES[x]}
        if isinstance(x, torch.memory_format):
            return {'memory': MEMORY_FORMATS[x]}
        if isinstance(x, torch.device):
            return {'device': x.type}
        if isinstance(x, slice):
            return {'slice': [self.value(v) for v in (x.start, x.stop, x.step)]}
        if x is Ellipsis:
            return {'ellipsis': True}
        raise Inexpressible(f'a {type(x).__name__}')

    def write(self, path, **more):
        header = json.dumps({'samples': self.samples, 'tensors': self.tensors, **more}, separators=(',', ':'),
                            allow_nan=False).encode()
        header += b' ' * (-len(header) % 8)
        with open(path, 'wb') as file:
            file.write(struct.pack('<Q', len(header)) + header + b''.join(self.blobs))

# SPDX-License-Identifier: Apache-2.0
"""Runs an emulated op on PyTorch tensors of any strides, each in memory that ends at an unmapped page."""
import ctypes
import mmap
import pathlib
import random

import torch

LIBRARY = pathlib.Path(__file__).resolve().parents[3] / 'build' / 'emulation' / 'libemulation.so'
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTEGERS = [torch.int32, torch.int64, torch.uint8, torch.bool]
NUMBERS = {dtype: number for number, dtype in enumerate(FLOATS + INTEGERS)}  # core/dtype.h
LAYOUTS = ['contiguous', 'contiguous', 'permuted', 'channels_last', 'sliced', 'sliced']
INDEX_ERROR = 4
PAGE = mmap.PAGESIZE


class TensorView(ctypes.Structure):
    _fields_ = [('data', ctypes.c_void_p), ('dtype', ctypes.c_int32), ('rank', ctypes.c_int32),
                ('dims', ctypes.c_int64 * 8), ('strides', ctypes.c_int64 * 8),
                ('storage', ctypes.c_uint64), ('whole', ctypes.c_bool), ('kept', ctypes.c_bool)]


lib = ctypes.CDLL(str(LIBRARY))
lib.emulation_run.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p,
                              ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
lib.emulation_message.restype = ctypes.c_char_p
assert lib.emulation_view_bytes() == ctypes.sizeof(TensorView), 'TensorView has other fields than core/tensor_view.h'
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class Guarded:
    """Memory between two unmapped pages; it ends at the second as closely as 16-byte alignment allows."""

    def __init__(self, size, shift):
        padded = max(16, (size + shift + 15) // 16 * 16)
        pages = -(-padded // PAGE)
        self.size = (pages + 2) * PAGE
        self.base = libc.mmap(None, self.size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
                              -1, 0)
        libc.mprotect(self.base, PAGE, 0)
        libc.mprotect(self.base + (pages + 1) * PAGE, PAGE, 0)
        ctypes.memset(self.base + PAGE, 0xa5, pages * PAGE)
        self.data = self.base + (pages + 1) * PAGE - padded + shift

    def free(self):
        libc.munmap(self.base, self.size)


def memory_of(tensor):
    """All elements between the first and the last one, gaps included."""
    if tensor.numel() == 0:
        return tensor.new_empty(0)
    extent = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride()))
    return torch.as_strided(tensor, (extent,), (1,), tensor.storage_offset())


def run(op, inputs, outputs, attrs=(), deterministic=False, misaligned=False, expect=0):
    """Outputs are updated in place. Returns the message if an error was expected."""
    guards = []

    def view(tensor):
        result = TensorView(rank=-1)
        if tensor is None:
            return result
        memory, item = memory_of(tensor), tensor.element_size()
        guard = Guarded(memory.numel() * item, item if misaligned else 0)
        guards.append((guard, memory))
        ctypes.memmove(guard.data, memory.data_ptr(), memory.numel() * item)
        result.data, result.dtype, result.rank = guard.data, NUMBERS[tensor.dtype], tensor.dim()
        result.dims[:tensor.dim()] = list(tensor.shape)
        result.strides[:tensor.dim()] = list(tensor.stride())
        return result

    input_views = (TensorView * max(1, len(inputs)))(*map(view, inputs))
    first_output = len(guards)
    output_views = (TensorView * max(1, len(outputs)))(*map(view, outputs))
    numbers = (ctypes.c_double * max(1, len(attrs)))(*map(float, attrs))
    code = lib.emulation_run(op.encode(), len(inputs), input_views, len(outputs), output_views, len(attrs), numbers,
                             deterministic)
    for guard, memory in guards[first_output:]:
        ctypes.memmove(memory.data_ptr(), guard.data, memory.numel() * memory.element_size())
    for guard, _ in guards:
        guard.free()
    message = lib.emulation_message().decode()
    assert code == expect, f'{op}: code {code}: {message}'
    return message if code else None


def arrange(x, kind=None):
    """The same values with other strides, by name or at random."""
    kind = kind or random.choice(LAYOUTS)
    order = list(range(x.dim()))
    if kind == 'permuted':
        random.shuffle(order)
    elif kind == 'channels_last' and 3 <= x.dim() <= 5:
        order = [0, *range(2, x.dim()), 1]
    elif kind == 'sliced' and x.dim() > 0:
        step = random.choice([1, 2])
        gaps = torch.zeros([step * size + 1 for size in x.shape], dtype=x.dtype)
        return gaps[tuple(slice(0, step * size, step) for size in x.shape)].copy_(x)
    return x.permute(order).contiguous().permute([order.index(i) for i in range(x.dim())])


def values(shape, dtype, nan=False):
    if dtype == torch.bool:
        return torch.rand(shape) > 0.5
    if not dtype.is_floating_point:
        return torch.randint(0 if dtype == torch.uint8 else -9, 10, shape).to(dtype)
    x = (torch.randn(shape, dtype=torch.float64) * 2).to(dtype)
    if nan and x.numel() > 0:
        x.view(-1)[random.randrange(x.numel())] = float('nan')
    return x


def tensor(shape, dtype, kind=None, nan=False):
    return arrange(values(shape, dtype, nan), kind)


def fresh(shape, dtype, kind=None):
    """An output full of something else."""
    y = arrange(torch.empty(shape, dtype=dtype), kind)
    memory_of(y).fill_(3)
    return y


def shape_of(rank=None, high=9):
    return [random.randint(1, high) for _ in range(random.randint(0, 5) if rank is None else rank)]


def exact(x):
    """PyTorch's reference runs in float64."""
    return x.double() if x.dtype.is_floating_point else x


TOLERANCES = {torch.float32: 2e-5, torch.float64: 1e-9, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
LOOSE = {torch.float32: 4e-4, torch.float64: 1e-9, torch.float16: 2e-2, torch.bfloat16: 1e-1}


def check(name, got, expected, loose=False):
    tolerance = (LOOSE if loose else TOLERANCES).get(got.dtype, 0)
    assert got.shape == expected.shape, f'{name}: {tuple(got.shape)}, expected {tuple(expected.shape)}'
    rounded = expected.to(got.dtype).double()
    close = torch.allclose(got.double(), rounded, rtol=tolerance, atol=tolerance, equal_nan=True)
    difference = 0 if close else (got.double() - rounded).abs().max()
    assert close, f'{name}: {got.dtype} {tuple(got.shape)} {got.stride()} differs by {difference}'

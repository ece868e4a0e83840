# SPDX-License-Identifier: Apache-2.0
"""Samples of PyTorch's module_db: layers with their states, and what they give."""


def names():
    return []


def write_samples(request):
    raise NotImplementedError


def write_errors(request):
    raise NotImplementedError

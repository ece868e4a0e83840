# SPDX-License-Identifier: Apache-2.0
"""Compares the emulated CUDA kernels with PyTorch on random shapes, dtypes and strides.

    python3 check.py [--seed N] [NAME...]      NAME: a check's name, such as pools; all of them by default

Run it again with EMULATION_ORDER=reversed and =random: a result that changes with the order of threads is a race.
"""
import argparse
import random
import time

import torch

import check_index
import check_nn
import check_norm
import check_pointwise
import check_reduce
import check_spatial
import check_update

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--seed', type=int, default=0)
parser.add_argument('names', nargs='*')
options = parser.parse_args()

checks = {name: check
          for module in (check_pointwise, check_reduce, check_index, check_nn, check_norm, check_spatial, check_update)
          for name, check in module.CHECKS.items()}
unknown = set(options.names) - set(checks)
if unknown:
    parser.error(f'no check named {", ".join(sorted(unknown))}; there are {", ".join(checks)}')
for name, check in checks.items():
    if options.names and name not in options.names:
        continue
    random.seed(options.seed)
    torch.manual_seed(options.seed)
    start = time.time()
    check()
    print(f'{name}: ok ({time.time() - start:.1f} s)', flush=True)

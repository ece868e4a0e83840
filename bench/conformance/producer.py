# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of `npm run conformance`: makes the samples of its own tests and computes what they should give.

For each line of JSON on the input, {"kind": "op", "name", "variant", "file", "dtypes", "seed", "limit"}, a file
(encoding.py) is written, and a line says how many samples it has. {"kind": "list"} is answered by all names."""
import json
import sys
import warnings

import torch

# In the place of this folder alone: the pinned PyTorch's testing package is imported from where it is installed.
import modules
import ops

warnings.simplefilter('ignore')
torch.set_num_threads(1)  # the same sums on every machine
answers = sys.stdout
sys.stdout = sys.stderr
KINDS = {'op': ops.write_samples, 'errors': ops.write_errors, 'module': modules.write_samples,
         'module errors': modules.write_errors}


def answer(request):
    if request['kind'] == 'list':
        return {'torch': torch.__version__, 'ops': ops.names(), 'modules': modules.names()}
    return KINDS[request['kind']](request)


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), file=answers, flush=True)

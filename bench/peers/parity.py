# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of bench/parity.mjs.

Usage: parity.py FOLDER. For each line of the input, a position in networks.json, FOLDER gets start.safetensors
(initial state, 'images' and 'labels') and, computed from it, float32.safetensors and float64.safetensors; a line of
JSON says what the network is."""
import json
import sys
from pathlib import Path

import torch

sys.path[0] = str(Path(__file__).parents[2] / 'test/fixtures')
import generator  # noqa: E402
import reference_networks as reference  # noqa: E402
from case_files import write_safetensors  # noqa: E402

torch.set_num_threads(1)  # the same sums on every machine
folder = Path(sys.argv[1])
for line in sys.stdin:
    case = reference.CASES[int(line)]
    model = reference.fill(reference.build(case))
    state = model.state_dict()
    images, labels = generator.classification(case['input'], case['classes'], case.get('seed', 0))
    start = {f'state.{name}': value for name, value in state.items()}
    start |= {'images': torch.from_numpy(images), 'labels': torch.from_numpy(labels)}
    write_safetensors(folder / 'start.safetensors', start, {})
    parameters = sum(p.numel() for p in model.parameters())
    keys = list(state)
    del model, state, start
    for dtype in (torch.float32, torch.float64):
        results = {name: value.detach().contiguous() for name, value in reference.run(case, dtype).items()}
        write_safetensors(folder / f'{str(dtype)[6:]}.safetensors', results, {})
        del results
    print(json.dumps({'parameters': parameters, 'keys': keys}), flush=True)

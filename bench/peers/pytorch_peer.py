# SPDX-License-Identifier: Apache-2.0
"""Runs one network on random images with PyTorch, by the protocol of bench/worker.mjs.

Usage: pytorch_peer.py '{"network": "lenet5", "device": "cpu", "batch": 64, "mode": "plain", "dtype": "fp32",
"task": "training"}', where mode is plain, channels-last, compile or cuda-graphs.
"""
import contextlib
import json
import sys

import torch
import torch.nn.functional as F

from meter import Meter
from torch_networks import build, end

spec = json.loads(sys.argv[1])
name, device, batch, mode = spec["network"], spec["device"], spec["batch"], spec["mode"]
on_gpu = device.startswith("cuda")
torch.manual_seed(0)
torch.backends.cudnn.benchmark = True


if mode == "cuda-graphs" and not on_gpu:
    end("CUDA graphs need a GPU")

model, shape, classes = build(name)
model = model.to(device)
images = torch.rand(batch, *shape, device=device)
if mode != "plain":
    model = model.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
labels = torch.randint(0, classes, (batch,), device=device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
run = torch.compile(model) if mode == "compile" else model


def cast():
    if spec["dtype"] != "bf16":
        return contextlib.nullcontext()
    # A recorded graph must not keep the casts of parameters from an earlier step.
    return torch.autocast("cuda" if on_gpu else "cpu", dtype=torch.bfloat16, cache_enabled=mode != "cuda-graphs")


def train():
    optimizer.zero_grad(set_to_none=True)
    with cast():
        loss = F.cross_entropy(run(images), labels)
    loss.backward()
    optimizer.step()


def infer():
    with torch.inference_mode(), cast():
        run(images)


if spec["task"] == "inference":
    model.eval()
step = infer if spec["task"] == "inference" else train
if mode == "cuda-graphs":
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(5):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    step = graph.replay

meter = Meter(step, batch, lambda _: torch.cuda.synchronize() if on_gpu else None)
try:
    meter.warm_up(float("inf") if mode == "compile" else 10)
except Exception as error:  # a mode that this machine cannot run is no failure of the others
    end(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}")
meter.serve(
    {"version": torch.__version__, "threads": torch.get_num_threads()},
    lambda: {"devicePeakBytes": torch.cuda.max_memory_reserved()} if on_gpu else {},
)

# SPDX-License-Identifier: Apache-2.0
"""Runs one network on random images with PyTorch, by the protocol of bench/worker.mjs.

Usage: pytorch.py '{"network": "lenet5", "device": "cpu", "batch": 64, "mode": "plain", "dtype": "fp32",
"task": "training"}', where mode is plain, channels-last, compile or cuda-graphs.
"""
import contextlib
import json
import sys

import torch
from torch import nn
import torch.nn.functional as F

from meter import Meter

spec = json.loads(sys.argv[1])
name, device, batch, mode = spec["network"], spec["device"], spec["batch"], spec["mode"]
on_gpu = device.startswith("cuda")
torch.manual_seed(0)
torch.backends.cudnn.benchmark = True


def end(reason):
    print(json.dumps({"unavailable": reason}), flush=True)
    sys.exit()


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 120, 5), nn.ReLU(), nn.Flatten(),
        nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )


def mnist_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, padding=1), nn.Flatten(),
        nn.Linear(2048, 625), nn.ReLU(), nn.Dropout(0.5), nn.Linear(625, 10),
    )


def torchvision_network():
    # Builds of torchvision without its own operators still import when the two that it names are declared.
    library = None
    try:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        pass
    try:
        from torchvision import models
    except ImportError:
        end("torchvision is missing: pip install --no-deps torchvision==0.28.0")
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model = getattr(models, name)(weights=None, **options)
    model.library = library  # its declarations go when it does
    return model


small = {"lenet5": lenet5, "lenet5-512": lenet5, "mnist-cnn": mnist_cnn}
make = small.get(name, torchvision_network)
shape, classes = ((1, 28, 28), 10) if name in small else ((3, 224, 224), 1000)
if mode == "cuda-graphs" and not on_gpu:
    end("CUDA graphs need a GPU")

model = make().to(device)
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

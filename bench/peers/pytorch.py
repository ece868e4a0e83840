# SPDX-License-Identifier: Apache-2.0
"""Trains one network on random images with PyTorch, by the protocol of bench/worker.mjs.

Usage: pytorch.py NETWORK DEVICE BATCH MODE, where MODE is plain or channels-last.
"""
import json
import resource
import sys
import time

import torch
from torch import nn
import torch.nn.functional as F

name, device, batch, mode = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
torch.manual_seed(0)


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


networks = {
    "lenet5": (lenet5, (1, 28, 28), 10),
    "mnist-cnn": (mnist_cnn, (1, 28, 28), 10),
}

make, shape, classes = networks[name]
model = make().to(device)
images = torch.rand(batch, *shape, device=device)
if mode == "channels-last":
    model = model.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
labels = torch.randint(0, classes, (batch,), device=device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()


def synchronize():
    if device != "cpu":
        torch.cuda.synchronize()


def measure(seconds):
    begin = time.perf_counter()
    steps = 0
    while True:
        for _ in range(10):
            step()
        steps += 10
        synchronize()
        if time.perf_counter() - begin >= seconds:
            break
    elapsed = time.perf_counter() - begin
    return {"steps": steps, "secondsPerStep": elapsed / steps, "imagesPerSecond": batch * steps / elapsed}


measure(0.5)
print(json.dumps({"ready": True, "version": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
for line in sys.stdin:
    result = measure(float(line))
    result["peakBytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(result), flush=True)

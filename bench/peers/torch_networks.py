# SPDX-License-Identifier: Apache-2.0
"""The networks of bench/networks.mjs in PyTorch, for the peers in Python."""
import json
import sys

import torch
from torch import nn


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


def torchvision_network(name):
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


SMALL = {"lenet5": lenet5, "lenet5-512": lenet5, "mnist-cnn": mnist_cnn}


def build(name):
    """The network, the shape of one of its images and the number of its classes."""
    if name in SMALL:
        return SMALL[name](), (1, 28, 28), 10
    return torchvision_network(name), (3, 224, 224), 1000

# SPDX-License-Identifier: Apache-2.0
"""Runs one network on random images with onnxruntime, by the protocol of bench/worker.mjs: inference in float32 alone."""
import json
import os
import sys
import tempfile
import warnings

import onnxruntime
import torch

from meter import Meter
from torch_networks import build, end

spec = json.loads(sys.argv[1])
if spec["task"] != "inference" or spec["dtype"] != "fp32":
    end("onnxruntime is measured at inference in float32 alone")
torch.manual_seed(0)
model, shape, _ = build(spec["network"])
images = torch.rand(spec["batch"], *shape)
with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
    warnings.simplefilter("ignore")
    path = os.path.join(folder, "network.onnx")
    torch.onnx.export(model.eval(), (images,), path, dynamo=False, input_names=["images"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
inputs = {"images": images.numpy()}
meter = Meter(lambda: session.run(None, inputs), spec["batch"], lambda _: None)
meter.warm_up()
meter.serve({"version": onnxruntime.__version__, "threads": options.intra_op_num_threads})

# SPDX-License-Identifier: Apache-2.0
"""Runs LeNet-5 on random images with JAX, one compiled function a step, by the protocol of bench/worker.mjs."""
import json
import sys

import jax
import jax.numpy as jnp

from meter import Meter

spec = json.loads(sys.argv[1])
batch, half = spec["batch"], spec["dtype"] == "bf16"
if not spec["network"].startswith("lenet5"):
    print(json.dumps({"unavailable": "the JAX peer has lenet5 alone"}), flush=True)
    sys.exit()
place = jax.devices("gpu" if spec["device"].startswith("cuda") else "cpu")[0]
jax.config.update("jax_default_device", place)
keys = iter(jax.random.split(jax.random.key(0), 16))


def weights(shape, fan_in):
    bound = fan_in ** -0.5
    return (jax.random.uniform(next(keys), shape, minval=-bound, maxval=bound),
            jax.random.uniform(next(keys), shape[-1:], minval=-bound, maxval=bound))


parameters = [weights((5, 5, 1, 6), 25), weights((5, 5, 6, 16), 150), weights((5, 5, 16, 120), 400),
              weights((120, 84), 120), weights((84, 10), 84)]
velocity = jax.tree.map(jnp.zeros_like, parameters)
images = jax.random.uniform(next(keys), (batch, 28, 28, 1))
labels = jax.random.randint(next(keys), (batch,), 0, 10)


def conv(x, layer, padding):
    y = jax.lax.conv_general_dilated(x, layer[0], (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(y + layer[1])


def pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def forward(layers, x):
    if half:
        layers, x = jax.tree.map(lambda v: v.astype(jnp.bfloat16), (layers, x))
    x = pool(conv(x, layers[0], "SAME"))
    x = pool(conv(x, layers[1], "VALID"))
    x = conv(x, layers[2], "VALID").reshape(batch, 120)
    x = jax.nn.relu(x @ layers[3][0] + layers[3][1])
    return (x @ layers[4][0] + layers[4][1]).astype(jnp.float32)


def loss(layers, x, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(forward(layers, x)), y[:, None], 1).mean()


@jax.jit
def train(layers, moving):
    moving = jax.tree.map(lambda v, g: 0.9 * v + g, moving, jax.grad(loss)(layers, images, labels))
    return jax.tree.map(lambda p, v: p - 0.01 * v, layers, moving), moving


infer = jax.jit(forward)
state = (parameters, velocity)


def step():
    global state
    if spec["task"] == "inference":
        return infer(parameters, images)
    state = train(*state)
    return state


meter = Meter(step, batch, jax.block_until_ready)
meter.warm_up()
meter.serve({"version": jax.__version__})

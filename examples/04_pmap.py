"""Train on four devices with pmap and psum: four virtual CPU devices stand in for four accelerators."""
import os

os.environ.setdefault("XFORM_CPU_DEVICES", "4")  # read when the first device is needed

from functools import partial

import numpy

import xform as jax
import xform.numpy as np
from digits import data, model


@partial(jax.pmap, axis_name="batch", in_axes=(None, 0, 0), out_axes=(None, 0))
def update(params, images, targets):
    """One step of gradient descent: every device has its own images, all get the same mean gradient."""
    loss, gradient = jax.value_and_grad(model.loss)(params, images, targets)
    gradient = jax.lax.pmean(gradient, "batch")
    params = jax.tree.map(lambda p, g: p - 0.5 * g, params, gradient)
    return params, jax.lax.pmean(loss, "batch")


def normalise(x):
    """Divide by the sum over all devices."""
    return x / jax.lax.psum(x, "i")


def main():
    """Print a small parallel function, then train for a hundred steps."""
    devices = jax.local_device_count()
    print(jax.source(jax.pmap(normalise, axis_name="i")))
    print(f"normalise over {devices} devices:", jax.pmap(normalise, axis_name="i")(np.arange(1.0, devices + 1)))

    training, test = data.load()
    generator = numpy.random.default_rng(0)
    params = [(np.asarray(generator.normal(0, 0.12, shape).astype(numpy.float32)), np.zeros(shape[1]))
              for shape in ((64, 64), (64, 10))]
    rows = len(training.images) // devices
    images = training.images[:rows * devices].reshape(devices, rows, 64)
    targets = data.one_hot(training.labels)[:rows * devices].reshape(devices, rows, 10)
    for step in range(101):
        params, loss = update(params, images, targets)
        if step % 25 == 0:
            print(f"step {step:3d}  loss {float(loss[0]):.4f}")
    right = numpy.argmax(numpy.asarray(model.predict(params, test.images)), axis=1) == test.labels
    print(f"test accuracy {right.mean():.1%}")
    return float(right.mean())


if __name__ == "__main__":
    main()

"""Train with jit over arrays that are spread over a mesh: the same training step, cut by data, by model, or by both."""
import os

os.environ.setdefault("XFORM_CPU_DEVICES", "4")  # read when the first device is needed

import numpy

import xform as jax
import xform.numpy as np
from digits import data, model
from xform.sharding import NamedSharding, P


@jax.jit
def update(params, images, targets):
    """One step of gradient descent; where its arguments lie decides where it runs."""
    loss, gradient = jax.value_and_grad(model.loss)(params, images, targets)
    return jax.tree.map(lambda p, g: p - 0.5 * g, params, gradient), loss


def part_of_loss(params, images, targets):
    """The mean loss over all devices, each with its own images."""
    return jax.lax.pmean(model.loss(params, images, targets), "data")


def main():
    """Show the SPMD source of a gradient, then train for a hundred steps over the mesh."""
    mesh = jax.make_mesh((jax.device_count() // 2, 2), ("data", "model"))
    print(mesh)
    line = jax.make_mesh((jax.device_count(),), ("data",))
    whole_loss = jax.shard_map(part_of_loss, mesh=line, in_specs=(P(), P("data"), P("data")), out_specs=P())
    print(jax.source(jax.grad(whole_loss)))

    training, test = data.load()
    rows = len(training.images) // jax.device_count() * jax.device_count()
    cut = NamedSharding(mesh, P("data"))
    images = jax.device_put(training.images[:rows], cut)
    targets = jax.device_put(data.one_hot(training.labels)[:rows], cut)
    generator = numpy.random.default_rng(0)
    shardings = [(P(None, "model"), P("model")), (P("model"), P())]     # columns of the first layer, rows of the second
    start = [(generator.normal(0, 0.12, shape).astype(numpy.float32), numpy.zeros(shape[1], numpy.float32))
             for shape in ((64, 64), (64, 10))]
    params = [tuple(jax.device_put(p, NamedSharding(mesh, spec)) for p, spec in zip(layer, specs))
              for layer, specs in zip(start, shardings)]

    by_pmean = jax.grad(whole_loss)(start, training.images[:rows], data.one_hot(training.labels)[:rows])
    by_jit = jax.grad(model.loss)(start, training.images[:rows], data.one_hot(training.labels)[:rows])
    print("gradients by shard_map and on one device differ by at most",
          max(float(np.max(np.abs(a - numpy.asarray(b)))) for a, b in zip(jax.tree.leaves(by_pmean), jax.tree.leaves(by_jit))))
    for step in range(101):
        params, loss = update(params, images, targets)
        if step % 25 == 0:
            print(f"step {step:3d}  loss {float(loss):.4f}")
    print("first layer:", params[0][0].sharding.spec, "of which each device has", params[0][0].addressable_shards[0].data.shape)
    jax.debug.visualize_array_sharding(params[0][0])
    whole = [tuple(numpy.asarray(p) for p in layer) for layer in params]
    right = numpy.argmax(numpy.asarray(model.predict(whole, test.images)), axis=1) == test.labels
    print(f"test accuracy {right.mean():.1%}")
    return float(right.mean())


if __name__ == "__main__":
    main()

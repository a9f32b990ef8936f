"""Compose vmap with grad: one gradient per image, and the images that pull hardest on the network."""
import numpy

import xform as jax
import xform.numpy as np
from digits import data, model


def example_loss(params, image, target):
    """The loss of a single image."""
    return model.loss(params, image[None, :], target[None, :])


def norms(gradients):
    """The Euclidean length of each example's gradient."""
    return np.sqrt(sum(np.sum(np.square(g.reshape(len(g), -1)), axis=1) for g in jax.tree.leaves(gradients)))


def main():
    """Print the batched gradient and the spread of the per-example gradient norms."""
    training, _ = data.load()
    generator = numpy.random.default_rng(0)
    params = [(np.asarray(generator.normal(0, 0.1, shape).astype(numpy.float32)), np.zeros(shape[1]))
              for shape in ((64, 32), (32, 10))]
    images, targets = training.images[:100], data.one_hot(training.labels[:100])

    per_example = jax.vmap(jax.grad(example_loss), in_axes=(None, 0, 0))
    print(jax.source(per_example))
    lengths = numpy.asarray(norms(jax.jit(per_example)(params, images, targets)))
    print(f"norms of {len(lengths)} per-example gradients: {lengths.min():.3f} to {lengths.max():.3f}")
    hardest = numpy.argsort(-lengths)[:5]
    print("hardest images:", ", ".join(f"#{i} (a {training.labels[i]})" for i in hardest))

    # their mean is the gradient of the mean loss
    mean = jax.tree.map(lambda g: np.mean(g, axis=0), per_example(params, images, targets))
    whole = jax.grad(model.loss)(params, images, targets)
    worst = max(float(np.max(np.abs(a - b))) for a, b in zip(jax.tree.leaves(mean), jax.tree.leaves(whole)))
    print(f"mean of them against the gradient of the batch: largest difference {worst:.1e}")


if __name__ == "__main__":
    main()

"""Train a digit classifier with a gradient that you can read: prints it, writes it to a file, saves two pictures."""
import argparse
import importlib.util
from pathlib import Path

import numpy
from tqdm import tqdm

import xform as jax
from digits import data, model
from xform import cli

EXAMPLES = Path(__file__).parent


def init(sizes, seed=0):
    """Return a list of (weights, biases), one pair for each layer between consecutive sizes."""
    generator = numpy.random.default_rng(seed)
    return [(jax.numpy.asarray(generator.normal(0, fan_in ** -0.5, (fan_in, fan_out)).astype(numpy.float32)),
             jax.numpy.zeros(fan_out))
            for fan_in, fan_out in zip(sizes, sizes[1:])]


def train(params, split, epochs, batch, rate, momentum=0.9, seed=0):
    """Return trained params and the loss of every step: gradient descent with momentum on shuffled mini-batches."""
    loss_and_gradient = jax.jit(jax.value_and_grad(model.loss))
    velocity = jax.tree.map(jax.numpy.zeros_like, params)
    generator = numpy.random.default_rng(seed)
    targets = data.one_hot(split.labels)
    steps = len(split.images) // batch
    losses = []
    with tqdm(total=epochs * steps, unit="step") as bar:
        for _ in range(epochs):
            order = generator.permutation(len(split.images))
            for step in range(steps):
                rows = order[step * batch:(step + 1) * batch]
                value, gradient = loss_and_gradient(params, split.images[rows], targets[rows])
                velocity = jax.tree.map(lambda v, g: momentum * v - rate * g, velocity, gradient)
                params = jax.tree.map(lambda p, v: p + v, params, velocity)
                losses.append(float(value))
                bar.update()
            bar.set_postfix(loss=f"{numpy.mean(losses[-steps:]):.4f}")
    return params, losses


def write_gradient(file):
    """Write the gradient of the loss as a Python file, as the command line does, and return its function."""
    status = cli.main(["grad", f"{EXAMPLES / 'digits' / 'model.py'}:loss", "--wrt", "params", "-o", str(file)])
    if status:
        raise SystemExit(status)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.loss_grad


def check_written(written, params, split):
    """Compare the gradient read back from its file with the one made in memory; raise if they differ."""
    images, targets = split.images[:32], data.one_hot(split.labels[:32])
    pairs = zip(jax.tree.leaves(written(params, images, targets)),
                jax.tree.leaves(jax.grad(model.loss)(params, images, targets)), strict=True)
    for ours, theirs in pairs:
        numpy.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def save_pictures(folder, losses, split, predicted):
    """Save the loss curve and forty test images with what the network says (red where it is wrong)."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6, 4))
    axis.semilogy(losses)
    axis.set(xlabel="step", ylabel="cross entropy", title="training loss")
    figure.savefig(folder / "loss.png", dpi=100, bbox_inches="tight")
    pyplot.close(figure)

    # the mistakes first: they are what one wants to see
    order = numpy.argsort(predicted == split.labels, kind="stable")[:40]
    figure, axes = pyplot.subplots(4, 10, figsize=(10, 4.6))
    for axis, i in zip(axes.flat, order):
        axis.imshow(split.images[i].reshape(8, 8), cmap="gray_r")
        axis.set_title(str(predicted[i]), color="black" if predicted[i] == split.labels[i] else "red")
        axis.axis("off")
    figure.savefig(folder / "predictions.png", dpi=100, bbox_inches="tight")
    pyplot.close(figure)


def main(arguments=None):
    """Run the example; returns the test accuracy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=EXAMPLES / "out", help="folder for what this writes")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.1)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)

    print("The gradient that the compiler made of digits/model.py:loss\n")
    print(jax.source(jax.grad(model.loss)))

    training, test = data.load()
    params = init([64, 128, 10])
    check_written(write_gradient(options.out / "digits_grad.py"), params, training)
    params, losses = train(params, training, options.epochs, options.batch, options.rate)

    predicted = numpy.argmax(numpy.asarray(jax.jit(model.predict)(params, test.images)), axis=1)
    accuracy = float(numpy.mean(predicted == test.labels))
    save_pictures(options.out, losses, test, predicted)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.4f}; test accuracy {accuracy:.1%} on {len(test.labels)} unseen images")
    print(f"wrote digits_grad.py, loss.png and predictions.png in {options.out}")
    return accuracy


if __name__ == "__main__":
    main()

"""Train a 4-layer transformer on six sonnets, a Python loop over its layers, and let it go on from a line."""
import argparse
import time

import numpy
from tqdm import tqdm

import xform as jax
import xform.numpy as np
from language import text
from language.model import build, parameters


def write(model, params, corpus, start, count, length):
    """Continue ``start``, drawing each character from what the model expects."""
    written, key = list(corpus.encode(start)), jax.random.key(0)
    logits = jax.jit(model.logits)
    for _ in range(count):
        key, used = jax.random.split(key)
        window = written[-length:]
        padded = numpy.array([window + [0] * (length - len(window))], numpy.int32)
        written.append(int(jax.random.categorical(used, logits(params, padded)[0, len(window) - 1] / 0.6)))
    return corpus.decode(written)


def main():
    """Train, report, and print what the model writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=64, help="characters that the model sees")
    options = parser.parse_args()
    corpus = text.load()
    model = build(jax, np)
    params = jax.tree.map(np.asarray, parameters(len(corpus.alphabet), length=options.length))
    moments = (jax.tree.map(np.zeros_like, params), jax.tree.map(np.zeros_like, params))
    count = sum(p.size for p in jax.tree.leaves(params))
    print(f"{len(corpus.tokens)} characters of {len(corpus.alphabet)} kinds, {count} parameters")

    step = jax.jit(model.step, donate_argnums=(0, 1))
    batches = text.batches(corpus.tokens, options.batch, options.length, numpy.random.default_rng(0))
    start = time.perf_counter()
    progress = tqdm(range(1, options.steps + 1), desc="training", mininterval=1.0)
    for turn in progress:
        params, moments, value = step(params, moments, float(turn), next(batches))
        if turn == 1:
            first = float(value)
            print(f"first step, compiling included: {time.perf_counter() - start:.1f} s")
        if turn % 20 == 0:
            progress.set_postfix(loss=f"{float(value):.3f}")
    print(f"loss {first:.2f} -> {float(value):.3f} in {options.steps} steps")
    print(write(model, params, corpus, "Shall I compare", 150, options.length))


if __name__ == "__main__":
    main()

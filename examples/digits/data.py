"""Load the handwritten digits that ship with the examples (see data/SOURCE.md)."""
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy

FILE = Path(__file__).parent.parent / "data" / "digits.csv.gz"


class Split(NamedTuple):
    """Images [n, 64] scaled to 0..1 and labels [n] of one part of the data."""
    images: numpy.ndarray
    labels: numpy.ndarray


def load(test_size=360, seed=0):
    """Return the training and the test split, shuffled by seed (1437 and 360 images by default)."""
    with gzip.open(FILE, "rt") as lines:
        table = numpy.loadtxt(lines, delimiter=",", dtype=numpy.float32)
    table = table[numpy.random.default_rng(seed).permutation(len(table))]
    images, labels = table[:, :64] / 16, table[:, 64].astype(numpy.int32)
    return Split(images[test_size:], labels[test_size:]), Split(images[:test_size], labels[:test_size])


def one_hot(labels):
    """Return labels [n] as rows [n, 10] with a one at the label."""
    return numpy.eye(10, dtype=numpy.float32)[labels]

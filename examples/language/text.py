"""The sonnets as numbers: one for each character."""
from pathlib import Path
from types import SimpleNamespace

import numpy

FILE = Path(__file__).parent.parent / "data" / "sonnets.txt"


def load():
    """Return the text: its alphabet, its characters as int32 indices, and the two directions between them."""
    written = FILE.read_text()
    alphabet = sorted(set(written))
    index = {character: i for i, character in enumerate(alphabet)}

    def encode(characters):
        return numpy.array([index[c] for c in characters], numpy.int32)

    def decode(tokens):
        return "".join(alphabet[i] for i in tokens)
    return SimpleNamespace(alphabet=alphabet, tokens=encode(written), encode=encode, decode=decode)


def batches(tokens, size, length, generator):
    """Yield batches of pieces from random places, one character longer than ``length``."""
    while True:
        starts = generator.integers(0, len(tokens) - length - 1, size)
        yield numpy.stack([tokens[s:s + length + 1] for s in starts])

"""Vector quantization."""
from runtime.ops.kernel import about_types as _about_types
from runtime.types import aval_of as _aval_of


@_about_types
def check_books(obs, code_book):
    """Raise ValueError unless observations and codes have the same rank, 1 or 2, and the same length."""
    left, right = _aval_of(obs).shape, _aval_of(code_book).shape
    if len(left) != len(right):
        raise ValueError(f"vq: observations and code book must have the same rank, got shapes {left} and {right}")
    if len(left) not in (1, 2):
        raise ValueError(f"vq: ndim different than 1 or 2 is not supported, got shape {left}")
    if len(left) == 2 and left[1] != right[1]:
        raise ValueError(f"vq: observations and codes must have the same number of features, got shapes {left} and {right}")


def vq(obs, code_book, check_finite=True):
    """Return (index of the nearest code, distance to it) of each observation.

    obs: (m, n) or (m,); code_book: (k, n) or (k,).
    """
    from runtime import numpy as np
    check_books(obs, code_book)
    if np.ndim(obs) == 1:
        obs, code_book = np.expand_dims(obs, 1), np.expand_dims(code_book, 1)
    apart = np.expand_dims(obs, 1) - code_book
    distance = np.linalg.norm(apart, axis=-1)
    code = np.argmin(distance, axis=-1)
    return code, np.min(distance, axis=-1)

"""The dtypes of what functions compute from arrays and Python's numbers together."""
from __future__ import annotations

from runtime.ops.kernel import about_types, inexact
from runtime.types import aval_of, result_type


def strong(x):
    """Return an array with the dtype that it has by itself, whatever numbers it was made of."""
    from runtime import numpy as np
    return np.astype(x, x.dtype)


@about_types
def meeting_dtype(numbers):
    """Return the floating dtype in which numbers meet; None where all of them are Python's, which leave the dtype to others."""
    if all([aval_of(n).weak_type if not hasattr(n, "weak_type") else n.weak_type for n in numbers]):
        return None
    return inexact(result_type(*numbers))


def meeting(found, numbers):
    """Return a result with the dtype in which the numbers meet that it was made of."""
    from runtime import numpy as np
    dtype = meeting_dtype(numbers)
    return found if dtype is None else np.astype(found, dtype)

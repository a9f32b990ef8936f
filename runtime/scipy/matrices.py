"""Special matrices under SciPy's names; those made of vectors take stacks of them in leading axes, and are differentiable."""
import math

import numpy as _numpy

from runtime.ops.fact import fact as _fact
from runtime.ops.kernel import about_types as _about_types
from runtime.types import aval_of as _aval_of
from runtime.types import canonical_dtype as _canonical_dtype


# ---- made of vectors ----

@_fact
def sliding(rows, columns, turned):
    """Return the place in a vector of each element of a matrix that is constant along its diagonals, or antidiagonals."""
    i, j = _numpy.arange(rows)[:, None], _numpy.arange(columns)[None, :]
    return i + j if turned else j - i + rows - 1


@_about_types
def check_vector(name, v):
    """Raise ValueError for a scalar."""
    if not _aval_of(v).shape:
        raise ValueError(f"{name}: arguments must be at least 1-dimensional, got a scalar")


def toeplitz(c, r=None):
    """Return the matrix of constant diagonals with first column c and first row r (by default c's conjugate)."""
    from runtime import numpy as np
    c = np.atleast_1d(c)
    r = np.conjugate(c) if r is None else np.atleast_1d(r)
    c, r = joined_stacks(c, r)
    line = np.concatenate([np.flip(c, -1), r[..., 1:]], -1)
    return line[..., sliding(c.shape[-1], r.shape[-1], False)]


def hankel(c, r=None):
    """Return the matrix of constant antidiagonals with first column c and last row r (zeros by default)."""
    from runtime import numpy as np
    check_vector("hankel", c)
    r = np.zeros_like(c) if r is None else r
    check_vector("hankel", r)
    c, r = joined_stacks(np.asarray(c), np.asarray(r))
    line = np.concatenate([c, r[..., 1:]], -1)
    return line[..., sliding(c.shape[-1], r.shape[-1], True)]


def joined_stacks(c, r):
    """Return two stacks of vectors with the same leading axes and dtype."""
    from runtime import numpy as np
    lead, dtype = np.broadcast_shapes(c.shape[:-1], r.shape[:-1]), np.result_type(c, r)
    return (np.astype(np.broadcast_to(c, lead + c.shape[-1:]), dtype), np.astype(np.broadcast_to(r, lead + r.shape[-1:]), dtype))


@_fact
def turning(size):
    """Return the place in a vector of each element of its circulant matrix."""
    return (_numpy.arange(size)[:, None] - _numpy.arange(size)[None, :]) % size


def circulant(c):
    """Return the matrix whose columns are the vector turned by 0, 1, 2 ... places."""
    from runtime import numpy as np
    c = np.atleast_1d(c)
    return c[..., turning(c.shape[-1])]


@_about_types
def check_leslie(f, s):
    """Raise ValueError unless there is one survival less than there are births."""
    a, b = _aval_of(f).shape, _aval_of(s).shape
    if a[-1] < 2:
        raise ValueError(f"leslie: the length of f along the last axis must be at least 2; got shape {a}")
    if b[-1] != a[-1] - 1:
        raise ValueError(f"leslie: the length of s along the last axis must be one less than that of f; got shapes {a} and {b}")


def leslie(f, s):
    """Return the matrix with births f in its first row and survivals s below its diagonal."""
    from runtime import numpy as np
    f, s = np.atleast_1d(f), np.atleast_1d(s)
    check_leslie(f, s)
    return topped(f, s)


def topped(first, below):
    """Return the square matrix of a first row and a subdiagonal."""
    from runtime import numpy as np
    size = first.shape[-1]
    i, j = np.expand_dims(np.arange(size), 1), np.arange(size)
    padded = np.concatenate([below, np.zeros_like(below[..., :1])], -1)
    rest = np.where(np.equal(i, j + 1), np.expand_dims(padded, -2), 0)
    return np.where(np.equal(i, 0), np.expand_dims(first, -2), rest)


@_about_types
def check_polynomial(name, a, least):
    """Raise ValueError for a polynomial of too few coefficients."""
    if _aval_of(a).shape[-1] < least:
        raise ValueError(f"{name}: the length of a along the last axis must be at least {least}; got shape {_aval_of(a).shape}")


def companion(a):
    """Return the matrix whose eigenvalues are the roots of the polynomial with coefficients a, highest power first."""
    from runtime import numpy as np
    a = np.atleast_1d(a) * 1.0
    check_polynomial("companion", a, 2)
    first = -a[..., 1:] / a[..., :1]
    return topped(first, np.ones_like(first[..., 1:]))


def fiedler(a):
    """Return the matrix of distances between the elements of a vector."""
    from runtime import numpy as np
    a = np.atleast_1d(a)
    return np.abs(np.expand_dims(a, -1) - np.expand_dims(a, -2))


@_fact
def fiedler_places(n):
    """Return (coefficient in each place of a Fiedler companion matrix or -1, where there are ones)."""
    places, ones = -_numpy.ones((n, n), int), _numpy.zeros((n, n), bool)
    places[0, 0] = 1
    for row in range(0, n, 2):
        if row + 1 < n:
            places[row, row + 1] = row + 2
            if row >= 2:
                places[row, row - 1] = row + 1
        elif row >= 2:
            places[row, row - 1] = row + 1
        if row + 2 < n:
            ones[row, row + 2] = True
    for row in range(1, n, 2):
        ones[row, max(row - 2, 0)] = True
    return places, ones


def fiedler_companion(a):
    """Return the five-diagonal matrix whose eigenvalues are the roots of the polynomial with coefficients a: Fiedler (2003)."""
    from runtime import numpy as np
    a = np.atleast_1d(a) * 1.0
    check_polynomial("fiedler_companion", a, 1)
    n = a.shape[-1] - 1
    if n == 0:
        return np.zeros(a.shape[:-1] + (0, 0), a.dtype)
    places, ones = fiedler_places(n)
    scaled = -a / a[..., :1]
    return np.where(np.asarray(places) >= 0, scaled[..., np.maximum(np.asarray(places), 0)], np.astype(np.asarray(ones), a.dtype))


@_about_types
def trims(a, n, mode):
    """Return the first and last row of a full convolution matrix that a mode keeps; ValueError for bad arguments."""
    shape = _aval_of(a).shape
    if n <= 0:
        raise ValueError(f"convolution_matrix: n must be a positive integer; got {n}")
    if not shape or shape[-1] < 1:
        raise ValueError(f"convolution_matrix: a must be at least 1-dimensional and not empty; got shape {shape}")
    if mode not in ("full", "valid", "same"):
        raise ValueError(f"convolution_matrix: mode must be one of 'full', 'valid', 'same'; got {mode!r}")
    less, total = min(n, shape[-1]) - 1, shape[-1] + n - 1
    first = {"full": 0, "valid": less, "same": less // 2}[mode]
    last = {"full": total, "valid": total - less, "same": total - (less - less // 2)}[mode]
    return first, last


def convolution_matrix(a, n, mode="full"):
    """Return the matrix m with m @ v = convolve(a, v, mode), for vectors v of n elements."""
    from runtime import numpy as np
    first, last = trims(a, n, mode)
    a = np.asarray(a)
    column = np.concatenate([a, np.zeros(a.shape[:-1] + (n - 1,), a.dtype)], -1)
    row = np.concatenate([a[..., :1], np.zeros(a.shape[:-1] + (n - 1,), a.dtype)], -1)
    return toeplitz(column, row)[..., first:last, :]


# ---- made of numbers ----

@_fact
def host_matrix(values, dtype):
    """Return a matrix of the host as an array."""
    from runtime import numpy as np
    return np.array(values, _canonical_dtype(dtype))


def hilbert(n):
    """Return the matrix of 1 / (i + j + 1)."""
    i = _numpy.arange(n)
    return host_matrix(1.0 / (i[:, None] + i + 1.0), float)


@_fact
def binomials(n):
    """Return Pascal's triangle as a lower triangular matrix of Python integers."""
    return _numpy.array([[math.comb(i, j) for j in range(n)] for i in range(n)], object).reshape(n, n)


def checked_kind(kind):
    """Return the kind of a Pascal matrix; ValueError for an unknown one."""
    if kind is None:
        return "symmetric"
    if kind not in ("symmetric", "lower", "upper"):
        raise ValueError(f"kind must be one of 'symmetric', 'lower', 'upper'; got {kind!r}")
    return kind


@_fact
def pascal(n, kind=None):
    """Return the n x n matrix of binomial coefficients (i + j choose i), or its "lower" or "upper" factor."""
    kind, low = checked_kind(kind), binomials(n)
    found = low if kind == "lower" else low.T if kind == "upper" else low.dot(low.T)
    return host_matrix(found.astype(float), float)


@_fact
def invpascal(n, kind=None):
    """Return the inverse of ``pascal(n, kind)``."""
    kind = checked_kind(kind)
    i = _numpy.arange(n)
    low = binomials(n) * (1 - 2 * ((i[:, None] - i) % 2))
    found = low if kind == "lower" else low.T if kind == "upper" else low.T.dot(low)
    return host_matrix(found.astype(float), float)


@_fact
def invhilbert(n):
    """Return the inverse of ``hilbert(n)``."""
    found = [[(-1) ** (i + j) * (i + j + 1) * math.comb(n + i, n - j - 1) * math.comb(n + j, n - i - 1) * math.comb(i + j, i) ** 2
              for j in range(n)] for i in range(n)]
    return host_matrix(_numpy.array(found, float).reshape(n, n), float)


@_fact
def helmert(n, full=False):
    """Return the Helmert matrix of order n: orthonormal contrasts, and with ``full`` the constant vector before them."""
    if n < 1:
        raise ValueError(f"helmert: n must be a positive integer; got {n}")
    found = _numpy.zeros((n, n))
    found[0] = 1 / math.sqrt(n)
    for k in range(1, n):
        found[k, :k], found[k, k] = 1 / math.sqrt(k * (k + 1)), -k / math.sqrt(k * (k + 1))
    return host_matrix(found if full else found[1:], float)


@_fact
def hadamard(n, dtype=int):
    """Return the Hadamard matrix of order n, a power of two."""
    if n < 1 or n & (n - 1):
        raise ValueError(f"hadamard: n must be a positive power of 2; got {n}")
    found = _numpy.ones((1, 1), int)
    while found.shape[0] < n:
        found = _numpy.block([[found, found], [found, -found]])
    return host_matrix(found, dtype)


@_fact
def dft(n, scale=None, *, dtype=None):
    """Return the matrix of the discrete Fourier transform of n points; ``scale``: None, "sqrtn" or "n"."""
    if scale not in (None, "sqrtn", "n"):
        raise ValueError(f"dft: scale must be None, 'sqrtn', or 'n'; got {scale!r}")
    dtype = _canonical_dtype(complex if dtype is None else dtype)
    if dtype.kind != "c":
        raise ValueError(f"dft: dtype must be a complex floating-point type; got {dtype}")
    k = _numpy.arange(n)
    found = _numpy.exp(-2j * _numpy.pi * (k[:, None] * k % max(n, 1)) / max(n, 1))
    return host_matrix(found / {None: 1, "sqrtn": math.sqrt(n), "n": n}[scale], dtype)

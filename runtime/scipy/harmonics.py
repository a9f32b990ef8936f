"""Spherical harmonics, Bessel functions of whole order and Bernoulli numbers."""
import math

from runtime.ops.fact import fact as _fact
from runtime.ops.kernel import about_types as _about_types
from runtime.op import op as _op


@_op(constant=True, unbatched=True, batch=lambda n, n_max, over=(): degree(n, n_max))
def degree(n, n_max):
    """Return the largest degree of harmonics as a Python integer: ``n_max``, or the largest of n, which must then be concrete."""
    from runtime import numpy as np
    return int(np.max(np.asarray(n))) if n_max is None else int(n_max)


def sph_harm_y(n, m, theta, phi, diff_n=None, n_max=None):
    """Return the spherical harmonics of degrees n >= 0 and orders m, at polar angles theta and azimuths phi, elementwise.

    ``n_max``: the largest degree, which must be given where n is not concrete; greater degrees are lowered to it. Orthonormal,
    with the Condon-Shortley phase (DLMF 14.30).
    """
    from runtime import numpy as np
    from runtime.ops.elementwise import make_complex
    if diff_n is not None:
        raise NotImplementedError("sph_harm_y: diff_n is not supported; differentiate with grad or jvp")
    last = degree(n, n_max)
    theta, phi = np.atleast_1d(theta) * 1.0, np.atleast_1d(phi) * 1.0
    order = np.abs(m)
    x, s = np.cos(theta), np.sin(theta)
    # the normalised Legendre functions: up the diagonal to degree and order |m|, then up the degrees
    current = np.full_like(x * s + 0.0 * order, math.sqrt(0.25 / math.pi))
    for k in range(1, last + 1):
        current = np.where(k <= order, current * s * -math.sqrt((2 * k + 1) / (2 * k)), current)
    before = np.zeros_like(current)
    for k in range(1, last + 1):
        rises = np.logical_and(k > order, k <= n)
        room = np.where(rises, k * k - order * order, 1)
        past = np.where(rises, (k - 1) * (k - 1) - order * order, 0)
        scale = np.sqrt((4.0 * k * k - 1) / room)
        back = np.sqrt(np.maximum(past, 0) / abs(4.0 * (k - 1) * (k - 1) - 1))
        following = scale * (x * current - back * before)
        before, current = np.where(rises, current, before), np.where(rises, following, current)
    angle = order * phi
    sign = np.where(np.logical_and(m < 0, order % 2 == 1), -1.0, 1.0)
    turn = np.where(m < 0, -1.0, 1.0)
    return make_complex(sign * current * np.cos(angle), turn * sign * current * np.sin(angle))


@_about_types
def check_bessel(z, v, n_iter):
    """Raise TypeError or ValueError for arguments of bessel_jn that it cannot take."""
    if not isinstance(v, int) or not isinstance(n_iter, int):
        raise TypeError(f"bessel_jn: v and n_iter must be Python integers, got {v!r} and {n_iter!r}")
    if not 0 <= v <= n_iter:
        raise ValueError(f"bessel_jn: the order v must be from 0 to n_iter, got v={v} and n_iter={n_iter}")
    if getattr(getattr(z, "dtype", None), "kind", "f") == "c":
        raise ValueError("bessel_jn: complex numbers are not supported")


def bessel_jn(z, *, v, n_iter=50):
    """Return the Bessel functions of the first kind of orders 0 to v at z, shape (v + 1,) + z's; NaN at zero.

    Miller's recurrence downwards from order ``n_iter``, which must be well above both v and z.
    """
    from runtime import numpy as np
    check_bessel(z, v, n_iter)
    z = np.asarray(z) * 1.0
    above, current, total = np.zeros_like(z), np.full_like(z, 1e-16), np.zeros_like(z)
    found = []
    for k in range(n_iter, -1, -1):
        below = 2.0 * (k + 1.0) * current / z - above
        above, current = current, below
        if k % 2 == 0:
            total = total + 2.0 * below
        if k <= v:
            found.append(below)
    # J_0 + 2 J_2 + 2 J_4 + ... = 1
    return np.stack(found[::-1]) / (total - current)


@_fact
def bernoulli(n):
    """Return the Bernoulli numbers B_0 ... B_n, of which B_1 is -1/2; n is a Python integer."""
    from runtime import numpy as np
    from runtime.ops.integrals import bernoulli_numbers
    from runtime.types import canonical_dtype
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"bernoulli: n must be a non-negative Python integer, got {n!r}")
    return np.array([float(b) for b in bernoulli_numbers(n)], canonical_dtype(float))

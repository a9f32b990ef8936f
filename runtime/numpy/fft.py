"""Discrete Fourier transforms under NumPy's names: plain Python over the transform of the last axes."""
import numpy as _numpy

from runtime.ops.fact import fact as _fact
from runtime.ops.fft import fft as _transform
from runtime.ops.fft import resized, resized_like, unfft
from runtime.ops.kernel import check_real as _check_real
from runtime.types import canonical_dtype as _canonical_dtype


@_fact
def axis_plan(name, like, n, axis, half=False):
    """Return the axis counted from the right and the length of a transform along it; ``half``: from a half spectrum."""
    shape = _numpy.shape(like)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"{name}: axis {axis} is out of bounds for an array of shape {shape}")
    axis = axis - len(shape) if axis >= 0 else axis
    if n is None:
        n = 2 * (shape[axis] - 1) if half else shape[axis]
    if n < 1:
        raise ValueError(f"{name}: invalid number of data points ({n}) specified; it must be positive")
    return axis, int(n)


@_fact
def scale_of(norm, n, inverse):
    """Return the factor by which a transform of ``n`` points is multiplied for a ``norm``; the inverse divides by n by itself."""
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    power = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}[norm]
    return float(n) ** (power if inverse else -power)


def _along(name, how, a, n, axis, norm):
    from runtime import numpy as np
    half = how == "IRFFT"
    axis, n = axis_plan(name, a, n, axis, half)
    a = np.moveaxis(resized(a, n // 2 + 1 if half else n, axis), axis, -1)
    return np.moveaxis(_transform(a, how, (n,)), -1, axis) * scale_of(norm, n, how in ("IFFT", "IRFFT"))


def fft(a, n=None, axis=-1, norm=None):
    """Return the discrete Fourier transform along an axis, cut or padded to ``n`` points."""
    return _along("fft", "FFT", a, n, axis, norm)


def ifft(a, n=None, axis=-1, norm=None):
    """Return the inverse transform along an axis."""
    return _along("ifft", "IFFT", a, n, axis, norm)


def rfft(a, n=None, axis=-1, norm=None):
    """Return the non-negative frequencies of the transform of a real array along an axis."""
    _check_real("rfft", a, ValueError)
    return _along("rfft", "RFFT", a, n, axis, norm)


def irfft(a, n=None, axis=-1, norm=None):
    """Return the real array of ``n`` points (by default an even number) from its non-negative frequencies."""
    return _along("irfft", "IRFFT", a, n, axis, norm)


def hfft(a, n=None, axis=-1, norm=None):
    """Return the real transform of a signal with Hermitian symmetry, given by its first half."""
    from runtime import numpy as np
    return irfft(np.conjugate(a), n, axis, swapped_norm(norm))


def ihfft(a, n=None, axis=-1, norm=None):
    """Return the first half of the inverse transform of a real spectrum."""
    from runtime import numpy as np
    return np.conjugate(rfft(a, n, axis, swapped_norm(norm)))


@_fact
def swapped_norm(norm):
    """Return the norm of the inverse transform that divides by what this one does."""
    return {"forward": "backward", "ortho": "ortho"}.get(norm, "forward")


@_fact
def axes_plan(name, like, s, axes, half=False):
    """Return axes counted from the right with the lengths of the transform along each."""
    shape = _numpy.shape(like)
    if axes is None:
        axes = range(-len(shape if s is None else s), 0)
    axes = tuple(axes)
    if s is not None and len(s) != len(axes):
        raise ValueError(f"{name}: shape {tuple(s)} and axes {axes} must have the same length")
    if len({axis % max(len(shape), 1) for axis in axes}) != len(axes):
        raise ValueError(f"{name} does not support repeated axes. Got axes {axes}.")
    lengths = [None] * len(axes) if s is None else list(s)
    return tuple([axis_plan(name, like, n, axis, half and i == len(axes) - 1) for i, (n, axis) in enumerate(zip(lengths, axes))])


def fftn(a, s=None, axes=None, norm=None):
    """Return the transform over several axes (all by default)."""
    for axis, n in axes_plan("fftn", a, s, axes):
        a = fft(a, n, axis, norm)
    return a


def ifftn(a, s=None, axes=None, norm=None):
    """Return the inverse transform over several axes."""
    for axis, n in axes_plan("ifftn", a, s, axes):
        a = ifft(a, n, axis, norm)
    return a


def rfftn(a, s=None, axes=None, norm=None):
    """Return the transform of a real array over several axes; along the last of them, only the non-negative frequencies."""
    plan = axes_plan("rfftn", a, s, axes)
    a = rfft(a, plan[-1][1], plan[-1][0], norm)
    for axis, n in plan[:-1]:
        a = fft(a, n, axis, norm)
    return a


def irfftn(a, s=None, axes=None, norm=None):
    """Return the inverse of rfftn, a real array."""
    plan = axes_plan("irfftn", a, s, axes, True)
    for axis, n in plan[:-1]:
        a = ifft(a, n, axis, norm)
    return irfft(a, plan[-1][1], plan[-1][0], norm)


def fft2(a, s=None, axes=(-2, -1), norm=None):
    """Return the transform over two axes."""
    return fftn(a, s, axes, norm)


def ifft2(a, s=None, axes=(-2, -1), norm=None):
    """Return the inverse transform over two axes."""
    return ifftn(a, s, axes, norm)


def rfft2(a, s=None, axes=(-2, -1), norm=None):
    """Return the transform of a real array over two axes."""
    return rfftn(a, s, axes, norm)


def irfft2(a, s=None, axes=(-2, -1), norm=None):
    """Return the inverse of rfft2, a real array."""
    return irfftn(a, s, axes, norm)


@_fact
def fftfreq(n, d=1.0, *, dtype=None, device=None):
    """Return the frequencies of the transform of ``n`` points at distance ``d``."""
    return _frequencies(_numpy.fft.fftfreq(int(n)), d, dtype, device)


@_fact
def rfftfreq(n, d=1.0, *, dtype=None, device=None):
    """Return the non-negative frequencies of the transform of ``n`` real points at distance ``d``."""
    return _frequencies(_numpy.fft.rfftfreq(int(n)), d, dtype, device)


def _frequencies(steps, d, dtype, device):
    from runtime import numpy as np
    found = np.asarray(steps, _canonical_dtype(float if dtype is None else dtype)) / d
    return found if device is None else np.asarray(found, device=device)


def fftshift(x, axes=None):
    """Return the array with the zero frequency moved to the middle of the axes (all by default)."""
    from runtime import numpy as np
    plan = shift_plan(x, axes, False)
    return np.roll(x, plan[0], plan[1])


def ifftshift(x, axes=None):
    """Return the inverse of fftshift."""
    from runtime import numpy as np
    plan = shift_plan(x, axes, True)
    return np.roll(x, plan[0], plan[1])


@_fact
def shift_plan(like, axes, back):
    """Return by how much each axis, counted from the right, is rolled."""
    shape = _numpy.shape(like)
    axes = tuple(range(-len(shape), 0)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
    axes = tuple([axis - len(shape) if axis >= 0 else axis for axis in axes])
    return tuple([-(shape[axis] // 2) if back else shape[axis] // 2 for axis in axes]), axes

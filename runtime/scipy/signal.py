"""Convolution, correlation, trends and spectra of signals under SciPy's names."""
import numpy as _numpy

from runtime.ops.fact import fact as _fact
from runtime.ops.kernel import about_types as _about_types
from runtime.scipy.spectral import csd, istft, stft, welch
from runtime.types import aval_of as _aval_of
from runtime.types import canonical_dtype as _canonical_dtype


# ---- convolution ----

@_about_types
def direct_plan(name, in1, in2, mode):
    """Return (whether the operands are exchanged, padding of each axis) of a convolution; ValueError for unfit shapes."""
    a, b = _aval_of(in1).shape, _aval_of(in2).shape
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{name}: mode must be one of 'full', 'same', 'valid', got {mode!r}")
    if len(a) != len(b):
        raise ValueError(f"{name}: in1 and in2 must have the same number of dimensions, got shapes {a} and {b}")
    if 0 in a or 0 in b:
        raise ValueError(f"{name}: zero-size arrays are not supported in convolutions, got shapes {a} and {b}")
    swap = any(m < n for m, n in zip(a, b))
    if swap and any(m > n for m, n in zip(a, b)):
        raise ValueError(f"{name}: one input must be smaller than the other in every dimension, got shapes {a} and {b}")
    width = a if swap else b
    if mode == "valid":
        return swap, tuple([(0, 0) for _ in width])
    if mode == "full":
        return swap, tuple([(n - 1, n - 1) for n in width])
    return swap, tuple([(n - 1 - (m - 1) // 2, n - m + (m - 1) // 2) for n, m in zip(width, b)])


def direct(name, in1, in2, mode):
    """Return a convolution by sliding the smaller operand over the larger one."""
    from runtime import numpy as np
    from runtime.ops.conv import conv_general_dilated
    swap, padding = direct_plan(name, in1, in2, mode)
    dtype = np.result_type(in1, in2, float)
    large, small = (in2, in1) if swap else (in1, in2)
    large, small = np.astype(np.asarray(large), dtype), np.astype(np.flip(np.asarray(small)), dtype)
    found = conv_general_dilated(np.expand_dims(large, (0, 1)), np.expand_dims(small, (0, 1)), (1,) * large.ndim, padding)
    return found[0, 0]


def convolve(in1, in2, mode="full", method="auto", precision=None):
    """Return the convolution of two arrays; "full" overlap, the "same" shape as in1, or "valid" only.

    method: "direct" (or "auto"), or "fft". One operand must be at least as large as the other along every axis.
    """
    if method == "fft":
        return fftconvolve(in1, in2, mode)
    if method not in ("direct", "auto"):
        raise ValueError(f"convolve: method must be 'auto', 'fft' or 'direct', got {method!r}")
    return direct("convolve", in1, in2, mode)


def correlate(in1, in2, mode="full", method="auto", precision=None):
    """Return the cross-correlation of two arrays: the convolution with the reversed conjugate of in2."""
    from runtime import numpy as np
    return convolve(in1, np.flip(np.conjugate(in2)), mode, method, precision)


@_about_types
def check_plane(name, in1, in2, boundary, fillvalue):
    """Raise ValueError unless operands have two axes, NotImplementedError but for zeros beyond the edges."""
    if boundary != "fill" or fillvalue != 0:
        raise NotImplementedError(f"{name} only supports boundary='fill', fillvalue=0; pad in1 before")
    if len(_aval_of(in1).shape) != 2 or len(_aval_of(in2).shape) != 2:
        raise ValueError(f"{name} only supports 2-dimensional inputs, got shapes {_aval_of(in1).shape} and {_aval_of(in2).shape}")


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0, precision=None):
    """Return the convolution of two matrices."""
    check_plane("convolve2d", in1, in2, boundary, fillvalue)
    return direct("convolve2d", in1, in2, mode)


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0, precision=None):
    """Return the cross-correlation of two matrices."""
    from runtime import numpy as np
    check_plane("correlate2d", in1, in2, boundary, fillvalue)
    if mode == "same":
        return np.flip(direct("correlate2d", np.flip(in1), np.conjugate(in2), mode))
    found = direct("correlate2d", in1, np.flip(np.conjugate(in2)), mode)
    return np.conjugate(found) if mode == "valid" and inside(in1, in2) else found


@_about_types
def inside(in1, in2):
    """Tell whether the first array fits into the second, which SciPy then takes for the first."""
    a, b = _aval_of(in1).shape, _aval_of(in2).shape
    return a != b and all([m <= n for m, n in zip(a, b)])


@_about_types
def fft_plan(in1, in2, mode, axes):
    """Return (axes, lengths of the transforms, start and size of the result along them); ValueError for unfit shapes."""
    a, b = _aval_of(in1).shape, _aval_of(in2).shape
    if len(a) != len(b):
        raise ValueError(f"fftconvolve: in1 and in2 should have the same dimensionality, got shapes {a} and {b}")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"fftconvolve: mode must be one of 'full', 'same', 'valid', got {mode!r}")
    chosen = range(len(a)) if axes is None else [axes] if not hasattr(axes, "__iter__") else axes
    chosen = tuple([k % len(a) for k in chosen])
    if any(a[k] != b[k] for k in range(len(a)) if k not in chosen):
        raise ValueError(f"fftconvolve: mapped axes must have the same size; got shapes {a} and {b}, axes={tuple(chosen)}")
    pairs = [(a[k], b[k]) for k in chosen]
    if mode == "valid" and any(m < n for m, n in pairs):
        if any(m > n for m, n in pairs):
            raise ValueError(f"fftconvolve: for mode 'valid' one input must be at least as large as the other in every dimension, got "
                             f"shapes {a} and {b}")
        pairs = [(n, m) for m, n in pairs]
    full = tuple([m + n - 1 for m, n in pairs])
    sizes = {"full": full, "same": tuple([m for m, _ in pairs]), "valid": tuple([m - n + 1 for m, n in pairs])}[mode]
    return chosen, full, tuple([(f - s) // 2 for f, s in zip(full, sizes)]), sizes


def fftconvolve(in1, in2, mode="full", axes=None):
    """Return the convolution of two arrays along axes (all by default), by Fourier transforms."""
    from runtime import numpy as np
    from runtime.ops.slices import slice_in_dim
    if np.ndim(in1) == 0 and np.ndim(in2) == 0:
        return np.asarray(in1) * in2 * 1.0
    dtype = np.result_type(in1, in2, float)
    in1, in2 = np.astype(np.asarray(in1), dtype), np.astype(np.asarray(in2), dtype)
    chosen, full, starts, sizes = fft_plan(in1, in2, mode, axes)
    if np.iscomplexobj(in1):
        found = np.fft.ifftn(np.fft.fftn(in1, full, chosen) * np.fft.fftn(in2, full, chosen), full, chosen)
    else:
        found = np.fft.irfftn(np.fft.rfftn(in1, full, chosen) * np.fft.rfftn(in2, full, chosen), full, chosen)
    for axis, start, size in zip(chosen, starts, sizes):
        found = slice_in_dim(found, start, start + size, 1, axis)
    return found


# ---- trends ----

@_about_types
def trend_pieces(data, axis, bp):
    """Return [(start, stop)] between breakpoints; ValueError for those outside the data."""
    size = _aval_of(data).shape[axis]
    points = sorted({0, size, *[int(b) for b in _numpy.ravel(bp)]})
    if points[0] < 0 or points[-1] > size:
        raise ValueError(f"detrend: breakpoints must be non-negative and at most the length of the data, {size}; got {bp!r}")
    return list(zip(points[:-1], points[1:]))


@_fact
def line_basis(count):
    """Return an orthonormal basis of the straight lines over ``count`` points, (count, 1 or 2)."""
    lines = _numpy.stack([_numpy.ones(count), _numpy.arange(count, dtype=float)], 1)[:, :min(count, 2)]
    return _numpy.linalg.qr(lines)[0].astype(_canonical_dtype(float))


def detrend(data, axis=-1, type="linear", bp=0, overwrite_data=None):
    """Return data without its mean (type "constant") or without the line fitted between breakpoints ("linear")."""
    from runtime import numpy as np
    if overwrite_data is not None:
        raise NotImplementedError("detrend: overwrite_data is not supported; arrays are immutable")
    if type not in ("constant", "linear"):
        raise ValueError(f"detrend: type must be 'linear' or 'constant', got {type!r}")
    data = np.asarray(data) * 1.0
    if type == "constant":
        return data - np.mean(data, axis=axis, keepdims=True)
    pieces = trend_pieces(data, axis, bp)
    moved = np.moveaxis(data, axis, -1)
    found = []
    for start, stop in pieces:
        part, basis = moved[..., start:stop], np.astype(line_basis(stop - start), data.dtype)
        found.append(part - np.matmul(np.matmul(part, basis), np.matrix_transpose(basis)))
    return np.moveaxis(np.concatenate(found, -1), -1, axis)

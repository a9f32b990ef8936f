"""Short-time Fourier transforms of signals and the spectral densities that are averages of them."""
import numpy as _numpy

from runtime.ops.fact import fact as _fact
from runtime.ops.kernel import about_types as _about_types
from runtime.types import aval_of as _aval_of
from runtime.types import canonical_dtype as _canonical_dtype

# Cosine sums a0 - a1 cos(2 pi k / n) + a2 cos(4 pi k / n) ..., periodic.
_COSINES = {"boxcar": (1.0,), "hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08),
            "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411), "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
            "flattop": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368)}


@_fact
def named_window(window, count):
    """Return a periodic window of ``count`` points by its name, or by (name, parameter) for "kaiser" and "gaussian"."""
    name, *parameters = window if isinstance(window, tuple) else (window,)
    k = _numpy.arange(count)
    if name in _COSINES and not parameters:
        found = sum([(-1) ** j * a * _numpy.cos(2 * _numpy.pi * j * k / count) for j, a in enumerate(_COSINES[name])])
        found = found * _numpy.ones(count)
    elif name == "bartlett" and not parameters:
        found = 1 - _numpy.abs(2 * k / count - 1)
    elif name == "kaiser" and len(parameters) == 1:
        found = _numpy.kaiser(count + 1, parameters[0])[:-1]
    elif name == "gaussian" and len(parameters) == 1:
        found = _numpy.exp(-0.5 * ((k - count / 2) / parameters[0]) ** 2)
    else:
        known = ", ".join([*_COSINES, "bartlett", "('kaiser', beta)", "('gaussian', deviation)"])
        raise ValueError(f"unknown window {window!r}; use one of {known}, or an array")
    return (_numpy.ones(1) if count == 1 else found).astype(_canonical_dtype(float))


@_about_types
def segmented(x, y, window, nperseg, noverlap, nfft, axis):
    """Return (points of a segment, shared with the next one, transform length, axis from the front); ValueError if unfit."""
    shape = _aval_of(x).shape
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis {axis} is out of bounds for a signal of shape {shape}")
    other = shape if y is None else _aval_of(y).shape
    if len(other) != len(shape):
        raise ValueError(f"two signals must have the same rank, got shapes {shape} and {other}")
    length = max(shape[axis], other[axis])
    if nperseg is not None and int(nperseg) < 1:
        raise ValueError(f"nperseg must be a positive integer, got {nperseg}")
    if isinstance(window, (str, tuple)):
        points = length if nperseg is None else min(int(nperseg), length)
    else:
        own = _aval_of(window).shape
        if len(own) != 1:
            raise ValueError(f"window must be 1-D, got shape {own}")
        if own[0] > length:
            raise ValueError(f"window is longer than the signal: {own[0]} and {length} points")
        if nperseg is not None and int(nperseg) != own[0]:
            raise ValueError(f"value specified for nperseg, {nperseg}, is different from length of window, {own[0]}")
        points = own[0]
    shared = points // 2 if noverlap is None else int(noverlap)
    count = points if nfft is None else int(nfft)
    if count < points:
        raise ValueError(f"nfft must be greater than or equal to nperseg, got {count} and {points}")
    if shared >= points:
        raise ValueError(f"noverlap must be less than nperseg, got {shared} and {points}")
    return points, shared, count, axis % len(shape)


@_fact
def segment_places(length, points, step):
    """Return the indices of the segments of a signal, one row each."""
    return _numpy.arange(0, length - points + 1, step)[:, None] + _numpy.arange(points)


def extended(x, count, boundary):
    """Return signals with ``count`` points more at both ends."""
    from runtime import numpy as np
    if boundary is None:
        return x
    width = [(0, 0)] * (x.ndim - 1) + [(count, count)]
    if boundary == "zeros":
        return np.pad(x, width)
    if boundary == "even":
        return np.pad(x, width, mode="reflect")
    if boundary == "constant":
        return np.pad(x, width, mode="edge")
    if boundary != "odd":
        raise ValueError(f"Unknown boundary option {boundary!r}, must be one of 'even', 'odd', 'constant', 'zeros', None")
    if count > x.shape[-1] - 1:
        raise ValueError(f"the extension length {count} is too big for a signal of {x.shape[-1]} points")
    left = 2 * x[..., :1] - np.flip(x[..., 1:count + 1], -1)
    right = 2 * x[..., -1:] - np.flip(x[..., x.shape[-1] - count - 1:-1], -1)
    return np.concatenate([left, x, right], -1)


def lengthened(x, length):
    """Return signals with zeros appended up to a length."""
    from runtime import numpy as np
    return np.concatenate([x, np.zeros(x.shape[:-1] + (length - x.shape[-1],), x.dtype)], -1)


def transformed(x, window, detrend, points, step, count, onesided):
    """Return the Fourier transforms of a signal's windowed segments, (..., segments, frequencies)."""
    from runtime import numpy as np
    from runtime.scipy.signal import detrend as without_trend
    parts = x[..., segment_places(x.shape[-1], points, step)]
    if isinstance(detrend, str):
        parts = without_trend(parts, type=detrend)
    elif detrend:
        raise NotImplementedError(f"detrend must be 'constant', 'linear' or False, got {detrend!r}; apply a function to the signal before")
    parts = parts * window
    return np.fft.rfft(np.real(parts), n=count) if onesided else np.fft.fft(parts, n=count)


def spectra(x, y, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, boundary, padded, density):
    """Return (frequencies, times, transforms of x's segments, or with ``density`` products with those of y)."""
    from runtime import numpy as np
    points, shared, count, axis = segmented(x, y, window, nperseg, noverlap, nfft, axis)
    step = points - shared
    dtype = np.result_type(x, float) if y is None else np.result_type(x, y, float)
    first = np.moveaxis(np.astype(np.asarray(x), dtype), axis, -1)
    second = first if y is None else np.moveaxis(np.astype(np.asarray(y), dtype), axis, -1)
    length = max(first.shape[-1], second.shape[-1])
    first, second = lengthened(first, length), lengthened(second, length)
    first, second = extended(first, points // 2, boundary), extended(second, points // 2, boundary)
    if padded:
        total = first.shape[-1]
        total = total + -(total - points) % step % points
        first, second = lengthened(first, total), lengthened(second, total)
    taper = named_window(window, points) if isinstance(window, (str, tuple)) else np.asarray(window)
    taper = np.astype(taper, np.result_type(taper, dtype))
    onesided = return_onesided and not np.iscomplexobj(first)
    if scaling not in ("density", "spectrum"):
        raise ValueError(f"Unknown scaling: {scaling!r}; use 'density' or 'spectrum'")
    scale = 1.0 / (fs * np.sum(taper * taper)) if scaling == "density" else 1.0 / np.sum(taper) ** 2
    found = transformed(first, taper, detrend, points, step, count, onesided)
    if density:
        other = found if y is None else transformed(second, taper, detrend, points, step, count, onesided)
        found = np.conjugate(found) * other * scale
        if onesided:
            places = np.arange(found.shape[-1])
            alone = np.logical_or(np.equal(places, 0), np.logical_and(count % 2 == 0, np.equal(places, found.shape[-1] - 1)))
            found = np.where(alone, found, 2 * found)
        if y is None:
            found = np.real(found)
    else:
        found = found * np.sqrt(scale)
    frequencies = np.fft.rfftfreq(count, 1 / fs) if onesided else np.fft.fftfreq(count, 1 / fs)
    times = np.arange(found.shape[-2]) * step / fs
    if boundary is None:
        times = times + points / 2 / fs
    return frequencies, np.astype(times, times.dtype), np.moveaxis(found, -1, axis)


def stft(x, fs=1.0, window="hann", nperseg=256, noverlap=None, nfft=None, detrend=False, return_onesided=True, boundary="zeros",
         padded=True, axis=-1):
    """Return (frequencies, times, short-time Fourier transform), the times along a new last axis.

    window: a name, (name, parameter), or an array. detrend: "constant", "linear" or False.
    """
    return spectra(x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, "spectrum", axis, boundary, padded, False)


def csd(x, y, fs=1.0, window="hann", nperseg=None, noverlap=None, nfft=None, detrend="constant", return_onesided=True,
        scaling="density", axis=-1, average="mean"):
    """Return (frequencies, cross spectral density of two signals): the average over overlapping segments (Welch's method).

    scaling: "density" or "spectrum"; average: "mean" or "median".
    """
    from runtime import numpy as np
    frequencies, _, found = spectra(x, y, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, None, False,
                                    True)
    if y is not None:
        found = found + 0j
    if average not in ("mean", "median"):
        raise ValueError(f"average must be 'median' or 'mean', got {average!r}")
    if found.shape[-1] == 1:
        return frequencies, np.squeeze(found, -1)
    if average == "mean":
        return frequencies, np.mean(found, axis=-1)
    bias = median_bias(found.shape[-1])
    if np.iscomplexobj(found):
        middle = np.median(np.real(found), axis=-1) + 1j * np.median(np.imag(found), axis=-1)
    else:
        middle = np.median(found, axis=-1)
    return frequencies, middle / bias


@_fact
def median_bias(count):
    """Return the expected median of ``count`` exponentially distributed numbers of mean one."""
    even = _numpy.arange(2.0, count, 2)
    return float(1 + _numpy.sum(1 / (even + 1) - 1 / even))


def welch(x, fs=1.0, window="hann", nperseg=None, noverlap=None, nfft=None, detrend="constant", return_onesided=True,
          scaling="density", axis=-1, average="mean"):
    """Return (frequencies, power spectral density) by Welch's method: see csd."""
    from runtime import numpy as np
    frequencies, found = csd(x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)
    return frequencies, np.real(found)


@_about_types
def inverse_plan(Zxx, window, nperseg, noverlap, nfft, input_onesided, time_axis, freq_axis):
    """Return (points of a segment, step, transform length, time axis, frequency axis); ValueError if they do not fit."""
    shape = _aval_of(Zxx).shape
    if len(shape) < 2:
        raise ValueError(f"istft: the input must be at least 2d, got shape {shape}")
    time, frequency = time_axis % len(shape), freq_axis % len(shape)
    if time == frequency:
        raise ValueError("istft: must specify differing time and frequency axes")
    usual = 2 * (shape[frequency] - 1) if input_onesided else shape[frequency]
    points = int(nperseg or usual)
    if points < 1:
        raise ValueError(f"istft: nperseg must be a positive integer, got {nperseg}")
    count = int(nfft) if nfft is not None else usual + (1 if input_onesided and points == usual + 1 else 0)
    if count < points:
        raise ValueError(f"istft: the FFT length, {count}, must be at least nperseg, {points}")
    shared = int(noverlap) if noverlap else points // 2
    if shared >= points:
        raise ValueError(f"istft: noverlap must be less than nperseg, got {shared} and {points}")
    if not isinstance(window, (str, tuple)) and _aval_of(window).shape != (points,):
        raise ValueError(f"istft: window must have length of {points}, got shape {_aval_of(window).shape}")
    return points, points - shared, count, time, frequency


def overlapped(parts, step):
    """Return the sum of segments (..., segments, points), each ``step`` after the one before."""
    from runtime import numpy as np
    count, points = parts.shape[-2:]
    total = (count - 1) * step + points
    return np.zeros(parts.shape[:-2] + (total,), parts.dtype).at[..., segment_places(total, points, step)].add(parts)


def istft(Zxx, fs=1.0, window="hann", nperseg=None, noverlap=None, nfft=None, input_onesided=True, boundary=True, time_axis=-1,
          freq_axis=-2):
    """Return (times, signal) of a short-time Fourier transform, by least squares over the overlapping segments."""
    from runtime import numpy as np
    points, step, count, time, frequency = inverse_plan(Zxx, window, nperseg, noverlap, nfft, input_onesided, time_axis, freq_axis)
    parts = np.moveaxis(np.asarray(Zxx), (frequency, time), (-1, -2))
    parts = (np.fft.irfft(parts, n=count) if input_onesided else np.fft.ifft(parts, n=count))[..., :points]
    taper = named_window(window, points) if isinstance(window, (str, tuple)) else np.asarray(window)
    taper = np.astype(taper, np.result_type(taper, np.real(parts).dtype))
    signal = overlapped(parts * taper * np.sum(taper), step)
    weight = overlapped(np.broadcast_to(taper * taper, (parts.shape[-2], points)), step)
    if boundary:
        signal, weight = signal[..., points // 2:-(points // 2)], weight[..., points // 2:-(points // 2)]
    signal = signal / np.where(weight > 1e-10, weight, 1.0)
    times = np.arange(signal.shape[-1]) / fs
    if time != np.ndim(Zxx) - 1:
        signal = np.moveaxis(signal, -1, time - 1 if frequency < time else time)
    return times, signal

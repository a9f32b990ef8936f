"""Images resized, scaled and translated: weighted sums along one axis after the other, under the names of jax.image."""
import enum

import numpy

from runtime.lax.shapes import Precision as _Precision
from runtime.ops.fact import fact as _fact
from runtime.ops.kernel import about_types as _about_types
from runtime.types import aval_of as _aval_of


class ResizeMethod(enum.Enum):
    """How the value between pixels is found."""
    NEAREST = 0
    LINEAR = 1
    LANCZOS3 = 2
    LANCZOS5 = 3
    CUBIC = 4
    CUBIC_PYTORCH = 5
    AREA = 6

    @staticmethod
    def from_string(s):
        """Return the method of a name; ValueError for an unknown one."""
        found = _NAMES.get(s)
        if found is None:
            raise ValueError(f"Unknown resize method {s!r}; use one of {', '.join(_NAMES)}")
        return found


_NAMES = {"nearest": ResizeMethod.NEAREST, "linear": ResizeMethod.LINEAR, "bilinear": ResizeMethod.LINEAR,
          "trilinear": ResizeMethod.LINEAR, "triangle": ResizeMethod.LINEAR, "lanczos3": ResizeMethod.LANCZOS3,
          "lanczos5": ResizeMethod.LANCZOS5, "cubic": ResizeMethod.CUBIC, "bicubic": ResizeMethod.CUBIC,
          "tricubic": ResizeMethod.CUBIC, "cubic-pytorch": ResizeMethod.CUBIC_PYTORCH,
          "bicubic-pytorch": ResizeMethod.CUBIC_PYTORCH, "area": ResizeMethod.AREA}


@_about_types
def plan(image, shape, method, antialias):
    """Return (name of the method, axes whose size changes); ValueError for a shape of another rank."""
    own = _aval_of(image).shape
    if len(shape) != len(own):
        raise ValueError(f"shape must have one number for each axis of the image; got {tuple(shape)} for an image of shape {own}")
    kind = method if isinstance(method, ResizeMethod) else ResizeMethod.from_string(method)
    if kind is ResizeMethod.CUBIC_PYTORCH and antialias:
        kind = ResizeMethod.CUBIC
    return kind.name, tuple([d for d, (m, n) in enumerate(zip(own, shape)) if m != int(n)])


def kernel(name, x):
    """Return the weight of a pixel at distance x, in pixels, by the name of a method."""
    from runtime import numpy as np
    if name == "LINEAR":
        return np.maximum(0.0, 1.0 - x)
    if name == "LANCZOS3" or name == "LANCZOS5":
        radius = 3.0 if name == "LANCZOS3" else 5.0
        return np.where(x > radius, 0.0, np.sinc(x) * np.sinc(x / radius))
    # cubic convolution with slope a at one: Keys, IEEE Transactions on Acoustics 29 (1981); -0.75 is PyTorch's choice
    a = -0.75 if name == "CUBIC_PYTORCH" else -0.5
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    return np.where(x >= 2.0, 0.0, np.where(x >= 1.0, far, near))


@_fact
def edge_fold(size, margin):
    """Return the matrix that adds the weights of pixels beyond an edge to those of the pixel there."""
    places = numpy.clip(numpy.arange(-margin, size + margin), 0, size - 1)
    return (places[None, :] == numpy.arange(size)[:, None]).astype("float32")


def weights(name, size, count, scale, translation, antialias):
    """Return the (size, count) matrix that resamples an axis of ``size`` pixels at ``count`` places."""
    from runtime import numpy as np
    step = 1.0 / scale
    places = (np.arange(count) + 0.5) * step - translation * step - 0.5
    if name == "AREA":
        left = np.arange(count) * step - translation * step
        pixels = np.expand_dims(np.arange(size), 1)
        found = np.maximum(0.0, np.minimum(left + step, pixels + 1.0) - np.maximum(left, pixels * 1.0))
    else:
        margin = 2 if name == "CUBIC_PYTORCH" else 0
        width = np.maximum(step, 1.0) if antialias else 1.0
        pixels = np.expand_dims(np.arange(-margin, size + margin), 1)
        found = kernel(name, np.abs(places - pixels) / width)
        if margin:
            found = np.matmul(edge_fold(size, margin), found)
    total = np.sum(found, axis=0, keepdims=True)
    some = np.abs(total) > 1000.0 * 1.1920929e-07
    found = np.where(some, found / np.where(some, total, 1.0), 0.0)
    if name == "CUBIC_PYTORCH":
        return found
    return np.where(np.logical_and(places >= -0.5, places <= size - 0.5), found, 0.0)


def resampled(image, matrix, axis, precision):
    """Return the image with the matrix applied along an axis."""
    from runtime import numpy as np
    return np.moveaxis(np.tensordot(image, np.astype(matrix, image.dtype), ((axis,), (0,)), precision=precision), -1, axis)


def resize(image, shape, method, antialias=True, precision=_Precision.HIGHEST):
    """Return the image resized to ``shape``.

    method: a ResizeMethod or its name ("nearest", "linear", "cubic", "lanczos3", "lanczos5", "cubic-pytorch", "area"). antialias:
    widen the kernel where the image shrinks. Integers become floats, but for "nearest".
    """
    from runtime import numpy as np
    name, axes = plan(image, shape, method, antialias)
    if name == "NEAREST":
        for d in axes:
            image = np.take(image, nearest_places(image.shape[d], int(shape[d])), axis=d)
        return image
    image = np.asarray(image) * 1.0
    for d in axes:
        size, count = image.shape[d], int(shape[d])
        image = resampled(image, weights(name, size, count, 1.0 if count == 0 else count / size, 0.0, antialias), d, precision)
    return image


@_fact
def nearest_places(size, count):
    """Return the pixel nearest to each of ``count`` places along an axis."""
    places = (numpy.arange(count, dtype="float32") + numpy.float32(0.5)) * numpy.float32(size) / numpy.float32(max(count, 1))
    return numpy.floor(places).astype("int32")


def scale_and_translate(image, shape, spatial_dims, scale, translation, method, antialias=True, precision=_Precision.HIGHEST):
    """Return an image of ``shape`` whose pixel x along an axis of ``spatial_dims`` shows the place (x - translation) / scale.

    scale, translation: one number for each of the axes; both may be differentiated. What is outside the image is zero.
    """
    from runtime import numpy as np
    name, _ = plan(image, shape, method, antialias)
    if name == "NEAREST":
        raise ValueError("scale_and_translate does not support nearest neighbor resampling; use another method")
    image, scale, translation = np.asarray(image) * 1.0, np.asarray(scale) * 1.0, np.asarray(translation) * 1.0
    for i, d in enumerate(spatial_dims):
        image = resampled(image, weights(name, image.shape[d], int(shape[d]), scale[i], translation[i], antialias), d, precision)
    return image

"""Convolution: one bilinear op on (batch, features, space...) operands, whose cotangents are convolutions too."""
from __future__ import annotations

import math

import numpy

from runtime.op import op
from runtime.ops.constrain import out_sharded
from runtime.ops.dot import precision_name
from runtime.ops.shape import like_shape
from runtime.primitive import Primitive
from runtime.types import aval, canonical_dtype, promote_avals
from runtime.zero import ZERO


@op(constant=True, unbatched=True)
def dilated(size: int, dilation: int) -> int:
    """Return the size of an axis with ``dilation - 1`` holes between its elements."""
    return 0 if size == 0 else (size - 1) * dilation + 1


@op(constant=True, unbatched=True)
def out_sizes(lhs, rhs, strides, padding, lhs_dilation, rhs_dilation):
    """Return the spatial sizes of a convolution's result."""
    return tuple([max(0, (dilated(n, ld) + lo + hi - dilated(k, rd)) // s + 1) if dilated(n, ld) + lo + hi >= dilated(k, rd) else 0
                  for n, k, s, (lo, hi), ld, rd in zip(lhs, rhs, strides, padding, lhs_dilation, rhs_dilation)])


def _infer(lhs, rhs, *, strides, padding, lhs_dilation, rhs_dilation, groups, batch_groups, precision, preferred):
    if lhs.ndim != rhs.ndim or lhs.ndim < 2:
        raise ValueError(f"conv_general_dilated: lhs and rhs must have the same number of axes, at least 2; got {lhs.shape} and "
                         f"{rhs.shape}")
    if lhs.shape[1] != rhs.shape[1] * groups:
        raise ValueError(f"conv_general_dilated: lhs has {lhs.shape[1]} input features, but rhs takes {rhs.shape[1]} in each of "
                         f"{groups} groups (shapes {lhs.shape} and {rhs.shape} in batch, features, space order)")
    if rhs.shape[0] % groups or rhs.shape[0] % batch_groups or lhs.shape[0] % batch_groups:
        raise ValueError(f"conv_general_dilated: {groups} feature groups and {batch_groups} batch groups must divide the "
                         f"{rhs.shape[0]} output features and the batch of {lhs.shape[0]}")
    dtype, weak = promote_avals(lhs, rhs)
    space = out_sizes(lhs.shape[2:], rhs.shape[2:], strides, padding, lhs_dilation, rhs_dilation)
    return aval((lhs.shape[0] // batch_groups, rhs.shape[0]) + space, preferred or dtype, weak and preferred is None)


def _emit(block, operands, out_avals, *, strides, padding, lhs_dilation, rhs_dilation, groups, batch_groups, precision,
          preferred):
    dtype = promote_avals(*[v.aval for v in operands])[0]
    lhs, rhs = [block.convert(v, v.aval.with_dtype(dtype)) for v in operands]
    space = ", ".join(map(str, range(len(strides))))
    comma = ", " if space else ""
    pairs = f"dense<{[list(p) for p in padding]}> : tensor<{len(padding)}x2xi64>" if padding else "dense<> : tensor<0x2xi64>"
    return block.op("convolution", [lhs, rhs], out_avals[0], {
        "window_strides": strides, "padding": pairs, "lhs_dilation": lhs_dilation, "rhs_dilation": rhs_dilation,
        "window_reversal": (False,) * len(strides) if strides else "array<i1>",
        "dimension_numbers": f"#stablehlo.conv<[b, f{comma}{space}]x[o, i{comma}{space}]->[b, f{comma}{space}]>",
        "feature_group_count": groups, "batch_group_count": batch_groups,
        "precision_config": "[{0}, {0}]".format(f"#stablehlo<precision {precision_name(precision)}>")})


_convolution = Primitive("conv_general_dilated", _infer, _emit)


def convolve_batched(lhs, rhs, strides, padding, lhs_dilation, rhs_dilation, groups=1, batch_groups=1, precision=None,
                     preferred=None, over=()):
    """Convolve every example: the batch becomes part of the batch, the features or the groups."""
    from runtime import numpy as np
    size = lhs.shape[0] if "lhs" in over else rhs.shape[0]
    if "lhs" in over and "rhs" in over:
        shape = lhs.shape
        if batch_groups > 1:
            merged = np.reshape(lhs, (size * shape[1],) + shape[2:])
            kernels = np.reshape(rhs, (size * rhs.shape[1],) + rhs.shape[2:])
            made = convolve(merged, kernels, strides, padding, lhs_dilation, rhs_dilation, groups, size * batch_groups,
                            precision, preferred)
        else:
            merged = np.moveaxis(lhs, 0, 1)
            merged = np.reshape(merged, (shape[1], size * shape[2]) + shape[3:])
            kernels = np.reshape(rhs, (size * rhs.shape[1],) + rhs.shape[2:])
            made = convolve(merged, kernels, strides, padding, lhs_dilation, rhs_dilation, size * groups, 1, precision, preferred)
        made = np.reshape(made, (made.shape[0], size, rhs.shape[1]) + made.shape[2:])
        return np.moveaxis(made, 1, 0)
    if "lhs" in over:
        shape = lhs.shape
        apart = np.reshape(lhs, (size, batch_groups, shape[1] // batch_groups) + shape[2:])
        merged = np.reshape(np.moveaxis(apart, 0, 1), (size * shape[1],) + shape[2:])
        made = convolve(merged, rhs, strides, padding, lhs_dilation, rhs_dilation, groups, batch_groups, precision, preferred)
        return np.reshape(made, (size, shape[1] // batch_groups) + made.shape[1:])
    shape = rhs.shape
    parts = max(groups, batch_groups)
    apart = np.reshape(rhs, (size, parts, shape[1] // parts) + shape[2:])
    kernels = np.reshape(np.moveaxis(apart, 0, 1), (size * shape[1],) + shape[2:])
    made = convolve(lhs, kernels, strides, padding, lhs_dilation, rhs_dilation, groups, batch_groups, precision, preferred)
    made = np.reshape(made, (made.shape[0], parts, size, shape[1] // parts) + made.shape[2:])
    made = np.moveaxis(made, 2, 0)
    return np.reshape(made, made.shape[:2] + (shape[1],) + made.shape[4:])


_CALL = "strides, padding, lhs_dilation, rhs_dilation, groups, batch_groups, precision"


@op(bilinear=("lhs", "rhs"), vjp={"lhs": f"rt.unconvolve_left(d_out, rhs, {_CALL}, like=lhs)",
                                  "rhs": f"rt.unconvolve_right(d_out, lhs, {_CALL}, like=rhs)"}, batch=convolve_batched)
def convolve(lhs, rhs, strides, padding, lhs_dilation, rhs_dilation, groups=1, batch_groups=1, precision=None, preferred=None):
    """Return the convolution of lhs (batch, features, space...) with rhs (out features, in features, space...)."""
    return _convolution(lhs, rhs, strides=strides, padding=padding, lhs_dilation=lhs_dilation, rhs_dilation=rhs_dilation,
                        groups=groups, batch_groups=batch_groups, precision=precision,
                        preferred=None if preferred is None else canonical_dtype(preferred))


@op(constant=True, unbatched=True)
def left_padding(lhs, rhs, out, strides, padding, lhs_dilation, rhs_dilation):
    """Return the padding of the convolution that gives the cotangent of the left operand; arguments are spatial sizes."""
    found = []
    for n, k, m, s, (lo, _), ld, rd in zip(lhs, rhs, out, strides, padding, lhs_dilation, rhs_dilation):
        kernel = dilated(k, rd)
        low = kernel - 1 - lo
        found.append((low, dilated(n, ld) - dilated(m, s) - low + kernel - 1))
    return tuple(found)


@op(constant=True, unbatched=True)
def right_padding(lhs, rhs, out, strides, padding, lhs_dilation, rhs_dilation):
    """Return the padding of the convolution that gives the cotangent of the right operand; arguments are spatial sizes."""
    return tuple([(lo, dilated(k, rd) - dilated(n, ld) - lo + dilated(m, s) - 1) for n, k, m, s, (lo, _), ld, rd in zip(
        lhs, rhs, out, strides, padding, lhs_dilation, rhs_dilation)])


def unconvolve_left(d, rhs, strides, padding, lhs_dilation, rhs_dilation, groups, batch_groups, precision, like):
    """Return the cotangent of ``lhs`` (= like) in ``convolve(lhs, rhs, ...)``."""
    from runtime import numpy as np
    if d is ZERO or rhs is ZERO:
        return ZERO
    shape, kernel = like_shape(like), rhs.shape
    space = tuple(range(2, len(kernel)))
    parts = max(groups, batch_groups)
    turned = np.flip(rhs, space) if space else rhs
    turned = np.reshape(turned, (parts, kernel[0] // parts) + kernel[1:])
    turned = np.swapaxes(turned, 1, 2)
    turned = np.reshape(turned, (parts * kernel[1], kernel[0] // parts) + kernel[2:])
    pads = left_padding(shape[2:], kernel[2:], d.shape[2:], strides, padding, lhs_dilation, rhs_dilation)
    made = convolve(d, turned, lhs_dilation, pads, strides, rhs_dilation, parts, 1, precision)
    if batch_groups > 1:
        made = np.reshape(made, (made.shape[0], batch_groups, kernel[1]) + made.shape[2:])
        made = np.reshape(np.swapaxes(made, 0, 1), shape)
    return np.astype(made, like.dtype)


def unconvolve_right(d, lhs, strides, padding, lhs_dilation, rhs_dilation, groups, batch_groups, precision, like):
    """Return the cotangent of ``rhs`` (= like) in ``convolve(lhs, rhs, ...)``."""
    from runtime import numpy as np
    if d is ZERO or lhs is ZERO:
        return ZERO
    shape = like_shape(like)
    pads = right_padding(lhs.shape[2:], shape[2:], d.shape[2:], strides, padding, lhs_dilation, rhs_dilation)
    made = convolve(np.swapaxes(lhs, 0, 1), np.swapaxes(d, 0, 1), rhs_dilation, pads, lhs_dilation, strides, batch_groups,
                    groups, precision)
    return np.astype(np.swapaxes(made, 0, 1), like.dtype)


# ---- arguments in the many forms users give them ----

@op(constant=True, unbatched=True)
def layouts(dimension_numbers, ndim):
    """Return permutations (lhs to canonical, rhs to canonical, canonical to out) of a convolution's layout."""
    if dimension_numbers is None:
        return (tuple(range(ndim)),) * 3
    if len(dimension_numbers) != 3:
        raise TypeError(f"convolution dimension_numbers must be a triple, got {dimension_numbers!r}")
    specs = []
    for spec, first, second in zip(dimension_numbers, "NON", "CIC"):
        if isinstance(spec, str):
            letters = spec[:]
            if sorted(c for c in letters if c in "NCOI") != sorted(first + second) or len(letters) != ndim:
                raise ValueError(f"convolution layout {spec!r} must have {first}, {second} and one letter for each of the "
                                 f"{ndim - 2} spatial axes")
            order = [letters.index(first), letters.index(second)]
            rhs = dimension_numbers[1]      # strides and padding follow its order of the spatial axes
            space = [c for c in (rhs if isinstance(rhs, str) else dimension_numbers[0]) if c not in "NCOI"]
            order += [letters.index(c) for c in space]
            specs.append(tuple(order))
        else:
            specs.append(tuple(spec))
    out = [0] * ndim
    for i, place in enumerate(specs[2]):
        out[place] = i
    return specs[0], specs[1], tuple(out)


@op(constant=True, unbatched=True)
def pad_pairs(padding, lhs, rhs, strides, lhs_dilation, rhs_dilation):
    """Return padding as (low, high) pairs; "SAME" keeps the size divided by the stride, "VALID" pads nothing."""
    if isinstance(padding, str):
        mode = padding.upper()
        if mode == "VALID":
            return ((0, 0),) * len(strides)
        if mode not in ("SAME", "SAME_LOWER"):
            raise ValueError(f"padding {padding!r}: use 'SAME', 'VALID', or (low, high) pairs")
        found = []
        for n, k, s, ld, rd in zip(lhs, rhs, strides, lhs_dilation, rhs_dilation):
            n, k = dilated(n, ld), dilated(k, rd)
            total = max(0, (-(-n // s) - 1) * s + k - n)
            small, large = total // 2, total - total // 2
            found.append((small, large) if mode == "SAME" else (large, small))
        return tuple(found)
    pairs = [(p, p) if isinstance(p, (int, numpy.integer)) else tuple(p) for p in padding]
    if len(pairs) != len(strides):
        raise ValueError(f"padding must have a (low, high) pair for each of the {len(strides)} spatial axes, got {padding!r}")
    return tuple([(int(lo), int(hi)) for lo, hi in pairs])


@op(constant=True, unbatched=True)
def per_axis(value, count, name):
    """Return a stride or dilation for each spatial axis; one by default."""
    if value is None:
        return (1,) * count
    found = (int(value),) * count if isinstance(value, (int, numpy.integer)) else tuple([int(v) for v in value])
    if len(found) != count:
        raise ValueError(f"{name} must have {count} entries, one for each spatial axis; got {value!r}")
    return found


@out_sharded
def conv_general_dilated(lhs, rhs, window_strides, padding, lhs_dilation=None, rhs_dilation=None, dimension_numbers=None,
                         feature_group_count=1, batch_group_count=1, precision=None, preferred_element_type=None):
    """Return the general convolution (without turning the kernel), as in XLA.

    padding: "SAME", "VALID" or (low, high) for each spatial axis. dimension_numbers: layouts such as
    ("NCHW", "OIHW", "NCHW"), the default.
    """
    from runtime import numpy as np
    count = len(like_shape(lhs)) - 2
    into_lhs, into_rhs, to_out = layouts(dimension_numbers, count + 2)
    strides = per_axis(window_strides, count, "window_strides")
    lhs_dilation, rhs_dilation = per_axis(lhs_dilation, count, "lhs_dilation"), per_axis(rhs_dilation, count, "rhs_dilation")
    x, kernel = np.transpose(lhs, into_lhs), np.transpose(rhs, into_rhs)
    pads = pad_pairs(padding, x.shape[2:], kernel.shape[2:], strides, lhs_dilation, rhs_dilation)
    made = convolve(x, kernel, strides, pads, lhs_dilation, rhs_dilation, feature_group_count, batch_group_count, precision,
                    preferred_element_type)
    return np.transpose(made, to_out)


def conv(lhs, rhs, window_strides, padding, precision=None, preferred_element_type=None):
    """Return a convolution in the NCHW, OIHW layout."""
    return conv_general_dilated(lhs, rhs, window_strides, padding, precision=precision,
                                preferred_element_type=preferred_element_type)


def conv_with_general_padding(lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation, precision=None,
                              preferred_element_type=None):
    """Return a convolution in the NCHW, OIHW layout with dilations."""
    return conv_general_dilated(lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation, precision=precision,
                                preferred_element_type=preferred_element_type)


@op(constant=True, unbatched=True)
def transpose_padding(padding, kernel, strides):
    """Return the padding of a transposed convolution, for spatial kernel sizes after dilation."""
    if not isinstance(padding, str):
        return tuple([tuple(p) for p in padding])
    found = []
    for k, s in zip(kernel, strides):
        if padding.upper() == "SAME":
            total = k + s - 2
            low = k - 1 if s > k - 1 else -(-total // 2)
        elif padding.upper() == "VALID":
            total = k + s - 2 + max(k - s, 0)
            low = k - 1
        else:
            raise ValueError(f"conv_transpose: padding {padding!r} must be 'SAME', 'VALID' or (low, high) pairs")
        found.append((low, total - low))
    return tuple(found)


@op(constant=True, unbatched=True)
def default_layout(dimension_numbers, ndim):
    """Return the layout of conv_transpose: channels last by default."""
    if dimension_numbers is not None:
        return dimension_numbers
    space = "HWD"[:ndim - 2] if ndim < 6 else ""
    return ("N" + space + "C", space + "IO", "N" + space + "C")


@op(constant=True, unbatched=True)
def spatial_axes(layout, ndim):
    """Return the spatial axes of a kernel in some layout, and where its O and I axes are."""
    order = layouts((layout[0], layout[1], layout[2]), ndim)[1]
    return order[2:], order[0], order[1]


def conv_transpose(lhs, rhs, strides, padding, rhs_dilation=None, dimension_numbers=None, transpose_kernel=False, precision=None,
                   preferred_element_type=None, use_consistent_padding=False):
    """Return the transposed ("fractionally strided") convolution, channels last by default."""
    from runtime import numpy as np
    ndim = len(like_shape(lhs))
    layout = default_layout(dimension_numbers, ndim)
    space, out_axis, in_axis = spatial_axes(layout, ndim)
    dilation = per_axis(rhs_dilation, ndim - 2, "rhs_dilation")
    steps = per_axis(strides, ndim - 2, "strides")
    kernel = tuple([(like_shape(rhs)[i] - 1) * r + 1 for i, r in zip(space, dilation)])
    pads = transpose_padding(padding, kernel, steps)
    if transpose_kernel:
        rhs = np.swapaxes(np.flip(rhs, space), out_axis, in_axis)
    return conv_general_dilated(lhs, rhs, (1,) * (ndim - 2), pads, steps, dilation, layout, precision=precision,
                                preferred_element_type=preferred_element_type)


def conv_general_dilated_patches(lhs, filter_shape, window_strides, padding, lhs_dilation=None, rhs_dilation=None,
                                 dimension_numbers=None, precision=None, preferred_element_type=None):
    """Return the patches that a convolution's windows cover, along the feature axis (features change slowest)."""
    from runtime import numpy as np
    order = layouts(dimension_numbers, len(like_shape(lhs)))
    x = np.transpose(lhs, order[0])
    size = math.prod(filter_shape)
    features = x.shape[1]
    kernel = np.tile(np.reshape(np.eye(size, dtype=x.dtype), (size, 1) + tuple(filter_shape)), (features,) + (1,) * (x.ndim - 1))
    made = conv_general_dilated(x, kernel, window_strides, padding, lhs_dilation, rhs_dilation, None, features)
    return np.transpose(made, order[2])

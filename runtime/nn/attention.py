"""Attention, and products of matrices with scaled blocks."""
from __future__ import annotations

import math

import numpy as _numpy

from runtime import lax
from runtime.cotangent import shape_of as _shape_of
from runtime.lax.ragged import unscaled as _unscaled
from runtime.nn.functions import softmax
from runtime.ops.dot import dot_general
from runtime.ops.kernel import about_types as _about_types


@_about_types
def check_attention(query, key, value, implementation):
    """Raise ValueError for shapes that do not fit together, or an unknown implementation."""
    q, k, v = _shape_of(query), _shape_of(key), _shape_of(value)
    if len(q) not in (3, 4) or len(k) != len(q) or k != v or q[-1] != k[-1] or q[:-3] != k[:-3] or not k[-2] or q[-2] % k[-2]:
        raise ValueError(f"dot_product_attention: query (B, T, N, H) and key, value (B, S, K, H) with N a multiple of K are needed, or "
                         f"all without B; got the shapes {q}, {k} and {v}")
    if implementation not in (None, "xla", "cudnn"):
        raise ValueError(f"Unsupported implementation option: {implementation}")
    return True


@_about_types
def summed_in(query):
    """Return the dtype of the scores: float32 for narrower queries."""
    from runtime.cotangent import dtype_of
    return _numpy.dtype("float32") if dtype_of(query).itemsize < 4 else dtype_of(query)


@_about_types
def window_of(local_window_size):
    """Return (left, right) of a local window."""
    return (local_window_size,) * 2 if isinstance(local_window_size, int) else tuple(local_window_size)


def attention_mask(t, s, is_causal, local_window_size):
    """Return (t, s) of what each query may attend to by its place alone."""
    from runtime import numpy as np
    rows, columns = np.expand_dims(np.arange(t), 1), np.expand_dims(np.arange(s), 0)
    allowed = np.ones((t, s), bool)
    if is_causal:
        allowed = np.logical_and(allowed, rows >= columns)
    if local_window_size is not None:
        window = window_of(local_window_size)
        allowed = np.logical_and(allowed, np.logical_and(columns >= rows - window[0], columns <= rows + window[1]))
    return allowed


def dot_product_attention(query, key, value, bias=None, mask=None, *, scale=None, is_causal=False, query_seq_lengths=None,
                          key_value_seq_lengths=None, local_window_size=None, implementation=None, return_residual=False):
    """Return softmax(query key^T * scale + bias) value, by heads; with ``return_residual`` also the logarithms of the sums, without derivative.

    query: (B, T, N, H) or (T, N, H); key, value: (B, S, K, H), N a multiple of K, whose heads serve N / K query heads each; bias and
    mask broadcast to (B, N, T, S). Where the mask is false nothing is attended to, nor beyond the diagonal for
    ``is_causal``, past ``key_value_seq_lengths`` (B,), or further than ``local_window_size`` (or (left, right)) away. Rows past
    ``query_seq_lengths`` (B,) are zero. implementation: accepted; XLA's is what runs.
    """
    from runtime import numpy as np
    check_attention(query, key, value, implementation)
    groups = np.shape(query)[-2] // np.shape(key)[-2]
    if groups > 1:
        key, value = np.repeat(key, groups, -2), np.repeat(value, groups, -2)
    scale = 1.0 / math.sqrt(np.shape(query)[-1]) if scale is None else scale
    scores = np.einsum("...tnh,...snh->...nts", query, key, preferred_element_type=summed_in(query)) * scale
    if bias is not None:
        scores = scores + bias
    t, s = np.shape(query)[-3], np.shape(key)[-3]
    low = -0.7 * float(_numpy.finfo(_numpy.float32).max)
    if mask is not None:
        scores = np.where(mask, scores, low)
    if is_causal or local_window_size is not None:
        scores = np.where(attention_mask(t, s, is_causal, local_window_size), scores, low)
    if key_value_seq_lengths is not None:
        inside = np.arange(s) < np.reshape(key_value_seq_lengths, (-1, 1, 1, 1))
        scores = np.where(np.reshape(inside, np.shape(inside)[-np.ndim(scores):]), scores, low)
    out = np.einsum("...nts,...snh->...tnh", np.astype(softmax(scores), value.dtype), value)
    if query_seq_lengths is not None:
        inside = np.arange(t) < np.reshape(query_seq_lengths, (-1, 1))
        inside = np.reshape(inside, np.shape(out)[:-2] + (1, 1))
        out = np.where(inside, out, 0)
    if not return_residual:
        return out
    from runtime.nn.functions import logsumexp
    return out, lax.stop_gradient(np.swapaxes(logsumexp(scores, axis=-1), -1, -2))


@_about_types
def check_scaled(lhs, rhs, lhs_scales, rhs_scales):
    """Raise ValueError for shapes that scaled_matmul does not take."""
    shapes = [_shape_of(x) for x in (lhs, rhs, lhs_scales, rhs_scales)]
    a, b, sa, sb = shapes
    if any(len(s) != 3 for s in shapes) or a[0] != b[0] or a[2] != b[2] or sa[:2] != a[:2] or sb[:2] != b[:2] or sa[2] != sb[2]:
        raise ValueError(f"scaled_matmul: lhs (B, M, K), rhs (B, N, K), and scales (B, M, K / block) and (B, N, K / block) are needed; got "
                         f"the shapes {', '.join(map(str, shapes))}")
    return True


def scaled_matmul(lhs, rhs, lhs_scales, rhs_scales, preferred_element_type="float32"):
    """Return (B, M, N): lhs (B, M, K) times the transpose of rhs (B, N, K), each block of whose last axis has a scale.

    lhs_scales, rhs_scales: (B, M, K / block), (B, N, K / block). Sums are taken in float32. ValueError for other shapes.
    """
    from runtime import numpy as np
    check_scaled(lhs, rhs, lhs_scales, rhs_scales)
    a, b = _unscaled(lhs, lhs_scales, "float32", "lhs_scales"), _unscaled(rhs, rhs_scales, "float32", "rhs_scales")
    return np.astype(dot_general(a, b, (((2,), (2,)), ((0,), (0,)))), preferred_element_type)

"""Sums, products and extrema of segments of an array's rows, under the names of jax.ops."""
from __future__ import annotations

import numpy

from runtime.ops.constrain import out_sharded
from runtime.op import op
from runtime.ops.kernel import about_types
from runtime.types import aval_of, kind


@op(constant=True, unbatched=True, batch=lambda segment_ids, num_segments, over=(): segment_count(segment_ids, num_segments))
def segment_count(segment_ids, num_segments):
    """Return the number of segments as a Python integer: the largest of concrete ids, plus one, where it is not given."""
    if num_segments is None:
        ids = numpy.asarray(segment_ids)
        return int(ids.max()) + 1 if ids.size else 0
    if int(num_segments) < 0:
        raise ValueError(f"num_segments must be non-negative, got {num_segments}")
    return int(num_segments)


@about_types
def least_number(data):
    """Return the smallest value of an array's dtype, infinite for floats."""
    dtype = aval_of(data).dtype
    return -numpy.inf if kind(dtype) in "fc" else False if kind(dtype) == "b" else int(numpy.iinfo(dtype).min)


@about_types
def greatest_number(data):
    """Return the largest value of an array's dtype, infinite for floats."""
    dtype = aval_of(data).dtype
    return numpy.inf if kind(dtype) in "fc" else True if kind(dtype) == "b" else int(numpy.iinfo(dtype).max)


@about_types
def buckets(segment_ids, bucket_size):
    """Return the bounds of the groups of rows that are reduced first: one group without ``bucket_size``."""
    count = aval_of(segment_ids).shape[0]
    size = count if bucket_size is None else int(bucket_size)
    return [(start, min(start + size, count)) for start in range(0, count, max(size, 1))] or [(0, 0)]


@about_types
def without_rows(data):
    """Tell whether an array has no rows: it is then the row of every id."""
    return aval_of(data).shape == ()


def _dropping(segment_ids, count):
    """Move negative ids out of range: like all other ids there, they belong to no segment."""
    from runtime import numpy as np
    return np.where(segment_ids < 0, count, segment_ids)


@out_sharded
def segment_sum(data, segment_ids, num_segments=None, indices_are_sorted=False, unique_indices=False, bucket_size=None, mode=None):
    """Return the sums of the rows of ``data`` that have the same id; zero for a segment without rows.

    segment_ids: integers along data's leading axis; ids out of range are dropped. num_segments: the size of the result's leading
    axis, needed where ids are not concrete. bucket_size: sum groups of so many rows first, for accuracy.
    """
    from runtime import numpy as np
    count = segment_count(segment_ids, num_segments)
    data, ids = np.asarray(data), _dropping(np.asarray(segment_ids), count)
    out = np.zeros((count,) + data.shape[1:], data.dtype)
    if without_rows(data):
        return out.at[ids].add(data)
    parts = [out.at[ids[start:stop]].add(data[start:stop]) for start, stop in buckets(segment_ids, bucket_size)]
    return np.sum(np.stack(parts), axis=0, dtype=data.dtype) if len(parts) > 1 else parts[0]


@out_sharded
def segment_prod(data, segment_ids, num_segments=None, indices_are_sorted=False, unique_indices=False, bucket_size=None, mode=None):
    """Return the products of the rows of ``data`` that have the same id; one for a segment without rows. See segment_sum."""
    from runtime import numpy as np
    count = segment_count(segment_ids, num_segments)
    data, ids = np.asarray(data), _dropping(np.asarray(segment_ids), count)
    out = np.ones((count,) + data.shape[1:], data.dtype)
    if without_rows(data):
        return out.at[ids].multiply(data)
    parts = [out.at[ids[start:stop]].multiply(data[start:stop]) for start, stop in buckets(segment_ids, bucket_size)]
    return np.prod(np.stack(parts), axis=0, dtype=data.dtype) if len(parts) > 1 else parts[0]


@out_sharded
def segment_max(data, segment_ids, num_segments=None, indices_are_sorted=False, unique_indices=False, bucket_size=None, mode=None):
    """Return the largest elements of the rows of ``data`` that have the same id; -inf (the least integer) without rows."""
    from runtime import numpy as np
    count = segment_count(segment_ids, num_segments)
    data, ids = np.asarray(data), _dropping(np.asarray(segment_ids), count)
    out = np.full((count,) + data.shape[1:], least_number(data), data.dtype)
    if without_rows(data):
        return out.at[ids].max(data)
    parts = [out.at[ids[start:stop]].max(data[start:stop]) for start, stop in buckets(segment_ids, bucket_size)]
    return np.max(np.stack(parts), axis=0) if len(parts) > 1 else parts[0]


@out_sharded
def segment_min(data, segment_ids, num_segments=None, indices_are_sorted=False, unique_indices=False, bucket_size=None, mode=None):
    """Return the smallest elements of the rows of ``data`` that have the same id; inf (the largest integer) without rows."""
    from runtime import numpy as np
    count = segment_count(segment_ids, num_segments)
    data, ids = np.asarray(data), _dropping(np.asarray(segment_ids), count)
    out = np.full((count,) + data.shape[1:], greatest_number(data), data.dtype)
    if without_rows(data):
        return out.at[ids].min(data)
    parts = [out.at[ids[start:stop]].min(data[start:stop]) for start, stop in buckets(segment_ids, bucket_size)]
    return np.min(np.stack(parts), axis=0) if len(parts) > 1 else parts[0]

"""Pytrees as vectors, under the names of jax.flatten_util."""
from runtime.trees import leaves_of as _leaves_of
from runtime.trees import tree_build as _tree_build


def ravel_pytree(pytree):
    """Return (vector of all the elements of a pytree's arrays, function that makes such a pytree of a vector).

    The vector has the dtype to which those of the arrays promote; the arrays of the unraveled tree have their own.
    """
    from runtime import numpy as np
    leaves = _leaves_of(pytree)
    likes = [np.zeros(np.shape(leaf), np.asarray(leaf).dtype) for leaf in leaves]
    shell = _tree_build(likes, pytree)
    vector = np.concatenate([np.ravel(np.asarray(leaf)) for leaf in leaves]) if leaves else np.zeros(0)
    return vector, lambda flat: unravel(likes, shell, flat)


def unravel(likes, tree, vector):
    """Return a vector's elements as a pytree like ``tree``, whose arrays are like ``likes``."""
    from runtime import numpy as np
    total = sum([like.size for like in likes])
    if np.shape(vector) != (total,):
        raise ValueError(f"unravel: the tree has {total} elements, but got an array of shape {np.shape(vector)}")
    leaves = []
    start = 0
    for like in likes:
        leaves.append(np.astype(np.reshape(vector[start:start + like.size], like.shape), like.dtype))
        start = start + like.size
    return _tree_build(leaves, tree)

"""Products of matrices and tensors: everything is ``contract``, a product of two arrays under an index specification.

``contract(a, b, "ij,jk->ik")`` is the matrix product. The cotangents of its operands are contractions too, with the
specification turned around; a batch is one more index.
"""
from __future__ import annotations

import functools
import operator
import string


from runtime.ops.constrain import out_sharded, placed
from runtime.config import config
from runtime.op import op
from runtime.ops.axes import axis_index
from runtime.ops.kernel import about_types, no_out
from runtime.ops.reduce import emit_reduce, example_like
from runtime.ops.shape import like_shape
from runtime.primitive import Primitive, as_operand
from runtime.types import aval, canonical_dtype, kind, promote_avals
from runtime.zero import Like

LETTERS = string.ascii_lowercase + string.ascii_uppercase


@functools.lru_cache(maxsize=4096)
def split_spec(spec: str) -> tuple[str, str, str]:
    """Return the indices of both operands and of the result."""
    operands, out = spec.split("->")
    a, b = operands.split(",")
    return a, b, out


def _sizes(spec, x, y):
    a, b, out = split_spec(spec)
    if len(a) != x.ndim or len(b) != y.ndim:
        raise TypeError(f"contract: operands of shapes {x.shape} and {y.shape} do not have the indices of {spec!r}")
    sizes = dict(zip(a, x.shape))
    for letter, n in zip(b, y.shape):
        if sizes.setdefault(letter, n) != n:
            raise TypeError("dot_general requires contracting dimensions to have the same shape, and batch dimensions too; "
                            f"got operands of shapes {x.shape} and {y.shape} for {spec!r}")
    return sizes


def _contract_infer(x, y, *, spec, precision, preferred):
    sizes = _sizes(spec, x, y)
    dtype, weak = promote_avals(x, y)
    if preferred is not None:
        dtype, weak = preferred, False
    return aval(tuple([sizes[letter] for letter in split_spec(spec)[2]]), dtype, weak)


def _contract_emit(block, operands, out_avals, *, spec, precision, preferred):
    of = out_avals[0]
    dtype = promote_avals(*[v.aval for v in operands])[0]
    x, y = [block.convert(v, v.aval.with_dtype(dtype)) for v in operands]
    a, b, out = split_spec(spec)
    sizes = {**dict(zip(a, x.aval.shape)), **dict(zip(b, y.aval.shape))}
    shared = [letter for letter in a if letter in b and letter in out]
    summed = [letter for letter in a if letter in b and letter not in out]
    if not summed or kind(dtype) == "b":
        return _outer_emit(block, x, y, a, b, out, "".join(summed), sizes, of)
    free = [letter for letter in a if letter not in b] + [letter for letter in b if letter not in a]
    order = "".join(shared + free)
    result = block.op("dot_general", [x, y], aval(tuple([sizes[letter] for letter in order]), of.dtype), {
        "dot_dimension_numbers": _dimension_numbers([a.index(c) for c in shared], [b.index(c) for c in shared],
                                                    [a.index(c) for c in summed], [b.index(c) for c in summed]),
        "precision_config": "[{0}, {0}]".format(f"#stablehlo<precision {precision_name(precision)}>")})
    if order == out:
        return result
    return block.op("transpose", [result], of, {"permutation": tuple([order.index(c) for c in out])})


def _outer_emit(block, x, y, a, b, out, summed, sizes, of):
    """A product without a sum, or of bools: broadcast, multiply, and reduce over what is summed."""
    whole = out + summed
    shape = tuple([sizes[c] for c in whole])
    values = []
    for value, letters in ((x, a), (y, b)):
        order = sorted(range(len(letters)), key=lambda i: whole.index(letters[i]))
        if order != list(range(len(letters))):
            value = block.op("transpose", [value], value.aval.with_shape(tuple([value.aval.shape[i] for i in order])),
                             {"permutation": tuple(order)})
        values.append(block.broadcast(value, shape, tuple([whole.index(letters[i]) for i in order])))
    how = "and" if kind(x.aval.dtype) == "b" else "multiply"
    product = block.op(how, values, values[0].aval)
    product = emit_reduce(block, "add", product, tuple(range(len(out), len(whole))))
    return block.convert(product, product.aval.with_dtype(of.dtype))


def _dimension_numbers(batch_a, batch_b, sum_a, sum_b):
    return ("#stablehlo.dot<" + ", ".join(f"{name} = {found}" for name, found in (
        ("lhs_batching_dimensions", batch_a), ("rhs_batching_dimensions", batch_b),
        ("lhs_contracting_dimensions", sum_a), ("rhs_contracting_dimensions", sum_b)) if found) + ">")


_PRECISIONS = {None: "DEFAULT", "default": "DEFAULT", "fastest": "DEFAULT", "bfloat16": "DEFAULT", "high": "HIGH",
               "bfloat16_3x": "HIGH", "tensorfloat32": "HIGH", "highest": "HIGHEST", "float32": "HIGHEST"}


def precision_name(precision) -> str:
    """Return XLA's name of a precision given as a string, an enum member or None."""
    if precision is None:
        precision = config.default_matmul_precision
    name = getattr(precision, "name", precision)
    found = _PRECISIONS.get(name.lower() if isinstance(name, str) else name)
    if found is None:
        raise ValueError(f"precision {precision!r}: use None, 'default', 'high' or 'highest'")
    return found


_contract = Primitive("dot_general", _contract_infer, _contract_emit)


def contract_batched(a, b, spec, precision=None, preferred=None, over=()):
    """Contract every example: one more index for the batch."""
    return contract(a, b, batched_spec(spec, "a" in over, "b" in over), precision, preferred)


@op(constant=True, unbatched=True)
def batched_spec(spec, first, second):
    """Return a specification with a batch index in front of the result and of those operands that have it."""
    a, b, out = split_spec(spec)
    letter = next(c for c in LETTERS if c not in spec)
    return f"{letter * bool(first)}{a},{letter * bool(second)}{b}->{letter}{out}"


@op(bilinear=("a", "b"), vjp={"a": "rt.contract(d_out, b, rt.turned_left(spec), precision)",
                              "b": "rt.contract(d_out, a, rt.turned_right(spec), precision)"}, batch=contract_batched)
def contract(a, b, spec, precision=None, preferred=None):
    """Return the product of two arrays, summed over the indices that the result lacks, as in "ij,jk->ik".

    Every index occurs once in an operand, and in the other operand or the result.
    """
    return _contract(a, b, spec=spec, precision=precision, preferred=preferred)


@op(constant=True, unbatched=True)
def turned_left(spec):
    """Return the specification of the left operand's cotangent: of the result's cotangent with the right operand."""
    a, b, out = split_spec(spec)
    return f"{out},{b}->{a}"


@op(constant=True, unbatched=True)
def turned_right(spec):
    """Return the specification of the right operand's cotangent: of the result's cotangent with the left operand."""
    a, b, out = split_spec(spec)
    return f"{out},{a}->{b}"


# ---- dot ----

@functools.lru_cache(maxsize=4096)
def dot_plan(a: tuple, b: tuple):
    """Return the specification, operand shapes and result shape of NumPy's dot for operands of two shapes."""
    ia, ib = LETTERS[:len(a)], LETTERS[len(a):len(a) + len(b)]
    if not a or not b:
        return f"{ia},{ib}->{ia}{ib}", a, b, a + b
    place = max(len(b) - 2, 0)
    if a[-1] != b[place]:
        raise TypeError(f"dot_general requires contracting dimensions to have the same shape, got ({a[-1]},) and "
                        f"({b[place]},): dot of shapes {a} and {b}")
    ib = ib[:place] + ia[-1] + ib[place + 1:]
    out = ia[:-1] + ib.replace(ia[-1], "")
    return f"{ia},{ib}->{out}", a, b, a[:-1] + b[:place] + b[place + 1:]


@functools.lru_cache(maxsize=4096)
def matmul_plan(a: tuple, b: tuple):
    """Return the same for matmul: leading axes are broadcast, those of size 1 dropped from the contraction."""
    if not a or not b:
        raise ValueError(f"matmul: arguments must be at least 1-dimensional, got shapes {a} and {b}; use multiply for scalars")
    place = max(len(b) - 2, 0)
    if a[-1] != b[place]:
        raise TypeError(f"dot_general requires contracting dimensions to have the same shape, got ({a[-1]},) and "
                        f"({b[place]},): matmul of shapes {a} and {b}")
    front_a, front_b = a[:-2], b[:-2]
    count = max(len(front_a), len(front_b))
    free = iter(LETTERS)
    row, column, inner = next(free), next(free), next(free)
    la, lb, lo, shape_a, shape_b, out = "", "", "", [], [], []
    for i in range(-count, 0):
        n = front_a[i] if len(front_a) >= -i else None
        m = front_b[i] if len(front_b) >= -i else None
        if n not in (None, 1) and m not in (None, 1) and n != m:
            raise TypeError(f"matmul: incompatible leading axes of shapes {a} and {b}; sizes must be equal, or 1")
        letter = next(free)
        in_a, in_b = n is not None and n != 1, m is not None and m != 1
        if in_a:
            la += letter
            shape_a.append(n)
        if in_b:
            lb += letter
            shape_b.append(m)
        if in_a or in_b:
            lo += letter
        out.append(n if in_a else m if in_b else 1)
    la, shape_a = la + (row if len(a) > 1 else "") + inner, tuple(shape_a) + a[-2:]
    lb, shape_b = lb + inner + (column if len(b) > 1 else ""), tuple(shape_b) + b[-2:]
    lo += (row if len(a) > 1 else "") + (column if len(b) > 1 else "")
    out = tuple(out) + (a[-2:-1] if len(a) > 1 else ()) + (b[-1:] if len(b) > 1 else ())
    return f"{la},{lb}->{lo}", shape_a, shape_b, out


@op(constant=True, unbatched=True)
def plan_of(name, a, b):
    """Return the contraction (specification, operand shapes, result shape) that dot or matmul performs."""
    return (dot_plan if name == "dot" else matmul_plan)(tuple(a), tuple(b))


def _product(name, a, b, precision, preferred):
    a, b = as_operand(a, name), as_operand(b, name)
    spec, shape_a, shape_b, out = (dot_plan if name == "dot" else matmul_plan)(a.shape, b.shape)
    preferred = None if preferred is None else canonical_dtype(preferred)
    if a.shape != shape_a or b.shape != shape_b:
        from runtime.ops.shape import reshape
        a, b = reshape(a, shape_a), reshape(b, shape_b)
        return reshape(_contract(a, b, spec=spec, precision=precision, preferred=preferred), out)
    made = _contract(a, b, spec=spec, precision=precision, preferred=preferred)
    if made.shape != out:
        from runtime.ops.shape import reshape
        made = reshape(made, out)
    return made


def product_batched(name, a, b, precision, preferred, over):
    """Multiply every example."""
    from runtime import numpy as np
    inner_a = a.shape[1:] if "a" in over else a.shape
    inner_b = b.shape[1:] if "b" in over else b.shape
    plan = plan_of(name, inner_a, inner_b)
    a = np.reshape(a, (a.shape[:1] if "a" in over else ()) + plan[1])
    b = np.reshape(b, (b.shape[:1] if "b" in over else ()) + plan[2])
    made = contract_batched(a, b, plan[0], precision, preferred, over)
    return np.reshape(made, made.shape[:1] + plan[3])


def dot_batched(a, b, precision=None, preferred_element_type=None, out_sharding=None, over=()):
    """Multiply every example."""
    return product_batched("dot", a, b, precision, preferred_element_type, over)


@op(bilinear=("a", "b"), vjp={"a": "rt.undot_left(d_out, b, like=a, precision=precision)",
                              "b": "rt.undot_right(d_out, a, like=b, precision=precision)"}, absorbs=True, batch=dot_batched)
def dot(a, b, *, precision=None, preferred_element_type=None, out_sharding=None):
    """Return the dot product: of vectors a number, of matrices their product; in general the sum over the last axis of
    ``a`` and the last but one of ``b``. With a scalar, the product.

    TypeError when the summed sizes differ.
    """
    made = _product("dot", a, b, precision, preferred_element_type)
    return made if out_sharding is None else placed(made, out_sharding)


def matmul_batched(a, b, precision=None, preferred_element_type=None, out_sharding=None, over=()):
    """Multiply every example."""
    return product_batched("matmul", a, b, precision, preferred_element_type, over)


@op(bilinear=("a", "b"), vjp={"a": "rt.unmatmul_left(d_out, b, like=a, precision=precision)",
                              "b": "rt.unmatmul_right(d_out, a, like=b, precision=precision)"}, absorbs=True,
    batch=matmul_batched)
def matmul(a, b, *, precision=None, preferred_element_type=None, out_sharding=None):
    """Return the matrix product over the last two axes; the axes before them are broadcast. Vectors are rows or columns.

    TypeError when the summed sizes differ, ValueError for scalars.
    """
    made = _product("matmul", a, b, precision, preferred_element_type)
    return made if out_sharding is None else placed(made, out_sharding)


def _unproduct(name, d, other, like, left, precision):
    from runtime.cotangent import dtype_of, shape_of, unbroadcast
    from runtime.ops.shape import reshape
    shape, own, dtype = like_shape(other), like_shape(like), dtype_of(like)
    spec, shape_a, shape_b, out = (dot_plan if name == "dot" else matmul_plan)(*((own, shape) if left else (shape, own)))
    if shape_of(d) != out:
        d = unbroadcast(d, Like(out, dtype_of(d)))
    sizes = _letters(spec, shape_a, shape_b)
    d = reshape(d, tuple([sizes[c] for c in split_spec(spec)[2]]))
    other = reshape(other, shape_b if left else shape_a)
    turned = turned_left(spec) if left else turned_right(spec)
    made = reshape(_contract(d, other, spec=turned, precision=precision, preferred=None), own)
    return made if made.dtype == dtype or kind(dtype) in "biu" else _fitted(made, dtype)


def _fitted(made, dtype):
    from runtime.ops.create import astype
    from runtime.ops.elementwise import real
    return astype(real(made) if kind(made.dtype) == "c" and kind(dtype) != "c" else made, dtype)


def _letters(spec, shape_a, shape_b):
    a, b, _ = split_spec(spec)
    return {**dict(zip(a, shape_a)), **dict(zip(b, shape_b))}


@op(constant=True, unbatched=True)
def result_sizes(plan):
    """Return the shape of a contraction's result before it gets back its axes of size 1."""
    sizes = _letters(plan[0], plan[1], plan[2])
    return tuple([sizes[c] for c in split_spec(plan[0])[2]])


def unproduct_batched(name, d, other, like, left, precision, over):
    """Take the cotangent of one factor for every example."""
    from runtime import numpy as np
    from runtime.cotangent import unbroadcast
    inner = example_like(like, over)
    shape = other.shape[1:] if "other" in over else other.shape
    plan = plan_of(name, inner.shape, shape) if left else plan_of(name, shape, inner.shape)
    lead = 1 if "d" in over else 0
    front = d.shape[:lead]
    d = np.reshape(unbroadcast(d, Like(plan[3], d.dtype), lead), front + result_sizes(plan))
    other = np.reshape(other, (other.shape[:1] if "other" in over else ()) + (plan[2] if left else plan[1]))
    spec = turned_left(plan[0]) if left else turned_right(plan[0])
    made = contract(d, other, batched_spec(spec, "d" in over, "other" in over), precision)
    if drops_imaginary(made, inner):
        made = np.real(made)
    return np.reshape(made, made.shape[:1] + inner.shape)


@about_types
def drops_imaginary(x, like):
    """Tell whether the cotangent of a real array is complex and keeps its real part only."""
    return kind(x.dtype) == "c" and kind(like.dtype) == "f"


def undot_left_batched(d, b, like, precision=None, over=()):
    """Take the left factor's cotangent for every example."""
    return unproduct_batched("dot", d, b, like, True, precision, renamed(over, "b"))


def undot_right_batched(d, a, like, precision=None, over=()):
    """Take the right factor's cotangent for every example."""
    return unproduct_batched("dot", d, a, like, False, precision, renamed(over, "a"))


def unmatmul_left_batched(d, b, like, precision=None, over=()):
    """Take the left factor's cotangent for every example."""
    return unproduct_batched("matmul", d, b, like, True, precision, renamed(over, "b"))


def unmatmul_right_batched(d, a, like, precision=None, over=()):
    """Take the right factor's cotangent for every example."""
    return unproduct_batched("matmul", d, a, like, False, precision, renamed(over, "a"))


@op(constant=True, unbatched=True)
def renamed(over, factor):
    """Return the batched parameters with the factor under its general name."""
    return tuple(["other" if name == factor else name for name in over])


@op(bilinear=("d", "b"), vjp={"d": "rt.broadcast_like(np.dot(d_out, b), like=d)", "b": "rt.undot_right(d, d_out, like=b)"},
    batch=undot_left_batched)
def undot_left(d, b, like, precision=None):
    """Return the cotangent of ``a`` (= like) in dot(a, b); ``d`` may be broadcast beyond the product's shape."""
    return _unproduct("dot", d, b, like, True, precision)


@op(bilinear=("d", "a"), vjp={"d": "rt.broadcast_like(np.dot(a, d_out), like=d)", "a": "rt.undot_left(d, d_out, like=a)"},
    batch=undot_right_batched)
def undot_right(d, a, like, precision=None):
    """Return the cotangent of ``b`` (= like) in dot(a, b); ``d`` may be broadcast beyond the product's shape."""
    return _unproduct("dot", d, a, like, False, precision)


@op(bilinear=("d", "b"), vjp={"d": "rt.broadcast_like(np.matmul(d_out, b), like=d)",
                              "b": "rt.unmatmul_right(d, d_out, like=b)"}, batch=unmatmul_left_batched)
def unmatmul_left(d, b, like, precision=None):
    """Return the cotangent of ``a`` (= like) in a @ b; ``d`` may be broadcast beyond the product's shape."""
    return _unproduct("matmul", d, b, like, True, precision)


@op(bilinear=("d", "a"), vjp={"d": "rt.broadcast_like(np.matmul(a, d_out), like=d)",
                              "a": "rt.unmatmul_left(d, d_out, like=a)"}, batch=unmatmul_right_batched)
def unmatmul_right(d, a, like, precision=None):
    """Return the cotangent of ``b`` (= like) in a @ b; ``d`` may be broadcast beyond the product's shape."""
    return _unproduct("matmul", d, a, like, False, precision)


# ---- the rest of the family: plain Python over contract ----

@op(constant=True, unbatched=True)
def tensordot_spec(a, b, axes):
    """Return the specification of a tensordot of arrays of two shapes."""
    if isinstance(axes, (tuple, list, range)):
        first, second = (x if isinstance(x, (tuple, list)) else (x,) for x in axes)
        first, second = [axis_index(i, len(a)) for i in first], [axis_index(i, len(b)) for i in second]
    else:
        count = operator.index(axes)
        if count > min(len(a), len(b)):
            raise TypeError(f"Number of tensordot axes (axes {axes}) exceeds input ranks ({a} and {b})")
        first, second = range(len(a) - count, len(a)), range(count)
    if len(list(first)) != len(list(second)):
        raise TypeError(f"tensordot requires axes lists to have equal length, got {axes}")
    ia, ib = LETTERS[:len(a)], list(LETTERS[len(a):len(a) + len(b)])
    for i, j in zip(first, second):
        if a[i] != b[j]:
            raise TypeError(f"tensordot: axes {i} and {j} of shapes {a} and {b} have different sizes")
        ib[j] = ia[i]
    out = "".join([c for c in ia if c not in ib] + [c for c in ib if c not in ia])
    return f"{ia},{''.join(ib)}->{out}"


@out_sharded
def tensordot(a, b, axes=2, *, precision=None, preferred_element_type=None):
    """Return the sum of products over ``axes``: the last n of ``a`` with the first n of ``b``, or two lists of axes."""
    return contract(a, b, tensordot_spec(like_shape(a), like_shape(b), axes), precision, preferred_element_type)


def inner(a, b, *, precision=None, preferred_element_type=None):
    """Return the sum of products over the last axes of both arrays; with a scalar, the product."""
    if like_shape(a) == () or like_shape(b) == ():
        from runtime import numpy as np
        return np.multiply(a, b)
    return tensordot(a, b, (-1, -1), precision=precision, preferred_element_type=preferred_element_type)


def outer(a, b, out=None):
    """Return the products of every element of ``a`` with every element of ``b``, as a matrix."""
    if out is not None:
        no_out("outer", out)
    from runtime import numpy as np
    return contract(np.ravel(a), np.ravel(b), "i,j->ij")


def vdot(a, b, *, precision=None, preferred_element_type=None):
    """Return the dot product of two flattened arrays, the first conjugated."""
    from runtime import numpy as np
    return np.dot(np.conjugate(np.ravel(a)), np.ravel(b), precision=precision, preferred_element_type=preferred_element_type)


def vecdot(x1, x2, /, *, axis=-1, precision=None, preferred_element_type=None):
    """Return the dot products of vectors along an axis, the first conjugated; other axes are broadcast."""
    from runtime import numpy as np
    first, second = np.moveaxis(np.conjugate(x1), axis, -1), np.moveaxis(x2, axis, -1)
    product = np.matmul(np.expand_dims(first, -2), np.expand_dims(second, -1), precision=precision)
    return np.reshape(product, product.shape[:-2])


def matvec(x1, x2, /):
    """Return the products of matrices with vectors; leading axes are broadcast."""
    from runtime import numpy as np
    return np.squeeze(np.matmul(x1, np.expand_dims(x2, -1)), -1)


def vecmat(x1, x2, /):
    """Return the products of (conjugated) vectors with matrices; leading axes are broadcast."""
    from runtime import numpy as np
    return np.squeeze(np.matmul(np.expand_dims(np.conjugate(x1), -2), x2), -2)


@op(constant=True, unbatched=True)
def general_spec(dimension_numbers, a, b):
    """Return the specification of lax.dot_general: batch axes first, then the free ones of both operands."""
    (sum_a, sum_b), (batch_a, batch_b) = dimension_numbers
    letters = iter(LETTERS)
    ia, ib = [None] * len(a), [None] * len(b)
    out = ""
    for i, j in zip(batch_a, batch_b, strict=True):
        ia[i] = ib[j] = next(letters)
        out += ia[i]
    for i, j in zip(sum_a, sum_b, strict=True):
        ia[i] = ib[j] = next(letters)
    for side in (ia, ib):
        for i, letter in enumerate(side):
            if letter is None:
                side[i] = next(letters)
                out += side[i]
    return f"{''.join(ia)},{''.join(ib)}->{out}"


@out_sharded
def dot_general(lhs, rhs, dimension_numbers, precision=None, preferred_element_type=None):
    """Return the general product ``((summed of lhs, of rhs), (batch of lhs, of rhs))`` of two arrays."""
    return contract(lhs, rhs, general_spec(dimension_numbers, like_shape(lhs), like_shape(rhs)), precision,
                    preferred_element_type)

"""Calls of Python functions from computations: at once when eager, by XLA's callback mechanism in staged programs.

A staged program holds a custom call with the number of a Python function; the functions are given when it is compiled.
"""
from __future__ import annotations

import numpy as np

from runtime.array import Array
from runtime.device import default_backend
from runtime.hlo import tracing
from runtime.mesh import bound
from runtime.op import op
from runtime.ops.collective import index_value
from runtime.primitive import as_operand, lift_array, user_location
from runtime.stage import ShapeDtypeStruct
from runtime.tree import tree_flatten, tree_leaves, tree_map, tree_unflatten
from runtime.types import KEY, Aval, aval, aval_of, canonical_dtype, dtype_name

TARGETS = {"cpu": '"xla_ffi_python_cpu_callback"'}
PARTITIONED = {"cpu": '"xla_ffi_partitioned_python_cpu_callback"'}  # called by every device with its part of the operands
_TOKEN = aval((), np.int32)
_REPLICA = aval((), np.uint32)


def call_python(name: str, function, operands: list, out_avals: list[Aval], effects: bool, ordered: bool = False,
                sharding=None, partitioned: bool = False) -> list[Array]:
    """Call ``function(*numpy arrays) -> sequence of values``, now or, while staging, whenever the program runs.

    effects: the call happens even if nothing reads its results. ordered: not before the previous ordered one has returned.
    In a program over several devices, pmap and shard_map call from every device with what it has; elsewhere the first device
    (or that of ``sharding``) calls with the whole values, or (``partitioned``) every device with its parts of them.
    ValueError where a value has not the type that ``out_avals`` promises.
    """
    arrays = [as_operand(x, name) for x in operands]
    if any(a.dtype == KEY for a in arrays):
        raise TypeError(f"{name}: keys have no form in NumPy; pass random.key_data(key)")
    if tracing.block is None:
        values = checked(name, function(*[np.asarray(a) for a in arrays]), out_avals)
        return [as_operand(value, name) for value in values]
    return _stage(name, function, arrays, out_avals, effects, ordered, sharding, partitioned)


def checked(name: str, values, out_avals) -> list[np.ndarray]:
    """Return the values of a callback as arrays of exactly the promised types, for XLA would read others as garbage.

    Types of 64 bits are narrowed as those of arrays are.
    """
    made = [np.asarray(value) for value in values]
    made = [value.astype(canonical_dtype(value.dtype)) if value.dtype.kind in "iufc" else value for value in made]
    if len(made) != len(out_avals):
        raise ValueError(f"{name}: the callback returned {len(made)} arrays, result_shape_dtypes has {len(out_avals)}")
    for value, of in zip(made, out_avals):
        if value.shape != of.shape:
            raise ValueError(f"{name}: the callback returned an array of shape {value.shape} where result_shape_dtypes says {of.shape}")
        if value.dtype != of.dtype:
            raise ValueError(f"{name}: the callback returned an array of dtype {dtype_name(value.dtype)} where result_shape_dtypes "
                             f"says {dtype_name(of.dtype)}; cast it in the callback")
    return made


def _stage(name, function, arrays, out_avals, effects, ordered, sharding, partitioned):
    block = tracing.block
    module = block.module
    platform = default_backend()
    if platform not in TARGETS:
        raise NotImplementedError(f"{name} in a staged program is available on CPU only, not on {platform}; call it outside jit")
    if ordered and bound.active:
        raise ValueError(f"{name}: ordered=True inside pmap or shard_map is not available: devices have no order among each "
                         "other; leave ordered out")
    values = [lift_array(block, a) for a in arrays]
    count, outs, once = len(values), list(out_avals), effects and (not bound.active or bool(bound.automatic))
    if once and out_avals:
        if bound.active:
            raise NotImplementedError(f"{name} inside a shard_map that is not over all axes, and returning values, is not available: "
                                      f"devices along {', '.join(bound.automatic)} would all call it; name them in axis_names")
        module.facts["once"] = name     # see runtime.parallel: replicas cannot share what one of them was told
    elif once:  # devices that do the same tell it once
        alike = tuple(axis for axis in bound.active[0].mesh.axes if axis.name in bound.automatic) if bound.active else ()
        values.append(index_value(block, alike) if alike else block.op("replica_id", [], _REPLICA))
    if ordered:
        values.append(_after(block, name))
        outs.append(_TOKEN)

    def called(*args):
        given = args[:count]
        silent = once and not out_avals and args[count] != 0
        made = [] if silent else checked(name, function(*[np.array(a) for a in given]), out_avals)  # XLA takes the memory back
        return (*made, np.int32(0)) if ordered else tuple(made)
    called.blank = lambda: tuple([np.zeros(of.shape, of.dtype) for of in outs])
    callbacks = module.facts.setdefault("callbacks", [])
    callbacks.append(called)
    block.location = user_location()
    results = block.op("custom_call", values, outs, {
        "call_target_name": (PARTITIONED if partitioned else TARGETS)[platform], "has_side_effect": effects,
        "api_version": "4 : i32", "backend_config": f"{{index = {len(callbacks) - 1} : ui64}}", **_devices(name, module, sharding),
        "operand_layouts": _layouts([v.aval for v in values]), "result_layouts": _layouts(outs)})
    if ordered:
        module.facts["ordered"] = results.pop()
    if not bound.active:    # what one device was told all shall have
        results = [block.op("custom_call", [r], r.aval, {"call_target_name": '"Sharding"', "mhlo.sharding": '"{replicated}"'})
                   for r in results]
    return [Array(r) for r in results]


def _devices(name: str, module, sharding) -> dict:
    """Return the attributes that say which devices of the program call."""
    if bound.active:
        if not bound.active[0].mesh.partitioned:
            return {}   # each replica, with its own
        return {"mhlo.sharding": '"{manual}"'}
    if sharding is not None and len(sharding._device_assignment) != 1:
        raise NotImplementedError(f"{name}: sharding={sharding} must be a SingleDeviceSharding, of the device that calls")

    def fill():
        if sharding is None:
            return "0"
        device, devices = sharding._device_assignment[0], module.facts.get("assignment", sharding._device_assignment)
        if device not in devices:
            raise ValueError(f"{name}: the device of sharding={sharding} is not among those of the program, "
                             f"{[d.id for d in devices]}")
        return str(devices.index(device))
    return {"mhlo.sharding": f'"{{maximal device={module.marker(fill)}}}"'}


def _layouts(avals) -> str:
    return f"[{', '.join(_layout(of.ndim) for of in avals)}]"


def _layout(ndim: int) -> str:
    axes = ", ".join(str(n) for n in reversed(range(ndim)))
    return f"dense<[{axes}]> : tensor<{ndim}xindex>" if ndim else "dense<> : tensor<0xindex>"


def _after(block, name):
    """The value that the previous ordered callback returns: to need it is to come later."""
    last = block.module.facts.get("ordered")
    if last is None:
        return block.constant(0, np.int32)
    found = block.resolve(last)
    if found is None:
        raise NotImplementedError(f"{name}: ordered=True after an ordered callback inside a staged loop or branch is not available; "
                                  "leave ordered out, or move one of them")
    return found


# -- what users call -----------------------------------------------------------------------------------------------------

_NO_DERIVATIVE = "A callback is not differentiated. Give the function that calls it a custom_vjp or custom_jvp."


def _types(result_shape_dtypes):
    leaves, tree = tree_flatten(result_shape_dtypes)
    return [aval(of.shape, of.dtype) for of in map(aval_of, leaves)], tree


def _call(name, callback, result_shape_dtypes, args, kwargs, effects, ordered=False, sharding=None):
    leaves, tree = tree_flatten((args, kwargs))
    out_avals, out_tree = _types(result_shape_dtypes)

    def flat(*values):
        inner_args, inner_kwargs = tree_unflatten(tree, values)
        found = callback(*inner_args, **inner_kwargs)
        parts, made = tree_flatten(found)
        if made != out_tree:
            raise ValueError(f"{name}: the callback returned the structure {made}, result_shape_dtypes has {out_tree}")
        return parts
    return tree_unflatten(out_tree, call_python(name, flat, leaves, out_avals, effects, ordered, sharding))


def _examples(over, args, kwargs):
    """(number of examples, function of i giving the arguments of example i) of a batched call."""
    sizes = [leaf.shape[0] for p, v in (("args", args), ("kwargs", kwargs)) if p in over for leaf in tree_leaves(v)]

    def example(i):
        return tuple(tree_map(lambda leaf: leaf[i], v) if p in over else v for p, v in (("args", args), ("kwargs", kwargs)))
    return sizes[0], example


def _of_example(over, types):
    """The types of one example's result, where they are given by arrays that carry the batch."""
    return tree_map(lambda of: ShapeDtypeStruct(of.shape[1:], of.dtype), types) if "result_shape_dtypes" in over else types


@op(nondifferentiable=_NO_DERIVATIVE)
def pure_examples(callback, result_shape_dtypes, args, kwargs, vmap_method, sharding=None, over=()):
    """Call back for a batch, as vmap_method says."""
    from runtime import numpy as np
    size, example = _examples(over, args, kwargs)
    result_shape_dtypes = _of_example(over, result_shape_dtypes)
    if vmap_method is None:
        raise NotImplementedError("vmap of pure_callback needs a vmap_method: 'sequential', 'expand_dims', 'broadcast_all' or "
                                  "'legacy_vectorized'")
    if vmap_method == "sequential":
        results = [pure_call(callback, result_shape_dtypes, *example(i), vmap_method, sharding) for i in range(size)]
        return tree_map(lambda *parts: np.stack(parts), *results)
    rows = {"expand_dims": 1, "broadcast_all": size}.get(vmap_method)
    if rows is not None:
        args, kwargs = (v if p in over else tree_map(lambda leaf: np.broadcast_to(leaf, (rows, *np.shape(leaf))), v)
                        for p, v in (("args", args), ("kwargs", kwargs)))
    shapes = tree_map(lambda of: ShapeDtypeStruct((size, *of.shape), of.dtype), result_shape_dtypes)
    return pure_call(callback, shapes, args, kwargs, vmap_method, sharding)


@op(nondifferentiable=_NO_DERIVATIVE, batch=pure_examples)
def pure_call(callback, result_shape_dtypes, args, kwargs, vmap_method, sharding=None):
    """Call a function without effects on NumPy arrays: what ``pure_callback`` does, with its arguments packed."""
    return _call("pure_callback", callback, result_shape_dtypes, args, kwargs, False, False, sharding)


METHODS = (None, "sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized")


def pure_callback(callback, result_shape_dtypes, *args, sharding=None, vmap_method=None, **kwargs):
    """Return what a Python function without effects returns for NumPy arrays, under jit too.

    result_shape_dtypes: pytree of arrays or ShapeDtypeStructs: the types of the result. ValueError where it has others.
    vmap_method: how a batch is handled: "sequential" (a call for each example), "expand_dims" or "broadcast_all" (one call;
    arguments without the batch axis get it, of length 1 or, beside arguments that carry it, of the batch's). Not differentiable.
    """
    return pure_call(callback, result_shape_dtypes, args, kwargs, vmap_method, sharding)


@op(nondifferentiable=_NO_DERIVATIVE)
def effectful_call_examples(callback, result_shape_dtypes, args, kwargs, ordered, sharding=None, over=()):
    """Call back for each example of a batch."""
    from runtime import numpy as np
    if ordered:
        raise ValueError("Cannot `vmap` ordered IO callback.")
    size, example = _examples(over, args, kwargs)
    result_shape_dtypes = _of_example(over, result_shape_dtypes)
    results = [effectful_call(callback, result_shape_dtypes, *example(i), ordered, sharding) for i in range(size)]
    return tree_map(lambda *parts: np.stack(parts), *results)


@op(nondifferentiable=_NO_DERIVATIVE, batch=effectful_call_examples)
def effectful_call(callback, result_shape_dtypes, args, kwargs, ordered, sharding=None):
    """Call a function with effects on NumPy arrays: what ``io_callback`` does, with its arguments packed."""
    return _call("io_callback", callback, result_shape_dtypes, args, kwargs, True, ordered, sharding)


def io_callback(callback, result_shape_dtypes, *args, sharding=None, ordered=False, **kwargs):
    """Return what a Python function with side effects returns for NumPy arrays; under jit it is called at each run.

    result_shape_dtypes: pytree of arrays or ShapeDtypeStructs: the types of the result. ``ordered``: after the ordered callbacks
    before it. Under vmap there is a call for each example. Not differentiable.
    """
    return effectful_call(callback, result_shape_dtypes, args, kwargs, ordered, sharding)


@op(constant=True, unbatched=True)
def watch_examples(callback, args, kwargs, ordered, partitioned=False, over=()):
    """Show each example of a batch."""
    if ordered:
        raise ValueError("Cannot `vmap` ordered debug callback.")
    size, example = _examples(over, args, kwargs)
    for i in range(size):
        watch(callback, *example(i), ordered, partitioned)


@op(constant=True, unbatched=True, batch=watch_examples)
def watch(callback, args, kwargs, ordered, partitioned=False):
    """Show values to a Python function that returns nothing: what ``debug.callback`` does, with its arguments packed."""
    leaves, tree = tree_flatten((args, kwargs))
    shown = [isinstance(leaf, (Array, np.ndarray, np.generic, int, float, complex)) for leaf in leaves]
    rest = [leaf for leaf, array in zip(leaves, shown) if not array]

    def flat(*values):
        feed, others = iter(values), iter(rest)
        inner_args, inner_kwargs = tree_unflatten(tree, [next(feed) if array else next(others) for array in shown])
        callback(*inner_args, **inner_kwargs)
        return ()
    call_python("debug.callback", flat, [leaf for leaf, array in zip(leaves, shown) if array], [], True, ordered,
                partitioned=partitioned)


@op(constant=True, unbatched=True, batch=lambda callback, value, over=(): look(callback, value))
def look(callback, value):
    """Tell a Python function how arrays lie: what ``debug.inspect_array_sharding`` does, with its arguments packed."""
    for leaf in tree_leaves(value):
        array = as_operand(leaf, "debug.inspect_array_sharding")
        if tracing.block is None:
            callback(array.sharding)
            continue
        module = tracing.block.module
        if tracing.block is not module.main or bound.active:
            raise NotImplementedError("debug.inspect_array_sharding in a loop, a branch, pmap or shard_map is not available: call it "
                                      "outside of it")
        module.facts.setdefault("inspected", []).append((callback, lift_array(tracing.block, array)))


for _op in (look, watch, watch_examples, pure_call, pure_examples, effectful_call, effectful_call_examples):
    _op.takes_python = True     # the compiler leaves their first argument the Python function that it is
    _op.takes_objects = True    # ... and a sharding the object that it is

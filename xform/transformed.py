"""A transformed function: it transforms its function's source on the first call; calling it runs the generated code."""
from __future__ import annotations

import functools
import types

from runtime.array import Array
from runtime.batch import check_sizes
from runtime.dispatch import dispatcher, structure
from runtime.node import Node
from runtime.op import rule_of
from runtime.primitive import place_of
from runtime.prefixes import check_prefix
from runtime.tree import tree_flatten, tree_leaves, tree_unflatten
from xform import parse, pipeline, resolve
from xform.alone import alone
from xform.emit import collect, emit, importable
from xform.errors import refuse
from xform.desugar.functions import of_kinds
from xform.desugar.joins import kinds_with
from xform.desugar.kinds import kinds_of, with_defaults
from xform.inputs import bind_arguments, differentiable, numeric, plain, without_integers
from xform.library import is_runtime
from xform.load import load, user_place
from xform.result_shape import result_shape
from xform.running import run
from xform.unit import Unit

place_of.append(user_place)     # XLA's errors and profiles name the user's lines


BOUNDARIES = ("jit", "pmap", "shard_map")
TAKING_FUNCTIONS = ("jit", "grad", "value_and_grad", "jacfwd", "jacrev", "hessian", "vmap")     # as arguments that are not differentiated or mapped


class Target:
    """A callable reduced to a unit and the argument values that it already holds."""

    def __init__(self, unit, values=(), keywords=None):
        self.unit, self.values, self.keywords = unit, tuple(values), dict(keywords or {})

    def defaults(self, start):
        """The default values of the parameters from ``start`` on."""
        return [self.unit.signature.parameters[p].default for p in self.unit.params[start:]]


@alone
def target_of(fun, given=None, kinds=None) -> Target:
    """Reduce functions, partials, bound methods, callable objects and transformed functions.

    given: (number of positional arguments, keywords) of the call, for functions with *args or **kwargs.
    kinds: (kinds of the positional arguments, of the keywords), where objects are among them (desugar/kinds.py).
    """
    if isinstance(fun, Transformed):
        inner = target_of(fun.fun, given, kinds)
        return Target(fun.derived(inner, options=fun.with_held(inner)), inner.values, inner.keywords)
    if isinstance(fun, functools.partial):
        if resolve.TRANSFORMATIONS.get(fun.func) in ("jvp", "jet") and len(fun.args) == 1:
            return target_of(_direct(fun.func, *fun.args, fun.keywords), given, kinds)
        if given is not None:
            given = given[0], tuple(dict.fromkeys([*fun.keywords, *given[1]]))
        inner = target_of_with(fun.func, fun.args, given, kinds)
        return Target(inner.unit, inner.values, {**inner.keywords, **fun.keywords})
    if isinstance(fun, types.MethodType):
        return target_of_with(fun.__func__, (fun.__self__,), given, kinds)
    if given is not None and isinstance(fun, types.FunctionType) and not plain(parse.signature(fun)) \
            and not is_runtime(fun):
        return Target(pipeline.spread(fun, *given, kinds))
    if given is not None and isinstance(fun, types.FunctionType) and not is_runtime(fun) and rule_of(fun) is None:
        kinds = with_defaults(fun, kinds, *given)
    if kinds is not None and isinstance(fun, types.FunctionType) and not is_runtime(fun):
        return Target(of_kinds(fun, _taken(fun, kinds)))
    if isinstance(fun, (types.FunctionType, types.BuiltinFunctionType)) or hasattr(type(fun), "_xform_custom"):
        return Target(pipeline.unit_of_callable(fun))
    if isinstance(fun, functools._lru_cache_wrapper):
        return target_of(fun.__wrapped__, given, kinds)
    if not isinstance(fun, type) and isinstance(getattr(type(fun), "__call__", None), types.FunctionType) and not hasattr(
            type(fun), "_xform_opaque"):
        return target_of_with(type(fun).__call__, (fun,), given, kinds)
    return Target(pipeline.unit_of_callable(fun))


def _direct(api, fun, options):
    """``partial(jvp, fun)`` and ``partial(jet, fun)`` as functions of the primals and what goes with these."""
    has_aux, scaled = options.get("has_aux", False), options.get("factorial_scaled", True)
    if resolve.TRANSFORMATIONS[api] == "jvp":
        return lambda primals, tangents: api(fun, primals, tangents, has_aux=has_aux)
    return lambda primals, series: api(fun, primals, series, factorial_scaled=scaled)


def _taken(fun, kinds, skip=()):
    """The kinds of the parameters of a function."""
    names = [p for p in parse.signature(fun).parameters if p not in skip]
    return {p: k for p, k in [*zip(names, kinds[0]), *kinds[1]] if k is not None}


@alone
def target_of_with(fun, args, given=None, kinds=None) -> Target:
    """Reduce ``fun`` with leading arguments: functions and objects are specialised to, data is passed along."""
    from xform.desugar.functions import specialise
    if isinstance(fun, types.FunctionType) and any(resolve.is_static(resolve.Object(a)) for a in args):
        names = list(parse.signature(fun).parameters)
        statics = {n: resolve.Object(a) for n, a in zip(names, args)
                   if resolve.is_static(resolve.Object(a))}
        unit, _ = specialise(None, fun, statics, None, None if kinds is None else _taken(fun, kinds, names[:len(args)]))
        return Target(unit, [a for n, a in zip(names, args) if n not in statics])
    if given is not None:
        given = given[0] + len(args), given[1]
    if kinds is not None:
        kinds = (*[None] * len(args), *kinds[0]), kinds[1]
    inner = target_of(fun, given, kinds)
    return Target(inner.unit, [*inner.values, *args], inner.keywords)


class Transformed:
    """A transformed function. Calling it runs the generated code; ``xform.source`` shows it.

    ``__call__`` is a slot: what each object holds there is called, with nothing in between.
    """
    __slots__ = ("__call__", "__dict__", "__weakref__")

    def __init__(self, kind, fun, options):
        if not callable(fun):
            raise TypeError(f"Expected a callable value, got {fun}")
        self.kind, self.fun, self.options = kind, fun, dict(options)
        self._entries = {}      # specialisation -> (unit, function, namespace, module)
        self._calls = {}        # number of positional arguments and keywords -> Call
        self.__call__ = self._call
        functools.update_wrapper(self, fun, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())

    # what the compiler sees when this object is called inside a transformed function
    def _xform_known(self):
        return resolve.Derived(self.kind, resolve.normal(resolve.Object(self.fun)), tuple(sorted(self.options.items())))

    def derived(self, inner: Target, extra=None, options=None) -> Unit:
        """The unit of this transformation of an already reduced target."""
        options = {**(self.options if options is None else options), **(extra or {})}
        return pipeline.derive(self.kind, inner.unit, options, len(inner.values))

    @alone
    def _entry(self, key, inner, extra=None, options=None):
        """The loaded generated function for one specialisation."""
        unit = self.derived(inner, extra, options)
        found = self._entries.get(key)
        if found is None or found[0] is not unit:
            module = emit(unit)
            namespace = load(module)
            found = self._entries[key] = (unit, namespace[module.entry], namespace, module)
        return found

    def with_held(self, inner):
        """The options, for a function that holds arguments: under jit, Python values among them are static."""
        held = held_python(inner, {}) if self.kind == "jit" else ()
        if not held:
            return self.options
        names = self.options.get("static_argnames") or ()
        names = (names,) if isinstance(names, str) else tuple(names)
        return {**self.options, "static_argnames": tuple(dict.fromkeys((*names, *held)))}

    def _call(self, *args, **kwargs):
        kinds = kinds_with(self.fun, kinds_of(args, kwargs, self.kind in TAKING_FUNCTIONS), args, kwargs)
        call = self._calls.get((len(args), *kwargs) if kinds is None else (kinds, len(args), *kwargs))
        if call is None or not call.fresh():
            self.__call__ = self._call
            call = self._prepare(args, kwargs, kinds)
        return call(args, kwargs)

    @alone
    def _prepare(self, args, kwargs, kinds):
        """Work out what a call with these arguments runs; kept for the calls that look alike."""
        inner, values = self._bound(args, kwargs, kinds)
        if self.kind in BOUNDARIES:
            entry = self._boundary_entry(inner, args, kwargs, values)
            call = Call(entry, None, inner)
        elif self.kind == "vmap":
            return Call(None, lambda args, kwargs: self._vmap(args, kwargs), inner)
        else:
            argnums = argnums_of(self, len(args))
            if argnums != self.options.get("argnums", 0):
                entry = self._entry((inner.unit, argnums), inner, {"argnums": argnums})
            else:
                entry = self._entry(inner.unit, inner)
            call = Call(entry, functools.partial(arguments_to_differentiate, self, inner, scalar_check(self, inner, values), argnums), inner)
            if self.options.get("allow_int"):
                call.finish = functools.partial(_integers_have_none, self.kind, self.options.get("has_aux", False), argnums)
        boundary = self.kind in BOUNDARIES
        if not inner.values and not inner.keywords and plain(inner.unit.signature) and (
                kinds is not None or not any(map(_is_function, (*args, *kwargs.values())))) and (kwargs or boundary or len(args) == len(values)):
            if kwargs:
                call.names = tuple([(p, v) for p, v in zip(inner.unit.params[len(args):], inner.defaults(len(args)))
                                    if p in kwargs or not boundary])
            direct = getattr(entry[1], "direct", None)  # of jit, and of pmap, which cuts keywords otherwise
            if direct is not None and len(call.names) == len(kwargs) and not (kwargs and self.kind == "pmap"):
                given = tuple([name for name, _ in call.names])
                of = structure((*args, *[kwargs[name] for name in given]), entry[1].static)
                if of is not None:
                    self.__call__ = dispatcher(direct.setdefault(of, {}), of, call.guards, self._call, given)
            self._calls[(len(args), *kwargs) if kinds is None else (kinds, len(args), *kwargs)] = call
            return call
        run_values = values if call.convert is None else call.convert(values)
        return lambda args, kwargs: run(entry, run_values) if boundary or call.finish is None else call.finish(
            args, run(entry, run_values))

    def _vmap(self, args, kwargs):
        inner, values = self._bound(args, kwargs)
        extra, values = vmap_arguments(self, inner, values, len(args), tuple(kwargs))
        return run(self._entry((inner.unit, repr(extra)), inner, extra), values)

    def _boundary_entry(self, inner, args, kwargs, values):
        """The loaded function for a call of jit or pmap; parameters left to their defaults stay Python values."""
        given = len(inner.values) + len(args)
        held = held_python(inner, kwargs) if self.kind == "jit" else ()
        if given == len(inner.unit.params) and not kwargs and not inner.keywords and not held:
            return self._entry(inner.unit, inner)
        bound = inner.unit.signature.bind(*inner.values, *args, **{**inner.keywords, **kwargs})
        provided = [p for p in inner.unit.params if p in bound.arguments]
        options = dict(self.options)
        names = options.pop("static_argnames", None)
        if names is not None or held:
            names = (names,) if isinstance(names, str) else tuple(names or ())
            options["static_argnames"] = tuple(n for n in dict.fromkeys((*names, *held)) if n in provided)
        if len(provided) == len(inner.unit.params):
            return self._entry((inner.unit, held), inner, options=options) if held else self._entry(inner.unit, inner)
        values[:] = [v for p, v in zip(inner.unit.params, values) if p in bound.arguments]
        numbers = options.get("static_argnums")
        if numbers is not None:
            numbers = (numbers,) if isinstance(numbers, int) else numbers
            options["static_argnums"] = tuple(n for n in numbers if n < len(provided) - len(inner.values))
        narrowed = Target(pipeline.with_defaults(inner.unit, provided), inner.values)
        return self._entry((inner.unit, *provided, held), narrowed, options=options)

    @alone
    def _bound(self, args, kwargs, kinds=None):
        if kinds is None:
            kinds = kinds_with(self.fun, kinds_of(args, kwargs, self.kind in TAKING_FUNCTIONS), args, kwargs)
        inner = target_of(self.fun, (len(args), tuple(kwargs)), kinds)
        return inner, bind_arguments(inner, args, kwargs)

    def __get__(self, instance, owner=None):
        """Behave as a method when set on a class."""
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self):
        options = ", ".join(f"{k}={v!r}" for k, v in self.options.items())
        return f"<{self.kind} of {getattr(self.fun, '__qualname__', self.fun)}{', ' + options if options else ''}>"

    def _repr_html_(self):
        from xform.notebook import highlighted
        return highlighted(source(self))

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": source(self), "text/html": self._repr_html_()}

    # ahead-of-time compilation, for jit
    def lower(self, *args, **kwargs):
        """Stage for the given arguments (arrays or ShapeDtypeStructs); returns an object with .compile()."""
        if self.kind not in BOUNDARIES:
            raise AttributeError(f"{self.kind} has no .lower(); wrap it in jit")
        inner, values = self._bound(args, kwargs)
        lowered = self._boundary_entry(inner, args, kwargs, values)[1].lower(*values)
        if kwargs and self.kind == "jit":
            from xform.stages import spelling
            lowered = lowered.spelled(*spelling(self, inner, args, kwargs))
        return lowered

    def trace(self, *args, **kwargs):
        """Stage for the given arguments: the types of arguments and result, the generated code, and ``.lower()``."""
        from xform.stages import Traced
        return Traced(self.lower(*args, **kwargs), self.__name__, source(self))

    def eval_shape(self, *args, **kwargs):
        """Return the result for the given arguments as ShapeDtypeStructs, computing nothing."""
        return self.lower(*args, **kwargs).out_info

    def clear_cache(self):
        """Forget what was compiled."""
        for entry in self._entries.values():
            clear = getattr(entry[1], "clear_cache", None)
            if clear is not None:
                clear()
        self._entries.clear()


def held_python(inner, kwargs):
    """Parameters that a partial application gives Python values: under jit they stay what they are, as in a closure."""
    values = {**dict(zip(inner.unit.params, inner.values)), **inner.keywords}
    return tuple(n for n, value in values.items() if n not in kwargs and n in inner.unit.params and _python(value))


def _python(value):
    if type(value) is tuple:
        return all(map(_python, value))
    return value is None or type(value) in (bool, int, float, complex, str, bytes)


class Call:
    """What one kind of call runs: the loaded code, how arguments are converted, and what the code depends on."""
    __slots__ = ("entry", "convert", "guards", "names", "finish")

    def __init__(self, entry, convert, inner):
        self.entry, self.convert = entry, convert
        self.names = ()     # (parameter, default) of the values that follow the positional ones
        self.finish = None  # what is done with the arguments and the result
        self.guards = _guards(inner.unit) if entry is None else _guards(entry[0])

    def fresh(self):
        """Whether the functions that the code was made from are still what their modules hold."""
        for namespace, key, value in self.guards:
            if namespace.get(key) is not value:
                return False
        return True

    def __call__(self, args, kwargs):
        if self.entry is None:
            return self.convert(args, kwargs)
        if self.names:
            args = [*args, *[kwargs.get(name, default) for name, default in self.names]]
        found = run(self.entry, args if self.convert is None else self.convert(list(args)))
        return found if self.finish is None else self.finish(args, found)


def _is_function(value):
    """Whether an argument is a function; an object of a registered class is data, also where it can be called."""
    return callable(value) and not isinstance(value, Node)


def _guards(unit):
    found = {}
    for one in collect(unit):
        for namespace, key, value in one.dependencies():
            found[id(namespace), key] = (namespace, key, value)
    return tuple(found.values())


def entries_for(kind, fun, options, cache, values=()):
    """(target, loaded units) of a derivation that is no Transformed: jvp, or the two halves of vjp."""
    inner = target_of(fun, (options["count"], ()), kinds_with(fun, kinds_of(values, {}), values, {}))
    made = pipeline.derive(kind, inner.unit, options, len(inner.values))
    units = made if isinstance(made, tuple) else (made,)
    found = cache.get(units[0])
    if found is None:
        found = []
        for unit in units:
            module = emit(unit)
            namespace = load(module)
            found.append((unit, namespace[module.entry], namespace, module))
        cache[units[0]] = found
    return inner, found


def source(fun) -> str:
    """Return the text of the module that a transformation of a function generates.

    fun: the result of grad, vmap, jit, pmap ... (or any function: its text in the core language).
    """
    for entry in getattr(fun, "_entries", {}).values():
        if entry[0].takes:      # made for objects of some classes, as the call had them
            return emit(entry[0], imports=_import_of).text
    inner = target_of(fun)
    for entry in getattr(fun, "_entries", {}).values():
        return emit(entry[0], imports=_import_of).text
    return emit(inner.unit, imports=_import_of).text


def _import_of(value, key, read):
    """The import line of an object in a text that is shown; None for what only this process has, such as what a closure holds."""
    line = None
    if read is not None and isinstance(read[0], dict):
        module, own = read[0].get("__name__", "__main__"), read[1]
        if all(part.isidentifier() for part in module.split(".")) and module != "__main__":
            line = f"from {module} import {own}"
    elif callable(value) or isinstance(value, types.ModuleType):
        line = importable(value)
    return line if line is None or line.endswith(f" {key}") else f"{line} as {key}"


# -- arguments before the generated code runs --------------------------------------------------------------------------

def argnums_of(self, count):
    """The argnums of a call with ``count`` positional arguments, none of them negative; TypeError or ValueError where the call
    does not give them."""
    argnums = self.options.get("argnums", 0)
    for number in (argnums,) if isinstance(argnums, int) else argnums:
        if number >= count:
            raise TypeError(f"differentiating with respect to argnums={argnums} requires at least {number + 1} positional "
                            f"arguments to be passed by the caller, but got only {count} positional arguments.")
        if number < -count:
            raise ValueError(f"argnums={argnums} of {self.kind} counts from the last positional argument, but the call gives "
                             f"{count}: a number must be at least {-count}.")
    if isinstance(argnums, int):
        return argnums % count
    found = tuple([number % count for number in argnums])
    if len(set(found)) < len(found):
        raise ValueError(f"argnums={argnums} of {self.kind} names the same argument twice.")
    return found


def _integers_have_none(kind, has_aux, argnums, args, found):
    """The result of grad or its relatives with allow_int: a derivative by an integer is float0."""
    if kind == "jacrev":
        return (_zero_columns(found[0], argnums, args), found[1]) if has_aux else _zero_columns(found, argnums, args)
    if kind not in ("grad", "value_and_grad"):
        return found
    like = args[argnums] if isinstance(argnums, int) else tuple([args[n] for n in argnums])
    if kind == "value_and_grad":
        return found[0], without_integers(found[1], like)
    return (without_integers(found[0], like), found[1]) if has_aux else without_integers(found, like)


def _zero_columns(jacobian, argnums, args):
    """A Jacobian whose parts by integers are zeros of their dtype."""
    from runtime import numpy as np
    inputs = tree_leaves(args[argnums] if isinstance(argnums, int) else tuple([args[n] for n in argnums]))
    leaves, tree = tree_flatten(jacobian)       # for each result in turn one for each input
    kept = [numeric(x).dtype for x in inputs]
    return tree_unflatten(tree, [np.zeros(leaf.shape, dtype) if dtype.kind in "biu" else leaf
                                 for leaf, dtype in zip(leaves, kept * (len(leaves) // max(1, len(kept))))])


def scalar_check(self, inner, values):
    """A function of the arguments that refuses them when the result of what is differentiated cannot be a scalar, or None
    where that is never so or cannot be told without running."""
    if self.kind not in ("grad", "value_and_grad"):
        return None
    unit, has_aux, refused = inner.unit, self.options.get("has_aux", False), {}

    def result(shapes):
        found = result_shape(unit, shapes)
        return found[0] if has_aux and isinstance(found, list) and len(found) == 2 else found

    if result((None,) * len(values)) == () or not isinstance(result(_shapes(values)), tuple):
        return None

    def check(values):
        shapes = _shapes(values)
        if shapes not in refused:
            refused[shapes] = result(shapes)
        if isinstance(refused[shapes], tuple) and refused[shapes]:
            refused[shapes] = result(shapes)    # an array outside the function may have another shape by now
        if isinstance(refused[shapes], tuple) and refused[shapes]:
            refuse(unit.tree.body[-1], unit, f"Gradient only defined for scalar-output functions. Output had shape: "
                   f"{refused[shapes]}", "Reduce it (np.sum, np.mean), or use jacrev or vjp.")
    return check


def _shapes(values):
    return tuple([v.aval.shape if type(v) is Array else () if isinstance(v, (bool, int, float, complex)) else
                  getattr(v, "shape", None) for v in values])


def arguments_to_differentiate(self, inner, check, argnums, values):
    """The values with those in argnums turned into floating-point arrays."""
    offset, unit = len(inner.values), inner.unit
    for number in (argnums,) if isinstance(argnums, int) else argnums:
        at = offset + number
        value = values[at]
        if type(value) is not Array or value.aval.dtype.kind != "f":
            values[at] = differentiable(value, self.kind, unit, unit.params[at], self.options)
    if check is not None:
        check(values)
    return values


def vmap_arguments(self, inner, values, count, named):
    """(specialisation, values) of a vmapped call; ValueError when sizes of mapped axes differ."""
    from xform.transform.vmap import axes_of, by_leaf
    axes = axes_of(inner.unit, self.options, len(inner.values), count, len(values), named)
    for number, (axis, value) in enumerate(zip(axes, values)):
        if not isinstance(axis, (int, type(None))):
            check_prefix(axis, value, f"vmap in_axes[{number - len(inner.values)}]")
    axes = tuple([by_leaf(axis, value) for axis, value in zip(axes, values)])
    mapped = {}
    for param, value, axis in zip(inner.unit.params, values, axes):
        _mapped_leaves(mapped, param, value, axis)
    size = check_sizes(f"{self.fun.__name__ if hasattr(self.fun, '__name__') else self.fun}()", mapped,
                       self.options.get("in_axes", 0))
    wanted = self.options.get("axis_size")
    if None not in (size, wanted) and size != wanted:
        raise ValueError(f"vmap got inconsistent sizes for array axes to be mapped: the `axis_size` argument was {wanted}, the "
                         f"arguments have {size}")
    if size is None and wanted is None:
        raise ValueError("vmap must have at least one non-None value in in_axes (or an axis_size)")
    values = [numeric(v) if a is not None else v for v, a in zip(values, axes)]
    ranks = tuple(_rank(v, a) for v, a in zip(values, axes))
    return {"axes": axes, "ranks": ranks}, values


def _mapped_leaves(mapped, name, value, axis):
    from xform.transform.vmap import LeafAxes
    if axis is None:
        return
    if isinstance(axis, int):
        leaves = tree_leaves(value)
        for position, leaf in enumerate(leaves):
            mapped[name if len(leaves) == 1 else f"{name} (leaf {position})"] = (leaf, axis)
        return
    if isinstance(axis, LeafAxes):
        for position, (leaf, own) in enumerate(zip(tree_leaves(value), axis)):
            _mapped_leaves(mapped, f"{name} (leaf {position})", leaf, own)
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        _mapped_leaves(mapped, f"{name}[{key!r}]", item, axis[key])


def _rank(value, axis):
    """The rank of one example of an array argument; None for containers."""
    if hasattr(value, "ndim"):
        return value.ndim - (axis is not None)
    return 0 if isinstance(value, (bool, int, float, complex)) else None

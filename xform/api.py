"""The transformations that users call: grad, jit, vmap, pmap and their relatives.

Each returns a callable that transforms its function's source on the first call; calling it runs the generated code.
"""
from __future__ import annotations

import functools
import inspect
import types

import runtime
from runtime.array import Array
from runtime.batch import check_sizes
from runtime.dispatch import dispatcher, structure
from runtime.primitive import place_of
from runtime.tree import tree_flatten, tree_leaves, tree_map, tree_unflatten
from xform import parse, pipeline, resolve
from xform.errors import TransformError, refuse
from xform.emit import collect, emit
from xform.inputs import bind_arguments, differentiable, numeric, plain
from xform.library import is_runtime
from xform.load import load, user_frame, user_place
from xform.unit import Unit

place_of.append(user_place)     # XLA's errors and profiles name the user's lines


BOUNDARIES = ("jit", "pmap", "shard_map")


class Target:
    """A callable reduced to a unit and the argument values that it already holds."""

    def __init__(self, unit, values=(), keywords=None):
        self.unit, self.values, self.keywords = unit, tuple(values), dict(keywords or {})

    def defaults(self, start):
        """The default values of the parameters from ``start`` on."""
        return [self.unit.signature.parameters[p].default for p in self.unit.params[start:]]


def target_of(fun, given=None) -> Target:
    """Reduce functions, partials, bound methods, callable objects and transformed functions.

    given: (number of positional arguments, keywords) of the call, for functions with *args or **kwargs.
    """
    if isinstance(fun, Transformed):
        inner = target_of(fun.fun, given)
        return Target(fun.derived(inner), inner.values, inner.keywords)
    if isinstance(fun, functools.partial):
        if given is not None:
            given = given[0], tuple(dict.fromkeys([*fun.keywords, *given[1]]))
        inner = target_of_with(fun.func, fun.args, given)
        return Target(inner.unit, inner.values, {**inner.keywords, **fun.keywords})
    if isinstance(fun, types.MethodType):
        return target_of_with(fun.__func__, (fun.__self__,), given)
    if given is not None and isinstance(fun, types.FunctionType) and not plain(parse.signature(fun)) \
            and not is_runtime(fun):
        return Target(pipeline.spread(fun, *given))
    if isinstance(fun, (types.FunctionType, types.BuiltinFunctionType)) or hasattr(type(fun), "_xform_custom"):
        return Target(pipeline.unit_of_callable(fun))
    if isinstance(fun, functools._lru_cache_wrapper):
        return target_of(fun.__wrapped__, given)
    if not isinstance(fun, type) and isinstance(getattr(type(fun), "__call__", None), types.FunctionType):
        return target_of_with(type(fun).__call__, (fun,), given)
    return Target(pipeline.unit_of_callable(fun))


def target_of_with(fun, args, given=None) -> Target:
    """Reduce ``fun`` with leading arguments: functions and objects are specialised to, data is passed along."""
    from xform.desugar.functions import specialise
    if isinstance(fun, types.FunctionType) and any(resolve.is_static(resolve.Object(a)) for a in args):
        names = list(parse.signature(fun).parameters)
        statics = {n: resolve.Object(a) for n, a in zip(names, args)
                   if resolve.is_static(resolve.Object(a))}
        unit, _ = specialise(None, fun, statics, None)
        return Target(unit, [a for n, a in zip(names, args) if n not in statics])
    if given is not None:
        given = given[0] + len(args), given[1]
    inner = target_of(fun, given)
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
        if inner.unit.result is not None:
            refuse(inner.unit.tree.body[-1], inner.unit, f"{inner.unit.name} returns a function or an object, not arrays",
                   "Return arrays or containers of them; transform the function that it returns.")
        options = {**(self.options if options is None else options), **(extra or {})}
        return pipeline.derive(self.kind, inner.unit, options, len(inner.values))

    def _entry(self, key, inner, extra=None, options=None):
        """The loaded generated function for one specialisation."""
        unit = self.derived(inner, extra, options)
        found = self._entries.get(key)
        if found is None or found[0] is not unit:
            module = emit(unit)
            namespace = load(module)
            found = self._entries[key] = (unit, namespace[module.entry], namespace, module)
        return found

    def _call(self, *args, **kwargs):
        call = self._calls.get((len(args), *kwargs))
        if call is None or not call.fresh():
            self.__call__ = self._call
            call = self._prepare(args, kwargs)
        return call(args, kwargs)

    def _prepare(self, args, kwargs):
        """Work out what a call with these arguments runs; kept for the calls that look alike."""
        inner, values = self._bound(args, kwargs)
        if self.kind in BOUNDARIES:
            entry = self._boundary_entry(inner, args, kwargs, values)
            call = Call(entry, None, inner)
        elif self.kind == "vmap":
            return Call(None, lambda args, kwargs: self._vmap(args, kwargs), inner)
        else:
            check_argnums(self, inner, values, len(args))
            entry = self._entry(inner.unit, inner)
            call = Call(entry, functools.partial(arguments_to_differentiate, self, inner), inner)
        boundary = self.kind in BOUNDARIES
        if not inner.values and not inner.keywords and plain(inner.unit.signature) and not any(
                map(callable, (*args, *kwargs.values()))) and (kwargs or boundary or len(args) == len(values)):
            if kwargs:
                call.names = tuple([(p, v) for p, v in zip(inner.unit.params[len(args):], inner.defaults(len(args)))
                                    if p in kwargs or not boundary])
            if self.kind == "jit" and len(call.names) == len(kwargs):
                given = tuple([name for name, _ in call.names])
                of = structure((*args, *[kwargs[name] for name in given]), entry[1].static)
                if of is not None:
                    self.__call__ = dispatcher(entry[1].direct.setdefault(of, {}), of, call.guards, self._call, given)
            self._calls[len(args), *kwargs] = call
            return call
        run_values = values if call.convert is None else call.convert(values)
        return lambda args, kwargs: run(entry, run_values)

    def _vmap(self, args, kwargs):
        inner, values = self._bound(args, kwargs)
        extra, values = vmap_arguments(self, inner, values, len(args), tuple(kwargs))
        return run(self._entry((inner.unit, repr(extra)), inner, extra), values)

    def _boundary_entry(self, inner, args, kwargs, values):
        """The loaded function for a call of jit or pmap; parameters left to their defaults stay Python values."""
        given = len(inner.values) + len(args)
        if given == len(inner.unit.params) and not kwargs and not inner.keywords:
            return self._entry(inner.unit, inner)
        bound = inner.unit.signature.bind(*inner.values, *args, **{**inner.keywords, **kwargs})
        provided = [p for p in inner.unit.params if p in bound.arguments]
        if len(provided) == len(inner.unit.params):
            return self._entry(inner.unit, inner)
        values[:] = [v for p, v in zip(inner.unit.params, values) if p in bound.arguments]
        options = dict(self.options)
        names = options.pop("static_argnames", None)
        if names is not None:
            options["static_argnames"] = tuple(n for n in ((names,) if isinstance(names, str) else names) if n in provided)
        numbers = options.get("static_argnums")
        if numbers is not None:
            numbers = (numbers,) if isinstance(numbers, int) else numbers
            options["static_argnums"] = tuple(n for n in numbers if n < len(provided) - len(inner.values))
        narrowed = Target(pipeline.with_defaults(inner.unit, provided), inner.values)
        return self._entry((inner.unit, *provided), narrowed, options=options)

    def _bound(self, args, kwargs):
        inner = target_of(self.fun, (len(args), tuple(kwargs)))
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
        return self._boundary_entry(inner, args, kwargs, values)[1].lower(*values)

    def clear_cache(self):
        """Forget what was compiled."""
        for entry in self._entries.values():
            clear = getattr(entry[1], "clear_cache", None)
            if clear is not None:
                clear()
        self._entries.clear()


class Call:
    """What one kind of call runs: the loaded code, how arguments are converted, and what the code depends on."""
    __slots__ = ("entry", "convert", "guards", "names")

    def __init__(self, entry, convert, inner):
        self.entry, self.convert = entry, convert
        self.names = ()     # (parameter, default) of the values that follow the positional ones
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
        return run(self.entry, args if self.convert is None else self.convert(list(args)))


def _guards(unit):
    found = {}
    for one in collect(unit):
        for namespace, key, value in one.dependencies():
            found[id(namespace), key] = (namespace, key, value)
    return tuple(found.values())


def run(entry, values):
    """Call a loaded function; an exception in generated code also names the user's own line."""
    _, function, namespace, module = entry
    if module.reads:
        for key, (where, name) in module.reads.items():
            _refresh(namespace, key, where, name)
    try:
        return function(*values)
    except Exception as error:
        place = user_frame(error.__traceback__)
        if place is not None and not any(n.startswith("In the code of") for n in getattr(error, "__notes__", ())):
            from xform.errors import excerpt
            error.add_note(f"In the code of {module.entry}, made from:\n{excerpt(*place)}")
        raise


def _refresh(namespace, key, where, name):
    """Read a global or cell again: it may have been assigned since the code was generated."""
    if isinstance(where, dict):
        value = where.get(name, namespace[key])
    else:
        index = where.__code__.co_freevars.index(name)
        value = where.__closure__[index].cell_contents
    if value is not namespace[key] and not callable(value):
        namespace[key] = value


# -- arguments before the generated code runs --------------------------------------------------------------------------

def check_argnums(self, inner, values, count):
    """TypeError when argnums name arguments that the call does not give."""
    argnums = self.options.get("argnums", 0)
    own = len(inner.unit.params) - len(inner.values)
    for number in (argnums,) if isinstance(argnums, int) else argnums:
        if not -own <= number < own:
            raise TypeError(f"differentiating with respect to argnums={argnums} requires at least {number + 1} positional "
                            f"arguments to be passed by the caller, but got only {count} positional arguments.")


def arguments_to_differentiate(self, inner, values):
    """The values with those in argnums turned into floating-point arrays."""
    argnums = self.options.get("argnums", 0)
    offset, unit = len(inner.values), inner.unit
    own = len(unit.params) - offset
    for number in (argnums,) if isinstance(argnums, int) else argnums:
        at = offset + (number + own if number < 0 else number)
        value = values[at]
        if type(value) is not Array or value.aval.dtype.kind != "f":
            values[at] = differentiable(value, self.kind, unit, unit.params[at], self.options)
    return values


def vmap_arguments(self, inner, values, count, named):
    """(specialisation, values) of a vmapped call; ValueError when sizes of mapped axes differ."""
    from xform.transform.vmap import axes_of
    axes = axes_of(inner.unit, self.options, len(inner.values), count, len(values), named)
    mapped = {}
    for param, value, axis in zip(inner.unit.params, values, axes):
        _mapped_leaves(mapped, param, value, axis)
    size = check_sizes(f"{self.fun.__name__ if hasattr(self.fun, '__name__') else self.fun}()", mapped,
                       self.options.get("in_axes", 0))
    if size is None and self.options.get("axis_size") is None:
        raise ValueError("vmap must have at least one non-None value in in_axes (or an axis_size)")
    values = [numeric(v) if a is not None else v for v, a in zip(values, axes)]
    ranks = tuple(_rank(v, a) for v, a in zip(values, axes))
    return {"axes": axes, "ranks": ranks}, values


def _mapped_leaves(mapped, name, value, axis):
    if axis is None:
        return
    if isinstance(axis, int):
        leaves = tree_leaves(value)
        for position, leaf in enumerate(leaves):
            mapped[name if len(leaves) == 1 else f"{name} (leaf {position})"] = (leaf, axis)
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        _mapped_leaves(mapped, f"{name}[{key!r}]", item, axis[key])


def _rank(value, axis):
    """The rank of one example of an array argument; None for containers."""
    if hasattr(value, "ndim"):
        return value.ndim - (axis is not None)
    return 0 if isinstance(value, (bool, int, float, complex)) else None


# -- the public functions -------------------------------------------------------------------------------------------------

def _options(given, defaults):
    return {k: v for k, v in given.items() if v != defaults.get(k)}


def grad(fun, argnums=0, has_aux=False, holomorphic=False, allow_int=False, reduce_axes=()):
    """Return a function that computes the gradient of the scalar function ``fun``.

    argnums: position or positions of the arguments to differentiate (floating-point arrays or pytrees of them).
    has_aux: ``fun`` returns (value, auxiliary data); the result is (gradient, auxiliary data).
    The gradient has the structure, shapes and dtypes of the arguments. Raises TypeError for a non-scalar or complex
    result and for integer arguments (unless allow_int).
    """
    return Transformed("grad", fun, _options(dict(argnums=_numbers(argnums), has_aux=has_aux, holomorphic=holomorphic,
                                                  allow_int=allow_int), _GRAD))


def value_and_grad(fun, argnums=0, has_aux=False, holomorphic=False, allow_int=False, reduce_axes=()):
    """Return a function that computes ``(fun(*args), gradient)``; the arguments are those of ``grad``."""
    return Transformed("value_and_grad", fun, _options(dict(argnums=_numbers(argnums), has_aux=has_aux,
                                                            holomorphic=holomorphic, allow_int=allow_int), _GRAD))


_GRAD = dict(argnums=0, has_aux=False, holomorphic=False, allow_int=False)


def _numbers(argnums):
    import operator
    try:
        return operator.index(argnums)
    except TypeError:
        return tuple(operator.index(n) for n in argnums)


def vmap(fun, in_axes=0, out_axes=0, axis_name=None, axis_size=None, spmd_axis_name=None):
    """Return ``fun`` mapped over array axes, with the loop pushed into its operations.

    in_axes: the axis of each positional argument to map (an int, None for not mapped, or a pytree of these).
    out_axes: where the mapped axis goes in each result. Raises ValueError when mapped axes differ in length.
    """
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if not isinstance(in_axes, (int, tuple, type(None))):
        raise TypeError(f"vmap in_axes must be an int, None, or a tuple of entries corresponding to the positional arguments "
                        f"passed to the function, but got {in_axes}.")
    return Transformed("vmap", fun, _options(dict(in_axes=in_axes, out_axes=out_axes, axis_name=axis_name,
                                                  axis_size=axis_size),
                                             dict(in_axes=0, out_axes=0, axis_name=None, axis_size=None)))


def jit(fun=None, /, *, static_argnums=None, static_argnames=None, donate_argnums=None, donate_argnames=None,
        keep_unused=False, device=None, backend=None, inline=False, in_shardings=None, out_shardings=None,
        abstracted_axes=None):
    """Return ``fun`` compiled by XLA: staged once for each signature of its arguments.

    static_argnums, static_argnames: arguments that are part of the signature and keep their Python values.
    in_shardings, out_shardings: prefixes of the arguments and of the result, with shardings as leaves: how they lie on the
    devices of a mesh. Without them the computation follows the arguments.
    Python control flow on traced values becomes XLA control flow.
    """
    options = {k: v for k, v in dict(static_argnums=static_argnums, static_argnames=static_argnames,
                                     donate_argnums=donate_argnums, donate_argnames=donate_argnames,
                                     keep_unused=keep_unused or None, device=device, backend=backend,
                                     inline=inline or None, in_shardings=in_shardings,
                                     out_shardings=out_shardings).items() if v is not None}
    if fun is None:
        return functools.partial(jit, **options)
    return Transformed("jit", fun, options)


def pmap(fun, axis_name=None, *, in_axes=0, out_axes=0, static_broadcasted_argnums=(), devices=None, backend=None,
         axis_size=None, donate_argnums=(), global_arg_shapes=None):
    """Return ``fun`` run as one program on several devices, each with its slice of the mapped arguments.

    axis_name: name of the mapped axis for collectives (lax.psum and its relatives).
    """
    given = dict(axis_name=axis_name, in_axes=in_axes, out_axes=out_axes,
                 static_broadcasted_argnums=static_broadcasted_argnums, devices=devices, backend=backend,
                 axis_size=axis_size, donate_argnums=donate_argnums)
    return Transformed("pmap", fun, _options(given, dict(axis_name=None, in_axes=0, out_axes=0,
                                                         static_broadcasted_argnums=(), devices=None, backend=None,
                                                         axis_size=None, donate_argnums=())))


def shard_map(f=None, /, *, out_specs, in_specs, mesh=None, axis_names=frozenset(), check_vma=True):
    """Return ``f`` run on every device of a mesh, each with its part of the arguments; collectives name the mesh's axes.

    in_specs, out_specs: prefixes of the arguments and of the result with PartitionSpecs as leaves. mesh: by default that of the
    enclosing ``with mesh:``. A result whose spec leaves an axis out must be equal along it, which is not checked; derivatives
    taken inside are those of JAX's check_vma=False.
    """
    given = dict(in_specs=in_specs, out_specs=out_specs, mesh=mesh, axis_names=frozenset(axis_names))
    if f is None:
        return functools.partial(shard_map, **given, check_vma=check_vma)
    return Transformed("shard_map", f, {k: v for k, v in given.items() if v is not None and (k != "axis_names" or v)})


def jacfwd(fun, argnums=0, has_aux=False, holomorphic=False):
    """Return a function that computes the Jacobian of ``fun`` column by column, in forward mode."""
    return Transformed("jacfwd", fun, _options(dict(argnums=_numbers(argnums), has_aux=has_aux, holomorphic=holomorphic),
                                               _GRAD))


def jacrev(fun, argnums=0, has_aux=False, holomorphic=False, allow_int=False):
    """Return a function that computes the Jacobian of ``fun`` row by row, in reverse mode."""
    return Transformed("jacrev", fun, _options(dict(argnums=_numbers(argnums), has_aux=has_aux, holomorphic=holomorphic,
                                                    allow_int=allow_int), _GRAD))


jacobian = jacrev


def hessian(fun, argnums=0, has_aux=False, holomorphic=False):
    """Return a function that computes the Hessian of ``fun``: forward mode over reverse mode."""
    return jacfwd(jacrev(fun, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


def _entry_for(kind, fun, options, cache):
    inner = target_of(fun, (options["count"], ()))
    unit = pipeline.derive(kind, inner.unit, options, len(inner.values))
    key = (kind, repr(options))
    found = cache.get(unit if not isinstance(unit, tuple) else unit[0])
    if found is None:
        units = unit if isinstance(unit, tuple) else (unit,)
        found = []
        for one in units:
            module = emit(one)
            namespace = load(module)
            found.append((one, namespace[module.entry], namespace, module))
        cache[units[0]] = found
    del key
    return inner, found


_direct: dict = {}


def jvp(fun, primals, tangents, has_aux=False):
    """Return ``(fun(*primals), derivative of fun at primals along tangents)``.

    primals, tangents: tuples or lists of the same structure, shapes and dtypes.
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError("primal and tangent arguments to jvp must be tuples or lists; found "
                        f"{type(primals).__name__} and {type(tangents).__name__}.")
    if len(primals) != len(tangents):
        raise TypeError(f"primal and tangent arguments to jvp must have the same tree structure; got {len(primals)} primals "
                        f"and {len(tangents)} tangents")
    inner, (entry,) = _entry_for("jvp", fun, {"count": len(primals)}, _direct)
    values = bind_arguments(inner, primals, {})
    offset = len(inner.values)
    for i in range(len(primals)):
        values[offset + i] = differentiable(values[offset + i], "jvp", inner.unit, inner.unit.params[offset + i], {})
    dots = []
    for i, tangent in enumerate(tangents):
        dots.append(_tangent(values[offset + i], tangent))
    out, out_dot = run(entry, values + dots)
    if has_aux:
        return out[0], runtime.instantiate(out_dot if out_dot is runtime.ZERO else out_dot[0], like=out[0]), out[1]
    return out, runtime.instantiate(out_dot, like=out)


def _tangent(primal, tangent):
    leaves, tree = tree_flatten(primal)
    others, other = tree_flatten(tangent)
    if tree != other:
        raise TypeError("primal and tangent arguments to jvp must have the same tree structure; primals have tree structure "
                        f"{tree} whereas tangents have tree structure {other}.")
    made = []
    for x, t in zip(leaves, others):
        t = numeric(t)
        if x.shape != t.shape:
            raise ValueError(f"jvp called with different primal and tangent shapes; got primal shape {x.shape} and tangent "
                             f"shape {t.shape}")
        if x.dtype != t.dtype:
            if not (t.weak_type or x.weak_type):
                raise TypeError(f"primal and tangent arguments to jvp do not match; dtypes must be equal; got primal dtype "
                                f"{x.dtype} and tangent dtype {t.dtype}")
            t = t.astype(x.dtype)
        made.append(t)
    return tree_unflatten(tree, made)


def vjp(fun, *primals, has_aux=False, reduce_axes=()):
    """Return ``(fun(*primals), vjp_fun)``: ``vjp_fun(cotangent)`` is the tuple of the primals' cotangents."""
    inner, (forward, backward) = _entry_for("halves", fun, {"count": len(primals)}, _direct)
    values = bind_arguments(inner, primals, {})
    offset = len(inner.values)
    for i in range(len(primals)):
        values[offset + i] = differentiable(values[offset + i], "vjp", inner.unit, inner.unit.params[offset + i], {})
    out, residuals = run(forward, values)
    aux = None
    if has_aux:
        out, aux = out

    def vjp_fun(cotangent):
        """Map a cotangent of the result to the cotangents of the primals."""
        cotangent = _cotangent(out, cotangent)
        return run(backward, [residuals, (cotangent, runtime.ZERO) if has_aux else cotangent])
    return (out, vjp_fun, aux) if has_aux else (out, vjp_fun)


def _cotangent(out, cotangent):
    leaves, tree = tree_flatten(out)
    others, other = tree_flatten(cotangent)
    if tree != other:
        raise ValueError(f"unexpected tree structure of argument to vjp function: got {other}, but expected to match {tree}")
    made = []
    for x, c in zip(leaves, others):
        c = numeric(c)
        shape = x.shape if hasattr(x, "shape") else ()
        if c.shape != tuple(shape):
            raise ValueError(f"unexpected JAX type (e.g. shape/dtype) for argument to vjp function: got shape {c.shape}, but "
                             f"expected {tuple(shape)}")
        made.append(c)
    return tree_unflatten(tree, made)


def linearize(fun, *primals, has_aux=False):
    """Return ``(fun(*primals), fun_jvp)``: ``fun_jvp(*tangents)`` is the derivative at ``primals``."""
    out = target_call(fun, primals)
    if has_aux:
        out, aux = out

    def fun_jvp(*tangents):
        """Map tangents of the primals to the tangent of the result."""
        return jvp(fun, primals, tangents, has_aux=has_aux)[1]
    return (out, fun_jvp, aux) if has_aux else (out, fun_jvp)


def target_call(fun, primals):
    primals = [tree_map(numeric, p) for p in primals]
    return fun(*primals)


def source(fun) -> str:
    """Return the text of the module that a transformation of a function generates.

    fun: the result of grad, vmap, jit, pmap ... (or any function: its text in the core language).
    """
    inner = target_of(fun)
    for entry in getattr(fun, "_entries", {}).values():
        return entry[3].text
    return emit(inner.unit).text




for _function, _kind in ((grad, "grad"), (value_and_grad, "value_and_grad"), (vmap, "vmap"), (jit, "jit"), (pmap, "pmap"),
                         (shard_map, "shard_map"),
                         (jacfwd, "jacfwd"), (jacrev, "jacrev"), (hessian, "hessian"), (jvp, "jvp"), (vjp, "vjp"),
                         (linearize, "linearize")):
    resolve.TRANSFORMATIONS[_function] = _kind

__all__ = ["grad", "value_and_grad", "vmap", "jit", "pmap", "shard_map", "jacfwd", "jacrev", "jacobian", "hessian", "jvp", "vjp",
           "linearize", "source", "TransformError", "Array"]

"""jit: stages a function once per signature, compiles it, and dispatches later calls through jaxlib's C++ path."""
from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from runtime import device as devices
from runtime import cache, xla
from runtime.array import Array, own_scalar
from runtime.config import SIGNATURE, config
from runtime.device import Placement, default_placement, move, placement, placement_of
from runtime.dispatch import STATIC, keep, structure
from runtime.execute import CHEAP, compile_options, compile_text, explain
from runtime.failures import compiled
from runtime.hlo import Value, in_context, tracing
from runtime.invalid import check, locate, repeating, value_checks
from runtime.primitive import as_operand
from runtime.stage import Staged, eval_shape, stage
from runtime.tree import BUFFERS, LEAVES
from runtime.types import aval_of
from runtime.xla import ArrayImpl, XlaError

TINY = 1 << 10  # elements of a program's largest array up to which its compile time matters more than its speed
fast_cache = xla.PjitFunctionCache(capacity=4096)
compiled_functions: weakref.WeakSet = weakref.WeakSet()  # all that hold compiled programs, of pmap too


class Program:
    """A compiled staged function on one device; ``run(buffers)`` returns its result buffers."""
    __slots__ = ("staged", "place", "executable", "handlers", "captured", "execute", "out_tree", "runner", "meshes", "__weakref__")

    def __init__(self, staged: Staged, place: Placement, options: dict | None = None, spread=None, out_shardings=None):
        self.staged, self.place, self.out_tree = staged, place, staged.out_tree
        self.meshes = None  # those in context, for which alone it holds, where they were asked for
        special = staged.module.facts.get("runner")  # a program over several devices brings its own way to run
        callbacks = staged.module.facts.get("callbacks")
        if spread is not None and special is None:
            from runtime.partition import of_staged
            special = functools.partial(of_staged, spread=spread, out_shardings=out_shardings, options=options)
        elif special is not None and getattr(special, "takes_spread", False):
            special = functools.partial(special, spread=spread, out_shardings=out_shardings, options=options)
        self.runner = special(staged) if special else None
        if special:
            self.executable = getattr(self.runner, "executable", None)
            return
        for tell, _ in staged.module.facts.get("inspected", ()):
            tell(place.sharding)
        flags = list((options or {}).items())
        if place.platform == "cpu" and staged.module.largest <= TINY and not flags:
            flags = CHEAP[1:]  # no fusion emitters: half the compile time, and equal speed at this size
        self.executable, self.execute = compiled(callbacks, False, compile_text, staged.module.text(), place, compile_options(flags=flags))
        self.captured = move(staged.captured, place)
        away = place is not default_placement()
        self.handlers = [xla.result_handler(of, place.sharding, away) for of in staged.out_avals]

    @property
    def direct(self) -> Callable:
        """What runs the program on the buffers of its arguments alone, without the captured ones."""
        execute, captured = self.execute, self.captured
        return (lambda buffers: execute(captured + buffers)) if captured else execute

    def run(self, buffers: list) -> list:
        """Run on buffers of the staged types, all on this program's device."""
        if self.runner is not None:
            results = self.runner(buffers)
        else:
            try:
                results = self.execute(self.captured + buffers).consume_with_handlers(self.handlers)
            except (XlaError, ValueError) as error:
                raise explain(error, buffers) from error
        if value_checks():
            try:
                check(self.staged.module.name, results)
            except FloatingPointError as error:
                error.program = self.staged.module.name     # many operations: which one shows when they are run one by one
                raise
        return results


class FastPath(NamedTuple):
    """What the C++ dispatcher needs to run a program by itself; it reads the fields by name."""
    xla_executable: Any
    out_pytree_def: Any
    in_shardings: Any
    out_shardings: Any
    out_avals: Any
    out_committed: Any
    kept_var_bitvec: Any
    in_device_local_layouts: Any
    const_args: Any


def _fast_path(program: Program, buffers: list) -> FastPath | None:
    """Return what the C++ dispatcher needs to run a program by itself, or None if it cannot."""
    runner, count = program.runner, len(buffers)
    if hasattr(runner, "dispatchable") and runner.dispatchable(buffers) and not value_checks():
        n = len(program.staged.out_avals)
        out = program.out_tree.unflatten([Array(...)] * n)
        return FastPath(runner.executable, BUFFERS.flatten(out)[1], runner.inputs, runner.outputs, list(program.staged.out_avals),
                         [True] * n, [True] * count, [None] * count, [])
    if runner is not None or value_checks() or "callbacks" in program.staged.module.facts:
        return None
    n, sharding = len(program.staged.out_avals), program.place.sharding
    out = program.out_tree.unflatten([Array(...)] * n)
    away = program.place is not default_placement()
    count += len(program.captured)  # per-argument lists begin with the captured buffers
    return FastPath(program.executable, BUFFERS.flatten(out)[1], [sharding] * count, [sharding] * n,
                     list(program.staged.out_avals), [away] * n, [True] * count, [None] * count, program.captured)


def _shard_arg(x, sharding, layout):
    """Place a leaf that the C++ dispatcher cannot place itself."""
    place = placement(sharding._device_assignment[0])
    return move([x if isinstance(x, ArrayImpl) else as_operand(x, "jit")._v], place)[0]


def positions(fun: Callable, nums, names) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return positions and names of arguments given as either; ValueError for ones the function does not have."""
    nums = () if nums is None else (nums,) if isinstance(nums, int) else tuple(nums)
    known_names = names is not None
    names = () if names is None else (names,) if isinstance(names, str) else tuple(names)
    if not nums and not names:
        return (), ()
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (ValueError, TypeError):
        return nums, names
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    for num in nums:
        if not variadic and not -len(positional) <= num < len(positional):
            raise ValueError(f"jitted function has static_argnums={nums} (or donate_argnums), but only accepts "
                             f"{len(positional)} positional arguments.")
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for name in names:
        if not any_name and name not in {p.name for p in parameters}:
            raise ValueError(f"jitted function has invalid argnames {{{name!r}}} in static_argnames or donate_argnames. "
                             f"Function does not take these args: {[p.name for p in parameters]}.")
    nums = tuple(n + len(positional) if n < 0 else n for n in nums)
    if not known_names:
        names = tuple(positional[n] for n in nums if n < len(positional)
                      and next(p for p in parameters if p.name == positional[n]).kind is not inspect.Parameter.POSITIONAL_ONLY)
    elif not nums:
        nums = tuple(i for i, name in enumerate(positional) if name in names)
    return nums, names


class _Function:
    """The state behind one jitted function: options and the programs made so far."""

    def __init__(self, fun, static_argnums, static_argnames, donate_argnums, donate_argnames, device, backend,
                 compiler_options, in_shardings, out_shardings):
        if not callable(fun):
            raise TypeError(f"Expected a callable value, got {fun!r}")
        self.fun, self.name = fun, getattr(fun, "__name__", type(fun).__name__)
        self.static_nums, self.static_names = positions(fun, static_argnums, static_argnames)
        self.donate_nums, self.donate_names = positions(fun, donate_argnums, donate_argnames)
        both = set(self.static_nums) & set(self.donate_nums) or set(self.static_names) & set(self.donate_names)
        if both:
            raise ValueError(f"static_argnums and donate_argnums of jit cannot intersect: {sorted(both)} of {self.name} are in both")
        self.device = device if device is not None else (
            devices.client(backend).local_devices()[0] if backend is not None else None)
        self.compiler_options = compiler_options
        self.only_staged = getattr(fun, "only_staged", False)   # a program under disable_jit, too
        self.in_shardings, self.out_shardings = in_shardings, out_shardings
        self.programs: dict = {}
        self.spread_programs: dict = {}  # key of a call with arrays on several devices -> (program, their shardings)
        self.direct: dict = {}  # structure -> key -> what runtime.dispatch runs without further questions
        self.lock = threading.RLock()
        self.function = None    # what jaxlib dispatches

    def split(self, args, kwargs):
        """Return (dynamic args, dynamic kwargs, static key, function of the dynamic ones)."""
        if not self.static_nums and not self.static_names:
            return args, kwargs, (), self.fun
        fixed = {i: args[i] for i in self.static_nums if i < len(args)}
        named = {k: v for k, v in kwargs.items() if k in self.static_names}
        for where, value in (*fixed.items(), *named.items()):
            try:
                hash(value)
            except TypeError:
                raise ValueError(f"Non-hashable static arguments are used in a jit function: argument {where!r} of "
                                 f"{self.name} has type {type(value)}. Static arguments are compared and hashed to find "
                                 "the compiled program; pass a tuple instead of a list, for example.") from None
        total, fun = len(args), self.fun

        def of_dynamic(*dynamic, **rest):
            feed = iter(dynamic)
            return fun(*[fixed[i] if i in fixed else next(feed) for i in range(total)], **named, **rest)
        key = (tuple(fixed.items()), tuple(sorted(named.items(), key=lambda kv: kv[0])),
               tuple(map(type, fixed.values())))
        return (tuple(a for i, a in enumerate(args) if i not in fixed),
                {k: v for k, v in kwargs.items() if k not in named}, key, of_dynamic)

    def donated(self, args, kwargs) -> list[int]:
        """Return the positions, among the dynamic leaves, of those that are donated."""
        if not self.donate_nums and not self.donate_names:
            return []
        marks = []
        for i, a in enumerate(args):
            if i not in self.static_nums:
                marks += [i in self.donate_nums] * len(LEAVES.flatten(a)[0])
        for k in sorted(kwargs):
            if k not in self.static_names:
                marks += [k in self.donate_names] * len(LEAVES.flatten(kwargs[k])[0])
        return [i for i, mark in enumerate(marks) if mark]

    def stage(self, args, kwargs, dynamic=None) -> Staged:
        """Stage the function for the types of these arguments."""
        dyn_args, dyn_kwargs, _, of_dynamic = dynamic or self.split(args, kwargs)
        leaves, tree = LEAVES.flatten((dyn_args, dyn_kwargs))
        try:
            staged = stage(of_dynamic, tree, [aval_of(leaf) for leaf in leaves], self.name)
        except Exception as error:
            error.add_note(f"(raised while {self.name} was being staged for compilation by jit)")
            raise
        for i in self.donated(args, kwargs):
            staged.module.donate(i)
        return staged

    def program(self, args, kwargs, buffers_of: Callable):
        """Return (program, buffers, whether the fast path may take this signature over)."""
        reads, dynamic = in_context.reads, self.split(args, kwargs)
        leaves, tree = LEAVES.flatten(dynamic[:2])
        argument = self.own_argument if self.donate_nums or self.donate_names else self.argument
        arrays = [leaf if isinstance(leaf, Array) else argument(leaf) for leaf in leaves]
        buffers = buffers_of(arrays)
        spread = self.spread(dynamic, buffers)
        place = (default_placement() if spread is not None else placement(self.device) if self.device is not None
                 else placement_of(buffers))
        key = (tree, tuple([b.aval for b in buffers]), dynamic[2], place if spread is None else spread.key, config.signature,
               in_context.held)
        program = self.programs.get(key)
        if program is None:
            with self.lock:
                program = self.programs.get(key)
                if program is None:
                    if config.explain_cache_misses:
                        self.explain_miss(key)
                    program = Program(self.stage(args, kwargs, dynamic), place, self.compiler_options, spread,
                                      self.out_shardings)
                    if in_context.reads != reads:
                        program.meshes = in_context.held
                    self.programs[key] = program
        placed = buffers if program.runner is not None else move(buffers, place)
        raw = any(not isinstance(leaf, Array) for leaf in leaves)
        moved = any(a is not b for a, b in zip(buffers, placed))
        return program, placed, not moved and program.meshes is None and not (raw and xla.jax_is_loaded())

    def explain_miss(self, key) -> None:
        """Log in what a call differs from those that this function was compiled for, argument by argument."""
        import logging
        why = "it was never called before"
        if self.programs:
            why = min((self.differences(known, key) for known in self.programs), key=len)
            why = "; ".join(why)
        logging.getLogger(__name__).warning("%s is staged again: %s", self.name, why)

    def differences(self, known, key) -> list[str]:
        """Say in words in what two keys of programs differ."""
        if known[0] != key[0]:
            return [f"the structure of the arguments is {key[0]}, it was {known[0]}"]
        paths = self.argument_names(key[0])
        found = [f"{path} is {new}, it was {old}" for path, old, new in zip(paths, known[1], key[1]) if old != new]
        if known[2] != key[2]:
            found.append(f"the static arguments are {_static(key[2])}, they were {_static(known[2])}")
        if known[3] != key[3]:
            found.append(f"the device is {key[3]}, it was {known[3]}")
        if known[5] != key[5]:
            found.append(f"the mesh in context is {key[5][1] or key[5][0]}, it was {known[5][1] or known[5][0]}")
        return found + [f"{name} is {new}, it was {old}" for name, old, new in zip(SIGNATURE, known[4], key[4]) if old != new]

    def argument_names(self, tree) -> list[str]:
        """Name the leaves of the arguments: the parameter, then the path within it."""
        from runtime.tree import keystr, tree_flatten_with_path
        try:
            params = list(inspect.signature(self.fun).parameters)
        except (ValueError, TypeError):
            params = []
        places = [p for i, p in enumerate(params) if i not in self.static_nums and p not in self.static_names]
        found = []
        for (_, *path), _ in tree_flatten_with_path(tree.unflatten(range(tree.num_leaves)))[0]:
            first, *rest = path
            index = getattr(first, "idx", None)
            own = getattr(first, "key", None) if index is None else places[index] if index < len(places) else f"argument {index}"
            found.append(f"{own}{keystr(tuple(rest))}")
        return found

    def spread(self, dynamic, buffers):
        """Return how the arguments lie on the devices of a mesh, or None for a program on one device."""
        if self.in_shardings is None and self.out_shardings is None:
            for buffer in buffers:
                if len(buffer._sharding._device_assignment) > 1:
                    break
            else:
                return None
        from runtime import partition
        return partition.spread_of(f"jit of {self.name}", dynamic[0], dynamic[1], buffers, self.in_shardings,
                                   self.out_shardings)

    def argument(self, leaf) -> Array:
        """Return an argument's leaf as an Array; TypeError, saying what else to do, if it is no data."""
        try:
            return as_operand(leaf)
        except TypeError:
            raise TypeError(f"Cannot interpret value of type {type(leaf)} as an abstract array, in an argument of the jitted "
                            f"function {self.name}. Make the argument static (static_argnums or static_argnames), or "
                            "register its class as a pytree.") from None

    def own_argument(self, leaf) -> Array:
        """Return an argument's leaf as an Array that may be given away: numbers are shared by all who use them."""
        return own_scalar(leaf) if type(leaf) in (bool, int, float, complex) else self.argument(leaf)

    def miss(self, *args, **kwargs):
        """Handle a call the C++ dispatcher cannot: stage, compile, run; or inline into a running trace."""
        if tracing.block is not None or config.disable_jit and not self.only_staged:
            if self.in_shardings is not None or self.out_shardings is not None:
                from runtime.partition import constrained
                return constrained(self, args, kwargs), None, False
            return (self.on_arrays if repeating.active else self.fun)(*args, **kwargs), None, False
        key = None if kwargs or self.static_nums else self.spread_key(args)
        if key is not None:
            found = self.spread_programs.get(key)
            if found is not None and found[0].meshes in (None, in_context.held):
                results = found[0].run([leaf._v for leaf in LEAVES.flatten(args)[0]])
                return found[0].out_tree.unflatten([Array(r) for r in results]), None, False
        program, buffers, fast = self.program(args, kwargs, _concrete)
        if key is not None:
            self.spread_programs[key] = program, [b._sharding for b in buffers]  # kept, so that their ids stay their own
        try:
            results = program.run(buffers)
        except FloatingPointError as error:
            self.locate(error, args, kwargs)
            raise
        fast_path = _fast_path(program, buffers) if fast else None
        if not kwargs and program.meshes is None and not value_checks():
            self.note(program, args, buffers)
        return program.out_tree.unflatten([Array(r) for r in results]), fast_path, False

    def locate(self, error, args, kwargs) -> None:
        """Run operation by operation what gave a NaN or an infinity as one program, so that the error names the line."""
        if self.donate_nums or self.donate_names:
            error.add_note("(the arguments were donated: the call cannot be repeated to find the line)")
            del error.program
        elif not repeating.promised:
            locate(error, lambda: self.miss(*args, **kwargs))

    def on_arrays(self, *args, **kwargs):
        """Run the function without a program on what the program would get: arrays, where Python's numbers are given."""
        dynamic = self.split(args, kwargs)
        leaves, tree = LEAVES.flatten(dynamic[:2])
        args, kwargs = tree.unflatten([self.argument(leaf) for leaf in leaves])
        return dynamic[3](*args, **kwargs)

    def spread_key(self, args):
        """Return what tells calls with arrays on several devices apart; None for other calls."""
        leaves, tree = LEAVES.flatten(args)
        buffers = [leaf._v if type(leaf) is Array else None for leaf in leaves]
        if not buffers or any([type(b) is not ArrayImpl for b in buffers]):
            return None
        shardings = [b._sharding for b in buffers]
        for sharding in shardings:
            if len(sharding._device_assignment) > 1:
                return (tree, *[b.aval for b in buffers], *map(id, shardings), *[b._committed for b in buffers])
        return None

    def forget(self) -> None:
        """Have the calls of all structures take the general path once more."""
        self.spread_programs.clear()
        for programs in self.direct.values():  # the dicts stay: dispatchers hold them
            programs.clear()

    def note(self, program: Program, args: tuple, buffers: list) -> None:
        """Keep a program for the calls that look like this one, if the dispatcher can tell them from others.

        One for several devices is left to jaxlib's dispatcher and what it asks, which know how arguments may lie.
        """
        of = structure(args, self.static_nums)
        if program.staged.module.donated and any(type(leaf) in (bool, int, float, complex) for leaf in LEAVES.flatten(args)[0]):
            return
        if of is None or program.place is not default_placement() or self.static_names and STATIC not in of:
            return
        found = None, self.function, None, None
        if program.runner is None:
            handlers = [handler.wrap(Array) for handler in program.handlers]
            unflatten = None if program.out_tree == _LEAF else program.out_tree.unflatten
            found = program.place.sharding, program.direct, handlers, unflatten
        keep(self.direct, of, args, buffers, found)


def _static(key) -> str:
    return ", ".join(repr(value) for pairs in key[:2] for _, value in pairs) or "none"


_LEAF = LEAVES.flatten(0)[1]


def _concrete(arrays: list[Array]) -> list:
    for a in arrays:
        if type(a._v) is Value:
            from runtime.array import LeakError
            raise LeakError(f"an array of type {a.aval}, of a staged function that has returned, is passed to a jitted "
                            "function. Return such values instead of storing them elsewhere.")
    return [a._v for a in arrays]


def jit(fun: Callable | None = None, /, *, in_shardings=None, out_shardings=None, static_argnums=None,
        static_argnames=None, donate_argnums=None, donate_argnames=None, keep_unused: bool = False, device=None,
        backend: str | None = None, inline: bool = False, compiler_options: dict | None = None):
    """Return a function that runs ``fun`` as one compiled program per signature; also a decorator, with or without options.

    Arguments are pytrees of arrays, except the static ones, which are hashable. The result has ``lower``, ``eval_shape``,
    ``clear_cache`` and ``__wrapped__``. Donated arguments lend their memory to the results and are deleted.
    ``in_shardings`` and ``out_shardings`` are prefixes of the arguments and of the result with shardings (or specs of the mesh
    in context) as leaves; None leaves the choice to the arguments and to XLA.
    ``keep_unused`` and ``inline`` change nothing here: arguments are kept, and calls inside a trace are inlined.
    """
    options = dict(static_argnums=static_argnums, static_argnames=static_argnames, donate_argnums=donate_argnums,
                   donate_argnames=donate_argnames, device=device, backend=backend, compiler_options=compiler_options,
                   in_shardings=in_shardings, out_shardings=out_shardings)
    if fun is None:
        return functools.partial(jit, **options)
    if (device is not None or backend is not None) and (in_shardings is not None or out_shardings is not None):
        raise ValueError("If backend or device is specified on jit, then in_shardings should not be specified.")
    state = _Function(fun, **options)
    xla.settle_states(config.enable_x64)
    made = xla.cpp_jit(state.name, fun, state.miss, list(state.static_nums), list(state.static_names), object(),
                       BUFFERS, _shard_arg, fast_cache)
    state.function = made
    functools.update_wrapper(made, fun)
    made.__wrapped__ = fun
    made.lower = functools.partial(_lower, state)
    made.eval_shape = functools.partial(eval_shape, fun)
    made.direct, made.static, made.forget = state.direct, state.static_nums, state.forget

    def clear_cache():
        """Forget all compiled programs of this function."""
        state.programs.clear()
        state.forget()
        made._clear_cache()
    made.clear_cache = clear_cache
    compiled_functions.add(made)
    return made


def clear_caches() -> None:
    """Forget all compiled programs of all jitted functions."""
    for function in list(compiled_functions):
        function.clear_cache()


cache.releases.append(clear_caches)


def _on_config(option: str) -> None:
    if option == "enable_x64":
        xla.settle_states(config.enable_x64)
    if option in ("enable_x64", "disable_jit", "debug_nans", "debug_infs", "default_device", "default_matmul_precision",
                  "threefry_partitionable", "numpy_rank_promotion", "numpy_dtype_promotion", "loop_checkpoints"):
        for function in list(compiled_functions):
            function._clear_cache()
            function.forget()  # the compiled programs stay, found again by their key


config.on_change(_on_config)


def _lower(state: _Function, *args, **kwargs):
    """Stage the function for arguments of these types (arrays or ShapeDtypeStructs) without compiling it; returns a ``Lowered``."""
    from runtime.ahead import Lowered
    dynamic = state.split(args, kwargs)
    return Lowered(state.stage(args, kwargs, dynamic), state, dynamic)

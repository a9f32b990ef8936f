"""The variables that a staged loop carries from turn to turn: their types, which settle, and what of them stays outside the loop."""
from __future__ import annotations

import inspect
from types import CellType, FunctionType

from runtime import varying
from runtime.array import Array
from runtime.hlo import Block, Value, into, tracing
from runtime.join import JoinError, align, describe, flatten, is_arraylike, is_special, join_leaves, materialise
from runtime.types import Aval, aval_of

_SETTLE = 8  # how often the types of loop variables may change before the loop is refused


def variable_names(fn, skip: int, count: int) -> list[str]:
    """Return what the loop variables are called: the parameters of the body."""
    try:
        found = [f"loop variable {p!r}" for p in inspect.signature(fn).parameters][skip:]
    except (TypeError, ValueError):
        found = []
    return found if len(found) == count else [f"loop variable {i}" for i in range(count)]


def frozen(function, seen=()):
    """Return a loop's body with the values that its outer variables have now: it may run again after they are assigned anew."""
    if type(function) is not FunctionType or not function.__closure__:
        return function
    cells = []
    for cell in function.__closure__:
        try:
            value = cell.cell_contents
        except ValueError:      # not assigned yet, so it is not read before it is
            cells.append(cell)
            continue
        known = value is function or value in seen if type(value) is FunctionType else True
        cells.append(CellType(value if known else frozen(value, (*seen, function))))
    made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, tuple(cells))
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def as_tuple(out, count: int, what: str) -> tuple:
    """Return what a body returned as a tuple of ``count`` values; one value is returned bare."""
    if count == 1:
        return (out,)
    if count == 0:
        return ()
    if type(out) is not tuple or len(out) != count:
        raise TypeError(f"{what} must return a tuple of {count} values, got {describe(out)}")
    return out


def bare(values: tuple):
    """Return a tuple of results as a body or loop returns it: one value bare, none as None."""
    return values[0] if len(values) == 1 else (tuple(values) if values else None)


class Carry:
    """The variables of a loop while their types are being settled: leaves with a type each, or static objects.

    ``types[i]`` is an Aval (data), or None for a leaf that is static so far (ZERO, UNDEFINED, any Python object).
    """

    def __init__(self, init: tuple, names: list[str]):
        self.names = names
        self.leaves, self.tree = flatten(init)
        self.types = [aval_of(leaf) if is_arraylike(leaf) else None for leaf in self.leaves]
        self.axes = [varying.of(leaf) for leaf in self.leaves]  # along which the leaves vary, inside shard_map

    def arguments(self, block: Block) -> tuple:
        """Add an argument to a block for each typed leaf; return the loop variables in terms of them."""
        return self.with_values(self.marked([block.argument(of) for of in self.types if of is not None]))

    def marked(self, arguments: list[Value]) -> list[Value]:
        """Say of the arguments that stand for the typed leaves along which axes they vary; return them."""
        axes = [a for a, of in zip(self.axes, self.types) if of is not None]
        return [varying.mark(value, a) for value, a in zip(arguments, axes)]

    def with_values(self, values) -> tuple:
        """Return the loop variables, their typed leaves standing for these values."""
        feed = iter(values)
        return self.tree.unflatten([leaf if of is None else Array(next(feed))
                                    for leaf, of in zip(self.leaves, self.types)])

    def initial(self, block: Block) -> list[Value]:
        """Return the values with which the loop starts, emitted in the block around it."""
        return [materialise(block, leaf, of) for leaf, of in zip(self.leaves, self.types) if of is not None]

    def initial_types(self) -> list[Aval]:
        """Return the types of the typed leaves."""
        return [of for of in self.types if of is not None]

    def returned(self, block: Block, out: tuple) -> list[Value]:
        """Return what a settled body returns, converted to the settled types."""
        leaves, _ = flatten(self.expand(out)[1])
        return [materialise(block, leaf, of) for leaf, of in zip(leaves, self.types) if of is not None]

    def expand(self, out: tuple) -> tuple:
        """Return (own variables, out) with special leaves expanded to equal structures."""
        own = self.tree.unflatten(self.leaves)
        pairs = [align(a, b, name) for a, b, name in zip(own, out, self.names)]
        return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)

    def widen(self, out: tuple) -> bool:
        """Join the types with those the body returned; tell whether anything changed. JoinError if it cannot be done."""
        own, out = self.expand(out)
        leaves, tree = flatten(own)
        changed = tree != self.tree
        if changed:  # special leaves became containers of special leaves
            self.leaves, self.tree = leaves, tree
            self.types = [aval_of(leaf) if is_arraylike(leaf) else None for leaf in leaves]
            self.axes = [varying.of(leaf) for leaf in leaves]
        names = [name for name, value in zip(self.names, own) for _ in flatten(value)[0]]
        for i, (leaf, of, new) in enumerate(zip(self.leaves, self.types, flatten(out)[0])):
            if not varying.of(new) <= self.axes[i]:
                self.axes[i], changed = self.axes[i] | varying.of(new), True
            if of is None:
                if is_special(new):
                    continue
                joined = join_leaves(leaf, new, names[i])
                if type(joined) is Aval:
                    self.types[i], changed = joined, True
                elif joined.value is not leaf:
                    self.leaves[i], changed = joined.value, True
            elif not is_special(new):
                if not is_arraylike(new):
                    raise JoinError(f"{names[i]} is {of!r} at the start of a turn and {describe(new)} at its end; "
                                    "a staged loop needs arrays of one type")
                joined = join_leaves(_Typed(of), new, names[i], numbers_static=False)
                if joined is not of:
                    self.types[i], changed = joined, True
        return changed


class _Typed(Array):
    """A stand-in of which only the type matters."""
    __slots__ = ()

    def __init__(self, of: Aval):
        super().__init__(Value("", of, None))


def settle(carry: Carry, build):
    """Call ``build(scratch block, variables)`` -> out until the types of the loop variables stay as they are.

    Returns (block, out) of the last run. JoinError when they do not settle.
    """
    outer = tracing.block
    for _ in range(_SETTLE):
        scratch = outer.region()
        variables = carry.arguments(scratch)
        with into(scratch):
            out, extra = build(scratch, variables)
        before = list(carry.types)
        if not carry.widen(out):
            return scratch, out, extra
    changed = next((n for n, (a, b) in enumerate(zip(before, carry.types)) if a is not b), 0)
    raise JoinError(f"the types of the loop variables do not settle: leaf {changed} was {before[changed]}, then "
                    f"{carry.types[changed]}. Give the variable its final type before the loop.")

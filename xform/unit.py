"""A unit: one function in the core language, with what its free names mean.

Batched code whose branches some lanes take and others do not has forms. That which is run gathers the lanes that take an expensive
branch (transform/lanes.py). Where it is differentiated, both sides are computed for all lanes, and guarded (transform/guards.py);
where it is batched again, both sides are computed for all. Each form is made from the code before it was batched, when a
transformation asks for it.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gast

from xform.syntax import params_of

RUN, GUARDED, PLAIN = "run", "guarded", "plain"     # the forms of batched code: to be run, differentiated, batched again


@dataclass(eq=False)
class Unit:
    """A function in core form (see grammar.py).

    tree: FunctionDef with plain positional parameters and one trailing return.
    env: what each free name of the tree means: a Unit, a runtime module or any Python object.
    temps: local names that a pass made up; emission may fold them away.
    file: where the user's lines are; node line numbers refer to it.
    reads: where an entry of env was read, by its name; names that begin with "held " are not in the tree, but the code was
        resolved to what they hold (functions in a list).
    boundary: set when calls must go through a runtime entry (jit, pmap).
    """
    name: str
    tree: gast.FunctionDef
    env: dict[str, Any]
    temps: set[str] = field(default_factory=set)
    file: str | None = None
    origin: str = ""
    boundary: Any = None
    notes: list[str] = field(default_factory=list)
    reads: dict[str, tuple] = field(default_factory=dict)   # env name -> (namespace, key) of a global or cell read
    core: bool = False          # whether the tree is in the core language (grammar.py) or in the readable form
    function: Any = None        # the Python object that this unit was read from, when there is one
    within: Any = None          # the Python function whose text has this one in it
    result: Any = None          # (compile-time function, captured locals) when that is what the unit returns
    lists: frozenset = frozenset()      # the captured locals among ``result`` that hold lists
    objects: dict = field(default_factory=dict)     # object that it is specialised to -> its path among the values (resolve.objects_in)
    around: Any = None          # of a nested function: (lowering of the function around it, {object: what it is there})
    writes: tuple = ()          # the paths of those whose changed attributes follow the result in what ``result`` describes
    signature: Any = None       # inspect.Signature for binding calls
    special: Any = None         # the function that it was made of for a call with functions, objects or flags among the arguments
    takes: dict = field(default_factory=dict)   # parameter -> the kind (desugar/kinds.py) of object that it was specialised to
    gives: Any = None           # the kind of what the unit returns, where that is an object or holds one
    sized: bool = False         # of batched code: whether its last parameter is the size of the batch, which no other parameter has
    backward: bool = False      # whether it is the backward half of another: a list in it is a cotangent
    form: Any = None            # of batched code that has forms: makes another one

    in_place: set = field(default_factory=set)      # ids of statements that stand for a change of what their target holds
    copied: set = field(default_factory=set)        # ids of calls whose result is a copy where that of the same call may be a view
    augmented: set = field(default_factory=set)     # ids of statements that stand for ``x op= v``, which changes an array of NumPy's
    strange: frozenset = frozenset()                # parameters that get what code that is not read gave (transform/strangers.py)
    shares: tuple = ()          # what its result shares with its parameters, as analyze/sharing.py has it
    same: dict = field(default_factory=dict)        # id of a statement -> {its target: the argument of a call that it is, too}

    @property
    def params(self):
        return params_of(self.tree)

    @property
    def body(self):
        return self.tree.body

    def dependencies(self):
        """(namespace, key, function) of what the code was resolved to, and would be made anew for if it changed."""
        for key, (namespace, where) in self.reads.items():
            value = self.env.get(key)
            if isinstance(namespace, (dict, Items)) and (callable(value) or key.startswith("held ")):
                yield namespace, where, value


def in_form(unit, wanted) -> Unit:
    """The unit itself, or batched code in the form that a transformation wants."""
    return unit if unit.form is None else unit.form(wanted)


class Items:
    """A list, tuple or dict read as a dict is: None for what it does not have; its length under the key "length"."""
    __slots__ = ("container",)

    def __init__(self, container):
        self.container = container

    def get(self, key):
        if key == "length":
            return len(self.container)
        if isinstance(self.container, dict):
            return self.container.get(key)
        return self.container[key] if key < len(self.container) else None


@dataclass(frozen=True)
class Boundary:
    """A runtime entry around a unit: the inner unit as it was before staging, and the entry's options."""
    kind: str                   # a key of transform/boundary.py's KINDS: 'jit', 'pmap', 'checkpoint' ...
    inner: Unit
    options: tuple              # sorted (key, value) pairs, as keyword arguments of rt.jit / rt.pmap

    def option(self, key, default=None):
        return dict(self.options).get(key, default)


def inside(unit):
    """The unit that a runtime entry is around, or entries around one another are: ``f`` of ``checkpoint(jit(f))``."""
    while unit.boundary is not None:
        unit = unit.boundary.inner
    return unit

"""A unit: one function in the core language, with what its free names mean."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gast

from xform.syntax import params_of


@dataclass(eq=False)
class Unit:
    """A function in core form (see grammar.py).

    tree: FunctionDef with plain positional parameters and one trailing return.
    env: what each free name of the tree means: a Unit, a runtime module or any Python object.
    temps: local names that a pass made up; emission may fold them away.
    file: where the user's lines are; node line numbers refer to it.
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
    result: Any = None          # (compile-time function, captured locals) when that is what the unit returns
    signature: Any = None       # inspect.Signature for binding calls

    @property
    def params(self):
        return params_of(self.tree)

    @property
    def body(self):
        return self.tree.body


@dataclass(frozen=True)
class Boundary:
    """A runtime entry around a unit: the inner unit as it was before staging, and the entry's options."""
    kind: str                   # 'jit' or 'pmap'
    inner: Unit
    options: tuple              # sorted (key, value) pairs, as keyword arguments of rt.jit / rt.pmap

    def option(self, key, default=None):
        return dict(self.options).get(key, default)

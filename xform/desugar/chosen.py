"""What a mask chooses: ``x[mask]`` that is combined element by element, summed up or put back needs no shape of its own.

How many elements a mask chooses is not known while a program is staged, nor where each example of a batch has its own mask. Where nothing
but such things is done with them, ``runtime/ops/chosen.py`` can compute without. Before::

    above = x > limit
    item = x[above]
    product = item * 0.5
    x = rt.setitem(x, above, product)
    mean = np.mean(product)

After::

    above = x > limit
    item = rt.chosen(x, above)
    product = item * 0.5
    x = rt.put_chosen(x, above, product)
    mean = rt.chosen_mean(product, above)

What is done otherwise with what a mask chose (returned, sorted, joined, given to other functions) leaves all of it as it was.
"""
from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType

import gast

from xform.errors import TransformError
from xform.flow import liveness
from xform.library import is_runtime
from xform.memo import Memo
from xform.names import Names
from xform.operations import Copy, RuleCall, Static, UnitCall, classify
from xform.syntax import assign, assigned, at, blocks, call, clone, const, dotted, name, nodes_of, reads, target_names
from xform.unit import Unit

MASKS = frozenset("""np.less np.less_equal np.greater np.greater_equal np.equal np.not_equal np.isnan np.isinf np.isfinite np.isposinf
np.isneginf np.signbit np.isclose np.isin np.logical_and np.logical_or np.logical_xor np.logical_not""".split())
OF_MASKS = frozenset({"np.bitwise_and", "np.bitwise_or", "np.bitwise_xor", "np.invert"})
DOTS = frozenset({"np.dot", "np.matmul", "np.inner"})
CONVERSIONS = frozenset({"np.astype", "np.asarray", "np.array"})
ELEMENTWISE = frozenset({"np.clip", "np.nan_to_num", "np.sinc", "np.angle", "nn.gelu", "np.float_power", "np.astype", "np.asarray", "np.array",
                         "np.copy", "rt.builtins.copy"})  # and the ops that say so
NEUTRAL = {"np.sum": "sum", "np.prod": "prod", "np.max": "max", "np.min": "min", "np.amax": "max", "np.amin": "min", "np.any": "sum",
           "np.all": "prod", "np.count_nonzero": "sum"}
REDUCED = {"np.mean": "rt.chosen_mean", "np.var": "rt.chosen_var", "np.std": "rt.chosen_std", "np.linalg.norm": "rt.chosen_norm"}


_gives = Memo()     # unit -> whether it returns a mask
_of = Memo()        # unit -> the places of the parameters of which it computes its result element by element


@dataclass(frozen=True)
class Mask:
    """An array of bools; masks with the same key have the same elements. group: set for the places of its true ones."""
    key: tuple
    group: int | None = None


@dataclass(frozen=True)
class Chosen:
    """What a mask chose, or was computed of that element by element. group: of the values that stand or fall together."""
    group: int
    mask: str
    key: tuple
    source: frozenset


@dataclass(frozen=True)
class Places:
    """The tuple of index arrays that np.nonzero, or np.where, finds for a mask."""
    mask: str
    key: tuple
    group: int


@dataclass(frozen=True)
class Shape:
    """The shape of what a mask chose."""
    of: str
    chosen: Chosen


SCALAR, ARRAY = "scalar", "array"


@dataclass(frozen=True)
class _State:
    """What names hold at a place, and which of their bindings it is."""
    kinds: dict
    versions: dict

    def copy(self):
        return _State(dict(self.kinds), dict(self.versions))


def with_chosen(unit) -> Unit:
    """The unit, with what masks choose in a form that needs no shape where that can be."""
    if unit.function is not None and is_runtime(unit.function):
        return unit
    if not any(isinstance(node, (gast.Subscript, gast.Compare)) or isinstance(node, gast.Call) and dotted(node.func) in MASKS
               for statement in unit.tree.body for node in nodes_of(statement)):
        return unit
    walk, state = _Walk(unit), _State({}, {})
    walk.block(unit.tree.body, state)
    last = unit.tree.body[-1]
    _gives[unit] = isinstance(last, gast.Return) and isinstance(state.kinds.get(getattr(last.value, "id", None)), Mask)
    if walk.changes:
        unit.tree.body = walk.changed(unit.tree.body)
    return unit


class _Walk:
    """Reads a unit from its start to its end; what is to be written otherwise is kept until all of it was read."""

    def __init__(self, unit):
        self.unit = unit
        self.live = liveness(unit.tree.body)
        self.names = Names({n.id for n in gast.walk(unit.tree) if isinstance(n, gast.Name)} | set(unit.params) | set(unit.env))
        self.parents, self.spoiled = [], set()      # groups that were joined; those of which something else is done
        self.made = {}          # name -> the groups of what it ever held
        self.changes = []       # (group, statement, its new value, the statements before it)
        self.count = 0

    # -- groups -------------------------------------------------------------------------------------------------------

    def group(self):
        self.parents.append(len(self.parents))
        return len(self.parents) - 1

    def root(self, group):
        while self.parents[group] != group:
            group = self.parents[group]
        return group

    def join(self, groups):
        first = self.root(groups[0])
        for other in groups[1:]:
            self.parents[self.root(other)] = first
        return first

    def spoil(self, names, state):
        for own in names:
            group = _group(state.kinds.get(own))
            if group is not None:
                self.spoiled.add(group)

    # -- statements ---------------------------------------------------------------------------------------------------

    def block(self, statements, state):
        for statement in statements:
            if isinstance(statement, gast.Assign) and isinstance(statement.targets[0], gast.Name):
                self.assign(statement, state)
            elif isinstance(statement, gast.If):
                self.spoil(reads(statement.test), state)
                sides = [state.copy(), state.copy()]
                self.block(statement.body, sides[0])
                self.block(statement.orelse, sides[1])
                self.merge(statement, sides, state)
            elif isinstance(statement, (gast.For, gast.While)):
                self.spoil(reads(statement.iter if isinstance(statement, gast.For) else statement.test), state)
                self.loop(statement, state)
            else:
                self.spoil(reads(statement), state)
                for target in getattr(statement, "targets", ()):
                    for own in target_names(target):
                        self.bind(own, None, state)

    def bind(self, own, kind, state):
        self.count += 1
        state.versions[own] = self.count
        state.kinds.pop(own, None)
        if kind is not None:
            state.kinds[own] = kind
        if _group(kind) is not None:
            self.made.setdefault(own, []).append(_group(kind))

    def forget(self, names, live, state):
        """Bind names to nothing known; what masks chose of them is given up where it may be read again."""
        for own in names:
            if own in live:
                self.spoiled.update(self.made.get(own, ()))
            self.bind(own, None, state)

    def merge(self, statement, sides, state):
        names = assigned([statement])
        differing = [own for own in names if sides[0].kinds.get(own) != sides[1].kinds.get(own) or _group(sides[0].kinds.get(own)) is not None]
        self.forget(differing, self.live.after.get(id(statement), ()), state)
        for own in names:
            if own not in differing:
                self.bind(own, sides[0].kinds.get(own), state)

    def loop(self, statement, state):
        names, live = assigned([statement]), self.live.head.get(id(statement), frozenset())
        self.forget(names, live, state)
        inside = state.copy()
        for block in blocks(statement):
            self.block(block, inside)
        self.forget(names, live | self.live.after.get(id(statement), frozenset()), state)

    # -- values -------------------------------------------------------------------------------------------------------

    def assign(self, statement, state):
        value, target = statement.value, statement.targets[0].id
        try:
            operation = classify(value, self.unit)
            kind = self.kind(operation, statement, state)
        except TransformError:      # a callee that cannot be read: it is refused, or called as it is, where it is transformed
            kind = None
            self.spoil(reads(value), state)
        self.bind(target, kind, state)

    def kind(self, operation, statement, state):
        """What a value is; what masks chose, and is used otherwise than can be done without its shape, is spoiled."""
        read = [state.kinds[n] for n in reads(statement.value) if _group(state.kinds.get(n)) is not None]
        if isinstance(operation, Copy):
            return state.kinds.get(operation.atom.id) if isinstance(operation.atom, gast.Name) else SCALAR
        path = getattr(operation, "path", "")
        if path == "rt.getitem":
            found = self.item(operation, statement, state, read)
        elif path == "rt.setitem" and read:
            found = self.put(operation, statement, state)
        elif path == "np.nonzero" or path == "np.where" and len(statement.value.args) == 1:
            found = self.places(statement, state)
        elif path in NEUTRAL or path in REDUCED:
            found = self.reduction(path, statement, state) if read else _reduced(statement.value)
        elif path in DOTS and read:
            found = self.dot(operation, statement, state)
        elif isinstance(operation, Static):
            found = self.static(operation.node, statement, state) if read else None
        elif path in MASKS | OF_MASKS and not read:
            return self.mask(path, operation, state)
        elif not read and (path in CONVERSIONS and _bool(_atoms(operation)[1:2], self.unit) or isinstance(
                operation, UnitCall) and isinstance(operation.callee, Unit | FunctionType) and operation.readable and _gives.get(operation.unit)):
            self.count += 1
            return Mask((path, self.count))
        elif _elementwise(operation) or read and isinstance(operation, UnitCall) and self.by_element(operation, state):
            return self.combined(operation, statement, state)
        else:
            found = None
        if read and found is None:
            self.spoil(reads(statement.value), state)
        return found

    def mask(self, path, operation, state):
        """The kind of a comparison, or of masks that are combined."""
        atoms = _atoms(operation)
        kinds = [state.kinds.get(a.id) if isinstance(a, gast.Name) else None for a in atoms]
        if path in OF_MASKS and not any(isinstance(k, Mask) for k in kinds):
            return None
        parts = []
        for atom, kind in zip(atoms, kinds):
            if isinstance(kind, Mask):
                parts.append(kind.key)
            elif isinstance(atom, gast.Name):
                parts.append(("name", atom.id, state.versions.get(atom.id, 0)))
            else:
                parts.append(gast.dump(atom))
        return Mask((path, *parts))

    def places(self, statement, state):
        """Where a mask is true: as an index, the mask itself."""
        node = statement.value
        mask = state.kinds.get(getattr(node.args[0], "id", None)) if len(node.args) == 1 and not node.keywords else None
        if not isinstance(mask, Mask) or mask.group is not None:
            return None
        group = self.group()
        self.changes.append((group, statement, clone(node.args[0]), ()))
        return Places(node.args[0].id, mask.key, group)

    def item(self, operation, statement, state, read):
        """What a mask chooses of an array; or the places of its true elements, of the tuple that has them."""
        x, index = operation.args["x"], operation.args["index"]
        found = state.kinds.get(getattr(x, "id", None))
        if isinstance(index, gast.Constant) and index.value == 0 and type(index.value) is int and isinstance(found, (Shape, Places)):
            if isinstance(found, Shape):
                return self.counted(found.of, found.chosen, False, statement, state)
            self.changes.append((found.group, statement, call("rt.places_of", [name(x.id, statement)], node=statement), ()))
            return Mask((*found.key, "places"), found.group)
        mask = state.kinds.get(getattr(index, "id", None))
        if not isinstance(mask, (Mask, Places)) or not isinstance(x, gast.Name) or _group(found) is not None:
            return None
        group = self.group() if mask.group is None else mask.group
        self.changes.append((group, statement, call("rt.chosen", [clone(x), clone(index)], node=statement), ()))
        return Chosen(group, index.id, mask.key, frozenset({(x.id, state.versions.get(x.id, 0))}))

    def put(self, operation, statement, state):
        """A change of what a mask chooses, to what was computed of that or to other things."""
        x, index, value = (state.kinds.get(getattr(operation.args[own], "id", None)) for own in ("x", "index", "value"))
        if _group(x) is not None or not isinstance(index, (Mask, Places)):
            return None
        if isinstance(value, Chosen) and value.key == index.key:
            group = value.group if index.group is None else self.join([value.group, index.group])
            self.changes.append((group, statement, call("rt.put_chosen", [clone(operation.args[own]) for own in ("x", "index", "value")],
                                                        node=statement), ()))
        elif _group(value) is not None:
            return None
        return ARRAY

    def reduction(self, path, statement, state):
        """A sum, or what else needs but to know which elements were not chosen."""
        node = statement.value
        axis, rest = const(None), {k.arg: k.value for k in node.keywords}
        given = list(node.args)
        if len(given) == 2 and "axis" not in rest and path != "np.linalg.norm":
            axis = given.pop()
        axis = rest.pop("axis", axis)
        w = given[0] if len(given) == 1 and isinstance(given[0], gast.Name) else None
        chosen = state.kinds.get(w.id) if w is not None else None
        if not isinstance(chosen, Chosen) or not self.bound(chosen, state) or not isinstance(axis, gast.Constant) or axis.value not in (None, 0):
            return None
        ddof = rest.pop("ddof", None) if path in ("np.var", "np.std") else None
        if rest or ddof is not None and not isinstance(ddof, gast.Constant) or axis.value is not None and path == "np.linalg.norm":
            return None
        mask = name(chosen.mask, node)
        if path in REDUCED:
            options = {**({} if axis.value is None else {"axis": clone(axis)}), **({} if ddof is None else {"ddof": clone(ddof)})}
            self.changes.append((chosen.group, statement, call(REDUCED[path], [clone(w), mask], options, node=node), ()))
        else:
            neutral = [] if NEUTRAL[path] == "sum" else [const(NEUTRAL[path])]
            kept = self.fresh("kept")
            before = [assign(kept, call("rt.kept", [clone(w), mask, *neutral], node=node), node)]
            options = {}
            if axis.value is not None:
                like, axes = self.fresh("like"), self.fresh("axes")
                before += [assign(like, call("rt.like", [clone(w)], node=node), node),
                           assign(axes, call("rt.chosen_axes", [clone(mask), name(like), clone(axis)], node=node), node)]
                options = {"axis": name(axes)}
            self.changes.append((chosen.group, statement, call(path, [name(kept)], options, node=node), before))
        return SCALAR if axis.value is None else ARRAY

    def dot(self, operation, statement, state):
        """The dot product of what one mask chose twice."""
        atoms = _atoms(operation)[:2]
        kinds = [self.kind_of(a, state) for a in atoms]
        if not all(isinstance(k, Chosen) and k.key == kinds[0].key for k in kinds) or not self.bound(kinds[0], state) or getattr(
                statement.value, "keywords", None):
            return None
        self.changes.append((self.join([k.group for k in kinds]), statement, call(
            "rt.chosen_dot", [*map(clone, atoms), name(kinds[0].mask, statement)], node=statement), ()))
        return ARRAY

    def static(self, node, statement, state):
        """The length, size, shape or dtype of what a mask chose."""
        if isinstance(node, gast.Attribute) and isinstance(node.value, gast.Name):
            chosen = state.kinds.get(node.value.id)
            if isinstance(chosen, Chosen) and self.bound(chosen, state):
                if node.attr == "size":
                    return self.counted(node.value.id, chosen, True, statement, state)
                if node.attr == "shape":
                    return Shape(node.value.id, chosen)
                if node.attr == "dtype":
                    return ARRAY
        if isinstance(node, gast.Call) and isinstance(node.func, gast.Name) and node.func.id == "len" and len(node.args) == 1 and isinstance(
                node.args[0], gast.Name):
            chosen = state.kinds.get(node.args[0].id)
            if isinstance(chosen, Chosen):
                return self.counted(node.args[0].id, chosen, False, statement, state)
        return None

    def counted(self, own, chosen, whole, statement, state):
        if not self.bound(chosen, state) or state.kinds.get(own) != chosen:
            return None
        like = self.fresh("like")
        before = [assign(like, call("rt.like", [name(own)], node=statement), statement)]
        self.changes.append((chosen.group, statement, call("rt.count_chosen", [name(chosen.mask), name(like), *([const(True)] if whole else ())],
                                                           node=statement), before))
        return SCALAR

    def combined(self, operation, statement, state):
        """What is computed element by element, of what a mask chose and of other things."""
        atoms = _atoms(operation)
        kinds = [self.kind_of(a, state) for a in atoms]
        chosen = [k for k in kinds if isinstance(k, Chosen)]
        if not chosen:
            if any(_group(k) is not None for k in kinds):
                self.spoil(reads(statement.value), state)
            return SCALAR if kinds and all(k is SCALAR for k in kinds) else None
        first = chosen[0]
        if any(_group(k) is not None and (not isinstance(k, Chosen) or k.key != first.key) for k in kinds) or not self.bound(first, state):
            self.spoil(reads(statement.value), state)
            return None
        group = self.join([k.group for k in chosen])
        beside = next(a for a, k in zip(atoms, kinds) if k is first)
        asked = []
        for atom, kind in zip(atoms, kinds):
            if kind is SCALAR or isinstance(kind, Chosen) and kind.source == first.source:
                continue
            asked.append(at(gast.Expr(call("rt.no_rows_beside", [clone(atom), clone(beside), name(first.mask, statement),
                                                                 *([const(True)] if isinstance(kind, Chosen) else ())], node=statement)), statement))
        if asked:
            self.changes.append((group, statement, None, asked))
        return Chosen(group, first.mask, first.key, frozenset().union(*[k.source for k in chosen]))

    def by_element(self, call, state):
        """Whether a call of a function computes its result of what a mask chose element by element."""
        chosen = {place for place, a in enumerate(call.args) if isinstance(a, gast.Name) and isinstance(state.kinds.get(a.id), Chosen)}
        if not call.readable or not all(isinstance(a, (gast.Name, gast.Constant)) for a in call.args):
            return False
        return bool(chosen & _computed_of(call.unit))

    def kind_of(self, atom, state):
        if isinstance(atom, gast.Constant):
            return SCALAR
        if isinstance(atom, gast.Name):
            if atom.id in state.kinds:
                return state.kinds[atom.id]
            if isinstance(self.unit.env.get(atom.id), (bool, int, float, complex)):
                return SCALAR
        return None

    def bound(self, chosen, state):
        """Whether the name of a mask still holds it."""
        found = state.kinds.get(chosen.mask)
        return isinstance(found, (Mask, Places)) and found.key == chosen.key

    def fresh(self, wanted):
        made = self.names.fresh(wanted)
        self.unit.temps.add(made)
        return made

    # -- the new text -------------------------------------------------------------------------------------------------

    def changed(self, statements):
        """Statements with what masks choose written as it is computed."""
        spoiled = {self.root(group) for group in self.spoiled}
        before = {}
        for group, statement, value, first in self.changes:
            if self.root(group) not in spoiled:
                before.setdefault(id(statement), []).extend(first)
                if value is not None:
                    statement.value = value
        return _with(statements, before)


def _group(kind):
    """The group of what is not known by its shape; None for anything else."""
    return kind.chosen.group if isinstance(kind, Shape) else getattr(kind, "group", None)


def _reduced(node):
    """What a sum, or the like, of something else is: a number, if it is over all axes."""
    return SCALAR if len(node.args) == 1 and not node.keywords else None


def _bool(given, unit) -> bool:
    """Whether a dtype that is given is that of bools."""
    found = dotted(given[0]) if given and isinstance(given[0], (gast.Name, gast.Attribute)) else None
    return found in ("np.bool_", "np.bool") or found == "bool" and "bool" not in unit.env and "bool" not in unit.params


def _with(statements, before):
    made = []
    for statement in statements:
        for block in ("body", "orelse"):
            if getattr(statement, block, None):
                setattr(statement, block, _with(getattr(statement, block), before))
        made += [*before.get(id(statement), ()), statement]
    return made


def _elementwise(operation) -> bool:
    """Whether an operation computes each element of its result of those beside it."""
    return isinstance(operation, RuleCall) and operation.rule.elementwise or getattr(operation, "path", "") in ELEMENTWISE


def _atoms(operation):
    """The operands of an operation that are data."""
    if isinstance(operation, UnitCall):
        return list(operation.args)
    found = []
    for value in operation.args.values():
        found += value if isinstance(value, list) else [value]
    return found


def _computed_of(unit) -> frozenset:
    """The places of the parameters of which a function computes its result element by element; none if it does anything else."""
    if unit not in _of:
        _of[unit] = frozenset()     # while a function that calls itself is looked at
        _of[unit] = _operands_of(unit)
    return _of[unit]


def _operands_of(unit):
    held = {param: frozenset({place}) for place, param in enumerate(unit.params)}
    if unit.tree is None or unit.boundary is not None or not unit.core:
        return frozenset()
    for statement in unit.tree.body[:-1]:
        if not isinstance(statement, gast.Assign) or not isinstance(statement.targets[0], gast.Name):
            return frozenset()
        operation = classify(statement.value, unit)
        if isinstance(operation, Copy):
            atoms = [operation.atom]
        elif _elementwise(operation):
            atoms = _atoms(operation)
        else:
            return frozenset()
        if not all(isinstance(a, gast.Constant) or isinstance(a, gast.Name) and (a.id in held or isinstance(
                unit.env.get(a.id), (bool, int, float, complex))) for a in atoms):
            return frozenset()
        held[statement.targets[0].id] = frozenset().union(*[held.get(a.id, frozenset()) for a in atoms if isinstance(a, gast.Name)])
    last = unit.tree.body[-1]
    return held.get(getattr(last.value, "id", None), frozenset()) if isinstance(last, gast.Return) else frozenset()

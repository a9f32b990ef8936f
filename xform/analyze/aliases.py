"""Aliases: refuse a program that writes into an object under one name and then reads it under another.

Arrays and containers are values in transformed code (``x[i] = v`` rebinds ``x``), so such a read would give the old contents.

Before::

    b = a
    b[0] = v        # a changes too, in Python
    y = a.sum()     # refused here

Whether an index makes a view, which shares what it holds with the array, depends on shapes: where it would matter, a question is put
into the code, which refuses when it runs::

    b = a[i]
    a[0] = v
    y = b.sum()

After::

    rt.no_view(a, i)    # a number, or a copy?
    b = a[i]
    ...
"""
from __future__ import annotations

import types

import gast

from xform import parse
from xform.errors import refuse
from xform.names import Names
from xform.resolve import mentions
from xform.syntax import assign, at, call, clone, dotted, name, reads, target_names

VIEWS = frozenset({"np." + own for own in ("reshape", "transpose", "ravel", "swapaxes", "moveaxis", "squeeze", "expand_dims", "diagonal",
                                           "asarray", "atleast_1d", "atleast_2d", "atleast_3d", "rollaxis")})
ITERATED = frozenset({"rt.builtins.enumerate", "rt.builtins.zip", "rt.builtins.reversed"})
WRITES = frozenset({"rt.setitem", "rt.append", "rt.extend", "rt.insert", "rt.update"})


def check(unit):
    """Raise TransformError where a unit reads what was changed under another name; put in questions where that depends on shapes."""
    walk = _Walk(unit)
    walk.block(unit.tree.body, _State())
    if walk.questions:
        unit.tree.body = walk.asked(unit.tree.body)
    return unit


class _State:
    """Which names hold the same object, which hold one that was changed under another name, and which may be views.

    classes: name -> frozenset of the names of one object. stale: name -> (the name it was changed under, line).
    views: name -> frozenset of (name of the whole, id of the statement that made the part). doubtful: name -> frozenset of (id of a
    statement, whole, question) that have to be asked if the name is read. bound: name -> (id of the statement ``name = other``, other).
    """

    def __init__(self, classes=None, stale=None, views=None, doubtful=None, bound=None):
        self.classes = {} if classes is None else classes
        self.stale = {} if stale is None else stale
        self.views = {} if views is None else views
        self.doubtful = {} if doubtful is None else doubtful
        self.bound = {} if bound is None else bound

    def copy(self):
        return _State(dict(self.classes), dict(self.stale), dict(self.views), dict(self.doubtful), dict(self.bound))

    def together(self, identifier):
        return self.classes.get(identifier, frozenset({identifier}))

    def rebind(self, identifier):
        for other in self.classes.pop(identifier, ()):
            if other in self.classes:
                self.classes[other] = self.classes[other] - {identifier}
        self.stale.pop(identifier, None)
        self.doubtful.pop(identifier, None)
        self.views.pop(identifier, None)
        for part, wholes in list(self.views.items()):
            kept = frozenset((whole, made) for whole, made in wholes if whole != identifier)
            if kept != wholes:
                self.views[part] = kept

    def alias(self, identifier, of, made=None):
        self.rebind(identifier)
        if made is not None:
            self.bound[identifier] = id(made), of
        together = self.together(of) | {identifier}
        for other in together:
            self.classes[other] = together
        for facts in (self.stale, self.views, self.doubtful):
            if of in facts:
                facts[identifier] = facts[of]

    def view(self, identifier, wholes):
        """``identifier`` may be a view of each of some (name, id of the statement that makes it)."""
        self.views[identifier] = frozenset((other, made) for whole, made in wholes for other in self.together(whole) if other != identifier)

    def write(self, identifier, node, itself=False, nested=False):
        for other in self.together(identifier):
            if itself or other != identifier:
                self.stale[other] = identifier, getattr(node, "lineno", None)
        self.doubt_parts(identifier, {identifier}, "not_shared" if nested else "no_view")
        self.doubt_wholes(identifier, {identifier})

    def augment(self, identifier):
        """``x += v``: an array of NumPy's is changed in place, a number is not."""
        for other in self.together(identifier) - {identifier}:
            made, of = self.bound.get(other) or self.bound.get(identifier) or (None, None)
            if made is not None:
                self.doubt(other, frozenset({(made, of, "no_array")}))
        self.doubt_parts(identifier, {identifier})
        self.doubt_wholes(identifier, {identifier})

    def doubt(self, identifier, asked):
        self.doubtful[identifier] = self.doubtful.get(identifier, frozenset()) | asked

    def doubt_parts(self, whole, seen, question="no_view"):
        """The parts of what has changed are not what they are in NumPy if they are views."""
        wholes = self.together(whole)
        for part, found in self.views.items():
            asked = frozenset((made, of, question) for of, made in found if of in wholes)
            if asked and part not in seen:
                self.doubt(part, asked)
                self.doubt_parts(part, seen | {part})

    def doubt_wholes(self, part, seen):
        """The wholes, and their other parts, are not what they are in NumPy if what has changed is a view of them."""
        for whole, made in self.views.get(part, ()):
            if whole not in seen:
                self.doubt(whole, frozenset({(made, whole, "not_shared")}))
                self.doubt_parts(whole, seen | {part, whole})
                self.doubt_wholes(whole, seen | {whole})

    def within(self, part, wholes):
        """The (id of the statement that made it, whole) of each step from a part to some wholes; None if it is no part of them."""
        for whole, made in self.views.get(part, ()):
            if whole in wholes:
                return [(made, whole)]
            more = self.within(whole, wholes)
            if more is not None:
                return [(made, whole), *more]
        return None

    def join(self, other):
        for identifier in set(self.classes) | set(other.classes):
            one = self.together(identifier)
            self.classes[identifier] = one | other.together(identifier)
        self.stale.update(other.stale)
        self.bound.update(other.bound)
        for own, more in ((self.views, other.views), (self.doubtful, other.doubtful)):
            for identifier, found in more.items():
                own[identifier] = own.get(identifier, frozenset()) | found

    def key(self):
        return dict(self.classes), dict(self.stale), dict(self.views), dict(self.doubtful)


class _Walk:
    def __init__(self, unit):
        self.unit = unit
        self.of_numpy = mentions(unit.function, "numpy") and not mentions(unit.function, "runtime.numpy")   # x += v changes what x is
        self.questions = {}     # id of a statement that makes a part -> the names of the questions to be asked before it
        self.names = Names({*unit.params, *unit.env, *(n.id for n in gast.walk(unit.tree) if isinstance(n, gast.Name))})
        self.made = {}          # name -> the expression that it was bound to last
        self.loops = []         # the for loops around

    def asked(self, statements):
        """Return statements with the questions in front of those that they are about."""
        made = []
        for node in statements:
            for block in ("body", "orelse"):
                if getattr(node, block, None):
                    setattr(node, block, self.asked(getattr(node, block)))
            for whole, question in sorted(self.questions.get(id(node), ())):
                if isinstance(node, gast.For) or question == "no_array":
                    question, arguments = {"no_view": "no_rows", "not_shared": "no_items"}.get(question, question), [name(whole, node)]
                else:
                    arguments = [clone(node.value.value), self.index(node.value.slice, made)]
                made.append(at(gast.Expr(call("rt." + question, arguments, node=node)), node))
            made.append(node)
        return made

    def index(self, node, made):
        """An index as an atom: slices and tuples of them are bound to names of their own by statements that are added to ``made``."""
        if isinstance(node, gast.Tuple):
            value = at(gast.Tuple([self.index(e, made) for e in node.elts], gast.Load()), node)
        elif isinstance(node, gast.Slice):
            parts = [gast.Constant(None, None) if p is None else clone(p) for p in (node.lower, node.upper, node.step)]
            value = call("slice", parts, node=node.lower or node.upper or node.step)
        else:
            return clone(node)
        identifier = self.names.fresh("index")
        self.unit.temps.add(identifier)
        made.append(assign(identifier, value, node))
        return name(identifier, node)

    def read(self, node, state, at=None):
        for identifier in reads(node):
            for made, whole, question in state.doubtful.get(identifier, ()):
                self.questions.setdefault(made, set()).add((whole, question))
            if identifier in state.stale:
                other, line = state.stale[identifier]
                how = "changed in place by a call" if other == identifier else f"changed in place as {other!r}"
                refuse(node if hasattr(node, "lineno") else at, self.unit,
                       f"{identifier!r} is read here after it was {how}" + (f" in line {line}" if line else "") +
                       ": arrays and containers are values in transformed code, so it would still have its old contents",
                       f"Read {other!r} instead, or copy before changing it." if other != identifier else
                       "Return the changed object from the function and bind it.")

    def block(self, statements, state):
        for statement in statements:
            self.statement(statement, state)

    def statement(self, node, state):
        if isinstance(node, gast.Assign):
            self.assignment(node, state)
        elif isinstance(node, gast.If):
            self.read(node.test, state, node)
            other = state.copy()
            self.block(node.body, state)
            self.block(node.orelse, other)
            state.join(other)
        elif isinstance(node, (gast.For, gast.While)):
            if isinstance(node, gast.For):
                self.read(node.iter, state, node)
            while True:
                before = state.key()
                turn = state.copy()
                if isinstance(node, gast.For):
                    turn.rebind(node.target.id)
                    turn.view(node.target.id, [(root, id(node)) for root in self.roots(node.iter.id)])
                    self.loops.append(node)
                self.block(node.body, turn)
                if isinstance(node, gast.For):
                    self.loops.pop()
                state.join(turn)
                if state.key() == before:
                    break
        else:
            self.read(node, state, node)
            for inner in gast.walk(node):
                if isinstance(inner, gast.Call):
                    self.call(inner, state)

    def assignment(self, node, state):
        self.read(node.value, state, node)
        value, targets = node.value, target_names(node.targets[0])
        if id(node) in self.unit.in_place:
            return state.write(targets[0], node)
        if id(node) in self.unit.augmented and self.of_numpy:
            return state.augment(targets[0])
        if isinstance(value, gast.Name) and isinstance(node.targets[0], gast.Name):
            if value.id != targets[0]:
                state.alias(targets[0], value.id, node)
            return
        if isinstance(value, gast.Call):
            if dotted(value.func) in WRITES and isinstance(value.args[0], gast.Name) and value.args[0].id == targets[0]:
                self.changed(targets[0], node, state)
                return      # the same object still
            self.call(value, state)
        wholes = self.wholes(value, state, node)
        for identifier in targets:
            state.rebind(identifier)
        self.made[targets[0]] = value
        if isinstance(value, gast.Call) and dotted(value.func) in VIEWS and value.args and isinstance(value.args[0], gast.Name) and (
                value.args[0].id != targets[0]):
            return state.alias(targets[0], value.args[0].id, node)
        if wholes:
            for identifier in targets:
                state.view(identifier, wholes)
        for identifier, argument in self.unit.same.get(id(node), {}).items():
            state.alias(identifier, argument)

    def wholes(self, value, state, node):
        """The (name, id of the statement) of what a value may be a part of."""
        if isinstance(value, gast.Subscript) and isinstance(value.value, gast.Name):
            return [(value.value.id, id(node))]
        if isinstance(value, gast.Name):        # a tuple that is taken apart: an item of what a loop runs over
            return state.views.get(value.id, ())
        return ()

    def roots(self, identifier):
        """The names of what a loop over ``enumerate(x)``, ``zip(x, y)`` ... runs over."""
        value = self.made.get(identifier)
        if isinstance(value, gast.Call) and dotted(value.func) in ITERATED:
            return [root for a in value.args if isinstance(a, gast.Name) for root in self.roots(a.id)]
        return [identifier]

    def changed(self, identifier, node, state):
        """A name's object is changed in place: ``x = rt.setitem(x, i, v)``, ``x = rt.append(x, v)``."""
        part = node.value.args[-1]
        source = self.made.get(part.id) if isinstance(part, gast.Name) else None
        nested = isinstance(source, gast.Call) and dotted(source.func) == "rt.setitem"     # x[i][j] = v
        state.write(identifier, node, nested=nested)
        same = state.together(identifier)
        for loop in self.loops:
            for root in self.roots(loop.iter.id):
                if root in same and dotted(node.value.func) == "rt.setitem":
                    if not self.behind(loop, node) and not self.keyed(loop, node):
                        self.questions.setdefault(id(loop), set()).add((root, "only_keys"))
                elif root in same:
                    refuse(node, self.unit, f"{identifier!r} is changed here while the loop of line {getattr(loop, 'lineno', '?')} runs over it: in "
                           "Python the later turns see the change, here a loop runs over what there was at its start",
                           "Run over the numbers, for i in range(len(x)), and read x[i] in the loop; or run over a copy.")
                steps = None if root in same else state.within(root, same)
                if steps and not self.behind(loop, node, steps[0][0]):
                    self.questions.setdefault(steps[0][0], set()).add((steps[0][1], "no_view"))

    def keyed(self, loop, node):
        """Whether ``x[k] = v`` tells that the loop runs over the keys of a dict, which stay as they are."""
        place = node.value.args[1]
        return isinstance(place, gast.Name) and place.id == loop.target.id or isinstance(place, gast.Constant) and isinstance(place.value, str)

    def behind(self, loop, node, made=None):
        """Whether a loop writes only where it has been: at the number of the turn, or at the start."""
        value = self.made.get(loop.iter.id)
        if dotted(node.value.func) != "rt.setitem":
            return False
        place = node.value.args[1]
        if isinstance(place, gast.Name) and isinstance(self.made.get(place.id), gast.Tuple):
            place = self.made[place.id].elts[0]
        if isinstance(value, gast.Call) and dotted(value.func) == "rt.builtins.reversed":
            return False
        if isinstance(place, gast.Constant) and place.value == 0 and type(place.value) is int:
            return made is None
        first = loop.body[0]
        counted = (isinstance(value, gast.Call) and dotted(value.func) == "rt.builtins.enumerate" and len(value.args) == 1
                   and self.roots(value.args[0].id) == [value.args[0].id] and isinstance(first, gast.Assign)
                   and isinstance(first.targets[0], gast.Tuple) and isinstance(first.targets[0].elts[0], gast.Name))
        if not counted or made is not None:
            return False
        counter = first.targets[0].elts[0].id
        writes = [n for statement in loop.body for n in gast.walk(statement) if isinstance(n, gast.Name) and n.id == counter and isinstance(
            n.ctx, gast.Store)]
        return isinstance(place, gast.Name) and place.id == counter and len(writes) == 1

    def call(self, node, state):
        """A call of a function that writes into its arguments."""
        callee = self.unit.env.get(node.func.id) if isinstance(node.func, gast.Name) else None
        for place in written_params(callee):
            if place < len(node.args) and isinstance(node.args[place], gast.Name):
                state.write(node.args[place].id, node, itself=True)


def written_params(callee):
    """The positions of the parameters that a callee changes in place."""
    from xform.desugar.written import written_by
    special = getattr(callee, "special", None)
    function = callee if isinstance(callee, types.FunctionType) else special or getattr(callee, "function", None)
    found = written_by(function) if function is not None else {}
    if not found:
        return ()
    names = list(parse.signature(function).parameters)
    kept = names if special is None else callee.params      # some of the function's parameters are known: the others are found by name
    return tuple(i for i, param in enumerate(kept) if param in found)

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

Here the statements are read; what they say of names is kept by ``sharing.py``.
"""
from __future__ import annotations

import types

import gast

from xform import parse
from xform.analyze.sharing import AFTER, Sharing
from xform.errors import TransformError, refuse
from xform.library import canonical, is_runtime
from xform.names import Names
from xform.resolve import mentions
from xform.syntax import assign, at, call, clone, dotted, name, reads, target_names

VIEWS = frozenset({"rt.builtins.view", *("np." + own for own in (
    "reshape", "transpose", "ravel", "swapaxes", "moveaxis", "squeeze", "expand_dims", "diagonal", "asarray", "atleast_1d", "atleast_2d",
    "atleast_3d", "rollaxis"))})
ITERATED = frozenset({"rt.builtins.enumerate", "rt.builtins.zip", "rt.builtins.reversed"})
OVER_VALUES = frozenset({"rt.builtins.items", "rt.builtins.values"})
WRITES = frozenset({"rt.setitem", "rt.append", "rt.extend", "rt.insert", "rt.update", "rt.remove", "rt.cleared", "rt.reverse",
                    "rt.builtins.in_order", "rt.with_members", "rt.without_members"})
POPS = frozenset({"rt.popped", "rt.popped_at", "rt.popped_or", "rt.set_default"})       # (item, the changed object)
COPIES = frozenset({        # containers of the items of their first argument, or of all
    *("rt.builtins." + own for own in ("list", "tuple", "dict_of", "sorted", "sorted_by", "copy", "reversed", "values")),
    *("rt.iteration." + own for own in ("compress", "filterfalse", "takewhile", "dropwhile", "islice", "islice_to", "cycled"))})
JOINED = frozenset({"rt.iteration.chain"})
ROWS = frozenset({"rt.iteration." + own for own in (        # containers of tuples or lists of the items of their arguments
    "pairwise", "zip_longest", "batched", "product", "combinations", "combinations_with_replacement", "permutations", "tee")})
JOINS = frozenset({"rt.extend", "rt.update", "rt.with_members", "rt.without_members"})


def check(unit):
    """Raise TransformError where a unit reads what was changed under another name; put in questions where that depends on shapes."""
    walk, state = _Walk(unit), Sharing()
    for place, param in enumerate(unit.params):
        state.alias(f"·in{place}", param)
    walk.block(unit.tree.body, state)
    if walk.questions:
        unit.tree.body = walk.asked(unit.tree.body)
    return unit


class _Walk:
    def __init__(self, unit):
        self.unit = unit
        function = unit.function or unit.within
        self.of_numpy = mentions(function, "numpy") and not mentions(function, "runtime.numpy")     # x += v changes what x is
        self.writes = any(map(self.changes, gast.walk(unit.tree)))
        self.questions = {}     # id of a statement that makes a link -> the (subject, question) to be asked before it
        self.names = Names({*unit.params, *unit.env, *(n.id for n in gast.walk(unit.tree) if isinstance(n, gast.Name))})
        self.made = {}          # name -> the expression that it was bound to last
        self.rows = {}          # name of a loop's item -> (what the loop runs over, the loop), where that is enumerate, zip or items
        self.loops = []         # the for loops around

    def changes(self, node):
        """Whether a statement changes something in place."""
        if not isinstance(node, gast.Assign):
            return False
        if id(node) in self.unit.in_place or id(node) in self.unit.augmented:
            return True
        return isinstance(node.value, gast.Call) and (dotted(node.value.func) in WRITES | POPS or bool(written_params(
            self.unit.env.get(node.value.func.id) if isinstance(node.value.func, gast.Name) else None)))

    def asked(self, statements):
        """Return statements with the questions in front of those that they are about."""
        made = []
        for node in statements:
            for block in ("body", "orelse"):
                if getattr(node, block, None):
                    setattr(node, block, self.asked(getattr(node, block)))
            for subject, question in sorted(self.questions.get(id(node), ()), key=repr):
                if subject[:1] != (AFTER,):
                    made.append(at(gast.Expr(self.question(node, subject, question, made)), node))
            made.append(node)
            made += [at(gast.Expr(call("rt.unshared", [name(own, node)], node=node)), node)
                     for own in sorted({subject[1] for subject, _ in self.questions.get(id(node), ()) if subject[:1] == (AFTER,)})]
        return made

    def question(self, node, subject, question, made):
        """The call that asks about a link that a statement makes."""
        if isinstance(subject, tuple):
            arguments = [name(subject[0], node), gast.Constant(subject[1], None)]
        elif isinstance(node, gast.For):
            question = {"no_view": "no_rows", "not_shared": "no_items", "not_shared_items": "no_items"}.get(question, question)
            arguments = [name(subject, node)]
        elif question in ("no_view", "not_shared", "not_shared_items"):
            arguments = [clone(node.value.value), self.index(node.value.slice, made)]
        else:
            arguments = [name(subject, node)]
            if question == "unshared" and isinstance(node.value, gast.Call) and dotted(node.value.func) == "rt.setitem":
                arguments.append(clone(node.value.args[0]))
        return call("rt." + question, arguments, node=node)

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
            for made, subject, question in state.doubtful.get(identifier, ()):
                self.questions.setdefault(made, set()).add((subject, question))
            if identifier in state.stale:
                other, line = state.stale[identifier]
                how = "changed in place by a call" if other == identifier else f"changed in place as {other!r}"
                what = "a part of a container" if identifier in self.unit.temps else repr(identifier)
                refuse(node if hasattr(node, "lineno") else at, self.unit,
                       f"{what} is read here after it was {how}" + (f" in line {line}" if line else "") +
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
                    self.item(node.target.id, node.iter.id, node, turn)
                    self.loops.append(node)
                self.block(node.body, turn)
                if isinstance(node, gast.For):
                    self.loops.pop()
                state.join(turn)
                if state.key() == before:
                    break
        else:
            self.read(node, state, node)
            if isinstance(node, gast.Return) and isinstance(node.value, gast.Name):
                self.unit.shares = state.shares(node.value.id, [f"·in{i}" for i in range(len(self.unit.params))])
            for inner in gast.walk(node):
                if isinstance(inner, gast.Call):
                    self.call(inner, state)

    def assignment(self, node, state):
        self.read(node.value, state, node)
        value, targets = node.value, target_names(node.targets[0])
        path = dotted(value.func) if isinstance(value, gast.Call) else None
        told = id(node) in self.unit.in_place or id(node) in self.unit.augmented
        if path in WRITES and isinstance(value.args[0], gast.Name) and value.args[0].id == targets[0] and (told or path not in JOINS):
            return self.changed(targets[0], node, state)        # the same object still
        if id(node) in self.unit.in_place:
            return state.write(targets[0], getattr(node, "lineno", None))
        if isinstance(value, gast.Name):
            return self.copy(targets, value.id, node, state)
        if id(node) in self.unit.augmented and self.of_numpy:
            return state.augment(targets[0])
        if isinstance(value, gast.Call):
            self.call(value, state)
        whole = value.value.id if isinstance(value, gast.Subscript) and isinstance(value.value, gast.Name) else None
        same = self.at_constant(value, whole, state)
        links = self.links(value, path, targets[0], node, state)
        if targets[0] in same:
            return state.read_again(targets[0])
        if same:
            state.alias(targets[0], same[0], node, fresh=True)
        else:
            for identifier in targets:
                state.rebind(identifier)
        self.made[targets[0]] = value
        self.rows.pop(targets[0], None)
        if path == "rt.repeated" and isinstance(value.args[0], gast.Name):
            state.holds_several(targets[0], (id(node), value.args[0].id, "no_items"))
        if path in VIEWS and id(value) not in self.unit.copied and value.args and isinstance(value.args[0], gast.Name) and value.args[0].id != targets[0]:
            return state.alias(targets[0], value.args[0].id, node)
        if whole is not None and whole not in targets:
            state.taken[targets[0]] = frozenset((own, _text(value.slice)) for own in state.together(whole))
            if not same:
                state.part(targets[0], whole, id(node))
        state.add(links)
        if path == "rt.builtins.get" and isinstance(value.args[0], gast.Name) and value.args[0].id != targets[0]:
            state.part(targets[0], value.args[0].id, id(node), (AFTER, targets[0]))
        elif isinstance(value, gast.Call) and self.writes:
            arguments = [a.id if isinstance(a, gast.Name) else None for a in value.args]
            shares = [(place, how) for place, how in self.shares_of(value) if place < len(arguments)]
            state.called(targets[0], shares, arguments, node)
        for identifier, argument in self.unit.same.get(id(node), {}).items():
            state.alias(identifier, argument)

    def copy(self, targets, other, node, state):
        """``a = b``, or ``a, b = c``."""
        if isinstance(node.targets[0], gast.Name):
            if other != targets[0]:
                state.alias(targets[0], other, node)
                self.rows.pop(targets[0], None)
            return
        source = self.made.get(other)
        if other in self.rows:
            iterable, loop = self.rows[other]
            for target, over in zip(targets, self.columns(self.made[iterable], len(targets))):
                state.rebind(target)
                if over is not None:
                    self.item(target, over, loop, state)
        elif isinstance(source, gast.Call) and dotted(source.func) in POPS and targets[-1] == source.args[0].id:
            changed = targets[-1]
            state.rebind(targets[0])
            state.write(changed, getattr(node, "lineno", None))
            if dotted(source.func) == "rt.set_default":
                state.part(targets[0], changed, id(node), (other, 0))
        else:
            taken = [state.taken.get(getattr(e, "id", None)) for e in source.elts] if isinstance(source, gast.Tuple) else []
            state.take_apart(targets, other, id(node))
            state.taken.update((target, found) for target, found in zip(targets, taken) if found)

    def at_constant(self, value, whole, state):
        """The names of what is read at a constant place of a container."""
        place = value.slice if whole is not None else None
        return state.at_place(whole, place.value) if isinstance(place, gast.Constant) and place.value is not None else []

    def links(self, value, path, target, node, state):
        """What a new value holds, or is a shallow copy of."""
        if isinstance(value, (gast.List, gast.Tuple)):
            spread = [e.value.id for e in value.elts if isinstance(e, gast.Starred) and isinstance(e.value, gast.Name)]
            new = state.held(target, [(e.id, None if spread else i) for i, e in enumerate(value.elts) if isinstance(e, gast.Name)], id(node))
            for source in spread:       # [*a, b]
                for identifier, found in state.copied(target, source, id(node)).items():
                    new.setdefault(identifier, {}).update(found)
            return new
        if isinstance(value, gast.Dict):
            return state.held(target, [(v.id, k.value if isinstance(k, gast.Constant) else None) for k, v in zip(value.keys, value.values)
                                       if isinstance(v, gast.Name)], id(node))
        new = {}
        if path in WRITES and path not in JOINS and path != "rt.remove" and isinstance(value.args[-1], gast.Name):
            return state.held(target, [(value.args[-1].id, None)], id(node))        # one step of x[i][j] = v
        path = self.library_path(value) if isinstance(value, gast.Call) else None
        if path in COPIES or path in JOINS or path in JOINED or path in ROWS or path == "rt.repeated":
            given = value.args if path in JOINED | ROWS else value.args[-1:] if path == "rt.iteration.filterfalse" else value.args[
                :2 if path in JOINS else 1]
            for source in self.spread(given):
                for root, inner in self.items_of(source, path in ROWS, path == "rt.builtins.dict_of"):
                    for identifier, found in state.copied(target, root, id(node), inner).items():
                        new.setdefault(identifier, {}).update(found)
        return new

    def library_path(self, node):
        """The path of the library function that a call is of, also where it was made anew for a function among its arguments."""
        callee = self.unit.env.get(node.func.id) if isinstance(node.func, gast.Name) else None
        special = getattr(callee, "special", None)
        return canonical(special) if is_runtime(special) else dotted(node.func)

    def spread(self, arguments):
        """The names among arguments, and those of ``*`` and a tuple."""
        for argument in arguments:
            if isinstance(argument, gast.Starred):
                shown = self.made.get(getattr(argument.value, "id", None))
                yield from self.spread(shown.elts) if isinstance(shown, (gast.Tuple, gast.List)) else ()
            elif isinstance(argument, gast.Name):
                yield argument.id

    def items_of(self, source, rows, keyed):
        """[(name, how deep)] of the names whose items a container of those of ``source`` has: in tuples one level down, for ``zip``."""
        value = self.made.get(source)
        path = dotted(value.func) if isinstance(value, gast.Call) else None
        if path not in ITERATED | {"rt.builtins.items"} or path == "rt.builtins.reversed":
            return [(source, int(rows))]
        found = list(self.spread(value.args))
        return [(found[-1], 0)] if keyed and found else [(own, 1 + rows) for own in found]

    def item(self, target, iterable, loop, state):
        """A loop's target is an item of what it runs over."""
        value = self.made.get(iterable)
        path = dotted(value.func) if isinstance(value, gast.Call) else None
        if path in ("rt.builtins.reversed", "rt.builtins.values") and isinstance(value.args[0], gast.Name):
            return self.item(target, value.args[0].id, loop, state)
        if path in ITERATED or path == "rt.builtins.items":
            self.rows[target] = iterable, loop
        for root in self.roots(iterable, OVER_VALUES):
            state.part(target, root, id(loop))

    def columns(self, value, count):
        """The names of what the places of a row of ``enumerate``, ``zip`` and ``items`` run over; None for what they make themselves."""
        over = [a.id if isinstance(a, gast.Name) else None for a in value.args]
        if dotted(value.func) != "rt.builtins.zip":
            over = [None, over[0]]
        return over + [None] * (count - len(over))

    def roots(self, identifier, also=frozenset()):
        """The names of what a loop over ``enumerate(x)``, ``zip(x, y)`` ... runs over."""
        value = self.made.get(identifier)
        if isinstance(value, gast.Call) and (dotted(value.func) in ITERATED or dotted(value.func) in also):
            return [root for a in value.args if isinstance(a, gast.Name) for root in self.roots(a.id, also)]
        return [identifier]

    def depth(self, node, state):
        """How many levels deep ``x = rt.setitem(x, i, v)`` changes x: with ``v`` made by a change of ``x[i]`` it is two or more."""
        depth, value = 1, node.value
        while dotted(value.func) == "rt.setitem" and isinstance(value.args[-1], gast.Name):
            part = value.args[-1].id
            value = self.made.get(part)
            if isinstance(value, gast.Call) and dotted(value.func) in WRITES and value.args[0].id != part:
                depth += 1
            else:
                break
        return depth + (self.of_numpy and id(node) in self.unit.augmented)

    def changed(self, identifier, node, state):
        """A name's object is changed in place: ``x = rt.setitem(x, i, v)``, ``x = rt.append(x, v)``."""
        path, depth = dotted(node.value.func), self.depth(node, state)
        arguments, new = node.value.args, {}
        place = arguments[1].value if path == "rt.setitem" and isinstance(arguments[1], gast.Constant) else None
        if isinstance(place, int) and place < 0:    # the same as another
            place = None
        if path in JOINS:
            new = state.copied(identifier, arguments[1].id, id(node)) if isinstance(arguments[1], gast.Name) else {}
        elif path != "rt.remove" and len(arguments) > 1 and isinstance(arguments[-1], gast.Name):
            new = state.held(identifier, [(arguments[-1].id, place)], id(node))
            for whole, index in state.taken.get(arguments[-1].id, ()):
                if whole == identifier:     # xs[i] = xs[j], until xs[j] gets another: a swap
                    state.holds_several(identifier, (id(node), arguments[-1].id, "unshared"), index)
        if path == "rt.setitem" and depth == 1:
            state.fill(identifier, _text(arguments[1]), getattr(arguments[-1], "id", None))
        state.write(identifier, getattr(node, "lineno", None), depth, place)
        state.add(new)
        same = state.together(identifier)
        for loop in self.loops:
            for root in self.roots(loop.iter.id):
                if root in same and path == "rt.setitem":
                    if not self.behind(loop, node) and not self.keyed(loop, node):
                        self.questions.setdefault(id(loop), set()).add((root, "only_keys"))
                elif root in same:
                    refuse(node, self.unit, f"{identifier!r} is changed here while the loop of line {getattr(loop, 'lineno', '?')} runs over it: in "
                           "Python the later turns see the change, here a loop runs over what there was at its start",
                           "Run over the numbers, for i in range(len(x)), and read x[i] in the loop; or run over a copy.")
                links = None if root in same else state.within(root, same)
                if links and not self.behind(loop, node, links[0].made):
                    self.questions.setdefault(links[0].made, set()).add((links[0].subject, "no_view"))

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

    def shares_of(self, node):
        """What the result of a call shares with its arguments, as far as the function is read."""
        callee = self.unit.env.get(node.func.id) if isinstance(node.func, gast.Name) else None
        if isinstance(callee, types.FunctionType) and not is_runtime(callee):
            from xform.desugar.functions import unit_of
            try:
                callee = unit_of(callee)
            except TransformError:      # it will say so where it is transformed, or runs as it stands
                return ()
        return getattr(callee, "shares", ())

    def call(self, node, state):
        """A call of a function that writes into its arguments."""
        callee = self.unit.env.get(node.func.id) if isinstance(node.func, gast.Name) else None
        for place in written_params(callee):
            if place < len(node.args) and isinstance(node.args[place], gast.Name):
                state.write(node.args[place].id, getattr(node, "lineno", None), itself=True)


def _text(index):
    return repr(index.value) if isinstance(index, gast.Constant) else gast.dump(index)


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

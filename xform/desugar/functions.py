"""Closure conversion: a nested function becomes a unit of its own that takes the captured locals first.

Before::

    def f(x):
        y = np.sin(x)
        g = lambda z: z * y
        return g(x)

After::

    def f_lambda(y, z):
        out = z * y
        return out

    def f(x):
        y = np.sin(x)
        out = f_lambda(y, x)
        return out
"""
from __future__ import annotations

import inspect
import types

import gast

from runtime.op import read_as
from xform import parse, resolve
from xform.desugar.titles import title_of
from xform.desugar.mixed import read_twice
from xform.desugar.outer import declared, outer_writes, written
from xform.desugar.written import in_tree
from xform.errors import refuse
from xform.library import ALIASES, is_runtime
from xform.memo import Memo
from xform.resolve import Closure, Object, Partial
from xform.names import Names
from xform.syntax import assign, branch, name, pack, reference, returns, target_names
from xform.unit import Unit

FUNCTIONS = (gast.FunctionDef, gast.Lambda, gast.AsyncFunctionDef)
COMPREHENSIONS = (gast.ListComp, gast.GeneratorExp, gast.SetComp, gast.DictComp)


def parameters(tree):
    """Parameter names in binding order: positional, *args, keyword-only, **kwargs."""
    args = tree.args
    found = [a.id for a in args.posonlyargs + args.args]
    if args.vararg:
        found.append(args.vararg.id)
    found += [a.id for a in args.kwonlyargs]
    if args.kwarg:
        found.append(args.kwarg.id)
    return found


def binding_counts(tree):
    """How often each local of a function is bound (parameters count)."""
    counts = dict.fromkeys(parameters(tree), 1)
    stored = []

    def bind(identifier, times=1):
        counts[identifier] = counts.get(identifier, 0) + times

    def walk(node, in_loop):
        times = 2 if in_loop else 1
        if isinstance(node, FUNCTIONS):
            if not isinstance(node, gast.Lambda):
                bind(node.name)
            stored.extend(outer_writes(node))
            return
        if isinstance(node, COMPREHENSIONS):
            return walk_inner(node, in_loop)
        if isinstance(node, gast.Name) and isinstance(node.ctx, gast.Store):
            bind(node.id, times)
        elif isinstance(node, gast.AugAssign):
            for identifier in target_names(node.target):
                bind(identifier, 2)
        elif isinstance(node, (gast.MatchAs, gast.MatchStar)) and node.name is not None:
            bind(node.name, 2)
        elif isinstance(node, (gast.Import, gast.ImportFrom)):
            for alias in node.names:
                bind(alias.asname or alias.name.split(".")[0])
        elif isinstance(node, gast.Subscript) and isinstance(node.ctx, gast.Store):
            base = node.value
            while isinstance(base, gast.Subscript):
                base = base.value
            if isinstance(base, gast.Name):
                stored.append(base.id)      # a store into an element binds no name, but gives a local another value
        walk_inner(node, in_loop or isinstance(node, (gast.For, gast.While)))

    def walk_inner(node, in_loop):
        for child in gast.iter_child_nodes(node):
            walk(child, in_loop)

    body = [tree.body] if isinstance(tree, gast.Lambda) else tree.body
    for statement in body:
        walk(statement, False)
    for identifier in stored:
        if identifier in counts:
            bind(identifier, 2)
    for identifier in declared(tree):
        counts.pop(identifier, None)
    return counts


def names_in(tree):
    return {n.id for n in gast.walk(tree) if isinstance(n, gast.Name)}


def free(tree):
    """Names that a function reads from outside, in order of appearance."""
    found = {}

    def of_function(node):
        bound = set(binding_counts(node))
        inner = {}
        for statement in ([node.body] if isinstance(node, gast.Lambda) else node.body):
            walk(statement, inner)
        for default in node.args.defaults + [d for d in node.args.kw_defaults if d is not None]:
            walk(default, inner)
        return [n for n in inner if n not in bound]

    def of_comprehension(node, into):
        inner, bound = {}, set()
        for generator in node.generators:
            bound.update(target_names(generator.target))
        for child in gast.iter_child_nodes(node):
            walk(child, inner)
        into.update(dict.fromkeys(n for n in inner if n not in bound))

    def walk(node, into):
        if isinstance(node, FUNCTIONS):
            into.update(dict.fromkeys(of_function(node)))
            for decorator in getattr(node, "decorator_list", ()):
                walk(decorator, into)
        elif isinstance(node, COMPREHENSIONS):
            of_comprehension(node, into)
        elif isinstance(node, gast.Name) and isinstance(node.ctx, gast.Load):
            into[node.id] = None
        else:
            if isinstance(node, gast.AugAssign):
                into.update(dict.fromkeys(target_names(node.target)))
            for child in gast.iter_child_nodes(node):
                walk(child, into)

    found.update(dict.fromkeys(of_function(tree)))
    return list(found)


class GlobalScope:
    """Free names of a function object: its cells, its module, the builtins."""

    def __init__(self, function):
        cells, self.namespace = parse.free_names(function)
        self.cells = {key: (value, function) for key, value in cells.items()}

    def find(self, identifier, node):
        return resolve.global_object(identifier, self.cells, self.namespace)


class NestedScope:
    """Free names of a nested function: the enclosing function's locals (captured) and what it sees."""

    def __init__(self, parent, mapping, inside=()):
        self.parent, self.mapping = parent, mapping
        self.objects = {}       # what was found: an object is changed in one place
        self.inside = dict(inside)      # object of the function around -> the one that it is in this function

    def find(self, identifier, node):
        if identifier not in self.objects:
            found = self._find(identifier, node)
            if not isinstance(found, resolve.Instance):
                return found
            self.objects[identifier] = found
        return self.objects[identifier]

    def check_unchanged(self, unit, tree, given):
        """Refuse a function that changed an object of the function around it, which is not given to it: that one would keep the old attributes."""
        for identifier, known in self.objects.items():
            if any(one.written and one not in given for _, one in resolve.objects_in(known)):
                refuse(tree, unit, f"{identifier!r}, an object of the function around this one, is changed by a nested function",
                       "Pass the object as an argument, or change it where it was made.")

    def _find(self, identifier, node):
        parent = self.parent
        if identifier in parent.statics:
            return resolve.renamed(parent.statics[identifier], self.mapping, self.inside)
        if identifier in parent.counts:
            return self.mapping[identifier]
        found = parent.scope.find(identifier, node)
        if isinstance(found, str):
            return self.mapping[found]
        return found if found is None else resolve.renamed(found, self.mapping, self.inside)


_open: list = []    # functions whose captured locals are being worked out, and those among them that were met again
_met: set = set()


class Outside:
    """What a nested function's free names mean that is no data of the function around it."""

    def __init__(self, parent):
        self.parent = parent

    def find(self, identifier, node):
        known = self.parent.statics.get(identifier)
        return known if known is not None or identifier in self.parent.counts else self.parent.scope.find(identifier, node)


class Nested:
    """A nested function before it is read."""

    def __init__(self, parent, tree, defaults):
        self.parent, self.tree, self.defaults = parent, tree, defaults
        self._captured = None
        self._unit = None
        self._specialised = {}
        self._of_kinds = {}
        self._giving = {}

    def captured(self):
        """The enclosing function's locals that the function depends on."""
        if self._captured is None:
            if self in _open:
                _met.add(self)
                return []       # while this is worked out, a recursive mention adds nothing
            _open.append(self)
            try:
                found = self._found()
            finally:
                _open.remove(self)
            _met.discard(self)
            if _met.intersection(_open):
                return list(found)      # without what a function captures that calls this one and is being worked out
            self._captured = list(found)
        return self._captured

    def _found(self):
        """The locals that the names of the function's text depend on, in order of appearance."""
        found = {}
        for identifier in dict.fromkeys([*free(self.tree), *outer_writes(self.tree)]):
            known = self.parent.statics.get(identifier)
            if known is not None:
                found.update(dict.fromkeys(resolve.captured_names(known)))
            elif identifier in self.parent.counts:
                found[identifier] = None
            else:
                outer = self.parent.scope.find(identifier, self.tree)
                found.update(dict.fromkeys([outer] if isinstance(outer, str) else
                                           resolve.captured_names(outer) if outer is not None else []))
        for default in self.defaults.values():
            if isinstance(default, gast.Name):
                found[default.id] = None
        return found

    def outer(self):
        """The enclosing function's locals that the function writes (outer.py)."""
        return written(self)

    def signature(self):
        return signature_of(self.tree, self.defaults)

    def specialised(self, statics, gives=()):
        """(unit, captured locals) with some parameters bound to compile-time values: the unit takes this function's
        captured locals, then those of the values, then the other parameters; it returns the parameters in ``gives``, too."""
        key, passed = (_shape(statics), self._are_captured(statics), gives), _passed(statics)
        if key not in self._specialised:
            parent, own = self.parent, set(binding_counts(self.tree)) | names_in(self.tree)
            identifier = getattr(self.tree, "name", None) or f"{parent.unit.name}_lambda"
            unit = Unit(identifier, None, {}, set(), parent.unit.file, parent.unit.origin, core=True)
            self._specialised[key] = (unit, list(statics.values()))
            bound = set(binding_counts(self.tree))
            mapping = {n: n if n not in bound else _other(n, own) for n in self.captured()}
            params = list(mapping.values())
            own |= set(params)
            more, inner, objects = _inside(statics, own)
            params += more
            signature = self.signature()
            unit.signature = signature.replace(parameters=[p for p in signature.parameters.values() if p.name not in statics])
            try:
                self._lower(unit, params, [p for p in parameters(self.tree) if p not in statics], mapping, gives, inner, objects)
            except BaseException:
                del self._specialised[key]
                raise
        return self._specialised[key][0], passed

    def options(self):
        """The parameters that the function gives to transformations as options."""
        if not hasattr(self, "_options"):
            from xform.desugar.options import in_tree
            self._options = frozenset()     # while this is worked out, a recursive mention adds nothing
            self._options = in_tree(self.tree, Outside(self.parent).find)
        return self._options

    def of_kinds(self, kinds):
        """The unit for arguments of some kinds."""
        names = list(self.signature().parameters)
        takes = {p: k for p, k in [*zip(names, kinds[0]), *kinds[1]] if k is not None}
        key = tuple(sorted(takes.items(), key=lambda item: item[0]))
        if key not in self._of_kinds:
            self._of_kinds[key] = self._read(takes)
        return self._of_kinds[key]

    def unit(self):
        if self._unit is None:
            self._read({})
        return self._unit

    def giving(self, gives):
        """The unit that returns some parameters, which the function changes, with its result."""
        if gives not in self._giving:
            self._read({}, gives)
        return self._giving[gives]

    def written(self):
        """The parameters that the function changes in place, as ``written_by`` says."""
        if not hasattr(self, "_written"):
            self._written = {}      # while this is worked out, a recursive mention adds nothing
            self._written = in_tree(self.tree, Outside(self.parent))
        return self._written

    def _read(self, takes, gives=()):
        from xform.analyze import aliases
        from xform.desugar.chosen import with_chosen
        parent, own = self.parent, set(binding_counts(self.tree)) | names_in(self.tree)
        identifier = getattr(self.tree, "name", None) or f"{parent.unit.name}_lambda"
        unit = Unit(identifier, None, {}, set(), parent.unit.file, parent.unit.origin, core=True)
        unit.takes = takes
        unit.within = parent.unit.function or parent.unit.within
        if gives:
            self._giving[gives] = unit
        elif not takes:
            self._unit = unit       # it may call itself
        bound = set(binding_counts(self.tree))
        mapping = {n: n if n not in bound else _other(n, own) for n in self.captured()}
        unit.signature = signature_of(self.tree, self.defaults)
        try:
            self._lower(unit, list(mapping.values()), parameters(self.tree), mapping, gives)
            return with_chosen(aliases.check(unit))
        except BaseException:
            if self._unit is unit:
                self._unit = None
            self._giving.pop(gives, None)
            raise

    def _are_captured(self, statics):
        """Which of the objects in some compile-time values the function reads by names of the function around it, too."""
        named = [(n, self.parent.statics[n]) for n in free(self.tree) if n in self.parent.statics]
        places = {one: (n, path) for n, known in named for path, one in resolve.objects_in(known)}
        return tuple([places.get(one) for known in statics.values() for _, one in resolve.objects_in(known)]) if places else ()

    def _lower(self, unit, passed, own, mapping, gives, statics=None, objects=()):
        """Lower the function into a unit; passed: what it takes of the function around it, before its own parameters."""
        def read(reading):
            from xform.anf import Lowering
            unit.env.clear()
            unit.temps.clear()
            lowering = Lowering(self.tree, unit, NestedScope(self.parent, mapping, objects), statics)
            lowering.outer, lowering.reading = (*[mapping[n] for n in self.outer()], *gives), reading
            for param in passed:
                lowering.counts[param] = 2
                lowering.names.take(param)
            lowering.run(passed + own)
            lowering.scope.check_unchanged(self.parent.unit, self.tree, lowering.objects)
            unit.around = self.parent, {inner: one for one, inner in lowering.scope.inside.items() if inner not in lowering.objects}
        read_twice(read)


def avoid_aliases(lowering):
    """Rename the user's locals that would hide the aliases of generated code (a local called np, say)."""
    renames = {}
    imported = {alias.asname or alias.name.split(".")[0] for node in gast.walk(lowering.tree)
                if isinstance(node, (gast.Import, gast.ImportFrom)) for alias in node.names}
    for local in list(lowering.counts):
        if local in ALIASES and local not in lowering.statics and local not in imported:
            renames[local] = lowering.names.fresh(local + "_value")
            lowering.counts[renames[local]] = lowering.counts[local]
    return renames


def _other(identifier, used, suffix="_outer"):
    made = identifier + suffix
    while made in used:
        made += "_"
    return made


def nested(lowering, node):
    """The compile-time value of a def or lambda inside a function."""
    memo = lowering.__dict__.setdefault("memo", {})
    if id(node) not in memo:
        args = node.args
        defaults = {}
        positional = args.posonlyargs + args.args
        for param, default in zip(positional[len(positional) - len(args.defaults):], args.defaults):
            defaults[param.id] = default
        for param, default in zip(args.kwonlyargs, args.kw_defaults):
            if default is not None:
                defaults[param.id] = default
        lowered = {}
        for param, default in defaults.items():
            known = lowering.known(default)
            lowered[param] = known if known is not None else lowering.atom(default)
            if isinstance(default, gast.Name) and known is None and lowering.counts.get(default.id, 2) != 1:
                lowered[param] = lowering.store_temp(lowered[param], default.id, default)   # its value of now
        memo[id(node)] = Closure(Nested(lowering, node, lowered)), node
    return memo[id(node)][0]


def signature_of(tree, defaults):
    """An inspect.Signature whose defaults are atoms or compile-time values."""
    P = inspect.Parameter
    args, made = tree.args, []
    for kind, group in ((P.POSITIONAL_ONLY, args.posonlyargs), (P.POSITIONAL_OR_KEYWORD, args.args)):
        made += [P(a.id, kind, default=defaults.get(a.id, P.empty)) for a in group]
    if args.vararg:
        made.append(P(args.vararg.id, P.VAR_POSITIONAL))
    made += [P(a.id, P.KEYWORD_ONLY, default=defaults.get(a.id, P.empty)) for a in args.kwonlyargs]
    if args.kwarg:
        made.append(P(args.kwarg.id, P.VAR_KEYWORD))
    return inspect.Signature(made)


_in_progress: dict = {}
_units = Memo()


def unit_of(function) -> Unit:
    """The unit of a Python function object; read once per code object."""
    zero_in = getattr(function, "zero_in", ())
    function = read_as(function)
    found = _units.get(function)
    if found is not None and found[0] is function.__code__ and _fresh(found[1]):
        return found[1]
    if function in _in_progress:
        return _in_progress[function]       # it calls itself: the unit is being read
    source = parse.parse(function)
    try:
        unit = lower_source(source, {}, function)
    finally:
        _in_progress.pop(function, None)
    for param in reversed(zero_in):
        guard(unit, param)
    _units[function] = (function.__code__, unit)
    return unit


def guard(unit, param):
    """Make a unit return the symbolic zero when a parameter is one: ``if d is rt.ZERO: out = rt.ZERO``, else what it does."""
    names = Names({n.id for n in gast.walk(unit.tree) if isinstance(n, gast.Name)} | set(unit.params) | set(unit.env))
    test, out = names.fresh("zero"), names.fresh("out")
    unit.temps |= {test, out}
    first, last = unit.tree.body[0], unit.tree.body[-1]
    asked = gast.Compare(name(param), [gast.Is()], [reference("rt.ZERO")])
    unit.tree.body = [assign(test, asked, first),
                      branch(name(test), [assign(out, reference("rt.ZERO"), first)],
                             [*unit.tree.body[:-1], assign(out, last.value, last)], first),
                      returns(name(out), last)]


def _fresh(unit):
    """Whether the functions that a unit was resolved to are still what its globals hold, in those specialised for it, too."""
    left, seen = [unit], {unit}
    while left:
        one = left.pop()
        if not all(namespace.get(where) is value for namespace, where, value in one.dependencies()):
            return False
        more = [u for u in one.env.values() if isinstance(u, Unit) and u.special is not None and u not in seen]
        seen.update(more)
        left += more
    return True


_of_kinds = Memo()


def of_kinds(function, takes):
    """The unit of a function for arguments of some kinds: {parameter: kind}."""
    key = function, tuple(sorted(takes.items(), key=lambda item: item[0]))
    found = _of_kinds.get(key)
    if found is None or found[0] is not function.__code__ or not _fresh(found[1]):
        found = _of_kinds[key] = function.__code__, lower_source(parse.parse(function), {}, function, takes=takes)
    return found[1]


def lower_source(source, statics, function, extra=(), takes=None, gives=(), lists=()):
    """The unit of a function's source, with some parameters bound to compile-time values; lists: those in ``extra`` that hold lists."""
    return read_twice(lambda reading: _lowered(source, statics, function, extra, takes, gives, lists, reading))


def _lowered(source, statics, function, extra, takes, gives, lists, reading):
    from xform.anf import Lowering
    from xform.analyze import aliases
    from xform.desugar.chosen import with_chosen
    from xform.grammar import check
    identifier = title_of(function, getattr(source.tree, "name", "lambda_"))
    if isinstance(source.tree, gast.AsyncFunctionDef):
        refuse(source.tree, Unit(identifier, None, {}, file=source.file), "an async function cannot be transformed",
               "Write a plain function.")
    unit = Unit(identifier, None, {}, set(), source.file, function.__module__ or "", core=True, function=function)
    unit.signature = parse.signature(function)
    unit.takes = dict(takes or {})
    if not statics and not extra and not takes and not gives:
        _in_progress[function] = unit
    lowering = Lowering(source.tree, unit, GlobalScope(function), statics)
    lowering.outer, lowering.reading = tuple(gives), reading
    lowering.lists.update(lists)
    for param in extra:
        lowering.counts[param] = 2
        lowering.names.take(param)
    lowering.run(list(extra) + [p for p in parameters(source.tree) if p not in statics])
    return with_chosen(aliases.check(check(unit, "anf")))


_specialised = Memo()


def _keeper(values):
    """The function of the user's, or the unit around a nested one, for which a function is specialised: the code is of no use without."""
    for known in values:
        found = None
        if isinstance(known, Object) and isinstance(known.value, types.FunctionType) and not is_runtime(known.value):
            return known.value
        if isinstance(known, Closure):
            return known.nested.parent.unit if isinstance(known.nested, Nested) else known.unit()
        if isinstance(known, (Partial, resolve.Derived)):
            found = _keeper([known.fn, *(known.args if isinstance(known, Partial) else ())])
        elif isinstance(known, resolve.Display):
            found = _keeper(known.items)
        elif isinstance(known, resolve.Instance):
            found = _keeper(known.fields.values())
        if found is not None:
            return found
    return None


def specialise(lowering, function, statics, node, takes=None, gives=()):
    """The unit of ``function`` with some parameters bound to compile-time values; it returns the parameters in ``gives``, too.

    Returns (unit, names of the locals that its leading parameters receive).
    """
    function = read_as(function)
    passed = _passed(statics)
    lists = tuple([lowering is not None and n in lowering.lists for n in passed])
    key = (_keeper(statics.values()) or function, function, _shape(statics), lists, tuple(sorted((takes or {}).items(), key=str)), gives)
    if key in _specialised and _specialised[key][0].tree is not None and not _fresh(_specialised[key][0]):
        del _specialised[key]
    if key not in _specialised:
        source = parse.parse(function)
        own = set(binding_counts(source.tree)) | names_in(source.tree)
        params, inner, _ = _inside(statics, own)
        unit = Unit(function.__name__, None, {}, set())
        whole = parse.signature(function)
        unit.signature = whole.replace(parameters=[p for p in whole.parameters.values() if p.name not in statics])  # it may call itself
        _specialised[key] = (unit, list(statics.values()))      # holds the values, so that ids stay theirs
        try:
            made = lower_source(source, inner, function, params, takes, gives, [p for p, found in zip(params, lists) if found])
        except BaseException:
            del _specialised[key]
            raise
        unit.__dict__.update(made.__dict__)
        unit.function, unit.special = None, function
        unit.signature = unit.signature.replace(parameters=[
            p for p in unit.signature.parameters.values() if p.name not in statics])
    return _specialised[key][0], passed


def _shape(statics):
    """What makes the compile-time values of some parameters lead to the same code."""
    numbers = {}
    return tuple([(p, resolve.shape_of(known, numbers)) for p, known in statics.items()])


def _passed(statics):
    """The locals that compile-time values of some parameters depend on, parameter by parameter."""
    return [n for known in statics.values() for n in dict.fromkeys(resolve.captured_names(known))]


def _inside(statics, own):
    """(leading parameters that get what ``_passed`` names, the values as seen from the function, its objects); own: names that it uses."""
    params, inner, objects = [], {}, {}
    for param, known in statics.items():
        mapping = {}
        for captured in dict.fromkeys(resolve.captured_names(known)):
            mapping[captured] = captured if captured not in own else _other(captured, own)
            own.add(mapping[captured])
        params += mapping.values()
        inner[param] = resolve.renamed(known, mapping, objects)
    return params, inner, objects


__all__ = ["nested", "unit_of", "specialise", "pack"]

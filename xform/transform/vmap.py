"""Batching: each operation runs on all examples at once; what does not depend on the batch is computed once.

Before::

    def grow(x, rate):
        y = x
        while y < 10.0:
            y = y * rate
        return y

After (x and y carry a batch at axis 0, rate does not)::

    def grow_vmap(x, rate):
        y = x
        live = y < 10.0
        while np.any(live):
            y = rt.where(live, y * rate, y)
            live = live & (y < 10.0)
        return y
"""
from __future__ import annotations

from collections import Counter

import gast

from runtime.node import Node
from runtime.tree import tree_flatten, tree_leaves
from xform.analyze.batched import (BOTTOM, DEEPEST, LIST, Flags, depth, expression_of, folded,
                                   found_recursive, grown_inside, is_batched, lacking, literal, opened, size, uniform)
from xform.analyze.effects import pure_in
from xform.analyze.ranks import Ranks, named
from xform.errors import TransformError, in_library, pointing, refuse
from xform.memo import Memo
from xform.names import Names, stem
from xform.operations import RuleCall, UnitCall, classify
from xform.simplify import simplify
from xform.syntax import assign, assigned, at, blocks, call, clone, const, function, is_exit, name, pack, returns, target_names
from xform.transform import grown, vmap_flow
from xform.transform.strangers import checked
from xform.transform.vmap_values import value
from xform.unit import GUARDED, PLAIN, RUN, Unit, in_form
from xform.version import version

# Structures of more parts, or nested deeper than DEEPEST, that a function's own calls or its results round after round go on nesting
# come from recursion, which would never end.
LARGEST = 4000

_memo = Memo()
out_ranks = Memo()   # rank structure of a batched unit's result
_touched: set = set()   # assumptions that the current unit's batching rests on
_assumed: dict = {}     # results of units whose batching is being worked out (recursion)


def vmap(unit, flags, axis_name=None, ranks=None, final=False, masked=False, form=RUN):
    """Return (batched unit, flags of its result). ``flags`` says, parameter by parameter, what carries the batch.

    ranks: the rank of one example of each parameter: a number, or a symbol that equal unknown ranks share.
    final: the result gets the batch axis everywhere.
    masked: the unit gets one more parameter, the first: for which lanes it runs, so that its loops wait for no others.
    form: what becomes of branches that lanes take or not (unit.py).
    """
    given, unit = unit, in_form(unit, GUARDED if form == GUARDED else PLAIN)
    ranks = named(unit.params, ranks or (None,) * len(flags))
    key = (unit, tuple(flags), axis_name, tuple(ranks), final, masked, form)
    if key in _memo:
        return _memo[key]
    if key in _assumed:
        _touched.add(key)
        return _assumed[key]
    _check_depth(unit, flags, any([one[0] is unit for one in _assumed]))
    made = Unit(f"{unit.name}_vmap", None, dict(unit.env), set(), unit.file, unit.origin)
    made.signature = unit.signature
    _assumed[key] = (made, BOTTOM)
    outer, recursive, rounds = set(_touched), [], 0
    _touched.clear()
    try:
        while True:
            run = _Batch(unit, flags, made, axis_name, ranks, final, masked, form)
            out, before = run.run(), _assumed[key][1]
            for part in recursive:      # its record holds the record of the call inside it
                out = folded(out, part)
            rounds += 1
            _check_depth(unit, [out], rounds > 2)
            if before == out:
                break
            for part in recursive:
                out = grown_inside(out, before, part)
            if key in _touched:
                more, out = found_recursive(before, out)
                recursive += more
            _assumed[key] = (made, out)
    finally:
        _assumed.pop(key)
        # what was worked out under an assumption about a caller that is still in progress holds for this round only
        pending = _touched & set(_assumed)
        _touched.clear()
        _touched.update(outer | pending)
    out_ranks[made] = run.out_rank
    if form == RUN and (run.differs or given.form):
        made.form = lambda wanted: vmap(given, flags, axis_name, ranks, final, masked, wanted)[0]
    if not pending:
        _memo[key] = (made, out)
    return made, out


def _check_depth(unit, flags, again):
    if again and (max(map(depth, flags), default=0) > DEEPEST or max(map(size, flags), default=0) > LARGEST):
        raise TransformError(f"cannot batch {unit.name}: its arguments or results nest deeper with every call, as the residuals "
                             "of a recursive function do", hint="Write the recursion as a loop, or batch before differentiating.")


def axes_of(unit, options, prefix, count, total, named=()):
    """The in_axes entry of every parameter of a call with ``count`` positional arguments; keyword arguments are mapped
    over axis 0, what a call leaves to its default is not.
    """
    given = options.get("in_axes", 0)
    if isinstance(given, (tuple, list)):
        if len(given) != count:
            raise ValueError(f"vmap in_axes must be an int, None, or a tuple of entries corresponding to the positional "
                             f"arguments passed to the function, but got len(in_axes)={len(given)}, len(args)={count}")
        axes = list(given)
    else:
        axes = [given] * count
    axes = [None] * prefix + axes
    return tuple(axes + [0 if p in named else None for p in unit.params[len(axes):total]])


def _axes_as_written(unit, options, prefix):
    """The in_axes entry of every parameter where no call says which arguments it gives: what has a default is left to it."""
    own, signature, given = len(unit.params) - prefix, unit.signature, options.get("in_axes", 0)
    required = own if signature is None else len(
        [p for p in list(signature.parameters.values())[-own:] if p.default is p.empty]) if own else 0
    return axes_of(unit, options, prefix, len(given) if isinstance(given, (tuple, list)) else required, len(unit.params))


def with_axes(unit, options, prefix, count, named):
    """The options of a vmapped function that is called with ``count`` positional arguments and these keywords."""
    axes = axes_of(unit, options, prefix, count, len(unit.params), named)
    return options if axes == _axes_as_written(unit, options, prefix) else {**options, "axes": axes}


def derive(unit, options, prefix):
    """The unit of ``vmap(f, in_axes, out_axes)``: axes are moved to the front, and from it, where they are elsewhere."""
    axes = options.get("axes")
    if axes is None:
        axes = _axes_as_written(unit, options, prefix)
    out_axes = options.get("out_axes", 0)
    flags = tuple(_flag(axis) for axis in axes)
    if not any(is_batched(f) for f in flags) and options.get("axis_size") is None:
        raise ValueError("vmap must have at least one non-None value in in_axes")
    ranks = options.get("ranks")
    plain = all(a in (0, None) for a in axes) and out_axes == 0
    batched, out = vmap_inner(unit, flags, options.get("axis_name"), ranks, plain and options.get("axis_size") is None)
    if plain and unit.boundary is None and options.get("axis_size") is None:
        return batched
    names = Names(set(unit.params))
    body, args = [], []
    for param, axis in zip(unit.params, axes):
        body += _moved(param, axis)
        args.append(name(param))
    result = names.fresh("out")
    alone = options.get("axis_size") is not None and not any(is_batched(f) for f in flags)
    size = const(options["axis_size"]) if alone else _size(unit.params, flags)
    if getattr(batched, "sized", False):
        args.append(clone(size))
    body.append(assign(result, call(batched.name, args)))
    if isinstance(out_axes, (tuple, list, dict)) and not _fits(out_axes, out):
        body.append(assign(result, call("rt.fitting", [name(result), expression_of(_unnamed(out_axes))])))
    body.append(returns(_placed(name(result), out, out_axes, size)))
    made = Unit(f"{unit.name}_vmap", function(f"{unit.name}_vmap", unit.params, body), {batched.name: batched}, {result},
                unit.file, unit.origin, signature=unit.signature)
    return made


def _fits(axes, flag):
    """Whether the flag of a result says that it has the tuples of its out_axes."""
    if isinstance(axes, (int, type(None))):
        return True
    return isinstance(axes, tuple) and isinstance(flag, tuple) and flag[:1] not in ((LIST,), ("ragged",)) and len(axes) == len(flag) and all(
        map(_fits, axes, flag))


def vmap_inner(unit, flags, axis_name, ranks, final):
    from xform.pipeline import vmap_of
    if unit.boundary is not None:
        return vmap_of(unit, flags, axis_name)
    return vmap(unit, flags, axis_name, ranks, final)


class LeafAxes(tuple):
    """The mapped axes of an argument whose in_axes hold objects: one for each of its leaves."""


def by_leaf(axis, value):
    """An entry of in_axes for a value: where it holds objects of registered classes, as one axis for each leaf."""
    if axis is None or isinstance(axis, int) or not any(isinstance(a, Node) for a in _parts(axis)):
        return axis
    leaves, structure = tree_flatten(axis, is_leaf=lambda a: a is None)
    parts = structure.flatten_up_to(value)
    return LeafAxes([a for a, part in zip(leaves, parts) for _ in tree_leaves(part)])


def _parts(axis):
    """A tree of axes and the trees within."""
    inner = axis.values() if isinstance(axis, dict) else axis if isinstance(axis, (tuple, list)) else ()
    return [axis, *(a for item in inner for a in _parts(item))]


def _flag(axis):
    if axis is None:
        return False
    if isinstance(axis, LeafAxes):
        return any(a is not None for a in axis)
    if isinstance(axis, int):
        return True
    if isinstance(axis, dict):
        kinds = {_flag(v) for v in axis.values()}
        return kinds.pop() if len(kinds) == 1 else True     # entries that are not mapped are given the batch, see _moved
    flags = tuple(_flag(a) for a in axis)
    return flags[0] if flags and all(f is flags[0] for f in flags) and flags[0] in (True, False) else flags


def _moved(param, axis):
    if axis is None or axis == 0:
        return []
    if isinstance(axis, LeafAxes):
        if set(axis) <= {0} or set(axis) == {None}:
            return []
        return [assign(param, call("rt.map_leaves", [name(param), expression_of(tuple(axis))]))]
    if _mixed(axis):
        return [assign(param, call("rt.map_entries", [name(param), expression_of(_unnamed(axis))]))]
    if isinstance(axis, int):
        return [assign(param, call("rt.move_axis", [name(param), const(axis), const(0)]))]
    if all(a in (0, None) for a in _flat(axis)):
        return []
    return [assign(param, call("rt.move_axes", [name(param), expression_of(_unnamed(axis))]))]


def _unnamed(axis):
    """A tree of axes with plain tuples for named ones: the value has the names."""
    if isinstance(axis, dict):
        return {k: _unnamed(v) for k, v in axis.items()}
    return type(axis)([_unnamed(a) for a in axis]) if type(axis) in (tuple, list) else tuple(map(_unnamed, axis)) if isinstance(
        axis, tuple) else axis


def _mixed(axis):
    """Whether some dict within has entries that are mapped and entries that are not."""
    if isinstance(axis, dict):
        return len({_flag(v) for v in axis.values()}) > 1 or any(map(_mixed, axis.values()))
    return isinstance(axis, (tuple, list)) and any(map(_mixed, axis))


def _flat(axis):
    if isinstance(axis, (tuple, list)):
        return [a for item in axis for a in _flat(item)]
    if isinstance(axis, dict):
        return [a for item in axis.values() for a in _flat(item)]
    return [axis]


def _placed(value, flag, out_axes, size):
    """The result with its batch axis where out_axes say."""
    if out_axes == 0:
        return value if flag is True else call("rt.spread", [value, size, expression_of(literal(flag))])
    if isinstance(out_axes, tuple) and isinstance(flag, tuple) and len(flag) == len(out_axes):
        parts = [_placed(at(gast.Subscript(clone(value), const(i), gast.Load()), None), f, a, size)
                 for i, (f, a) in enumerate(zip(flag, out_axes))]
        return _as_its_class(parts, value, out_axes)
    if isinstance(out_axes, dict):
        value, flag = (value, flag) if isinstance(flag, bool) else (call("rt.spread", [value, size, expression_of(literal(flag))]), True)
        parts = [_placed(at(gast.Subscript(clone(value), const(k), gast.Load()), None), flag, a, size) for k, a in out_axes.items()]
        return gast.Dict([const(k) for k in out_axes], parts)
    if isinstance(out_axes, tuple):
        parts = [_placed(at(gast.Subscript(clone(value), const(i), gast.Load()), None), flag, a, size)
                 for i, a in enumerate(out_axes)]
        return _as_its_class(parts, value, out_axes)
    if out_axes is None:
        if is_batched(flag):
            raise ValueError("vmap has mapped output but out_axes is None")
        return value
    if not isinstance(out_axes, int):
        raise TransformError(f"vmap: out_axes that hold a {type(out_axes).__name__} are not supported", hint="Give an int for the whole object.")
    spread = value if flag is True else call("rt.spread", [value, size, expression_of(literal(flag))])
    return call("rt.move_axis", [spread, const(0), const(out_axes)])


def _as_its_class(parts, value, axes):
    """A tuple of the parts of a value: a named tuple of its class where its out_axes are one."""
    made = pack(parts)
    return call("rt.restore", [at(gast.List(made.elts, gast.Load()), None), clone(value)]) if hasattr(axes, "_fields") else made


def _size(params, flags):
    """The batch size, from the parameters that carry the batch (of several, some may be ZERO at run time)."""
    batched = [(p, f) for p, f in zip(params, flags) if is_batched(f)]
    if not batched:
        return const(None)
    if len(batched) == 1:
        (param, flag), = batched
        return call("rt.batch_size", [name(param)] + ([] if flag is True else [expression_of(literal(flag))]))
    flags = tuple(literal(f) for _, f in batched)
    return call("rt.batch_size", [pack([p for p, _ in batched])] + ([] if all(f is True for f in flags) else [
        expression_of(flags)]))


def _undefined_names(statements):
    """Names that hold rt.UNDEFINED wherever they are assigned."""
    values, other = {}, set()
    for node in (node for statement in statements for node in gast.walk(statement)):
        if isinstance(node, gast.Assign) and isinstance(node.targets[0], gast.Name):
            values.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, (gast.Assign, gast.For)):
            other.update(target_names(node.targets[0] if isinstance(node, gast.Assign) else node.target))
    found = set(values) - other
    while True:
        kept = {n for n in found if all(
            isinstance(v, gast.Attribute) and v.attr == "UNDEFINED" or isinstance(v, gast.Name) and v.id in found for v in values[n])}
        if kept == found:
            return found
        found = kept


class _Batch:
    def __init__(self, unit, flags, made, axis_name, ranks, final, masked, form):
        from xform.pipeline import core
        self.unit = checked(version(core(unit)), [is_batched(f) for f in flags])
        self.made, self.axis_name, self.final, self.param_flags = made, axis_name, final, flags
        self.flags = Flags(self.unit.params, flags)
        self.ranks = Ranks(dict(zip(self.unit.params, ranks)))
        self.births, self.constants = {}, {}
        self.backward = unit.backward
        self.shrunk = set()     # cotangents of lists that some lanes only appended to: each turn takes its items off for all lanes
        self.form, self.differs = form, False       # differs: whether another form of this code would be another
        self.lanes = Names({n.id for n in gast.walk(self.unit.tree) if isinstance(n, gast.Name)} | set(self.unit.params)
                           | set(unit.env)).fresh("lanes") if masked else None
        self.heads = _assigned_twice(self.unit.tree.body)
        self.undefined = _undefined_names(self.unit.tree.body)
        self.reads = Counter(vmap_flow.reads_in(self.unit.tree))

    def run(self):
        unit = self.unit
        while True:
            self.names = Names({n.id for n in gast.walk(unit.tree) if isinstance(n, gast.Name)} | set(unit.params)
                               | set(unit.env) | ({self.lanes} if self.lanes else set()))
            self.made.env, self.made.temps, self.made.reads = dict(unit.env), set(unit.temps), dict(unit.reads)
            self.mask, self.size_name, self.seen, self.lane_ranges = self.lanes, None, set(unit.params), {}
            if self.lanes:
                self.flags.names[self.lanes] = True
            self.flags.changed = self.ranks.changed = False
            tree = clone(unit.tree)
            self.origin = {}
            body = self.block(tree.body[:-1])
            if not self.flags.changed and not self.ranks.changed:
                break
        last = tree.body[-1]
        out = self.flags.of(last.value)
        self.out_rank = self.ranks.of(last.value)
        result = last.value
        if self.final and literal_true(out):
            out = True
        elif self.final and grown.holds_ragged(out):
            refuse(last, unit, grown.MESSAGE + "the result of a mapped function: each example's has another length", grown.HINT)
        elif self.final and out is not True:
            result = self.coerced(result, True, last)
            out = True
        body.append(returns(result, last))
        self.made.sized = bool(self.size_name) and not self.lanes and not any(map(is_batched, self.param_flags))
        if self.size_name and not self.made.sized:
            known = any(map(is_batched, self.param_flags))
            size = call("rt.batch_size", [name(self.lanes)]) if self.lanes and not known else _size(unit.params, self.param_flags)
            body.insert(0, assign(self.size_name, size))
        params = [*([self.lanes] if self.lanes else []), *unit.params, *([self.size_name] if self.made.sized else [])]
        self.made.tree = function(self.made.name, params, body, unit.tree)
        if self.lanes or self.made.sized:
            self.made.signature = None
        self.made.notes = [self.headline()]
        simplify(self.made.tree, self.made.temps, pure=pure_in(self.made.env))
        return out

    def is_undefined(self, value):
        """Whether a core value is rt.UNDEFINED on every path."""
        return isinstance(value, gast.Attribute) and value.attr == "UNDEFINED" or (
            isinstance(value, gast.Name) and value.id in self.undefined)

    def headline(self):
        batched = [p for p in self.unit.params if is_batched(self.flags.names[p])]
        shared = [p for p in self.unit.params if not is_batched(self.flags.names[p])]
        return f"# batched along axis 0: {', '.join(batched)}" + (f"; shared: {', '.join(shared)}" if shared else "")

    def size(self):
        if self.size_name is None:
            self.size_name = self.names.fresh("batch")
        return name(self.size_name)

    def coerced(self, atom, flag, node):
        """An expression for an atom with at least the batching that ``flag`` says."""
        if isinstance(atom, gast.Tuple):        # an index: its parts carry the batch or not
            return at(gast.Tuple([self.coerced(e, flag, node) if isinstance(e, gast.Name) else clone(e) for e in atom.elts],
                                 gast.Load()), node)
        own = self.flags.of(atom)
        if own == flag or own is BOTTOM or flag is BOTTOM or not is_batched(flag):
            return clone(atom)
        if isinstance(own, tuple) and own[:1] == (LIST,) and own[1] is BOTTOM:
            return clone(atom)
        return grown.spread(self, clone(atom), own, flag, node)

    def temp(self, wanted):
        made = self.names.fresh(wanted)
        self.made.temps.add(made)
        return made

    # -- statements ---------------------------------------------------------------------------------------------

    def block(self, statements):
        made = []
        for statement in statements:
            self.seen.update(assigned([statement]) if isinstance(statement, (gast.Assign, gast.If)) else ())
            if isinstance(statement, gast.Assign):
                with pointing(statement, self.unit):
                    self.assignment(statement, made)
            elif isinstance(statement, gast.If) and not is_exit(statement):
                vmap_flow.conditional(self, statement, made)
            elif isinstance(statement, gast.For):
                vmap_flow.for_loop(self, statement, made)
            elif isinstance(statement, gast.While):
                vmap_flow.while_loop(self, statement, made)
            elif isinstance(statement, gast.Assert) and is_batched(self.flags.of(statement.test)):
                test = clone(statement.test)
                if self.mask is not None:
                    test = call("np.logical_or", [test, call("np.logical_not", [name(self.mask)])], node=statement)
                made.append(at(gast.Assert(call("np.all", [test], node=statement), statement.msg), statement))
            elif isinstance(statement, gast.Raise) and self.mask is not None and not (
                    self.mask == self.lanes and in_library(self.unit.file)):    # what the library refuses is a matter of types
                message = "raise in a branch that only some examples take is not supported under vmap"
                refuse(statement, self.unit, message, "Check the condition before the mapped function.")
            elif isinstance(statement, gast.Expr) and isinstance(classify(statement.value, self.unit), (RuleCall, UnitCall)):
                done, _ = value(self, statement.value, statement, made)     # called for what it refuses or prints
                made.append(at(gast.Expr(done), statement))
            else:
                made.append(statement)
        return made

    def assignment(self, statement, made):
        target = statement.targets[0]
        if isinstance(target, gast.Tuple):
            return self.unpacking(statement, made)
        batched, flag = value(self, statement.value, statement, made)
        flag = opened(flag)
        if self.flags.deepens(target.id, flag):
            refuse(statement, self.unit, f"cannot batch {stem(target.id)!r}: its values nest deeper with every turn of a loop, as pairs (v, rest) do",
                   "Append the values to a list, and loop over reversed(values).")
        self.flags.add(target.id, flag)
        settled = self.flags.names[target.id]
        if settled != flag and flag is not BOTTOM and is_batched(settled):
            if not isinstance(batched, (gast.Name, gast.Constant)):
                held = self.temp("value")
                self.flags.names[held] = flag
                made.append(assign(held, batched, statement))
                batched = name(held, statement)
            if not (isinstance(flag, tuple) and flag[:1] == (LIST,) and flag[1] is BOTTOM):
                batched = grown.spread(self, batched, flag, settled, statement)
        made.append(assign(target.id, batched, statement))

    def unpacking(self, statement, made):
        flag = self.flags.of(statement.value)
        targets = target_names(statement.targets[0])
        if flag is True:
            made.append(assign(targets, call("rt.parts_lead", [clone(statement.value), const(len(targets)), const(1)],
                                             node=statement), statement))
            for target in targets:
                self.flags.add(target, True)
            self.ranks.unpack(targets, statement.value)
            return
        parts = flag if isinstance(flag, tuple) and flag[:1] != (LIST,) else (uniform(flag),) * len(targets)
        for target, part in zip(targets, parts):
            self.flags.add(target, part)
        self.ranks.unpack(targets, statement.value)
        made.append(statement)

    def refer(self, value, wanted):
        from xform.library import canonical
        path = canonical(value)
        if path:
            return path
        for key, bound in self.made.env.items():
            if bound is value:
                return key
        wanted = getattr(value, "__name__", wanted)
        key = self.names.fresh(wanted if wanted.isidentifier() else "batched")
        self.made.env[key] = value
        return key

    def once(self, wanted, like):
        made = self.names.fresh(wanted)
        if like in self.made.temps:
            self.made.temps.add(made)
        self.flags.names[made] = self.flags.names.get(like, BOTTOM)
        self.ranks.add(made, self.ranks.of(name(like)))
        return made


def _assigned_twice(body):
    """Names with more than one assignment: in single-assignment form, those that join branches or head loops."""
    seen, twice = set(), set()

    def walk(statements):
        for statement in statements:
            if isinstance(statement, gast.Assign):
                for target in target_names(statement.targets[0]):
                    (twice if target in seen else seen).add(target)
            for block in blocks(statement):
                walk(block)
    walk(body)
    return twice


def literal_true(flag):
    """Whether every part of a structured flag carries the batch."""
    if isinstance(flag, tuple):
        return literal_true(flag[1]) if flag[:1] == (LIST,) else flag[:1] != ("ragged",) and all(map(literal_true, flag))
    return flag is True

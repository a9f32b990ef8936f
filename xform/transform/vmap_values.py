"""Batching of values: what one operation becomes when some of its operands carry the batch.

Before: ``y = x * w`` (x carries the batch, w does not).   After: the same where the ranks are known to agree, else
``x_1, w_1 = rt.align((x, w), (1, 0))`` and ``y = x_1 * w_1``.
"""
from __future__ import annotations

import inspect

import gast

from xform.analyze.batched import BOTTOM, LIST, expression_of, is_batched, join, literal, uniform
from xform.errors import TransformError, refuse
from xform.library import STATIC_ATTRIBUTES, TEXT_METHODS
from xform.operations import Copy, CustomCall, Opaque, Pack, RuleCall, Static, UnitCall, atoms_of, classify
from xform.syntax import assign, at, blocks, call, clone, const, dotted, name, pack, reads, reference, rename
from xform.transform import grown
from xform.transform.collective import batched_collective, over_another_axis
from xform.transform.grown import is_ragged
from xform.transform.nested import nested, rule_of_batching
from xform.transform.ranges import lane_range
from xform.unit import inside

# Operands that are asked for the number of their items and their keys alone: the result holds the others.
STRUCTURE = {"rt.builtins.zip_dot": "xs", "rt.builtins.enumerate_dot": "xs", "rt.builtins.items_dot": "d", "rt.builtins.shell_of": "x",
             "rt.reiter": "items", "rt.reiter_lead": "items"}

# Container ops whose result's structure follows from their operands'.
SAME = frozenset({"rt.builtins.reversed", "rt.builtins.list", "rt.builtins.tuple", "rt.builtins.copy", "rt.builtins.deepcopy",
                  "rt.instantiate_shell", "rt.builtins.instantiate_shell"})


def value(run, node, statement, made):
    """(expression, flag) of a core value under batching."""
    operation = classify(node, run.unit)
    atoms = atoms_of(operation)
    flags = [run.flags.of(a) for a in atoms]
    target = statement.targets[0].id if isinstance(statement, gast.Assign) else None
    if isinstance(operation, Copy):
        run.ranks.add(target, run.ranks.of(operation.atom))
        if isinstance(operation.atom, gast.Name):
            run.births[target] = run.births.get(operation.atom.id)
            if operation.atom.id in run.shrunk:
                run.shrunk.add(target)
        return node, flags[0]
    if isinstance(operation, Pack):
        if isinstance(node, (gast.Tuple, gast.List)) and any(isinstance(e, gast.Starred) for e in node.elts):
            if not any(is_batched(f) for f in flags):
                return node, False
            for i, item in enumerate(node.elts):    # how many items there are is not known: all are batched
                if isinstance(item, gast.Starred):
                    item.value = items_of(run, item.value, statement)
                else:
                    node.elts[i] = run.coerced(item, True, statement)
            return node, True if isinstance(node, gast.Tuple) else (LIST, True)
        if isinstance(node, gast.Tuple):
            run.ranks.add(target, tuple(run.ranks.of(a) for a in atoms))
            run.constants[target] = tuple([constant(run, a) for a in atoms])
            kinds = tuple(flags)
            return node, kinds if any(is_batched(f) for f in kinds) else False
        if isinstance(node, gast.List):
            run.births[target] = run.mask or ""
            element = BOTTOM
            for f in flags:
                element = join(element, f)
            for i, item in enumerate(node.elts):
                node.elts[i] = run.coerced(item, element, statement)
            return node, (LIST, element) if element is BOTTOM or is_batched(element) else False
        if any(is_batched(f) for f in flags):
            node.values = [run.coerced(v, True, statement) for v in node.values]
            return node, True
        return node, False
    if isinstance(operation, UnitCall):
        if not any(map(is_batched, flags)) and not operation.readable:
            return node, False
        if operation.unit.origin == "runtime.containers":    # its functions that are read, not ruled
            grown.check(run, f"rt.{operation.unit.name}", dict(enumerate(operation.args)), statement)
        return unit_call(run, operation, statement)
    if isinstance(operation, CustomCall):
        return custom_call(run, operation, statement)
    if isinstance(operation, RuleCall):
        return rule(run, operation, node, statement, made)
    if isinstance(operation, Static):
        return static(run, operation, node, statement, made)
    if any(is_batched(f) for f in flags):
        assert isinstance(operation, Opaque)
        refuse(node, run.unit, f"cannot batch {operation.what}", operation.hint or "Write it with xform.numpy.")
    return node, False


def items_of(run, atom, statement):
    """What gives the batched items of a sequence. Those of an array lie along the axis after that of the batch."""
    value = run.coerced(atom, True, statement)
    if isinstance(run.flags.of(atom), tuple):   # a tuple or a list
        return value
    function = call("rt.batched", [reference("rt.builtins.list")], node=statement)
    return call(function, [value], {"over": pack([const("xs")], statement)}, statement)


def static(run, operation, node, statement, made):
    operands = [n for n in reads(node) if is_batched(run.flags.names.get(n, False))]
    if not operands:
        return node, False
    if isinstance(node, gast.JoinedStr):
        for part in node.values:
            if isinstance(part, gast.FormattedValue) and is_batched(run.flags.of(part.value)):
                part.value = call("rt.shown", [part.value], node=statement)
        return node, False
    if isinstance(node, gast.UnaryOp) and is_ragged(run.flags.of(node.operand)):
        counted = run.temp("count")
        run.flags.names[counted] = True
        made.append(assign(counted, call("rt.lane_count", [node.operand, run.size()], node=statement), statement))
        return call("np.equal", [name(counted), const(0)], node=statement), True
    if isinstance(node, gast.UnaryOp):
        return call("np.logical_not", [node.operand], node=statement), True
    if isinstance(node, gast.Attribute) and node.attr in STATIC_ATTRIBUTES:
        shapes = {"shape": "rt.like(x, 1).shape", "ndim": "rt.like(x, 1).ndim", "size": "rt.like(x, 1).size"}
        if node.attr in shapes:
            inner = call("rt.like", [node.value, const(1)], node=statement)
            return at(gast.Attribute(inner, node.attr, gast.Load()), statement), False
        return node, False
    if isinstance(node, gast.Call) and dotted(node.func) == "len" and is_ragged(run.flags.of(node.args[0])):
        return call("rt.lane_count", [node.args[0], run.size()], node=statement), True
    if isinstance(node, gast.Call) and dotted(node.func) == "len" and run.flags.of(node.args[0]) is True:
        return call("rt.length", [node.args[0]], node=statement), False
    if isinstance(node, gast.Call) and dotted(node.func) in ("print", "isinstance", "len", "type", "repr", "str", "hasattr",
                                                             "callable", "breakpoint"):
        return node, False
    if isinstance(node, gast.Compare) and isinstance(node.ops[0], (gast.Is, gast.IsNot)) or isinstance(node, gast.Call) and isinstance(
            node.func, gast.Attribute) and node.func.attr in TEXT_METHODS:
        return node, False
    if isinstance(node, gast.Compare) and isinstance(node.ops[0], (gast.In, gast.NotIn)) and not is_batched(
            run.flags.of(node.left)):
        found = call("rt.contains", [node.comparators[0], node.left], node=statement)
        return (found if isinstance(node.ops[0], gast.In) else call("rt.logical_not", [found], node=statement)), False
    if isinstance(node, gast.Call) and dotted(node.func) == "bool":
        return call("np.not_equal", [node.args[0], const(0)], node=statement), True
    if isinstance(node, gast.Call) and dotted(node.func) == "slice":
        refuse(node, run.unit, "a slice whose bounds differ from example to example cannot be batched",
               "Use lax.dynamic_slice, or a mask.")
    refuse(node, run.unit, "this expression cannot be batched: it depends on the values of the examples",
           "Write it with xform.numpy.")


def rule(run, operation, node, statement, made):
    rule, path = operation.rule, operation.path
    args = operation.args
    if path == "np.where" and "x" not in operation.given:     # with a condition alone it is no elementwise function
        node.func = reference("np.nonzero")
        for keyword in node.keywords:
            keyword.arg = "a" if keyword.arg == "condition" else keyword.arg
        return value(run, node, statement, made)
    if path.startswith("np.") and dotted(operation.args.get("out")):
        refuse(node, run.unit, f"out= of {path} is not supported: arrays are values in transformed code",
               "Use the result, or assign it: y[...] = np.add(a, b).")
    flat = atoms_of(operation)
    target = statement.targets[0].id if isinstance(statement, gast.Assign) else None
    if not any(is_batched(run.flags.of(a)) for a in flat):
        run.ranks.add(target, run.ranks.result(operation))
        found = special(run, operation, node, statement, target, made)
        if found is not None:
            return found
        if run.axis_name is not None:
            found = batched_collective(run, operation, statement)
            if found is not None:
                return found
        bottoms = [run.flags.of(a) for a in flat]
        return node, BOTTOM if BOTTOM in bottoms and all(b is BOTTOM for b in bottoms) else False
    if run.axis_name is not None:
        found = batched_collective(run, operation, statement)
        if found is not None:
            return found
    found = over_another_axis(run, operation, node) if isinstance(operation, RuleCall) else None
    if found is not None:
        run.ranks.add(target, run.ranks.result(operation))
        return found
    run.ranks.add(target, run.ranks.result(operation))
    found = special(run, operation, node, statement, target, made)
    if found is not None:
        return found
    if rule.elementwise:
        return elementwise(run, operation, node, statement, made)
    over, given = [], {}
    for param, atom in args.items():
        atoms = atom if isinstance(atom, list) else [atom]
        batched = any(is_batched(run.flags.of(a)) for a in atoms)
        if param == "like" or batched and rule.unbatched and rule.batch is None:
            given[param] = example(run, atom, statement)
            continue
        if batched:
            over.append(param)
            atoms = [run.coerced(a, True, statement) for a in atoms]
        given[param] = atoms if isinstance(atom, list) else atoms[0]
    if not over:
        return substituted(run, operation, given, statement), False
    if rule.batch is None:
        refuse(node if hasattr(node, "lineno") else statement, run.unit, f"{path} has no batching rule",
               "Write it with other xform.numpy functions.")
    found = batch_call(run, path, rule, given, over, statement)
    return found, False if rule.unbatched or over == [STRUCTURE.get(path)] else True


def example(run, atom, statement):
    """``like=`` describes one example."""
    flag = run.flags.of(atom)
    if flag is True:
        return call("rt.like", [clone(atom), const(1)], node=statement)
    if is_batched(flag):
        return call("rt.like_parts", [clone(atom), expression_of(literal(bare(flag)))], node=statement)
    return clone(atom)


def bare(flag):
    """A flag without the structure of parts that carry no batch: such a part may be a list in one branch, an array in the other."""
    if not is_batched(flag):
        return False
    return tuple([part if part in (LIST, "ragged") else bare(part) for part in flag]) if isinstance(flag, tuple) else flag


def batch_call(run, path, rule, given, over, statement):
    """A call of an op's batching function."""
    batch = rule.batch
    function = call("rt.batched", [reference(path)], node=statement)
    args, keywords = [], {}
    for param, value in given.items():
        if isinstance(value, list):
            args += value
        elif param == rule.params[len(args)] and not keywords:
            args.append(value)
        else:
            keywords[param] = value
    defaults = rule.defaults
    keywords = {k: v for k, v in keywords.items() if not (
        isinstance(v, gast.Constant) and k in defaults and v.value is defaults[k])}
    while args and len(args) <= len(rule.params) and not rule.variadic:
        last, param = args[-1], rule.params[len(args) - 1]
        if isinstance(last, gast.Constant) and param in defaults and last.value is defaults[param]:
            args.pop()
        else:
            break
    signature = inspect.signature(batch).parameters
    if "size" in signature and "size" not in keywords and "size" not in rule.params:
        keywords["size"] = run.size()
    keywords["over"] = pack([const(p) for p in over])
    return call(function, args, keywords, statement)


def substituted(run, operation, given, statement):
    rule = operation.rule
    args, keywords = [], {}
    for param, value in given.items():
        if isinstance(value, list):
            args += value
        elif param in operation.given and not keywords and param != "like":
            args.append(value)
        elif param in operation.given:
            keywords[param] = value
    del rule
    return call(operation.path, args, keywords, statement)


def elementwise(run, operation, node, statement, made):
    """Operands broadcast example by example: ranks are aligned unless they are known to agree."""
    operands = [a for a in dict.fromkeys(
        a.id for a in atoms_of(operation) if isinstance(a, gast.Name) and is_operand(run, operation, a))]
    batched = [o for o in operands if is_batched(run.flags.names.get(o, False))]
    for o in batched:
        if run.flags.names[o] is not True:
            coerced = run.temp(o)
            made.append(assign(coerced, run.coerced(name(o), True, statement), statement))
            run.flags.names[coerced] = True
            rename(node, {o: coerced})
            operands = [coerced if x == o else x for x in operands]
    if len(operands) > 1 and not agree(run, operands, operation.rule.uniform):
        fresh = [run.temp(o) for o in operands]
        over = [const(int(is_batched(run.flags.names.get(o, False)))) for o in operands]
        made.append(assign(fresh, call("rt.align", [pack([name(o) for o in operands]), pack(over)], node=statement),
                           statement))
        rename(node, dict(zip(operands, fresh)))
    return node, False if operation.rule.unbatched else True


def is_operand(run, operation, atom):
    """Options such as dtype are no operands."""
    return not any(p in ("dtype", "out") and v is atom for p, v in operation.args.items())


def agree(run, operands, uniform):
    """Whether the operands broadcast example by example as they are; ``uniform``: with as many axes, or none."""
    ranks = {o: run.ranks.of(name(o)) for o in operands}
    batched = {ranks[o] if ranks[o] is not None else o for o in operands if is_batched(run.flags.names.get(o, False))}
    if len(batched) != 1:
        return False
    (rank,) = batched
    shared = [ranks[o] for o in operands if not is_batched(run.flags.names.get(o, False))]
    return all(r == 0 or r == rank and not uniform or not uniform and isinstance(r, int) and isinstance(rank, int) and r <= rank
               for r in shared)


def constant(run, atom):
    """The Python value of a constant, or of a tuple of constants; None for what is none."""
    return atom.value if isinstance(atom, gast.Constant) else run.constants.get(getattr(atom, "id", None))


def deeper(lead, flags):
    """The batch axes of aligned operands after one more batch: counts, or for an operand that lacks an axis of the others which
    ones it has, outermost first.
    """
    given = [(1,) * n if isinstance(n, int) else n for n in lead]
    depth = max(map(len, given))
    levels = [(1, *(0,) * (depth - len(n)), *n) if is_batched(f) else n for n, f in zip(given, flags)]
    return expression_of(tuple([len(n) if all(n) else n for n in levels]))


def further(lead, flag):
    """The batch axes of the parts of a value after one more batch, as ``rt.spread`` is told them; None where they are not known."""
    if not isinstance(flag, tuple):
        if isinstance(lead, tuple) and flag is True:
            found = tuple([part if part == "each" else further(part, True) for part in lead])
            return None if None in found else found
        return lead if flag is False or lead is None else lead + 1 if flag is True else None
    if flag[:1] == (LIST,):
        own = lead if isinstance(lead, int) else lead[1] if isinstance(lead, tuple) and lead[:1] == ("each",) else None
        found = further(own, flag[1])
        return None if found is None else ("each", found)
    if lead is None or isinstance(lead, tuple) and (lead[:1] == ("each",) or len(lead) != len(flag)):
        return None
    found = tuple([further(part, f) for part, f in zip(lead if isinstance(lead, tuple) else (lead,) * len(flag), flag)])
    return None if None in found else found


def special(run, operation, node, statement, target, made):
    """Ops on containers, whose batching follows the structure."""
    path, args = operation.path, operation.args
    first = next(iter(args.values()), None)
    flag = run.flags.of(first) if first is not None and not isinstance(first, list) else False
    grown.check(run, path, args, statement)
    if path == "rt.append":
        item = run.flags.of(args["item"])
        element = flag[1] if isinstance(flag, tuple) and flag[:1] == (LIST,) else (BOTTOM if flag is False else flag)
        run.births[target] = run.births.get(getattr(first, "id", None), "")
        if run.mask is not None and run.births.get(target, "") != run.mask:
            pairs = grown.appended(run, first, statement, flag, made)
            ragged = call("rt.append", [pairs, pack([name(run.mask), args["item"]])], node=statement)
            flag = run.flags.of(pairs)
            element = flag[1] if is_ragged(flag) else element
            return ragged, (LIST, ("ragged", join(element[1] if isinstance(element, tuple) and element[:1] == ("ragged",)
                                                 else BOTTOM, item)))
        if not is_batched(item) and not is_batched(flag) and item is not BOTTOM:
            return (node, (LIST, False)) if flag is not False else (node, False)
        if flag is False and is_batched(item):      # items that all examples share
            node.args[0] = run.coerced(first, (LIST, item), statement)
            return node, (LIST, item)
        return node, (LIST, join(element, item))
    if path in ("rt.instantiate", "rt.filled") and is_batched(flag):
        sizes = [run.size()] + ([at(gast.Starred(clone(args["sizes"]), gast.Load()), statement)] if "sizes" in args else [])
        made.append(assign(run.temp("sizes"), pack(sizes), statement))
        given = {"like": example(run, args["like"], statement), "sizes": name(made[-1].targets[0].id)}
        return call(path, [run.coerced(first, True, statement)], given, statement), True
    if path in ("rt.seal", "rt.unseal") and isinstance(flag, tuple):     # what the examples share among residuals stays known
        return node, flag
    if path in ("rt.spread", "rt.unspread") and isinstance(flag, tuple):     # parts without the outer batch stay so
        lead = further(constant(run, args["lead"]) if "lead" in args else 0, flag)
        if lead is None:
            return None
        return call(path, [a for p, a in args.items() if p != "lead"], {"lead": expression_of(lead)}, statement), flag
    if path == "rt.align" and isinstance(flag, tuple):
        node.args[1] = deeper(constant(run, args["lead"]), flag)
        return node, flag
    if path == "rt.getitem" and getattr(first, "id", None) in run.shrunk and isinstance(constant(run, args["index"]), int):
        taken = batch_call(run, path, operation.rule, {"x": first, "index": args["index"]}, ["x"], statement)
        return grown.item_of(taken, statement), True
    if path == "rt.getitem" and isinstance(flag, tuple):
        index = args["index"]
        if is_batched(run.flags.of(index)):
            return None
        if is_ragged(flag):
            return call("rt.lane_item", [first, index, run.size()], node=statement), True
        if flag[:1] == (LIST,):
            return node, flag if isinstance(index, gast.Call) else flag[1]
        if isinstance(index, gast.Constant) and isinstance(index.value, int) and -len(flag) <= index.value < len(flag):
            return node, flag[index.value]
        return None
    if path == "rt.without" and isinstance(flag, tuple) and flag[:1] == (LIST,) and not is_batched(run.flags.of(args["index"])):
        return None if is_ragged(flag) else (node, flag)
    if path in ("rt.attribute", "rt.field"):
        return (node, True) if flag is True else None
    if path == "rt.build":
        kinds = run.flags.of(args["values"])
        if is_batched(kinds):
            known = expression_of(literal(kinds))
            spread = call("rt.spread_data", [args["values"], args["kind"], args["names"], run.size(), known], node=statement)
            made.append(assign(run.temp("values"), spread, statement))
            node.args[-1] = name(made[-1].targets[0].id)
            run.flags.names[node.args[-1].id] = True
            return node, True
    if path == "rt.construct":
        kinds = run.flags.of(args["items"])
        return (node, kinds) if is_batched(kinds) else None
    if path in SAME and isinstance(flag, tuple):
        return node, flag[::-1] if path == "rt.builtins.reversed" and flag[:1] != (LIST,) else flag
    if path == "rt.builtins.zip" and any(isinstance(run.flags.of(a), tuple) or is_batched(run.flags.of(a))
                                         for a in args["xs"]):
        found = [iterated(run, a, statement) for a in args["xs"]]
        node.args = [iterable for iterable, _ in found]
        return node, (LIST, tuple(element for _, element in found))
    if path == "rt.builtins.enumerate" and is_batched(flag):
        node.args[0], element = iterated(run, first, statement)
        return node, (LIST, (False, element))
    if path == "rt.pairs" and (is_batched(flag) or is_batched(run.flags.of(args["dots"]))):
        found = [iterated(run, a, statement) for a in node.args]
        node.args = [iterable for iterable, _ in found]
        elements = tuple(element for _, element in found)
        if is_ragged(flag):
            return call("rt.lane_pairs", node.args, node=statement), (LIST, ("ragged", (elements[0][1], True)))
        return node, (LIST, elements)
    if path == "rt.builtins.range" and any(is_batched(run.flags.of(a)) for a in args["bounds"]):
        return lane_range(run, operation, statement, made)
    if path == "rt.add":
        other = run.flags.of(args["b"])
        both = join(flag, other)
        return call("rt.add", [run.coerced(args["a"], both, statement), run.coerced(args["b"], both, statement)],
                    node=statement), both
    if path == "rt.like" and is_batched(flag):
        lead = args.get("lead", const(0))       # the axes of earlier batches go too
        if flag is True:
            return call("rt.like", [first, const(lead.value + 1)], node=statement), False
        parts = call("rt.like_parts", [first, expression_of(literal(bare(flag)))], node=statement)
        return call("rt.like", [parts, lead], node=statement) if lead.value else parts, False
    if path == "rt.like_parts" and is_batched(flag):
        return call(path, [example(run, first, statement), clone(args["over_"])], node=statement), False
    if path == "rt.uniter" and is_ragged(flag):
        # lanes that a turn left out have no cotangent there
        filled = run.temp("items")
        described = example(run, args["like"], statement)
        made.append(assign(filled, call("rt.lanes_filled", [first, described], node=statement), statement))
        run.flags.names[filled] = True
        given = {"items": name(filled), "like": clone(described)}
        return batch_call(run, path, operation.rule, given, ["items"], statement), True
    if path == "rt.reiter" and is_ragged(run.flags.of(args["items"])):
        # its items are (lanes, item), and so are their cotangents
        found, items = run.temp("items"), run.coerced(args["items"], True, statement)
        described = example(run, args["like"], statement)
        given = {"d": first, "items": items, "like": clone(described)}
        made.append(assign(found, batch_call(run, path, operation.rule, given, ["d", "items"] if is_batched(flag) else ["items"], statement),
                           statement))
        run.flags.names[found] = True
        return call("rt.lanes_again", [name(found), clone(items), clone(described)], node=statement), True
    return None


def iterated(run, atom, statement):
    """(what to iterate over, batchedness of an item) for a loop over an atom."""
    flag = run.flags.of(atom)
    if flag is True:
        return call("rt.rows", [clone(atom)], node=statement), True
    element = uniform(flag)
    if isinstance(flag, tuple) and flag[:1] != (LIST,) and any(part != element for part in flag):
        return run.coerced(atom, True, statement), True     # items that differ: all of them carry the batch then
    return clone(atom), element


def nested_call(run, operation, rule, flags, inner, statement):
    """A call of an op's batching rule that gets one more batch axis, joined with its own."""
    unit, out = nested(operation.unit, rule, tuple(map(is_batched, flags)), inner)
    args = [run.coerced(a, True, statement) if is_batched(f) else clone(a) for a, f in zip(operation.args, flags)]
    return call(name(run.refer(unit, unit.name), statement), args, node=statement), out


def unit_call(run, operation, statement):
    from xform.pipeline import vmap_of
    from xform.transform.vmap import out_ranks, vmap
    flags = tuple(run.flags.of(a) for a in operation.args)
    flags = tuple(False if f is BOTTOM else f for f in flags)
    uses_axis = run.axis_name is not None
    if not any(is_batched(f) for f in flags) and not uses_axis:
        return statement.value, False
    if operation.unit.boundary is not None:
        unit, out = vmap_of(operation.unit, flags, run.axis_name)
    else:
        ranks = tuple(run.ranks.of(a) for a in operation.args)
        batching = rule_of_batching(operation.unit)
        if batching is not None and "size" in operation.unit.params:
            batching = None     # the size of one axis is an argument: its own code says what to do with another
        inner = batching and constant(run, operation.args[operation.unit.params.index("over")])
        if inner is not None:
            same = all(is_batched(f) == (p in inner) for p, f in zip(operation.unit.params, flags))
            if same if batching.merges is None else batching.merges:
                return nested_call(run, operation, batching, flags, inner, statement)
        masked = bool(run.mask) and inner is None and loops_in(operation.unit)
        try:
            unit, out = vmap(operation.unit, flags, run.axis_name, ranks, masked=masked)
        except TransformError:
            if inner is None:
                raise
            return nested_call(run, operation, batching, flags, inner, statement)
        if isinstance(statement, gast.Assign):
            run.ranks.add(statement.targets[0].id, run.ranks.seen(out_ranks.get(unit), ranks))
    key = run.refer(unit, unit.name)
    lanes = [name(run.mask)] if operation.unit.boundary is None and masked else []
    size = [run.size()] if (unit if unit.boundary is None else unit.boundary.inner).sized else []
    return call(name(key, statement), [*lanes, *map(clone, operation.args), *size], node=statement), out


def loops_in(unit, seen=()):
    """Whether a function, or one that it calls, has a loop whose turns may depend on the lanes, or calls itself."""
    from xform.pipeline import core
    if unit in seen:
        return True
    if unit.boundary is not None:
        return False
    for statement in _statements(core(unit).tree.body):
        if isinstance(statement, (gast.While, gast.For)):
            return True
        if isinstance(statement, gast.Assign) and calls_loops(statement.value, unit, (*seen, unit)):
            return True
    return False


def calls_loops(value, unit, seen=()):
    """Whether a value is the call of a function with such a loop."""
    operation = classify(value, unit)
    return isinstance(operation, UnitCall) and loops_in(operation.unit, seen)


def recurs(body, unit):
    """Whether statements call a function that calls itself."""
    return any(isinstance(s, gast.Assign) and isinstance(operation := classify(s.value, unit), UnitCall) and _comes_back(operation.unit, ())
               for s in _statements(body))


def _comes_back(unit, path):
    from xform.pipeline import core
    if unit in path:
        return True
    read = core(inside(unit))
    return any(isinstance(s, gast.Assign) and isinstance(operation := classify(s.value, read), UnitCall) and _comes_back(
        operation.unit, (*path, unit)) for s in _statements(read.tree.body))


def _statements(body):
    return [inner for s in body for inner in (s, *(x for block in blocks(s) for x in _statements(block)))]


def talks(unit, seen):
    """Whether a unit, or one that it calls, names an axis over which examples exchange values."""
    from xform.pipeline import core
    if unit in seen:
        return False
    seen.add(unit)
    read = core(inside(unit))
    for statement in _statements(read.tree.body):
        operation = classify(statement.value, read) if isinstance(statement, (gast.Assign, gast.Expr)) else None
        if isinstance(operation, RuleCall) and "axis_name" in operation.rule.params:
            return True
        if isinstance(operation, UnitCall) and operation.readable and talks(operation.unit, seen):
            return True
    return False


def custom_call(run, operation, statement):
    from xform.transform.custom import batched
    flags = tuple(run.flags.of(a) for a in operation.args)
    if not any(is_batched(f) for f in flags):
        from xform.pipeline import unit_of_callable
        if run.axis_name is None or not talks(unit_of_callable(operation.custom.fun), set()):
            return statement.value, False
        flags = (True,) * len(flags)        # the examples talk about what all of them have
        spread = [call("rt.spread", [clone(a), run.size(), const(False)], node=statement) for a in operation.args]
        made, out = batched(operation.custom, flags, run.axis_name)
        return call(name(run.refer(made, made.__name__), statement), spread, node=statement), out
    made, out = batched(operation.custom, tuple(f is True or is_batched(f) for f in flags), run.axis_name)
    args = [run.coerced(a, True, statement) if is_batched(f) else clone(a) for a, f in zip(operation.args, flags)]
    return call(name(run.refer(made, made.__name__), statement), args, node=statement), out

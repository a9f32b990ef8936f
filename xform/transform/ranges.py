"""Batching of ranges whose bounds differ from example to example.

Before: ``for i in range(n): y = y * i`` with a batched n.
After::

    for i in range(np.max(n)):
        live = i < n
        y = rt.where(live, y * i, y)
"""
from __future__ import annotations

import gast

from xform.analyze.batched import is_batched
from xform.errors import refuse
from xform.syntax import assign, call, clone, const, name


def lane_range(run, operation, statement, made):
    """A range whose bounds differ from lane to lane: the longest, for a loop that each lane leaves at its own end.

    Before: ``for i in range(n)`` with a batched n.   After: ``for i in range(np.max(n))``, its turns for the lanes where ``i < n``.
    """
    target = statement.targets[0].id
    given = operation.args["bounds"]
    start, stop, step = [const(0), given[0], const(1)] if len(given) == 1 else [*given, const(1)][:3]
    if is_batched(run.flags.of(step)) or not (isinstance(step, gast.Constant) and step.value) or not _only_looped(run, target):
        refuse(statement.value, run.unit, "a range that differs from example to example can only be run over by a for loop, with a "
               "step that is written down", "Write a while loop.")
    if is_batched(run.flags.of(start)):
        span = call("np.subtract", [clone(stop), clone(start)], node=statement)
        stop = name(run.temp("turns"))
        made.append(assign(stop.id, span if step.value == 1 else call("rt.turns_of", [span, clone(step)], node=statement), statement))
        run.flags.names[stop.id] = True
        run.lane_ranges[target] = clone(start), stop, step.value
        given, step = [stop], const(1)
    else:
        run.lane_ranges[target] = None, stop, step.value
    ends = run.temp("ends")
    made.append(assign(ends, call("np.min" if step.value < 0 else "np.max", [clone(stop)], node=statement), statement))
    run.flags.names[ends] = False
    bounds = [name(ends)] if len(given) == 1 else [clone(start), name(ends), clone(step)][:len(given)]
    return call("rt.builtins.range", bounds, node=statement), False


def _only_looped(run, variable):
    """Whether nothing reads a variable but one for loop, to run over it."""
    loops = [n for n in gast.walk(run.unit.tree) if isinstance(n, gast.For) and getattr(n.iter, "id", None) == variable]
    return len(loops) == 1 and run.reads[variable] == 1

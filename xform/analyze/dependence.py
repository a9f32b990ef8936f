"""Dependence: the names that depend on some of a function's parameters, through whatever is computed with them."""
from __future__ import annotations

import gast

from xform.syntax import blocks, reads, target_names


def dependent(body, params) -> set:
    """The names in a body that depend on these parameters; what merely is assigned where they decide does not."""
    found, before = set(params), -1

    def walk(statements):
        for statement in statements:
            read = statement.value if isinstance(statement, gast.Assign) else statement.iter if isinstance(statement, gast.For) else None
            if read is not None and not found.isdisjoint(reads(read)):
                for target in statement.targets if isinstance(statement, gast.Assign) else [statement.target]:
                    found.update(target_names(target))
            for block in blocks(statement):
                walk(block)
    while before != len(found):
        before = len(found)
        walk(body)
    return found

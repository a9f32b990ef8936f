"""Ranks: what is known of how many axes one example of a value has.

A rank is a number, a symbol (a string: values with the same symbol have the same rank, whatever it is), a tuple of ranks for
a tuple, or None (unknown). Batched operands whose ranks agree broadcast as they are; others are aligned at run time.
"""
from __future__ import annotations

import gast

from xform.operations import atoms_of

REDUCTIONS = frozenset({"sum", "mean", "prod", "max", "min", "max_", "min_", "any", "all", "var", "std"})
LIKE_FIRST = frozenset({"zeros_like", "ones_like", "full_like", "cumsum", "flip", "sort", "astype"})
FLATTENING = frozenset({"cumsum", "sort"})      # of these, those that flatten their operand when the axis is None

PASSING = frozenset({"instantiate_shell", "instantiate", "filled", "joined", "shared"})     # their operand, or zeros in its place
BUILDING = frozenset({      # their operands have the structure of what they are like, but maybe other ranks: those of batches
    "like", "pack", "restore", "uniter", "unindex", "columns", "uncolumns", "rows_of", "unrows", "leaves_along", "tree_build",
    "united", "stacked_rows", "batched_rows", "entries", "fields_of", "unzip", "unreversed", "unvalues", "reiter", "unpairs", "repair",
    "listed", "pack_lead", "listed_lead", "uniter_lead", "reiter_lead", "unpairs_lead", "repair_lead", "lanes_filled",
    "lanes_again", "unrepeated", "unattribute"})


class Ranks:
    """The ranks of a function's names, joined over all assignments."""

    def __init__(self, params):
        self.names = dict(params)
        self.changed = False
        self.given = set(_leaves(tuple(self.names.values())))

    def of(self, atom):
        """The rank of an atom."""
        if isinstance(atom, gast.Constant):
            return 0 if isinstance(atom.value, (bool, int, float, complex)) else None
        if isinstance(atom, gast.Name):
            return self.names.get(atom.id)
        if isinstance(atom, gast.Attribute) and atom.attr in ("ZERO", "UNDEFINED"):
            return "ZERO"
        return None

    def add(self, name, rank):
        """Join the rank of one assignment into a name's: ranks that differ become unknown."""
        if name is None:
            return
        if name not in self.names:
            self.names[name] = rank
        elif self.names[name] != rank:
            joined = self.join(self.names[name], rank)
            if joined != self.names[name]:
                self.names[name] = joined
                self.changed = True

    def join(self, a, b):
        if a == "ZERO":
            return b
        if b == "ZERO" or a == b:
            return a
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            return tuple(self.join(x, y) for x, y in zip(a, b))
        return None

    def unpack(self, targets, value):
        """The ranks of the items that a value unpacks into."""
        rank = self.of(value)
        parts = rank if isinstance(rank, tuple) and len(rank) == len(targets) else (None,) * len(targets)
        for target, part in zip(targets, parts):
            self.add(target, part)

    def result(self, operation):
        """The rank of an op's result, where it follows from the operands'."""
        rule, args = operation.rule, operation.args
        if "like" in args and rule.name not in BUILDING:
            return self.alike(rule, args)
        if rule.name == "where" or rule.name == "add" and operation.path == "rt.add":
            sides = [self.of(a) for a in list(args.values())[-2:]]
            return self.join(*sides) if operation.path.startswith("rt.") else self._broadcast([self.of(a) for a in args.values()])
        if rule.elementwise:
            return self._broadcast([self.of(a) for p, a in args.items() if p != "dtype" and not isinstance(a, list)])
        if rule.name in REDUCTIONS:
            axis, keep = args.get("axis"), args.get("keepdims")
            full = isinstance(axis, gast.Constant) and axis.value is None
            return 0 if full and isinstance(keep, gast.Constant) and not keep.value else None
        if rule.name in LIKE_FIRST:
            axis = args.get("axis")
            if rule.name in FLATTENING and not (isinstance(axis, gast.Constant) and isinstance(axis.value, int)):
                return 1 if isinstance(axis, gast.Constant) and axis.value is None else None
            return self.of(atoms_of(operation)[0])
        if rule.name == "align" and isinstance(self.of(args["xs"]), tuple):
            symbol = f"aligned {args['xs'].id}"
            while symbol in self.given:     # that of a caller's operands
                symbol += "?"
            return (symbol,) * len(self.of(args["xs"]))
        if rule.name == "parts":
            rank = self.of(args["d"])
            return rank if isinstance(rank, tuple) else None
        return None

    def alike(self, rule, args):
        """The rank of the result of an op that makes a value like another: with ``lead`` or ``sizes`` it has axes in front."""
        bare = all(name not in args or isinstance(args[name], gast.Constant) and not args[name].value
                   or isinstance(args[name], gast.Tuple) and not args[name].elts for name in ("lead", "inner", "sizes"))
        given = self.of(args["d"]) if rule.name in PASSING else "ZERO"
        return given if given != "ZERO" else self.of(args["like"]) if bare else None

    @staticmethod
    def _broadcast(ranks):
        """The rank of operands broadcast against each other."""
        ranks = [r for r in ranks if r != 0 and r != "ZERO"]
        if any(r is None or isinstance(r, tuple) for r in ranks):
            return None
        if not ranks:
            return 0
        if all(isinstance(r, int) for r in ranks):
            return max(ranks)
        return ranks[0] if len(set(ranks)) == 1 else None

    def seen(self, rank, given):
        """A callee's result rank as the caller sees it: symbols that the callee made up mean nothing here."""
        known = set(_leaves(given))
        if isinstance(rank, tuple):
            return tuple(self.seen(r, given) for r in rank)
        return rank if isinstance(rank, int) or rank in known else None


def named(params, ranks):
    """The ranks of parameters, with a symbol of its own for each that is unknown: one that no caller has for another."""
    taken, found = set(_leaves(tuple(ranks))), []
    for param, rank in zip(params, ranks):
        symbol = f"{param}?"
        while rank is None and symbol in taken:
            symbol += "?"
        found.append(symbol if rank is None else rank)
        taken.add(symbol)
    return tuple(found)


def _leaves(rank):
    if isinstance(rank, tuple):
        return [leaf for r in rank for leaf in _leaves(r)]
    return [rank]

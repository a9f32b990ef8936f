"""What names share: which hold one object, which hold parts of what others hold, and which of them a change in place leaves out of date.

Before::

    xs = [y]            # y is held in xs
    row = grid[i]       # row is a part of grid
    zs = list(xs)       # zs is a copy of xs: other lists of the same items
    xs[0][1] = v        # changes what y and zs have as well

After the last line ``y``, ``zs`` are *doubtful*: whoever reads them gets other numbers than in Python if the statement that made the link
did share, which a question in the code tells when it runs.
"""
from __future__ import annotations

from typing import NamedTuple

AFTER = "after"     # (AFTER, name): a question about what the statement binds a name to, asked after it
DEEPEST = 3     # levels of containers that are told apart
WAYS = 4        # ways to one name that are followed on from there, each with a question of its own


class Link(NamedTuple):
    """How a name's object, or one inside it, lies in another name's.

    whole: that other name. made: id of the statement that made the link. kind: "part" (``p = w[i]``, a row of a loop), "held"
    (``w = [p]``, ``w.append(p)``) or "copied" (``p = list(w)``). subject: the name that a question about the link is about, as it is at
    the statement, or (name, place) where it is about that item, or (AFTER, name). level: how many containers deep it lies in the whole.
    place: its constant index there, where known. inner: how many containers deep in the name's own object that is of which this tells.
    """
    whole: str
    made: int
    kind: str
    subject: object = None
    level: int = 1
    place: object = None
    inner: int = 0

    def reached(self, depth):
        """Whether a change of the whole, ``depth`` levels deep (``w[i] = v`` is one), is one of what the link is about."""
        return depth >= (self.level if self.kind == "part" else self.level + 1)

    def question(self, depth):
        """(statement, name, question) to ask when the whole has been changed."""
        if self.kind == "part":
            return self.made, self.subject, "no_view" if depth == self.level else "not_shared_items"
        return self.made, self.subject, "no_common_items" if self.kind == "copied" else "unshared"

    def question_of_whole(self, depth):
        """(statement, name, question) to ask when what lies in the whole has been changed."""
        if self.kind == "part":
            return self.made, self.subject, "not_shared" if depth == 1 else "not_shared_items"
        return self.question(depth)


class Sharing:
    """Which names hold the same object, which hold one that was changed under another name, and which may share parts.

    classes: name -> frozenset of the names of one object. stale: name -> (the name it was changed under, line).
    links: name -> dict of Links, as an ordered set. inside: name -> dict of the names that may have a link to it. doubtful: name ->
    frozenset of (id of a statement, subject, question) that have to be asked if the name is read. bound: name -> (id of the statement
    ``name = other``, other). several: name of a container that may hold one object at several places -> frozenset of (such a question,
    the text of an index or None). taken: name of an item -> frozenset of (the container, the text of its index there or None),
    as long as nothing else is put there.
    """

    def __init__(self, classes=None, stale=None, links=None, doubtful=None, bound=None, several=None, inside=None, taken=None):
        self.classes = {} if classes is None else classes
        self.stale = {} if stale is None else stale
        self.links = {} if links is None else links
        self.doubtful = {} if doubtful is None else doubtful
        self.bound = {} if bound is None else bound
        self.several = {} if several is None else several
        self.inside = {} if inside is None else inside
        self.taken = {} if taken is None else taken

    def copy(self):
        return Sharing(dict(self.classes), dict(self.stale), dict(self.links), dict(self.doubtful), dict(self.bound), dict(self.several),
                       dict(self.inside), dict(self.taken))

    def key(self):
        return dict(self.classes), dict(self.stale), dict(self.links), dict(self.doubtful), dict(self.several), dict(self.taken)

    def join(self, other):
        for identifier in set(self.classes) | set(other.classes):
            one = self.together(identifier)
            self.classes[identifier] = one | other.together(identifier)
        self.stale.update(other.stale)
        self.bound.update(other.bound)
        for own, more in ((self.doubtful, other.doubtful), (self.several, other.several), (self.taken, other.taken)):
            for identifier, found in more.items():
                own[identifier] = own.get(identifier, frozenset()) | found
        for own, more in ((self.links, other.links), (self.inside, other.inside)):
            for identifier, found in more.items():
                own[identifier] = own.get(identifier, {}) | found

    def together(self, identifier):
        return self.classes.get(identifier, frozenset({identifier}))

    # -- what statements say ----------------------------------------------------------------------------------------------

    def rebind(self, identifier):
        for other in self.classes.pop(identifier, ()):
            if other in self.classes:
                self.classes[other] = self.classes[other] - {identifier}
        for facts in (self.stale, self.doubtful, self.links, self.several, self.taken):
            facts.pop(identifier, None)
        for other in self.inside.pop(identifier, ()):
            self._keep(other, lambda link: link.whole != identifier)
        self._forget_places(identifier)

    def _forget_places(self, identifier):
        """What was read or put at ``x[i]`` is at another place than a new ``i`` says."""
        part = f"id={identifier!r}"
        for whole, found in self.several.items():
            if any(place is not None and part in place for _, place in found):
                self.several[whole] = frozenset((asked, None if place is None or part in place else place) for asked, place in found)
        for own, found in self.taken.items():
            if any(whole == identifier or place is not None and part in place for whole, place in found):
                self.taken[own] = frozenset((whole, None if place is None or part in place else place) for whole, place in found
                                            if whole != identifier)

    def _keep(self, identifier, wanted):
        self.links[identifier] = {link: None for link in self.links.get(identifier, ()) if wanted(link)}

    def _within(self, wholes):
        """(name, link) of what has a link to one of some names."""
        return [(name, link) for name in {n: None for whole in wholes for n in self.inside.get(whole, ())}
                for link in self.links.get(name, ()) if link.whole in wholes]

    def alias(self, identifier, of, made=None, fresh=False):
        """``identifier = of``, or, ``fresh``, what ``of`` holds as well, read from where it has not been left out of date."""
        self.rebind(identifier)
        if made is not None:
            self.bound[identifier] = id(made), of
        together = self.together(of) | {identifier}
        for other in together:
            self.classes[other] = together
        for facts in (self.several, self.taken) if fresh else (self.several, self.taken, self.stale, self.doubtful):
            if of in facts:
                facts[identifier] = facts[of]
        for own, found in self.taken.items():
            if any(whole == of for whole, _ in found):
                self.taken[own] = found | {(identifier, place) for whole, place in found if whole == of}
        self._link(identifier, self.links.get(of, {}))
        self._link_alike(identifier, of)

    def _link_alike(self, identifier, of):
        """What lies in ``of`` lies in ``identifier``."""
        for other, link in self._within({of}):
            self._link(other, [link._replace(whole=identifier)])

    def take_apart(self, targets, whole, made):
        """``a, b = whole``: what the names held at those places, or parts of the whole."""
        found = [self.at_place(whole, place) for place in range(len(targets))]
        deeper = [[(n, link) for n, link in self._within({whole}) if link.level > 1 and link.place == place] for place in range(len(targets))]
        for place, same in enumerate(found):        # under names of their own, since a target may be one of those held: a, b = b, a
            for other in same[:1]:
                self.alias(f"·{place}", other, fresh=True)
        for target in targets:
            self.rebind(target)
        for place, (target, same) in enumerate(zip(targets, found)):
            if same:
                self.alias(target, f"·{place}")
                self.bound[target] = made, same[0]
                self.rebind(f"·{place}")
            elif whole not in targets:
                self.part(target, whole, made, (whole, place), place)
        for target, within in zip(targets, deeper):
            for inner, link in within:
                if inner not in targets:
                    self._link(inner, [link._replace(whole=target, level=link.level - 1, place=None)])

    def at_place(self, whole, place):
        """The names that are known to be held at a constant place of a container."""
        return sorted({n for n, link in self._within({whole}) if link.kind == "held" and link.level == 1 and link.inner == 0
                       and link.place is not None and type(link.place) is type(place) and link.place == place})

    def part(self, identifier, whole, made, subject=None, place=None):
        """``identifier = whole[i]``: it may be a view, or what the whole holds. ``subject``: where it is not the statement that says so."""
        subject = whole if subject is None else subject
        self._link(identifier, [Link(other, made, "part", subject, 1, place) for other in sorted(self.together(whole)) if other != identifier])

    def held(self, whole, items, made):
        """``whole`` holds (name, place) from now on; to be called before a name that the statement binds is bound."""
        new = {}
        for item, place in items:
            for other in sorted(self.together(item)):
                new.setdefault(other, {})[Link(whole, made, "held", item, 1, place)] = None
            for inner, link in self._within({item}):
                new.setdefault(inner, {})[link._replace(whole=whole, level=min(link.level + 1, DEEPEST), place=place)] = None
            for link in self.links.get(item, ()):
                new.setdefault(whole, {})[link._replace(inner=min(link.inner + 1, DEEPEST))] = None
        return new

    def copied(self, whole, source, made, inner=0):
        """``whole`` is another container of the items of ``source``, or, ``inner`` levels deep, holds such; to be called before it is bound."""
        new = {whole: {Link(other, made, "copied", source, inner=inner): None for other in sorted(self.together(source))}}
        for own, link in self._within({source}):
            if link.kind != "copied":
                new.setdefault(own, {})[link._replace(whole=whole, level=min(link.level + inner, DEEPEST), place=None)] = None
        new[whole].update({link._replace(inner=min(link.inner + inner, DEEPEST)): None for link in self.links.get(source, ())
                           if link.kind != "part" and link.inner})
        return new

    def read_again(self, identifier):
        """``identifier = whole[i]``, which it is known to be: as up to date as the whole."""
        self.stale.pop(identifier, None)
        self.doubtful.pop(identifier, None)

    def add(self, new):
        """Add links that ``held`` or ``copied`` gave."""
        for identifier, more in new.items():
            for link in more:
                others = [l for l in (*self.links.get(identifier, ()), *more) if l is not link and l.whole == link.whole and l.kind == "held"]
                if link.kind == "held" and others:
                    place = others[0].place if len(others) == 1 else None
                    self.holds_several(link.whole, (link.made, link.subject, "unshared"), None if place is None else repr(place))
            self._link(identifier, [link for link in more if link.whole != identifier])

    def holds_several(self, whole, question, place=None):
        """A container may hold one object at several places, ``place`` (the text of an index) among them."""
        self.several[whole] = self.several.get(whole, frozenset()) | {(question, place)}

    def fill(self, whole, place, item):
        """A name's object is at a place of a container, which is given as text; it may be what was there."""
        same = [(own, place) for own in self.together(whole)]
        if not self.taken.get(item, frozenset()).isdisjoint(same):
            return
        if whole in self.several:
            self.several[whole] = frozenset(found for found in self.several[whole] if found[1] is None or found[1] != place)
        self.taken = {own: found.difference(same) for own, found in self.taken.items()}

    def _link(self, identifier, more):
        if more:
            self.links[identifier] = {**self.links.get(identifier, {}), **dict.fromkeys(more)}
            for link in more:
                if identifier not in self.inside.get(link.whole, ()):
                    self.inside[link.whole] = {**self.inside.get(link.whole, {}), identifier: None}

    # -- calls -----------------------------------------------------------------------------------------------------------

    def shares(self, result, given):
        """What a result has of the names that a function was given: [(place, "same" or a Link whose whole is "in" or "out")]."""
        found = []
        for place, own in enumerate(given):
            if own in self.together(result):
                found.append((place, "same"))
            found += [(place, link._replace(whole="in")) for link in self.links.get(result, ()) if link.whole == own]
            found += [(place, link._replace(whole="out")) for link in self.links.get(own, ()) if link.whole == result]
        return found

    def called(self, target, shares, arguments, made):
        """``target = f(*arguments)``, of a function whose result shares this with its arguments; names, or None for others."""
        same = [arguments[place] for place, how in shares if how == "same" and arguments[place] not in (None, target)]
        links = [(arguments[place], how) for place, how in shares if how != "same" and arguments[place] not in (None, target)]
        if same:
            ways = [self.copy() for _ in same[1:]]
            for way, one in zip(ways, same[1:]):
                way.alias(target, one, made)
            self.alias(target, same[0], made)
            for way in ways:
                self.join(way)
        for own, link in links:
            if link.whole == "in":
                self._link(target, [link._replace(whole=own, made=id(made), subject=(AFTER, target))])
            else:
                self._link(own, [link._replace(whole=target, made=id(made), subject=own)])

    # -- changes in place ---------------------------------------------------------------------------------------------------

    def write(self, identifier, line, depth=1, place=None, itself=False):
        """An object is changed ``depth`` levels deep, at a constant place or anywhere: ``x[i] = v`` one, ``x[i][j] = v`` two."""
        for other in self.together(identifier):
            if itself or other != identifier:
                self.stale[other] = identifier, line
        if depth == 1:
            self._put(self.together(identifier), place)
        if depth > 1:
            for asked, _ in self.several.get(identifier, ()):
                self.doubt(identifier, asked)
        self.spread(identifier, depth, place)

    def _put(self, wholes, place):
        """Something else is at a constant place of a container, or may be at any."""
        for other in dict.fromkeys(name for name, link in self._within(wholes) if link.place is not None):
            kept = [link for link in self.links[other] if not (
                link.whole in wholes and link.kind == "held" and place is not None and link.place == place)]
            self.links[other] = dict.fromkeys(
                link if link.whole not in wholes or link.place is None or place is not None and link.place != place else link._replace(place=None)
                for link in kept)

    def augment(self, identifier):
        """``x += v``: an array of NumPy's is changed in place, a number is not."""
        for other in self.together(identifier) - {identifier}:
            made, of = self.bound.get(other) or self.bound.get(identifier) or (None, None)
            if made is not None:
                self.doubt(other, (made, of, "no_array"))
        self.spread(identifier, 1)

    def doubt(self, identifier, asked):
        found = self.doubtful.get(identifier, frozenset())
        if asked not in found:
            self.doubtful[identifier] = found | {asked}

    def spread(self, identifier, depth, place=None):
        """Doubt what shares what ``identifier`` holds, after a change of that, ``depth`` levels deep."""
        self._visit(identifier, depth, None, None, {}, self.together(identifier), place)

    def _visit(self, identifier, depth, came, asked, seen, origin, place=None):
        """``came``: the kind of the link that was followed to here from a part, ``asked``: the question about the links so far that decides.

        origin: the names of what was changed, which is as it should be.
        """
        ways = seen.setdefault(identifier, {})
        if ways.get(asked, 0) >= depth or len(ways) == WAYS and asked not in ways:
            return
        ways[asked] = depth
        same = self.together(identifier)
        for part, link in self._within(same):
            if part in same or part in origin or place is not None and link.place is not None and link.place != place:
                continue
            reach = 1 if came == "part" and link.kind == "part" else depth
            if came == "held" and link.kind == "held" or not link.reached(reach):
                continue
            question = _deciding(asked, link, link.question(reach))
            self.doubt(part, question)
            self._visit(part, min(max(1, reach - link.level) + link.inner, 2 * DEEPEST), None, question, seen, origin)
        for name in sorted(same):
            for link in self.links.get(name, ()):
                own = depth - link.inner
                if own < 1 or link.kind == "copied" and own < 2 or link.whole in same or link.whole in origin:
                    continue
                question = _deciding(asked, link, link.question_of_whole(own))
                self.doubt(link.whole, question)
                more = own + link.level - (link.kind == "copied")
                self._visit(link.whole, min(more, 2 * DEEPEST), link.kind, asked if link.kind == "held" else question, seen, origin,
                            link.place)

    def within(self, part, wholes):
        """The links of each step from a part to some wholes; None if it is no part of them."""
        for link in self.links.get(part, ()):
            if link.kind != "part" or link.inner:
                continue
            if link.whole in wholes:
                return [link]
            more = self.within(link.whole, wholes)
            if more is not None:
                return [link, *more]
        return None


def _deciding(asked, link, question):
    """The question to ask of what one link more leads to: all have to share; what is held mostly does, a part or copy may not."""
    return question if asked is None or asked[2] == "unshared" and link.kind != "held" else asked

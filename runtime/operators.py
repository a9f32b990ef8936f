"""Python's ``operator`` for generated code, where a function of it is no operation of the array library."""
from __future__ import annotations

import types

from runtime.op import op


def truth(a):
    """Say whether a value is true."""
    return True if a else False


def not_(a):
    """Say whether a value is false."""
    return not a


def is_(a, b):
    """Say whether two names are of one object."""
    return a is b


def is_not(a, b):
    """Say whether two names are of different objects."""
    return a is not b


def contains(a, b):
    """Say whether ``b`` is in ``a``."""
    return b in a


def concat(a, b):
    """Return one sequence behind the other."""
    return a + b


def itemgetter(item, *items):
    """Return a function of an object that gives its items."""
    if items:
        return lambda obj: tuple([obj[place] for place in (item, *items)])
    return lambda obj: obj[item]


def defaulted(function, defaults):
    """Return a function whose last parameters have default values: ``lambda x, k=k: ...`` as a value."""
    return types.FunctionType(function.__code__, function.__globals__, function.__name__, defaults, function.__closure__)


@op(nondifferentiable="a method that is looked up by the run has no derivative rule; call a function")
def own_method(obj, name):
    """Return the method of an object that is no dict, set or list, whose methods of these names give None. TypeError for these."""
    if isinstance(obj, (dict, set, list)):
        raise TypeError(f"the result of {type(obj).__name__}.{name}(), which is None, is used in a transformed function; write the call as a "
                        "statement of its own")
    return getattr(obj, name)


@op(constant=True, unbatched=True)
def is_number(x):
    """Say whether a value is neither None nor a function, nor an object of a user's class."""
    return x is not None and not callable(x) and (hasattr(x, "dtype") or type(x).__module__ == "builtins" or isinstance(x, tuple))

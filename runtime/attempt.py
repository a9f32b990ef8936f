"""The body of a ``try`` in generated code: what it raises, as a value that is branched on, and what it computes."""
from __future__ import annotations

import functools

from runtime.op import op


def attempt(function=None, *, failed=None):
    """Return a function that calls ``function`` and returns (None, its result), or (the exception that it raises, ``failed``).

    failed: None, or a tuple of such for a result that is taken apart.
    Errors that say that the code cannot run as it is (staged values where Python needs numbers) are raised: no handler is for them.
    """
    if function is None:
        return functools.partial(attempt, failed=failed)

    @functools.wraps(function)
    def tried(*args):
        try:
            return None, function(*args)
        except Exception as error:
            if _is_refusal(error):
                raise
            return error, failed
    return tried


def trial(function):
    """Return a function that calls ``function`` and returns the exception that it raises, or None."""
    @functools.wraps(function)
    def tried(*args):
        try:
            function(*args)
        except Exception as error:
            if _is_refusal(error):
                raise
            return error
        return None
    return tried


def _is_refusal(error):
    return type(error).__module__.partition(".")[0] in ("runtime", "xform")


@op(constant=True, batch=lambda x, over=(): attempted(x))
def attempted(x):
    """Take a value that the body of a ``try`` computes: it is computed even where nothing else reads it."""
    return None

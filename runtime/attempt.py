"""What the body of a ``try`` raises, as a value that generated code branches on."""
from __future__ import annotations

import functools

from runtime.op import op


def attempt(function):
    """Return a function that calls ``function`` and returns the exception that it raises, or None.

    Errors that say that the code cannot run as it is (staged values where Python needs numbers) are raised: no handler is for them.
    """
    @functools.wraps(function)
    def tried(*args):
        try:
            function(*args)
        except Exception as error:
            if type(error).__module__.partition(".")[0] in ("runtime", "xform"):
                raise
            return error
        return None
    return tried


@op(constant=True, batch=lambda x, over=(): attempted(x))
def attempted(x):
    """Take a value that the body of a ``try`` computes: it is computed even where nothing else reads it."""
    return None

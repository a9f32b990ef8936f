"""The Python functions that a program calls: given when it is compiled, and what they raise raised where it is run."""
from __future__ import annotations

import functools
import threading


class _Here(threading.local):
    """Whether this thread is running a callback."""
    active = False


here = _Here()


def compiled(functions, several: bool, compile, *args):
    """Return (what ``compile(*args, functions)`` makes, what executes it); without functions its own ``execute_sharded``.

    ``several``: for several devices.
    """
    if not functions:
        made = compile(*args)
        return made, made.execute_sharded
    failures = Failures(functions, several)
    made = compile(*args, failures.functions)
    return made, failures.running(made.execute_sharded)


class Failures:
    """The Python functions of a program, and what the first of them raised: XLA passes on no more than the text.

    ``several``: the program runs on several devices. Then a function that fails returns zeros (``function.blank``), so that all
    devices get to the end, and the error is raised there.
    """

    def __init__(self, functions, several: bool):
        self.error, self.several = None, several
        self.functions = [self._kept(function) for function in functions]

    def _kept(self, function):
        @functools.wraps(function)
        def called(*args):
            here.active = True
            try:
                return function(*args)
            except Exception as error:
                self.error = self.error or error
                if self.several:    # the other devices would wait for this one
                    return function.blank()
                raise
            finally:
                here.active = False
        return called

    def running(self, execute):
        """Return ``execute`` such that it waits for the callbacks, and raises what they raise."""
        from runtime.xla import XlaError

        def waiting(buffers):
            self.error = None
            try:
                results = execute(buffers, with_tokens=True)
                results.consume_token().block_until_ready()
            except XlaError as failure:
                if self.error is not None:
                    raise self.error from failure
                raise
            if self.error is not None:
                raise self.error
            return results
        return waiting

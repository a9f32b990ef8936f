"""Looking into computations: print and call back with values, eagerly and in staged programs."""
from __future__ import annotations

import functools
import inspect
import logging
import os
import string
import sys
import sysconfig

import numpy

from runtime.array import Array
from runtime.callbacks import look, watch
from runtime.hlo import tracing
from runtime.join import is_symbolic
from runtime.op import op
from runtime.primitive import place_of
from runtime.visualize import visualize_array_sharding, visualize_sharding

__all__ = ["breakpoint", "callback", "inspect_array_sharding", "log", "print", "visualize_array_sharding", "visualize_sharding"]
_print = print
beside = [os.path.dirname(__file__) + os.sep]   # folders of the code that runs generated code, which a debugger steps over


class _Formatter(string.Formatter):
    def check_unused_args(self, used_args, args, kwargs):
        unused = [repr(i) for i in range(len(args)) if i not in used_args] + [repr(k) for k in kwargs if k not in used_args]
        if unused:
            raise ValueError(f"debug.print: the format string does not use the arguments {', '.join(unused)}. Pass values to be "
                             "formatted as arguments, and name each in braces: debug.print('x = {}', x)")


_formatter = _Formatter()


class _Shown:
    """A batch in an f-string: what is asked for one number is done to each."""

    def __init__(self, x):
        self.x = x

    def __format__(self, spec):
        if not spec or not type(self.x) is Array or is_symbolic(self.x):
            return format(self.x, "")
        return self._each(numpy.asarray(self.x), spec)

    def _each(self, values, spec):
        if values.ndim == 0:
            return format(values[()], spec)
        return "[" + " ".join([self._each(v, spec) for v in values]) + "]"

    def __repr__(self):
        return repr(self.x)

    def __str__(self):
        return str(self.x)


@op(constant=True, unbatched=True)
def shown(x):
    """Return a batch as an f-string shows it: each example formatted as the text says."""
    return _Shown(x)


def in_two_calls(function):
    """Let the options of a function be given in a call of its own: ``print(ordered=True)("x = {}", x)``; the compiler reads the function."""
    @functools.wraps(function)
    def call(*args, ordered=False, partitioned=False, **kwargs):
        options = dict(ordered=ordered, partitioned=partitioned)
        if args:
            return function(*args, **options, **kwargs)
        unknown = [key for key in kwargs if key != "skip_format_check"]
        if unknown:
            raise TypeError(f"debug.{function.__name__}: unexpected arguments {', '.join(unknown)} in a call of options alone; the first "
                            "argument comes first")
        return functools.partial(function, **options, **kwargs)
    del call.__wrapped__
    signature = inspect.signature(function)
    first, *rest = signature.parameters.values()
    call.__signature__ = signature.replace(parameters=[first.replace(default=None), *rest])
    call.reads_as = function
    call.options_first = function.options_first = True
    return call


@in_two_calls
def callback(callback, *args, ordered=False, partitioned=False, **kwargs):
    """Call a Python function that returns nothing with NumPy arrays, at each run of a staged program too.

    Under vmap there is a call for each example; under grad the call is made by the forward pass. ``ordered``: after the ordered
    callbacks before it. Inside pmap and shard_map every device calls. In another program over several devices the first one
    calls, with whole arrays, or (``partitioned``) each with its own parts.
    """
    watch(callback, args, kwargs, ordered, partitioned)


@in_two_calls
def print(fmt, *args, ordered=False, partitioned=False, skip_format_check=False, **kwargs):
    """Print values with a format string such as ``"x = {}"``, at each run of a staged program too.

    ValueError when the string does not use every argument. Under vmap there is a line for each example.
    """
    watch(_Line(fmt, skip_format_check), args, kwargs, ordered, partitioned)


def inspect_array_sharding(value, *, callback):
    """Call a Python function with the sharding of every array of a pytree; in a staged program, when it is compiled.

    There it is the one that XLA chooses for the array as a result of the program. NotImplementedError inside staged loops, branches, pmap and shard_map.
    """
    look(callback, value)


@in_two_calls
def log(fmt, *args, ordered=False, partitioned=False, skip_format_check=False, **kwargs):
    """Log values as ``debug.print`` prints them, at level INFO of the logger "runtime.debug"."""
    watch(_Line(fmt, skip_format_check, True), args, kwargs, ordered, partitioned)


@op(constant=True, unbatched=True)
def _Line(fmt, unchecked, logged=False):
    """Return the function that prints (or logs) one line."""
    if not isinstance(fmt, str):
        raise TypeError(f"debug.print: the first argument must be a format string, got {type(fmt)}; use debug.print('{{}}', x)")

    blank = all([name is None for _, name, _, _ in string.Formatter().parse(fmt)])

    def show(*args, **kwargs):
        if blank and unchecked and not kwargs:      # what the text does not name follows it, as print has it
            text = " ".join([fmt, *map(str, args)])
        else:
            text = (fmt.format if unchecked else lambda *a, **k: _formatter.format(fmt, *a, **k))(*args, **kwargs)
        if logged:
            logging.getLogger(__name__).info(text)
        else:
            _print(text)
            sys.stdout.flush()
    return show


def breakpoint(*, backend=None, filter_frames=True, num_frames=None, ordered=False, token=None, **kwargs):
    """Stop in Python's debugger, in the code that is running. NotImplementedError under jit: values are not there yet."""
    halt()


@op(constant=True, unbatched=True)
def halt():
    """Stop in the debugger, in the innermost code that is not the runtime's."""
    if tracing.block is not None:
        raise NotImplementedError("debug.breakpoint under jit: the program has no values while it is staged. Run it under "
                                  "disable_jit(), or use debug.print or debug.callback")
    import pdb
    frame = sys._getframe(1)
    while frame.f_back is not None and _user_place(frame)[0] == __file__:   # also in what was generated of this file
        frame = frame.f_back
    site = os.path.dirname(os.path.dirname(numpy.__file__)) + os.sep
    site = os.path.dirname(os.path.dirname(numpy.__file__)) + os.sep    # which may lie in the folder of the standard library
    always = (*beside, "<frozen ", f"{site}numpy{os.sep}", f"{site}jaxlib{os.sep}")
    standard = sysconfig.get_paths()["stdlib"] + os.sep

    class Steps(pdb.Pdb):
        """Steps from the user's or generated code to the next of such, over what runs the operations."""

        def stop_here(self, frame):
            file = frame.f_code.co_filename
            passed = file.startswith(always) or file.startswith(standard) and not file.startswith(site)
            return not passed and super().stop_here(frame)
    Steps().set_trace(frame)


def _user_place(frame):
    file, line = frame.f_code.co_filename, frame.f_lineno
    for translate in place_of:
        file, line = translate(file, line)
    return file, line

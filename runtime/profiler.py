"""Profiles: traces for TensorBoard and Perfetto by XLA's own profiler, names for parts of them, and memory profiles."""
from __future__ import annotations

import contextlib
import functools
import os
import threading

from runtime.xla import submodule

_profiler = submodule("_profiler")
_data = submodule("_profile_data")

ProfileOptions = _profiler.ProfileOptions
ProfileData, ProfilePlane, ProfileEvent = _data.ProfileData, _data.ProfilePlane, _data.ProfileEvent


class TraceAnnotation(_profiler.TraceMe):
    """A context that names what happens inside it in a trace: ``TraceAnnotation("load", batch=3)``."""


class StepTraceAnnotation(TraceAnnotation):
    """A context that marks one step of a program in a trace: ``StepTraceAnnotation("train", step_num=7)``."""

    def __init__(self, name: str, **kwargs):
        super().__init__(name, _r=1, **kwargs)


def annotate_function(func=None, name: str | None = None, **decorator_kwargs):
    """Return ``func`` such that each of its calls appears under a name (default: its own) in a trace; a decorator too."""
    if func is None:
        return functools.partial(annotate_function, name=name, **decorator_kwargs)
    wanted = name or getattr(func, "__qualname__", None) or func.__class__.__qualname__

    @functools.wraps(func)
    def annotated(*args, **kwargs):
        with TraceAnnotation(wanted, **decorator_kwargs):
            return func(*args, **kwargs)
    return annotated


class _Running:
    lock = threading.Lock()
    session = None
    folder: str | None = None
    server = None


def start_trace(log_dir, create_perfetto_link: bool = False, create_perfetto_trace: bool = False,
                profiler_options=None) -> None:
    """Start to record what happens in this process; ``stop_trace`` writes it below ``log_dir``.

    The folder is TensorBoard's ``plugins/profile``; its ``.trace.json.gz`` opens in Perfetto. RuntimeError while a trace is recorded.
    NotImplementedError for ``create_perfetto_link``, which would start a web server.
    """
    if create_perfetto_link:
        raise NotImplementedError("start_trace: create_perfetto_link is not available; open the .trace.json.gz file in Perfetto")
    with _Running.lock:
        if _Running.session is not None:
            raise RuntimeError("Profile has already been started. Only one profile may be run at a time.")
        from runtime.device import default_backend
        default_backend()   # the profiler must find the client running
        _Running.session = _profiler.ProfilerSession(profiler_options or ProfileOptions())
        _Running.folder = os.fspath(log_dir)


def stop_trace() -> None:
    """Write the trace that ``start_trace`` began. RuntimeError when there is none."""
    with _Running.lock:
        if _Running.session is None:
            raise RuntimeError("No profile started")
        session, _Running.session = _Running.session, None
        session.stop_and_export(_Running.folder)


@contextlib.contextmanager
def trace(log_dir, create_perfetto_link: bool = False, create_perfetto_trace: bool = False, profiler_options=None):
    """Return a context of which a trace is written below ``log_dir``: see ``start_trace``."""
    start_trace(log_dir, create_perfetto_link, create_perfetto_trace, profiler_options)
    try:
        yield
    finally:
        stop_trace()


def start_server(port: int, requires_backend: bool = True):
    """Start the server from which TensorBoard takes profiles. ValueError when one is running.

    requires_backend: whether the devices are looked for first.
    """
    if requires_backend:
        from runtime.device import devices
        devices()
    with _Running.lock:
        if _Running.server is not None:
            raise ValueError("Only one profiler server can be active at a time.")
        _Running.server = _profiler.start_server(port)
        return _Running.server


def stop_server() -> None:
    """Stop the server. ValueError when there is none."""
    with _Running.lock:
        if _Running.server is None:
            raise ValueError("No active profiler server.")
        _Running.server = None


def device_memory_profile(backend: str | None = None) -> bytes:
    """Return what holds the devices' memory, in pprof's format."""
    from runtime.device import client
    import gzip
    made = client(backend).heap_profile()
    return made if made[:2] == b"\x1f\x8b" else gzip.compress(made)


def save_device_memory_profile(filename, backend: str | None = None) -> None:
    """Write ``device_memory_profile`` to a file."""
    with open(filename, "wb") as file:
        file.write(device_memory_profile(backend))

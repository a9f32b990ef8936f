"""Programs of several processes: each starts here, finds the others through a coordinator, and sees the devices of all."""
from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref

from runtime import device, xla
from runtime.cluster import PORT, detect


class _State:
    """What ``initialize`` has started."""

    def __init__(self):
        self.service = self.client = self.ending = None
        self.process_id, self.num_processes, self.coordinator_address, self.shutdown_timeout = 0, 1, None, 300
        self.failed = False     # whether sys.exit ended the program with a status that tells of a failure


global_state = _State()
_plain_exit = sys.exit


def initialize(coordinator_address: str | None = None, num_processes: int | None = None, process_id: int | None = None,
               local_device_ids=None, cluster_detection_method: str | None = None, initialization_timeout: int = 300,
               heartbeat_timeout_seconds: int = 100, shutdown_timeout_seconds: int = 300,
               coordinator_bind_address: str | None = None, slice_index: int | None = None,
               partition_index: int | None = None) -> None:
    """Join the processes of a distributed program; call it in each of them, before anything else asks for devices.

    ``coordinator_address`` is the ``host:port`` at which process 0 listens. What is not given is taken from the environment
    (plain variables, Slurm, Open MPI, Kubernetes: see ``runtime.cluster``). ``local_device_ids`` are the accelerators that this
    process uses. Afterwards ``devices()`` are those of all processes, and pmap, jit and shard_map run over them, CPUs
    communicating by gloo.

    When a process dies, a collective that waits for it fails with a RuntimeError where its connection is seen to break, and
    in any case the coordination service ends the other processes, saying which one died, within ``heartbeat_timeout_seconds``
    and a few seconds more: nothing hangs. RuntimeError when called twice or too late, ValueError when
    something is neither given nor found.
    """
    if global_state.client is not None:
        raise RuntimeError("distributed.initialize should only be called once.")
    if device.started():
        raise RuntimeError("distributed.initialize() must be called before any arrays are made or devices are asked for; "
                           f"the {', '.join(device.started())} backend is running already.")
    found = detect(os.environ, cluster_detection_method) if None in (
        coordinator_address, num_processes, process_id) else detect({})
    address = coordinator_address or found.coordinator_address
    count = num_processes if num_processes is not None else found.num_processes
    own = process_id if process_id is not None else found.process_id
    for name, value, variable in (("coordinator_address", address, "XFORM_COORDINATOR_ADDRESS"),
                                  ("num_processes", count, "XFORM_NUM_PROCESSES"),
                                  ("process_id", own, "XFORM_PROCESS_ID")):
        if value is None:
            raise ValueError(f"{name} should be defined: pass it to distributed.initialize, set {variable}, or run under "
                             "Slurm or Open MPI")
    if not 0 <= own < count:
        raise ValueError(f"distributed.initialize: process_id={own} must be in 0..{count - 1}")
    if ":" not in address:
        address = f"{address}:{PORT}"
    ids = [local_device_ids] if isinstance(local_device_ids, int) else local_device_ids
    if ids is None and found.local_process_id is not None:
        ids = [found.local_process_id]
    if own == 0:
        bind = coordinator_bind_address or "[::]:" + address.rpartition(":")[2]
        global_state.service = xla.distributed_service(bind, count, heartbeat_timeout=heartbeat_timeout_seconds,
                                                       shutdown_timeout=shutdown_timeout_seconds)
    client = xla.distributed_client(address, own, init_timeout=initialization_timeout,
                                    heartbeat_timeout=heartbeat_timeout_seconds, shutdown_timeout=shutdown_timeout_seconds,
                                    shutdown_on_destruction=False, use_compression=True)
    try:
        client.connect()
    except xla.XlaError as error:
        if global_state.service is not None:
            global_state.service.shutdown()
            global_state.service = None
        raise RuntimeError(f"distributed.initialize: process {own} of {count} could not join the others through the "
                           f"coordinator at {address} within {initialization_timeout} s. Are all processes running, and can "
                           f"they reach that address?\n{error}") from error
    global_state.client, global_state.process_id, global_state.num_processes = client, own, count
    global_state.coordinator_address, global_state.shutdown_timeout = address, shutdown_timeout_seconds
    device.join(client, own, count, ids)
    atexit.register(_at_exit)
    sys.exit = _exit


class _Exit(SystemExit):
    """What ``sys.exit`` raises in a distributed program."""


def _exit(status=None, /):
    """Exit the interpreter by raising SystemExit(status)."""
    error = _Exit(status)
    if status not in (None, 0):
        global_state.ending = weakref.ref(error, _ended)
    raise error


_exit.__name__ = _exit.__qualname__ = "exit"


def _ended(_):
    # where nothing ran any more when the exception was let go of, nobody had caught it: the interpreter is about to end, and keeps
    # the status to itself
    if sys._getframe().f_back is None and threading.current_thread() is threading.main_thread():
        global_state.failed = True


def shutdown() -> None:
    """Leave the program together with all other processes: wait until each has called this or come to its end.

    Does nothing where there is no program. A process that an exception ends, or ``sys.exit`` with a status other than 0, leaves at once,
    so that the others hear of it; RuntimeError when some are not there after ``shutdown_timeout_seconds``.
    """
    _leave(sys.exc_info()[0] is None)


def _leave(together: bool) -> None:
    atexit.unregister(_at_exit)
    if sys.exit is _exit:
        sys.exit = _plain_exit
    client, service = global_state.client, global_state.service
    global_state.client = global_state.service = None
    if client is None:
        return
    late = None
    try:
        if together:    # a process may still need the coordinator, or work that was begun here, to finish its own
            client.wait_at_barrier("xform.distributed.shutdown", int(1000 * global_state.shutdown_timeout))
    except xla.XlaError as error:
        late = error
    client.shutdown()
    if service is not None:
        service.shutdown()
    if late is not None:
        raise RuntimeError(f"distributed.shutdown: process {global_state.process_id} left while others were at work still; they "
                           f"have shutdown_timeout_seconds={global_state.shutdown_timeout} to come to their end.\n{late}") from late


def _at_exit():
    # what an exception nobody caught leaves behind; other processes may wait for this one in the middle of a collective
    _leave(getattr(sys, "last_value", None) is None and not global_state.failed)


def is_initialized() -> bool:
    """Tell whether ``initialize`` has been called."""
    return global_state.client is not None


__all__ = ["initialize", "is_initialized", "shutdown"]

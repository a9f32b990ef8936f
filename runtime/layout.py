"""Layouts of arrays over several devices, and the launching of programs that run as one replica on each."""
from __future__ import annotations

import functools
import threading

import numpy as np

from runtime import cache, failures as callbacks, xla
from runtime.device import check_usable, placement, put, to_numpy
from runtime.execute import check_usable_buffers, compile_options, explain, let_go
from runtime.tiling import answers
from runtime.xla import XlaError

_COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter", "collective-broadcast")


@answers
class Tiled(xla.GSPMDSharding):
    """The placement of an array over several devices (members are called back from C++)."""
    memory_kind = property(lambda self: self._memory_kind)
    _device_assignment = property(lambda self: tuple(self._devices))

    def _to_xla_hlo_sharding(self, ndim):
        return self._hlo_sharding

    def __repr__(self):
        return f"GSPMDSharding({self._hlo_sharding}, devices={[d.id for d in self._devices]})"


class Layout:
    """How arrays of a rank lie on devices: cut into ``parts`` along ``dimension``, or whole on each (dimension None).

    With more devices than parts, each part lies on ``len(devices) / parts`` consecutive devices. Interned: see ``layout``.
    """
    __slots__ = ("devices", "dimension", "parts", "sharding")

    def __init__(self, devices: tuple, ndim: int, dimension: int | None, parts: int):
        self.devices, self.dimension, self.parts = devices, dimension, parts
        if len(devices) == 1:
            self.sharding = placement(devices[0]).sharding
            return
        spec = xla.OpSharding()
        if dimension is None or parts == 1:
            spec.type = xla.OpSharding.Type.REPLICATED
        else:
            copies = len(devices) // parts
            spec.type = xla.OpSharding.Type.OTHER
            tiles = [1] * ndim
            tiles[dimension] = parts
            if copies > 1:
                tiles.append(copies)
                spec.replicate_on_last_tile_dim = True
            spec.tile_assignment_dimensions = tiles
            spec.tile_assignment_devices = list(range(len(devices)))
        self.sharding = Tiled(xla.DeviceList(devices), xla.HloSharding.from_proto(spec))

    def pieces(self, host: np.ndarray) -> list[np.ndarray]:
        """Return what each device gets of an array."""
        if self.dimension is None or self.parts == 1:
            return [host] * len(self.devices)
        copies = len(self.devices) // self.parts
        cut = [np.ascontiguousarray(piece) for piece in np.split(host, self.parts, axis=self.dimension)]
        return [piece for piece in cut for _ in range(copies)]

    def place(self, buffer):
        """Return the buffer in this layout; one that has it already is not copied."""
        if buffer._sharding is self.sharding:
            return buffer
        if len(mine(self.devices)) != len(self.devices):
            return self.gather_processes(buffer)
        pieces = self.pieces(to_numpy(buffer))
        if self.dimension is None or self.parts in (1, len(self.devices)):
            return xla.put(buffer.aval, self.sharding, pieces, list(self.devices))
        # jaxlib cannot put an array that is both cut and copied (bad_function_call): put each piece by itself
        of = buffer.aval.with_shape(pieces[0].shape)
        return xla.assemble(buffer.aval, self.sharding, [put(piece, of, placement(device))
                                                         for piece, device in zip(pieces, self.devices)])


    def gather_processes(self, buffer):
        """Return one array over the devices of all processes of what this process has of it."""
        own = mine(self.devices)
        count = len(self.devices) // len(own)
        parts = 1 if self.dimension is None else self.parts // count
        here = layout(own, buffer.aval.ndim, None if parts == 1 and self.dimension is None else self.dimension, parts)
        return xla.assemble(self.whole(buffer.aval, count), self.sharding, xla.parts(here.place(buffer)))

    def whole(self, of, count: int):
        """Return the type of an array to which each of ``count`` processes gives an equal part."""
        if self.dimension is None:
            return of
        return of.with_shape(of.shape[:self.dimension] + (of.shape[self.dimension] * count,) + of.shape[self.dimension + 1:])

    def own_part(self, buffer):
        """Return what this process has of an array over the devices of all, as an array over its own devices."""
        own = mine(self.devices)
        count = len(self.devices) // len(own)
        here = layout(own, buffer.aval.ndim, self.dimension, 1 if self.dimension is None else self.parts // count)
        of = buffer.aval
        if self.dimension is not None:
            of = of.with_shape(of.shape[:self.dimension] + (of.shape[self.dimension] // count,) + of.shape[self.dimension + 1:])
        return xla.assemble(of, here.sharding, xla.parts(buffer))


def mine(devices: tuple) -> tuple:
    """Return those of some devices that belong to this process."""
    own = devices[0].client.process_index()
    return tuple([d for d in devices if d.process_index == own])


@functools.lru_cache(maxsize=None)
def layout(devices: tuple, ndim: int, dimension: int | None = None, parts: int = 1) -> Layout:
    """Return the one Layout with these properties."""
    return Layout(devices, ndim, dimension, parts)


class _InFlight:
    """What was launched last on the devices of a client."""

    def __init__(self):
        self._lock, self.token = threading.Lock(), None

    def __enter__(self):
        """Let no other thread launch. RuntimeError in a callback: the program that called it has yet to end."""
        if callbacks.here.active and self._lock.locked():
            raise RuntimeError("a callback (pure_callback, debug.callback ...) of a program over several devices cannot run another "
                               "program over several devices: compute with NumPy, or with arrays on one device")
        self._lock.acquire()

    def __exit__(self, *error):
        self._lock.release()

    def settle(self) -> None:
        """Wait until what was launched last has ended."""
        if self.token is not None:
            self.token.block_until_ready()

    def launch(self, execute, buffers: list, handlers: list, ends: bool) -> list:
        """Run a program whose parts wait for each other, once what was launched last has ended.

        Two programs with collectives in flight starve each other of threads on a CPU: XLA would wait forever. What is waited
        for is a token, not a result: results belong to the caller, who may let go of their memory. ``ends``: ``execute``
        returns when the program has ended.
        """
        with self:
            self.settle()
            if ends:
                self.token, launched = None, execute(buffers)
            else:
                launched = execute(buffers, with_tokens=True)
                self.token = launched.consume_token()
            return launched.consume_with_handlers(handlers)


_in_flight: dict[object, _InFlight] = {}


def waiting(executable, functions) -> bool:
    """Whether the parts of a program over several devices wait for each other: for collectives, or for callbacks."""
    return functions is not None or any(word in executable.hlo_modules()[0].to_string() for word in _COLLECTIVES)


def flight_of(client) -> _InFlight:
    """Return what was launched last on the devices of a client."""
    return _in_flight.setdefault(client, _InFlight())


class Replicas:
    """A compiled program that runs as one replica on each of some devices.

    ``run(buffers)`` takes buffers in the input layouts (after ``captured``) and returns buffers in the output layouts.
    ``functions`` are the Python functions that the program calls by number, ``donated`` the positions of the arguments that it
    takes over.
    """
    __slots__ = ("devices", "executable", "execute", "captured", "handlers", "flight", "waits", "ends", "donated")

    def __init__(self, text: str, devices: tuple, captured: list, outputs: list, functions=None, donated=()):
        check_usable()
        self.devices = devices
        client = devices[0].client
        if "lapack_" in text and devices[0].platform == "cpu":
            xla.use_lapack()
        self.executable, self.execute = callbacks.compiled(
            functions, len(devices) > 1, cache.compile_or_load, client, text, xla.DeviceList(devices), _options(devices),
            "replicas on " + ",".join(str(d.id) for d in devices))
        self.captured = [layout(devices, buffer.aval.ndim).place(buffer) for buffer in captured]
        self.handlers = [xla.result_handler(of, where.sharding, len(devices) > 1) for of, where in outputs]
        self.flight = flight_of(client)
        self.donated = donated
        self.waits, self.ends = len(devices) > 1 and waiting(self.executable, functions), bool(functions)

    def run(self, buffers: list) -> list:
        """Launch the program and return its results."""
        if len(self.devices) > 1:
            check_usable_buffers(buffers, self.donated, self.captured)
        try:
            if self.waits:
                results = self.flight.launch(self.execute, self.captured + buffers, self.handlers, self.ends)
            else:
                results = self.execute(self.captured + buffers).consume_with_handlers(self.handlers)
        except (XlaError, ValueError) as error:
            raise explain(error, buffers) from error
        if self.donated and len(self.devices) > 1:
            let_go(buffers, self.donated)
        return results


def _options(devices: tuple):
    options = compile_options()
    assignment = xla.DeviceAssignment.create(np.array([[d.id] for d in devices]))
    build = options.executable_build_options
    options.num_replicas = build.num_replicas = len(devices)
    options.device_assignment = build.device_assignment = assignment
    return options

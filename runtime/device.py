"""Clients, devices and placements, and the copies between host and devices."""
from __future__ import annotations

import functools
import os
import threading

import numpy as np

from runtime import xla
from runtime.config import config
from runtime.types import KEY, Aval
from runtime.types import aval as interned

_lock = threading.Lock()
_clients: dict[str, object] = {}
_forked = False


def _after_fork():
    global _forked
    _forked = bool(_clients)


os.register_at_fork(after_in_child=_after_fork)


def check_usable() -> None:
    """Raise RuntimeError in a forked child of a process that had a client: compiling there would hang."""
    if _forked:
        raise RuntimeError("this process was forked after XLA had started, and XLA cannot compile in it; start "
                           "workers with multiprocessing's 'spawn' method, or fork before the first array is made")


_joined: dict = {}  # what clients of a program of several processes are made with


def join(distributed_client, process_id: int, count: int, visible=None) -> None:
    """Have the clients made from now on be those of one process of a distributed program."""
    _joined.update(distributed_client=distributed_client, node_id=process_id, num_nodes=count)
    if visible is not None:
        _joined["visible"] = visible


def started() -> list[str]:
    """Return the platforms whose clients have been made."""
    return list(_clients)


def _make_client(platform: str):
    if platform == "cpu":
        shared = {k: v for k, v in _joined.items() if k != "visible"}
        if shared:
            shared["collectives"] = xla.make_gloo_collectives(distributed_client=shared["distributed_client"])
        return xla.make_cpu_client(asynchronous=True, num_devices=config.num_cpu_devices, **shared)
    from runtime import plugin
    return plugin.make_client(platform, **_joined)


def client(platform: str | None = None):
    """Return the client of a platform ('cpu', 'cuda' or 'gpu'; None: the default one), starting it at first use."""
    name = default_backend() if platform is None else {"gpu": "cuda"}.get(platform, platform)
    found = _clients.get(name)
    if found is None:
        with _lock:
            found = _clients.get(name)
            if found is None:
                if name not in ("cpu", "cuda", "rocm", "tpu"):
                    raise RuntimeError(f"Unknown backend: {platform!r}; use 'cpu', 'gpu' or 'tpu'")
                found = _clients[name] = _make_client(name)
    return found


def use_client(platform: str, new_client) -> None:
    """Make a client (of a distributed program, say) the one for its platform; RuntimeError once one is in use."""
    if platform in _clients:
        raise RuntimeError(f"the {platform} backend has been initialized already; call this before any computation")
    _clients[platform] = new_client
    default_backend.cache_clear()


@functools.lru_cache(maxsize=None)
def default_backend() -> str:
    """Return the name of the platform on which arrays live by default."""
    if config.platforms:
        errors = []
        for name in config.platforms.split(","):
            name = {"gpu": "cuda"}.get(name.strip(), name.strip())
            try:
                if name in _clients or client(name):
                    return name
            except (RuntimeError, ImportError) as error:
                errors.append(f"{name}: {error}")
        raise RuntimeError(f"no platform of {config.platforms!r} can be used: " + "; ".join(errors))
    from runtime import plugin
    name = plugin.present()
    if name and name not in _clients:
        try:
            client(name)
        except (RuntimeError, ImportError):
            return "cpu"  # the plugin is installed, but the machine has no such device
    return name or "cpu"


def devices(backend: str | None = None) -> list:
    """Return all devices of a backend, those of other processes included."""
    return list(client(backend).devices())


def local_devices(process_index=None, backend=None, host_id=None) -> list:
    """Return the devices that this process can address."""
    if process_index is not None:
        return [d for d in client(backend).devices() if d.process_index == process_index]
    return list(client(backend).local_devices())


def device_count(backend: str | None = None) -> int:
    """Return the number of devices of a backend, over all processes."""
    return int(client(backend).device_count())


def local_device_count(backend: str | None = None) -> int:
    """Return the number of devices that this process can address."""
    return len(client(backend).local_devices())


def process_index(backend: str | None = None) -> int:
    """Return this process's number among those of a distributed program."""
    return client(backend).process_index()


def process_count(backend: str | None = None) -> int:
    """Return the number of processes of a distributed program."""
    return max(d.process_index for d in client(backend).devices()) + 1


class Placement:
    """One device with what it takes to run there: client, sharding and device list. Interned: see ``placement``."""
    __slots__ = ("device", "client", "sharding", "devices", "handlers", "platform")

    def __init__(self, device):
        self.device = device
        self.client = device.client
        self.sharding = xla.SingleDevice(device)
        self.devices = xla.DeviceList((device,))
        self.handlers: dict[Aval, object] = {}
        self.platform = device.platform

    def handler(self, aval: Aval):
        """Return the function that wraps an executable's raw result as a buffer of this type."""
        found = self.handlers.get(aval)
        if found is None:
            found = self.handlers[aval] = xla.result_handler(aval, self.sharding, False)
        return found


_placements: dict[object, Placement] = {}


def placement(device=None) -> Placement:
    """Return the Placement of a device (None: the default device)."""
    if device is None:
        return default_placement()
    found = _placements.get(device)
    if found is None:
        if isinstance(device, str):
            device = client(device).local_devices()[0]
        if not isinstance(device, xla.Device):
            raise TypeError(f"device={device!r} is not a device; use one of devices()")
        found = _placements.setdefault(device, Placement(device))
    return found


_default: Placement | None = None


def default_placement() -> Placement:
    """Return the Placement of new arrays."""
    global _default
    if _default is None:
        check_usable()
        chosen = config.default_device
        if isinstance(chosen, str):
            chosen = client(chosen).local_devices()[0]
        _default = placement(chosen if chosen is not None else client().local_devices()[0])
    return _default


_home_sharding = None


def home_sharding():
    """Return the sharding of arrays on the default device."""
    global _home_sharding
    if _home_sharding is None:
        _home_sharding = default_placement().sharding
    return _home_sharding


def _forget_default(option):
    global _default, _home_sharding
    if option == "default_device":
        _default = _home_sharding = None


config.on_change(_forget_default)


def placement_of(buffers) -> Placement:
    """Return where an operation on these buffers runs: on the device to which they are committed.

    ValueError when two of them are committed to different devices.
    """
    home = default_placement()
    found, culprit = None, None
    for buffer in buffers:
        if not buffer._committed and buffer._sharding is not home.sharding:
            if len(buffer._sharding._device_assignment) != 1:
                continue
        elif not buffer._committed:
            continue
        assigned = buffer._sharding._device_assignment
        here = placement(assigned[0]) if len(assigned) == 1 else home
        if found is not None and here is not found and culprit._committed and buffer._committed:
            raise ValueError(f"Received incompatible devices for one operation: {culprit.aval} is on {found.device} and "
                             f"{buffer.aval} on {here.device}; move one of them with device_put")
        if found is None or buffer._committed:
            found, culprit = here, buffer
    return found or home


def move(buffers, place: Placement) -> list:
    """Return the buffers on one device, copying those that are elsewhere and gathering those that are sharded."""
    out = []
    for buffer in buffers:
        if buffer._sharding is place.sharding:
            out.append(buffer)
        elif len(buffer._sharding._device_assignment) == 1 and place.client is placement(
                buffer._sharding._device_assignment[0]).client:
            out.append(xla.copy_to([buffer], [place.devices], [place.sharding])[0])
        else:
            out.append(put(to_numpy(buffer), buffer.aval, place))
    return out


def put(host: np.ndarray, aval: Aval, place: Placement | None = None, alias: bool = False):
    """Copy a NumPy array, whose dtype and shape are the aval's, to a device and return the buffer.

    With ``alias`` the memory may be shared: only for arrays that nobody writes to any more.
    """
    if place is None:
        place = default_placement()
    if aval.dtype == KEY:
        from runtime.ops.random import keys_in_buffer
        words = np.ascontiguousarray(host).reshape(aval.shape + (1,)).view(np.uint32)
        return keys_in_buffer(put(words, interned(words.shape, words.dtype), place, alias))
    if host.dtype is not aval.dtype and host.dtype != aval.dtype or host.shape != aval.shape:
        raise ValueError(f"put: {host.dtype}{list(host.shape)} is no {aval}")
    return xla.put(aval, place.sharding, [host], [place.device], alias)


def commit(buffer, place: Placement):
    """Return the same data marked as belonging to a device, so that operations on it run there."""
    return xla.assemble(buffer.aval, place.sharding, [buffer], committed=True)


def to_numpy(buffer) -> np.ndarray:
    """Return a buffer's value as a read-only NumPy array, assembled from its shards if it has several."""
    if buffer.is_deleted():
        raise RuntimeError(f"Array has been deleted with shape={buffer.aval}.")
    sharding = buffer._sharding
    if type(sharding) is xla.SingleDevice:
        return xla.read(buffer)
    shards = [xla.read(shard) for shard in xla.parts(buffer)]
    whole = assemble_host(buffer.aval, sharding, shards)
    whole.flags.writeable = False
    return whole


def assemble_host(aval: Aval, sharding, shards: list[np.ndarray]) -> np.ndarray:
    """Put the shards of one array together on the host, by the tiling its sharding states.

    ValueError when some shards belong to another process.
    """
    spec = sharding._to_xla_hlo_sharding(aval.ndim)
    if spec.is_replicated():
        return np.array(shards[0])
    tiles = list(spec.tile_assignment_dimensions())
    order = list(spec.tile_assignment_devices())
    if len(order) != len(shards):
        raise ValueError(f"Array {aval} spans devices of other processes; only its own shards can be read here")
    whole = np.empty(aval.shape, aval.dtype)
    grid = tiles[:aval.ndim]
    copies = max(len(order) // max(int(np.prod(grid)), 1), 1)
    for tile in range(int(np.prod(grid))):
        index = np.unravel_index(tile, grid)
        shard = shards[order[tile * copies]]
        where = tuple(slice(i * n, i * n + n) for i, n in zip(index, shard.shape))
        whole[where] = shard
    return whole

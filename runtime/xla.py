"""The one adapter to jaxlib: everything else in the runtime reaches XLA through the names of this module."""
from __future__ import annotations

import contextlib
import os
import sys

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when jaxlib loads; hides XLA's start-up chatter

try:
    import jaxlib
    from jaxlib.version import __version__ as version
except ImportError as missing:
    raise ImportError("xform's runtime needs jaxlib (>=0.10,<0.12): pip install 'jaxlib>=0.10,<0.12'") from missing

parsed = tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:2])
if not (0, 10) <= parsed < (0, 12):
    raise ImportError(f"xform's runtime supports jaxlib >=0.10,<0.12, but jaxlib {version} is installed at "
                      f"{os.path.dirname(jaxlib.__file__)}: pip install 'jaxlib>=0.10,<0.12'")

from jaxlib import _jax
from jaxlib import xla_client as xc

from runtime.tiling import answers

ArrayImpl = xc.ArrayImpl
CompileOptions = xc.CompileOptions
DeviceAssignment = xc.DeviceAssignment
DeviceList = xc.DeviceList
GSPMDSharding = xc.GSPMDSharding
Sharding = xc.Sharding
HloSharding = xc.HloSharding
OpSharding = xc.OpSharding
HostBufferSemantics = xc.HostBufferSemantics
ArrayCopySemantics = xc.ArrayCopySemantics
Device = xc.Device
XlaError = _jax.JaxRuntimeError
PjitFunctionCache = _jax.PjitFunctionCache
PyTreeRegistry = _jax.pytree.PyTreeRegistry
PyTreeDef = _jax.pytree.PyTreeDef
block_until_ready = xc.batched_block_until_ready
make_cpu_client = xc.make_cpu_client
buffer_to_dlpack = _jax.buffer_to_dlpack_managed_tensor
make_gloo_collectives = _jax.make_gloo_tcp_collectives
distributed_service = _jax.get_distributed_runtime_service
distributed_client = _jax.get_distributed_runtime_client
interface_version = _jax.ifrt_version_number
cpp_jit = _jax.pjit
transfer_guards = _jax.guard_lib


if parsed < (0, 11):
    def result_handler(aval, sharding, committed):
        """Return what makes an array of a program's output buffers."""
        return xc.array_result_handler(aval, sharding, committed, True)
else:
    result_handler = xc.array_result_handler    # this jaxlib makes no checks that one could skip


@answers
class SingleDevice(xc.SingleDeviceSharding):
    """The placement of a whole array on one device (members are called back from C++)."""
    _xform_constant = True
    memory_kind = property(lambda self: self._memory_kind)
    _device_assignment = property(lambda self: (self._device,))

    def _to_xla_hlo_sharding(self, ndim):
        spec = OpSharding()
        spec.type = OpSharding.Type.REPLICATED
        return HloSharding.from_proto(spec)

    def __repr__(self):
        return f"SingleDeviceSharding(device={self._device!r})"

    def __xform_text__(self, write):
        return f"rt.SingleDeviceSharding({write(self._device)})"


_states: list = []


def jax_is_loaded() -> bool:
    """Return whether the real jax runs in this process; programs may give xform the name ``jax`` in sys.modules."""
    return "jax._src.config" in sys.modules


def settle_states(x64: bool) -> None:
    """Give the C++ layer the configuration cells it insists on, unless jax is loaded and has given it its own.

    The cells are global to the process and the last setter wins; replacing jax's would break jax.
    """
    if jax_is_loaded():
        return
    if not _states:
        make = _jax.config.Config
        _states.extend([
            make("xform_x64", x64, include_in_jit_key=True, include_in_trace_context=True),
            make("xform_disable_jit", False, include_in_jit_key=True, include_in_trace_context=True),
            make("xform_post_hook", None, include_in_jit_key=False, include_in_trace_context=False)])
        _jax.jax_jit.set_enable_x64_state(_states[0])
        _jax.jax_jit.set_disable_jit_state(_states[1])
        _jax.jax_jit.set_post_hook_state(_states[2])
    else:
        _states[0].set_global(x64)


def _words(aval):
    """The type of the words of keys: jaxlib makes no arrays of the type of keys itself."""
    return aval.with_dtype(np.dtype(np.uint64))


def put(aval, sharding, pieces, devices, alias=False):
    """Copy host arrays (one per device) to devices; ``alias`` lets XLA keep a memory that is never written again."""
    if aval.dtype.names is not None:
        words = put(_words(aval), sharding, [np.ascontiguousarray(p).view(np.uint64) for p in pieces], devices, alias)
        return result_handler(aval, sharding, False)(words)
    semantics = HostBufferSemantics.ZERO_COPY if alias else HostBufferSemantics.IMMUTABLE_ONLY_DURING_CALL
    return xc.batched_device_put(aval, sharding, pieces, devices, False, False, semantics, True)


def copy_to(buffers, device_lists, shardings):
    """Copy arrays to other devices; a buffer already in place is reused."""
    return xc.batched_copy_array_to_devices_with_sharding(
        buffers, device_lists, shardings, [ArrayCopySemantics.REUSE_INPUT] * len(buffers))


def assemble(aval, sharding, pieces, committed=True):
    """Join single-device buffers into one array under a sharding, without copying."""
    if aval.dtype.names is None:
        return ArrayImpl(aval, sharding, pieces, committed=committed, _skip_checks=True)
    words = ArrayImpl(_words(aval), sharding, pieces, committed=committed, _skip_checks=True)
    return result_handler(aval, sharding, committed)(words)


def parts(buffer) -> list:
    """Return the single-device buffers of this process that make up an array."""
    with _without_jax():  # jaxlib would dress them up with types of jax's
        return buffer._arrays


def unoptimised_hlo(text: str) -> str:
    """Return XLA's HLO text of a StableHLO module before optimisation."""
    return computation(text).as_hlo_text()


def computation(text: str):
    """Return a StableHLO module as an XlaComputation."""
    return _jax.mlir.mlir_module_to_xla_computation(text.encode())


def mlir_module(text: str):
    """Return a StableHLO module as jaxlib's object for it, in a context of its own."""
    from jaxlib.mlir import ir
    with _dialects():
        return ir.Module.parse(text)


def _dialects():
    """Return a context of jaxlib's MLIR with the dialects of our programs; it takes a while, and text alone does not need it."""
    from jaxlib.mlir import ir
    from jaxlib.mlir._mlir_libs import _jax_mlir_ext
    from jaxlib.mlir.dialects import chlo, sdy, stablehlo
    registry = ir.DialectRegistry()
    _jax_mlir_ext.register_dialects(registry)
    context = ir.Context()
    context.append_dialect_registry(registry)
    context.load_all_available_dialects()
    for dialect in (stablehlo, chlo, sdy):
        dialect.register_dialect(context)
    return context


def compile_with_callbacks(client, text: str, devices, options, callbacks):
    """Compile a StableHLO module that calls Python functions by their number."""
    from jaxlib.mlir import ir
    with _dialects():
        return client.compile_and_load(ir.Module.parse(text), devices, options, callbacks)


def to_portable(text: str) -> bytes:
    """Return a StableHLO module as an artifact that the releases of jaxlib of the weeks before and the years after can read."""
    from jaxlib.mlir.dialects import stablehlo
    version = stablehlo.get_version_from_compatibility_requirement(stablehlo.StablehloCompatibilityRequirement.WEEK_4)
    return _jax.mlir.serialize_portable_artifact(text, version, True)


def from_portable(artifact: bytes) -> tuple[str, dict]:
    """Return the text of the module in an artifact, and that of its functions by their symbols. ValueError for other bytes."""
    from jaxlib.mlir import ir
    with _dialects() as context:
        try:
            found = _jax.mlir.deserialize_portable_artifact(artifact, context)
        except (XlaError, ValueError, RuntimeError) as error:
            raise ValueError(f"this is no StableHLO artifact that jaxlib {version} can read: {error}") from error
        module = found if isinstance(found, ir.Module) else ir.Module.parse(found)
        functions = {op.attributes["sym_name"].value: op.get_asm(enable_debug_info=False) for op in module.body.operations}
        return module.operation.get_asm(enable_debug_info=False), functions


_lapack_ready = False


def use_lapack() -> None:
    """Register LAPACK's custom calls for the CPU, once; they cost a scipy import, so only where they are needed."""
    global _lapack_ready
    if _lapack_ready:
        return
    from jaxlib import lapack
    for platform, targets in lapack.registrations().items():
        for name, capsule, api_version in targets:
            xc.register_custom_call_target(name, capsule, platform=platform, api_version=api_version)
    lapack._lapack.initialize()
    _lapack_ready = True


def submodule(name: str):
    """Import one of jaxlib's own modules by name."""
    import importlib
    return importlib.import_module(f"jaxlib.{name}")


def read(buffer):
    """Return a single-device buffer's value as a read-only NumPy array, sharing its memory on a CPU."""
    try:
        return np.asarray(memoryview(buffer))
    except BufferError:
        pass  # not on a CPU, or a type that Python's buffers do not know, such as bfloat16
    with _without_jax():
        return buffer._single_device_array_to_np_array_did_copy()[0]


@contextlib.contextmanager
def _without_jax():
    """Keep a C++ call that looks for jax from importing it where it is installed.

    The import would take some 0.5 s, and jax's configuration would replace ours; a None entry fails the search at once.
    """
    hide = "jax" not in sys.modules
    if hide:
        sys.modules["jax"] = None
    try:
        yield
    finally:
        if hide and sys.modules.get("jax") is None:
            sys.modules.pop("jax", None)


def dlpack_to_buffer(capsule, device):
    """Return a buffer (without an aval) over the memory of a dlpack capsule."""
    with _without_jax():
        return _jax.dlpack_managed_tensor_to_buffer(capsule, device, None, None)

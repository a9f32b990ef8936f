"""Accelerators: finds jaxlib's PJRT plugins and starts their clients, without jax."""
from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import pathlib

from runtime import xla

_VARIANTS = {"xla_cuda13": "jax_cuda13_plugin", "xla_cuda12": "jax_cuda12_plugin"}
_NVIDIA = ("cudart", "nvrtc", "cublas", "cublasLt", "cupti", "cusparse", "cusolver", "cufft", "nccl", "cudnn",
           "nvJitLink", "nvshmem_host")


def _find() -> tuple[str, pathlib.Path] | None:
    """Return (variant, path of the shared library) of the CUDA plugin, or None; imports nothing."""
    try:
        spec = importlib.util.find_spec("jax_plugins")  # a namespace package
    except (ImportError, ValueError):
        return None
    for root in (spec.submodule_search_locations if spec else ()):
        for variant in _VARIANTS:
            library = pathlib.Path(root) / variant / "xla_cuda_plugin.so"
            if library.exists():
                return variant, library
    return None


def present() -> str | None:
    """Return the platform of an installed accelerator plugin, or None."""
    return "cuda" if _find() else None


def _preload_nvidia() -> None:
    """Load the CUDA libraries of pip's nvidia wheels, so that the plugin finds them by name."""
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations if spec else ()):
        for name in _NVIDIA:
            for library in sorted(pathlib.Path(root).glob(f"**/lib{name}.so*"))[:1]:
                try:
                    ctypes.cdll.LoadLibrary(str(library))
                except OSError:
                    continue  # the plugin names what it really misses


def _register(extension, c_api) -> None:
    client_module = xla.xc
    client_module.register_custom_type_handler("CUDA", functools.partial(extension.register_custom_type, c_api))
    client_module.register_custom_call_handler("CUDA", functools.partial(extension.register_custom_call_target, c_api))
    for name, value in extension.ffi_types().items():
        client_module.register_custom_type(name, value, platform="CUDA")
    for name, value in extension.ffi_handlers().items():
        client_module.register_custom_call_target(name, value, platform="CUDA", api_version=1)
    for module in ("gpu_solver", "gpu_linalg", "gpu_prng", "gpu_sparse"):
        tables = xla.submodule(module).registrations()
        for platform, targets in tables.items():
            for name, value, api_version in targets:
                client_module.register_custom_call_target(name, value, platform=platform, api_version=api_version)


def make_client(platform: str, distributed_client=None, node_id: int = 0, num_nodes: int = 1, visible=None):
    """Start the client of an accelerator; RuntimeError when its plugin or the device is missing."""
    found = _find() if platform == "cuda" else None
    if found is None:
        raise RuntimeError(f"no plugin for platform {platform!r} is installed; for NVIDIA GPUs: "
                           f"pip install 'jax-cuda12-plugin[with-cuda]=={xla.version}'")
    variant, library = found
    client_module = xla.xc
    if not client_module.pjrt_plugin_loaded("cuda"):
        _preload_nvidia()
        c_api = client_module.load_pjrt_plugin_dynamically("cuda", str(library))
        xla.submodule("_profiler").register_plugin_profiler(c_api)
        _register(importlib.import_module(_VARIANTS[variant] + ".cuda_plugin_extension"), c_api)
    if not client_module.pjrt_plugin_initialized("cuda"):
        client_module.initialize_pjrt_plugin("cuda")
    options = client_module.generate_pjrt_gpu_plugin_options()
    if visible is not None:
        options["visible_devices"] = list(visible)
    if distributed_client is not None:
        options.update(node_id=node_id, num_nodes=num_nodes)
    return client_module.make_c_api_client("cuda", options, distributed_client)

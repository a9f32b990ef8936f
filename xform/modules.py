"""The public names that are not the compiler's own, found on first use: xform.numpy is runtime.numpy, and so on."""
from __future__ import annotations

import importlib
import importlib.util
import sys

# public module -> where it is
LIBRARY = {name: f"runtime.{name}" for name in (
    "numpy", "lax", "nn", "random", "scipy", "tree", "dtypes", "image", "ops", "dlpack", "flatten_util", "distributed", "sharding", "typing",
    "profiler",
    "debug", "experimental", "example_libraries")}
LIBRARY |= {"tree_util": "runtime.tree", "ad_checkpoint": "xform.rematerialize", "test_util": "xform.test_util",
            "stages": "xform.stages", "custom_derivatives": "xform.custom_derivatives", "custom_batching": "xform.custom_batching"}

# module of a library -> its modules or names that are in the compiler's package, because it differentiates functions that it is given
BUILT = {"xform.scipy": {"optimize": "xform.optimize"},
         "xform.experimental": {"jet": "xform.jet", "shard_map": "xform.older_shard_map"},
         "xform.numpy": dict.fromkeys(("fromfunction", "frompyfunc", "ufunc", "vectorize"), "xform.vectorize")}

# public name of the top level -> the module that holds it
NAMES = {
    **dict.fromkeys(("debug_nans", "debug_infs", "log_compiles", "explain_cache_misses", "checking_leaks", "check_tracer_leaks",
                     "numpy_rank_promotion", "numpy_dtype_promotion", "default_matmul_precision", "default_device",
                     "transfer_guard", "transfer_guard_host_to_device", "transfer_guard_device_to_host",
                     "transfer_guard_device_to_device", "ensure_compile_time_eval", "named_scope", "named_call", "host_id",
                     "host_count", "host_ids", "process_indices", "print_environment_info", "effects_barrier",
                     "copy_to_host_async"), "runtime.contexts"),
    **dict.fromkeys(("eval_shape", "linear_transpose", "closure_convert"), "xform.shapes"), "typeof": "runtime.ops.typeof",
    "pure_callback": "runtime.callbacks", "live_arrays": "runtime.transfer", "clear_caches": "runtime.jit", "Device": "runtime.xla", "float0": "runtime.dtypes",
    "make_jaxpr": "xform.listing", "fwd_and_bwd": "xform.passes",
    "explain": "xform.report", "op": "xform.custom", "backward_hook": "xform.custom",
    "checkpoint": "xform.rematerialize", "remat": "xform.rematerialize", "checkpoint_policies": "xform.rematerialize",
    "make_array_from_callback": "runtime.shards", "make_array_from_process_local_data": "runtime.shards",
    "make_array_from_single_device_arrays": "runtime.shards", "Shard": "runtime.shards", "set_mesh": "runtime.sharding",
    "smap": "xform.older_shard_map", "reshard": "runtime.resharding",
}


def home(fullname):
    """The module that a public module name stands for, or None."""
    parts = fullname.split(".")
    if len(parts) < 2 or parts[0] != "xform" or parts[1] not in LIBRARY:
        return None
    built = BUILT.get(".".join(parts[:-1]), {})
    return built.get(parts[-1]) or ".".join([LIBRARY[parts[1]], *parts[2:]])


class _Finder:      # finder and loader in one; importlib.abc, whose classes say no more, takes 2 ms to import
    def find_spec(self, fullname, path=None, target=None):
        name = home(fullname)
        if name is None or name == fullname or importlib.util.find_spec(name) is None:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec):
        module = importlib.import_module(home(spec.name))
        self.own = module.__spec__, module.__loader__
        if spec.name in BUILT:
            module.HOMES.update(BUILT[spec.name])
        return module

    def exec_module(self, module):
        module.__spec__, module.__loader__ = self.own   # the import system has put the alias's here


def install():
    """Make ``import xform.numpy`` and its like find the modules that they stand for."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def attribute(name):
    """``xform.numpy`` and ``xform.checkpoint`` as attributes, without an import statement of their own."""
    if name in NAMES:
        return getattr(importlib.import_module(NAMES[name]), name)
    if name in LIBRARY:
        try:
            return importlib.import_module(f"xform.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"module 'xform' has no attribute {name!r}") from error
    raise AttributeError(f"module 'xform' has no attribute {name!r}")

"""xform: a source-to-source compiler for numerical Python.

``import xform as jax; import xform.numpy as jnp`` carries a JAX program over.
"""
from __future__ import annotations

import os as _os

import runtime as _runtime

if not hasattr(_runtime, "ZERO"):
    raise ImportError(f"xform needs its own package 'runtime', but another one is found first: "
                      f"{getattr(_runtime, '__file__', _runtime.__path__)} instead of "
                      f"{_os.path.join(_os.path.dirname(_os.path.dirname(__file__)), 'runtime')}. "
                      "Rename that one or put xform's folder before it on sys.path.")

from xform import modules as _modules

_modules.install()

from runtime import NamedSharding, P, make_mesh
from runtime import (Array, block_until_ready, config, default_backend, device_count, device_get, device_put, devices,
                     disable_jit, enable_x64, local_device_count, local_devices, process_count, process_index)
from runtime.config import threefry_partitionable
from runtime.stage import ShapeDtypeStruct
from xform.api import (grad, hessian, jacfwd, jacobian, jacrev, jit, jvp, linearize, pmap, shard_map, source, value_and_grad, vjp, vmap)
from xform.custom import custom_gradient, custom_jvp, custom_vjp
from xform.errors import SourceError, TransformError

__version__ = "0.1.0"


def __getattr__(name):
    return _modules.attribute(name)


"""Process-wide settings: 64-bit types, the number of CPU devices, and the switch that turns staging off."""
from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

_TRUE = {"1", "true", "yes", "on", "y", "t"}
_FALSE = {"0", "false", "no", "off", "n", "f", ""}


def _env_flag(names: tuple[str, ...], default: bool) -> bool:
    for name in names:
        text = os.environ.get(name)
        if text is None:
            continue
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise ValueError(f"environment variable {name}={text!r}: use 1 or 0")
    return default


def _env_count(name: str) -> int | None:
    text = os.environ.get(name)
    if not text:
        return None
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"environment variable {name}={text!r}: use a whole number, at least 1")
    return int(text)


def _check_even(what: str, value):
    if type(value) is not int or value < 2 or value % 2:
        raise ValueError(f"{what}: an even number of at least 2 is needed, not {value!r}")
    return value


CHOICES = {"numpy_rank_promotion": ("allow", "warn", "raise"), "numpy_dtype_promotion": ("standard", "strict")}


SIGNATURE = ("enable_x64", "threefry_partitionable", "default_matmul_precision", "numpy_rank_promotion", "numpy_dtype_promotion",
             "loop_checkpoints")


class Config:
    """Named settings, read as attributes; ``jax_`` or ``xform_`` may precede a name.

    enable_x64: keep 64-bit types instead of narrowing them to 32 bits.
    disable_jit: call the plain Python function wherever ``jit`` would stage it.
    debug_nans, debug_infs: check the results of eager operations and compiled functions for NaN, for infinities.
    log_compiles: log each compilation (logger "runtime.execute", level WARNING).
    explain_cache_misses: log why a jitted function is staged again (logger "runtime.jit").
    debug_key_reuse: raise KeyReuseError where numbers are drawn twice from one key (of those that random.key makes).
    check_tracer_leaks: changes nothing: an array used after the staging that made it always raises LeakError.
    numpy_rank_promotion: "allow", "warn" or "raise" where operands of different rank are broadcast.
    numpy_dtype_promotion: "standard", or "strict": arrays of different dtypes have no common one.
    num_cpu_devices: CPU devices of the first client (None: one, or what XLA_FLAGS says).
    platforms: comma-separated platforms to try, in order (None: an accelerator when there is one, else cpu).
    threefry_partitionable: draw random streams whose parts can be made apart; off, those of JAX before its version 0.5.
    default_device: the device of new arrays (None: the first one).
    loop_checkpoints: how many turns of a loop of unknown length under ``jit`` keep their variables for the backward pass, an even
        number (XFORM_LOOP_CHECKPOINTS, 64); the other turns are run again from these. Fewer: less memory, more time.
    """

    def __init__(self):
        self.__dict__["_values"] = {
            "enable_x64": _env_flag(("XFORM_ENABLE_X64", "JAX_ENABLE_X64"), False),
            "disable_jit": _env_flag(("XFORM_DISABLE_JIT", "JAX_DISABLE_JIT"), False),
            "debug_nans": _env_flag(("XFORM_DEBUG_NANS", "JAX_DEBUG_NANS"), False),
            "debug_infs": _env_flag(("XFORM_DEBUG_INFS", "JAX_DEBUG_INFS"), False),
            "log_compiles": _env_flag(("XFORM_LOG_COMPILES", "JAX_LOG_COMPILES"), False),
            "explain_cache_misses": _env_flag(("XFORM_EXPLAIN_CACHE_MISSES", "JAX_EXPLAIN_CACHE_MISSES"), False),
            "debug_key_reuse": _env_flag(("XFORM_DEBUG_KEY_REUSE", "JAX_DEBUG_KEY_REUSE"), False),
            "check_tracer_leaks": False,
            "numpy_rank_promotion": "allow",
            "numpy_dtype_promotion": "standard",
            "num_cpu_devices": _env_count("XFORM_CPU_DEVICES"),
            "platforms": os.environ.get("XFORM_PLATFORMS") or os.environ.get("JAX_PLATFORMS") or None,
            "threefry_partitionable": _env_flag(("XFORM_THREEFRY_PARTITIONABLE", "JAX_THREEFRY_PARTITIONABLE"), True),
            "default_device": None,
            "default_matmul_precision": None,
            "loop_checkpoints": _check_even("environment variable XFORM_LOOP_CHECKPOINTS",
                                            _env_count("XFORM_LOOP_CHECKPOINTS") or 64),
        }
        self.__dict__["_listeners"] = []
        self._sign()

    def _sign(self) -> None:
        """Keep the settings that a compiled program depends on as one tuple: ``signature``, an attribute that costs no call."""
        self.__dict__["signature"] = tuple([self._values[key] for key in SIGNATURE])

    def _key(self, name: str) -> str:
        key = name.removeprefix("jax_").removeprefix("xform_")
        if key == "x64_enabled":
            key = "enable_x64"
        if key == "platform_name":      # JAX's older name
            key = "platforms"
        if key not in self._values:
            known = ", ".join(sorted(self._values))
            raise AttributeError(f"unrecognized config option: {name!r}; there are {known}")
        return key

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._values[self._key(name)]

    def __setattr__(self, name: str, value):
        self.update(name, value)

    def update(self, name: str, value) -> None:
        """Set one option; cached executables that depend on it are dropped."""
        key = self._key(name)
        old = self._values[key]
        if isinstance(old, bool):
            if not isinstance(value, (bool, int)):
                raise TypeError(f"config.update: {name} takes a bool, not {type(value).__name__}")
            value = bool(value)
        if key == "loop_checkpoints":
            _check_even(f"config.update: {name}", value)
        if key in CHOICES and value not in CHOICES[key]:
            raise ValueError(f"config.update: {name} takes one of {', '.join(map(repr, CHOICES[key]))}, not {value!r}")
        if old == value:
            return
        self._values[key] = value
        self._sign()
        for listener in self._listeners:
            listener(key)

    def read(self, name: str):
        """Return the value of one option."""
        return self._values[self._key(name)]

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call ``listener(option)`` after an option has changed."""
        self._listeners.append(listener)

    @contextlib.contextmanager
    def override(self, name: str, value):
        """Set one option for the duration of a ``with`` block."""
        old = self.read(name)
        self.update(name, value)
        try:
            yield
        finally:
            self.update(name, old)


config = Config()


def enable_x64(new_val: bool = True):
    """Return a context in which 64-bit types are kept (or, with False, narrowed)."""
    return config.override("enable_x64", bool(new_val))


def disable_jit(disable: bool = True):
    """Return a context in which jitted functions run as plain Python."""
    return config.override("disable_jit", bool(disable))


def threefry_partitionable(new_val: bool = True):
    """Return a context in which random streams are those that can be made in parts (or, with False, the older ones)."""
    return config.override("threefry_partitionable", bool(new_val))

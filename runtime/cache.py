"""An on-disk cache of compiled executables, private to the user, bounded in size, safe against damage and races.

XFORM_CACHE_DIR names the folder (default: xform/executables under the user's cache folder), XFORM_CACHE=0 turns the cache
off. An entry is a checksum followed by XLA's serialized executable. Loading one runs native code, so a folder that others
can write to is not used.
"""
from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import platform
import re
import stat
import tempfile
import warnings

from runtime import xla

LIMIT = 512 << 20  # bytes; the entries used longest ago go first
_SWEEP_EVERY = 64  # stores between two looks at the total size
_LOCATION = re.compile(r" loc\([^\n]*\)$", re.MULTILINE)

counts = {"hits": 0, "misses": 0, "stores": 0}


def folder() -> pathlib.Path | None:
    """Return the cache's folder, or None if there is no cache."""
    setting = os.environ.get("XFORM_CACHE", "1").lower()
    if setting in ("0", "off", "false", "no"):
        return None
    named = os.environ.get("XFORM_CACHE_DIR")
    if named:
        return _checked(pathlib.Path(named).expanduser())
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return _checked(pathlib.Path(root) / "xform" / "executables")


@functools.lru_cache(maxsize=16)
def _checked(path: pathlib.Path) -> pathlib.Path | None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
        if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            warnings.warn(f"the folder for compiled programs, {path}, can be written to by others and is not used; make it "
                          "yours with chmod 700, or set XFORM_CACHE_DIR", RuntimeWarning, stacklevel=2)
            return None
        return path
    except OSError as error:
        warnings.warn(f"no cache for compiled programs: {error}; set XFORM_CACHE_DIR to a folder that can be written to, or "
                      "XFORM_CACHE=0", RuntimeWarning, stacklevel=2)
        return None


@functools.lru_cache(maxsize=1)
def _machine() -> bytes:
    """Return what a compiled program depends on beside its text: the CPU's features and jaxlib's version."""
    features = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            features += next((line for line in info if line.startswith(("flags", "Features"))), "")
    except OSError:
        features += platform.processor()
    text = f"{features}|{xla.version}|{xla.interface_version}|{os.environ.get('XLA_FLAGS', '')}|1"
    return hashlib.sha256(text.encode()).digest()


def entry_name(client, text: str, options, where: str) -> str:
    """Return the file name of a program: a hash of text (without source locations), options, machine and devices."""
    digest = hashlib.sha256(_machine())
    for part in (_LOCATION.sub("", text), options.SerializeAsString(), client.platform, client.platform_version, where):
        data = part if isinstance(part, bytes) else part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def compile_or_load(client, text: str, devices, options, where: str):
    """Compile a module for devices (``where`` names them), or load what an earlier process compiled from the same text."""
    place = folder()
    if place is None or "callback" in text:  # a callback is a Python object of this process
        return client.compile_and_load(text.encode(), devices, options)
    path = place / entry_name(client, text, options, where)
    found = _load(client, path, devices, options)
    if found is not None:
        counts["hits"] += 1
        return found
    counts["misses"] += 1
    made = client.compile_and_load(text.encode(), devices, options)
    _store(client, path, made)
    return made


def _load(client, path: pathlib.Path, devices, options):
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) <= 32 or hashlib.sha256(data[32:]).digest() != data[:32]:
        return None
    try:
        executable = client.deserialize_executable(data[32:], devices, options)
        os.utime(path)  # the sweep removes what was used longest ago
        return executable
    except (xla.XlaError, ValueError, OSError):
        return None


def _store(client, path: pathlib.Path, executable) -> None:
    try:
        data = client.serialize_executable(executable)
    except (xla.XlaError, ValueError, RuntimeError):
        return  # a platform that cannot serialize has no cache
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix="tmp-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(hashlib.sha256(data).digest())
                out.write(data)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
            return
    except OSError:
        return  # a full or read-only disk costs time, not correctness
    if counts["stores"] % _SWEEP_EVERY == 0:
        sweep(path.parent, LIMIT)
    counts["stores"] += 1


def sweep(place: pathlib.Path, limit: int) -> int:
    """Remove the entries used longest ago until at most ``limit`` bytes are left; return the bytes left."""
    entries = []
    with os.scandir(place) as found:
        for entry in found:
            try:
                info = entry.stat()
            except OSError:
                continue  # another process has just removed it
            entries.append((info.st_mtime, info.st_size, entry.path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= limit:
            break
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass  # removed by another process: gone either way
        total -= size
    return total

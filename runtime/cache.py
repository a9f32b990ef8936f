"""An on-disk cache of compiled executables, private to the user, bounded in size, safe against damage and races.

XFORM_CACHE_DIR names the folder (default: xform/executables under the user's cache folder), XFORM_CACHE=0 turns the cache
off, XFORM_CACHE_LIMIT bounds its size (bytes, or with K, M or G; default 512M): the entries used longest ago go first.

An entry is a checksum followed by XLA's serialized executable. It is written under a name of its own and then renamed, so
any number of processes may read and write at once. Loading one runs native code, so a folder that others can write to is
not used.
"""
from __future__ import annotations

import functools
import itertools
import os
import pathlib
import re
import stat
import threading
import time
import warnings
from dataclasses import dataclass

from runtime import xla

_LIMIT = 512 << 20  # bytes
_SWEEP_EVERY = 64  # stores between two looks at the total size
_ABANDONED = 3600  # seconds after which an unfinished entry is what a killed process has left
_ENTRY = re.compile("[0-9a-f]{64}")
_UNFINISHED = "tmp-"
_LOCATION = re.compile(r" loc\([^\n]*\)$", re.MULTILINE)

counts = {"hits": 0, "misses": 0, "stores": 0}
_numbers = itertools.count()


def limit() -> int:
    """Return the bytes that the cache may hold; ValueError for a setting that is no size."""
    text = os.environ.get("XFORM_CACHE_LIMIT", "").strip().upper()
    if not text:
        return _LIMIT
    found = re.fullmatch(r"(\d+)([KMG]?)B?", text)
    if not found:
        raise ValueError(f"environment variable XFORM_CACHE_LIMIT={text!r}: use a number of bytes, or one with K, M or G, "
                         "such as 512M")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]


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
    features = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            features += next((line for line in info if line.startswith(("flags", "Features"))), "")
    except OSError:
        import platform
        features += platform.processor()
    text = f"{features}|{xla.version}|{xla.interface_version}|{os.environ.get('XLA_FLAGS', '')}|1"
    return _sha256(text.encode()).digest()


def _sha256(data: bytes):
    import hashlib  # takes 3 ms to import, which a process without compiled programs need not spend
    return hashlib.sha256(data)


def entry_name(client, text: str, options, where: str) -> str:
    """Return the file name of a program: a hash of text (without source locations), options, machine and devices."""
    digest = _sha256(_machine())
    for part in (_LOCATION.sub("", text), options.SerializeAsString(), client.platform, client.platform_version, where):
        data = part if isinstance(part, bytes) else part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


# Executables that one process may gather before all are dropped: XLA maps the code of each into memory of its own, three times over,
# and Linux allows 65530 maps a process (XLA crashes at the limit). What is still wanted comes back from the disk.
EXECUTABLES = 12_000
gathered = [0]
releases: list = []     # functions of other modules that drop the executables they keep


def _count() -> None:
    """Count one more executable; drop all that are kept when there are too many."""
    gathered[0] += 1
    if gathered[0] > EXECUTABLES:
        gathered[0] = 1
        for release in releases:
            release()


def compile_or_load(client, text: str, devices, options, where: str, callbacks=None):
    """Compile a module for devices (``where`` names them), or load what an earlier process compiled from the same text.

    ``callbacks``: the Python functions that the module calls by number; such a module is not kept on disk.
    """
    _count()
    if callbacks:
        return xla.compile_with_callbacks(client, text, devices, options, callbacks)
    place = folder()
    # a callback is a Python object of this process; a program of several processes belongs to them
    if place is None or "callback" in text or client.device_count() != len(client.local_devices()):
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
    if len(data) <= 32 or _sha256(data[32:]).digest() != data[:32]:
        return None
    try:
        executable = client.deserialize_executable(data[32:], devices, options)
    except (xla.XlaError, ValueError):
        return None
    try:
        os.utime(path)  # the sweep removes what was used longest ago
    except OSError:
        pass  # swept just now, or a folder that can only be read: what was loaded is as good
    return executable


def _store(client, path: pathlib.Path, executable) -> None:
    try:
        data = client.serialize_executable(executable)
    except (xla.XlaError, ValueError, RuntimeError):
        return  # a platform that cannot serialize has no cache
    own = path.parent / f"{_UNFINISHED}{os.getpid()}-{threading.get_ident()}-{next(_numbers)}-{time.time_ns()}"
    try:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have cleared the cache by hand
            with open(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(_sha256(data).digest())
                out.write(data)
            os.replace(own, path)
        except OSError:
            own.unlink(missing_ok=True)
            return
        if counts["stores"] % _SWEEP_EVERY == 0:
            sweep(path.parent, limit())
    except OSError:
        return  # a full or read-only disk costs time, not correctness
    counts["stores"] += 1


def _files(place: pathlib.Path) -> list[tuple[float, int, str]]:
    """Return (time of the last use, bytes, path) of the cache's own files in a folder."""
    found = []
    with os.scandir(place) as listing:
        for entry in listing:
            if _ENTRY.fullmatch(entry.name) or entry.name.startswith(_UNFINISHED):
                try:
                    info = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # another process has just removed or renamed it
                found.append((info.st_mtime, info.st_size, entry.path))
    return found


def sweep(place: pathlib.Path, most: int) -> int:
    """Remove the entries used longest ago until at most ``most`` bytes are left; return the bytes left.

    Files of other names are let alone; so is what other processes are writing.
    """
    files = _files(place)
    total = sum(size for _, size, _ in files)
    old = time.time() - _ABANDONED
    for used, size, path in sorted(files):
        unfinished = os.path.basename(path).startswith(_UNFINISHED)
        if unfinished and used < old or not unfinished and total > most:
            pathlib.Path(path).unlink(missing_ok=True)  # another process may have removed it: gone either way
            total -= size
    return total


@dataclass(frozen=True)
class Info:
    """What the cache holds: its folder (None when it is switched off), entries, their bytes, and the most bytes."""
    folder: pathlib.Path | None
    entries: int
    size: int
    limit: int

    def __str__(self):
        if self.folder is None:
            return "compilation cache: off"
        return (f"folder:  {self.folder}\nentries: {self.entries}\n"
                f"size:    {self.size / (1 << 20):.1f} MiB of at most {self.limit / (1 << 20):.0f} MiB")


def info() -> Info:
    """Return what the cache holds now."""
    place = folder()
    files = [] if place is None else _files(place)
    return Info(place, len(files), sum(size for _, size, _ in files), limit())


def clear() -> str:
    """Delete every entry; return a sentence saying how many there were."""
    place = folder()
    if place is None:
        return "compilation cache: off, nothing to clear"
    files = _files(place)
    for _, _, path in files:
        pathlib.Path(path).unlink(missing_ok=True)
    return f"removed {len(files)} {'entry' if len(files) == 1 else 'entries'} ({sum(size for _, size, _ in files) / (1 << 20):.1f} MiB) from {place}"

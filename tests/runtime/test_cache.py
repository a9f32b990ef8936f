"""The on-disk cache: hits in a new process, damage is a miss, bounded size, off switch, private folder."""
import os
import subprocess
import sys

import numpy as np
import pytest

import runtime as rt
from runtime import cache
from runtime.primitive import Primitive, as_operand

CODE = """
import numpy as np, runtime as rt
from runtime import cache
from runtime.primitive import Primitive, as_operand
add = Primitive('add', lambda x, y: x, lambda b, o, outs: b.op('add', o, outs[0]))
x = as_operand(np.ones(3))
assert add(x, x).tolist() == [2, 2, 2]
assert rt.jit(lambda v: add(add(v, v), v))(x).tolist() == [3, 3, 3]
print(cache.counts['hits'], cache.counts['misses'])
"""


def run(folder, **more):
    """Run two programs in a new process and return its (hits, misses)."""
    root = os.path.dirname(os.path.dirname(rt.__file__))
    env = {**os.environ, "PYTHONPATH": root, "XFORM_CACHE_DIR": str(folder), "XFORM_CACHE": "1", **more}
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(map(int, done.stdout.split()[-2:]))


def test_a_new_process_finds_the_programs(tmp_path):
    folder = tmp_path / "cache"
    assert run(folder) == (0, 2)
    assert run(folder) == (2, 0)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(folder.glob("tmp-*"))


def test_damaged_entries_are_misses(tmp_path):
    run(tmp_path / "cache")
    entries = sorted((tmp_path / "cache").iterdir())
    entries[0].write_bytes(entries[0].read_bytes()[:-7])
    data = bytearray(entries[1].read_bytes())
    data[100] ^= 1
    entries[1].write_bytes(data)
    assert run(tmp_path / "cache") == (0, 2)
    assert run(tmp_path / "cache") == (2, 0)


def test_the_cache_can_be_turned_off(tmp_path):
    assert run(tmp_path / "cache", XFORM_CACHE="0") == (0, 0)
    assert not (tmp_path / "cache").exists()


def test_other_flags_are_other_programs(tmp_path):
    run(tmp_path / "cache")
    assert run(tmp_path / "cache", XLA_FLAGS="--xla_cpu_enable_fast_math=false") == (0, 2)


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path, monkeypatch):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("XFORM_CACHE", "1")
    monkeypatch.setenv("XFORM_CACHE_DIR", str(folder))
    with pytest.warns(RuntimeWarning, match="others"):
        assert cache.folder() is None


def test_the_oldest_entries_go_first(tmp_path):
    for i in range(5):
        path = tmp_path / f"entry{i}"
        path.write_bytes(b"x" * 100)
        os.utime(path, (1000 + i, 1000 + i))
    os.utime(tmp_path / "entry0", (2000, 2000))  # used again
    assert cache.sweep(tmp_path, 250) == 200
    assert sorted(p.name for p in tmp_path.iterdir()) == ["entry0", "entry4"]


def test_source_lines_are_no_part_of_the_key():
    add = Primitive("cache_add", lambda x, y: x, lambda block, operands, outs: block.op("add", operands, outs[0]))
    x = as_operand(np.ones(3))
    first = rt.jit(lambda v: add(v, v)).lower(x).as_text()
    second = rt.jit(
        lambda v: add(v, v)).lower(x).as_text()
    assert first != second
    from runtime.device import default_placement
    from runtime.execute import compile_options
    names = [cache.entry_name(default_placement().client, t, compile_options(), "0") for t in (first, second)]
    assert names[0] == names[1]

"""The on-disk cache: hits in a new process, damage is a miss, bounded size, off switch, private folder, many processes."""
import contextlib
import os
import pathlib
import subprocess
import sys
import time

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
    paths = [entry(tmp_path, i, 1000 + i) for i in range(5)]
    os.utime(paths[0], (2000, 2000))  # used again
    assert cache.sweep(tmp_path, 250) == 200
    assert sorted(tmp_path.iterdir()) == [paths[0], paths[4]]


def entry(folder, number, used, size=100):
    """Write a file named as an entry is, last used at a time; return its path."""
    path = folder / f"{number:064x}"
    path.write_bytes(b"x" * size)
    os.utime(path, (used, used))
    return path


def test_what_is_not_the_caches_own_is_let_alone(tmp_path):
    (tmp_path / "notes.txt").write_bytes(b"x" * 1000)
    (tmp_path / "tmp-new").write_bytes(b"x" * 1000)  # being written by another process
    (tmp_path / "tmp-old").write_bytes(b"x" * 1000)  # left by a process that was killed
    os.utime(tmp_path / "tmp-old", (1000, 1000))
    assert cache.sweep(tmp_path, 0) == 1000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.txt", "tmp-new"]


def test_its_size_is_a_setting(tmp_path, monkeypatch):
    for text, size in (("", 512 << 20), ("1000", 1000), ("3k", 3 << 10), ("2M", 2 << 20), ("1GB", 1 << 30)):
        monkeypatch.setenv("XFORM_CACHE_LIMIT", text)
        assert cache.limit() == size
    monkeypatch.setenv("XFORM_CACHE_LIMIT", "lots")
    with pytest.raises(ValueError, match="XFORM_CACHE_LIMIT"):
        cache.limit()
    folder = tmp_path / "cache"
    folder.mkdir(0o700)
    old = entry(folder, 1, 1000, 50_000)
    run(folder, XFORM_CACHE_LIMIT="20K")
    assert not old.exists() and list(folder.iterdir())


def test_many_processes_share_a_folder_that_is_swept_under_them(tmp_path):
    folder = tmp_path / "cache"
    root = os.path.dirname(os.path.dirname(rt.__file__))
    env = {**os.environ, "PYTHONPATH": root, "XFORM_CACHE_DIR": str(folder), "XFORM_CACHE": "1", "XFORM_CACHE_LIMIT": "4K"}
    code = "from runtime import cache; cache._SWEEP_EVERY = 1\n" + CODE
    children = [subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for _ in range(6)]
    until = time.time() + 60
    while any(child.poll() is None for child in children) and time.time() < until:
        for path in folder.glob("[0-9a-f]*"):  # damage what they write, too
            with contextlib.suppress(FileNotFoundError), open(path, "r+b") as file:     # a child may have swept it just now
                file.truncate(40)
        time.sleep(0.005)
    for child in children:
        out, error = child.communicate(timeout=60)
        assert child.returncode == 0 and not error, error
    assert not list(folder.glob("tmp-*"))
    assert run(folder)[0] <= 2 and run(folder) == (2, 0)


def test_a_folder_removed_by_hand_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XFORM_CACHE", "1")
    monkeypatch.setenv("XFORM_CACHE_DIR", str(tmp_path / "cache"))
    add = Primitive("cache_again", lambda x, y: x, lambda block, operands, outs: block.op("add", operands, outs[0]))
    add(as_operand(np.ones(3)), as_operand(np.ones(3)))
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    (tmp_path / "cache").rmdir()
    add(as_operand(np.ones(4)), as_operand(np.ones(4)))
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_info_and_clear(tmp_path, monkeypatch):
    monkeypatch.setenv("XFORM_CACHE", "1")
    monkeypatch.setenv("XFORM_CACHE_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    for i in range(3):
        entry(tmp_path, i, 1000, 1 << 20)
    (tmp_path / "notes.txt").write_text("mine")
    assert cache.info() == cache.Info(pathlib.Path(tmp_path), 3, 3 << 20, cache.limit())
    assert "entries: 3" in str(cache.info()) and "3.0 MiB" in str(cache.info())
    assert "3 entries" in cache.clear()
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    monkeypatch.setenv("XFORM_CACHE", "0")
    assert cache.info().folder is None and "off" in str(cache.info()) and "off" in cache.clear()


def test_the_command(tmp_path, monkeypatch, capsys):
    from xform.cli import main
    monkeypatch.setenv("XFORM_CACHE", "1")
    monkeypatch.setenv("XFORM_CACHE_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    entry(tmp_path, 7, 1000)
    assert main(["cache", "--info"]) == 0 and str(tmp_path) in capsys.readouterr().out
    assert main(["cache", "--clear"]) == 0 and "1 entry" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("XFORM_CACHE_LIMIT", "-3")
    assert main(["cache", "--info"]) == 2 and "XFORM_CACHE_LIMIT" in capsys.readouterr().err


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


def test_executables_are_dropped_before_they_fill_the_memory_map(monkeypatch):
    import runtime as rt
    from runtime import cache
    from runtime import numpy as np
    dropped = []
    monkeypatch.setattr(cache, "EXECUTABLES", 40)
    monkeypatch.setattr(cache, "gathered", [0])
    monkeypatch.setattr(cache, "releases", [*cache.releases, lambda: dropped.append(cache.gathered[0])])
    kept = rt.jit(lambda x: x * 3 + 1)
    for n in range(3, 63):
        made = rt.jit(lambda x, n=n: np.sin(x) * n)(np.ones(n))
        assert abs(float(made[0]) - n * 0.841471) < 1e-4 * n and float(kept(np.ones(2))[0]) == 4.0
        assert cache.gathered[0] <= 40
    assert len(dropped) >= 2

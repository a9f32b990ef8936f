"""Accelerators: which plugin is found, how it is started, and what is said when there is none. The plugin itself is a stand-in."""
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from runtime import plugin, xla

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Return a function that lays out the wheels of some variants; calls into jaxlib are noted in its ``calls``."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "jax_plugins", raising=False)
    calls = {}

    def note(name, result=None):
        def called(*args, **kwargs):
            calls.setdefault(name, []).append((args, kwargs))
            return result
        return called
    for name, result in (("pjrt_plugin_loaded", False), ("pjrt_plugin_initialized", False), ("load_pjrt_plugin_dynamically", "the C API"),
                         ("initialize_pjrt_plugin", None), ("make_c_api_client", "the client"), ("register_custom_type_handler", None),
                         ("register_custom_call_handler", None), ("register_custom_type", None), ("register_custom_call_target", None)):
        monkeypatch.setattr(xla.xc, name, note(name, result))
    tables = types.SimpleNamespace(registrations=lambda: {"CUDA": [("solve", "a capsule", 1)]}, register_plugin_profiler=note("profiler"))
    monkeypatch.setattr(xla, "submodule", lambda name: tables)

    def lay(*variants):
        for variant in variants:
            (tmp_path / "jax_plugins" / variant).mkdir(parents=True)
            (tmp_path / "jax_plugins" / variant / "xla_cuda_plugin.so").touch()
            extension = tmp_path / variant.replace("xla_", "jax_").replace("cuda12", "cuda12_plugin").replace("cuda13", "cuda13_plugin")
            extension.mkdir()
            (extension / "__init__.py").touch()
            (extension / "cuda_plugin_extension.py").write_text(
                "def ffi_types():\n    return {'state': 'a type'}\n\n\ndef ffi_handlers():\n    return {'callback': 'a capsule'}\n\n\n"
                "def register_custom_type(api, *args):\n    pass\n\n\ndef register_custom_call_target(api, *args):\n    pass\n")
        return calls
    yield lay
    for name in [n for n in sys.modules if n.startswith(("jax_cuda12_plugin", "jax_cuda13_plugin"))]:
        del sys.modules[name]


@pytest.mark.parametrize("variants, library", [(("xla_cuda12",), "xla_cuda12"), (("xla_cuda12", "xla_cuda13"), "xla_cuda13")])
def test_the_wheel_is_found_and_started(wheels, monkeypatch, variants, library):
    calls = wheels(*variants)
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.4")
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    monkeypatch.setenv("XLA_PYTHON_CLIENT_ALLOCATOR", "platform")
    assert plugin.present() == "cuda" and plugin.make_client("cuda", visible=[1, 2]) == "the client"
    (name, path), _ = calls["load_pjrt_plugin_dynamically"][0]
    assert name == "cuda" and Path(path).parent.name == library
    (name, options, distributed), _ = calls["make_c_api_client"][0]
    assert name == "cuda" and distributed is None and options["visible_devices"] == [1, 2]
    assert options["memory_fraction"] == 0.4 and options["preallocate"] is False and options["allocator"] == "platform"
    registered = [args[0] for args, _ in calls["register_custom_call_target"]]
    assert registered == ["callback"] + ["solve"] * 4 and calls["profiler"] and "node_id" not in options


def test_a_process_of_several_says_which_it_is(wheels):
    calls = wheels("xla_cuda13")
    plugin.make_client("cuda", "the coordinator's client", node_id=3, num_nodes=4)
    (_, options, distributed), _ = calls["make_c_api_client"][0]
    assert (options["node_id"], options["num_nodes"], distributed) == (3, 4, "the coordinator's client")


def test_an_unknown_allocator_is_named(wheels, monkeypatch):
    wheels("xla_cuda13")
    monkeypatch.setenv("XLA_PYTHON_CLIENT_ALLOCATOR", "mine")
    with pytest.raises(ValueError, match="XLA_PYTHON_CLIENT_ALLOCATOR"):
        plugin.make_client("cuda")


@pytest.mark.parametrize("platforms, code, said", [
    ("cuda", "xform.devices()", "no platform of 'cuda' can be used: cuda: no plugin for platform 'cuda' is installed"),
    ("gpu,cpu", "print(xform.devices()[0].platform)", "cpu"),
    ("", "xform.devices('gpu')", "pip install 'jax-cuda"),
    ("", "xform.devices('tpu')", "no plugin for platform 'tpu'"),
    ("", "xform.devices('quantum')", "Unknown backend: 'quantum'"),
])
def test_what_is_said_without_a_plugin(platforms, code, said):
    if plugin.present():
        pytest.skip("the machine has a plugin")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XFORM_PLATFORMS": platforms}
    if not platforms:
        del env["XFORM_PLATFORMS"]
    done = subprocess.run([sys.executable, "-c", f"import xform\ntry:\n    {code}\nexcept RuntimeError as error:\n    print(error)"],
                          env=env, capture_output=True, text=True, timeout=100)
    assert said in done.stdout, (done.stdout, done.stderr[-1000:])

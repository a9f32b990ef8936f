"""Traces hold what is annotated; only one is recorded at a time."""
from __future__ import annotations

import pytest

import xform as jax
import xform.numpy as np
from xform import profiler, stages


def events(folder):
    (path,) = folder.rglob("*.xplane.pb")
    data = profiler.ProfileData.from_serialized_xspace(path.read_bytes())
    return {event.name for plane in data.planes for line in plane.lines for event in line.events}


@profiler.annotate_function
def annotated(x):
    return x * 2


def test_a_trace_names_its_parts(tmp_path):
    with profiler.trace(tmp_path):
        with profiler.TraceAnnotation("my_part"):
            jax.jit(lambda x: x + 1)(np.ones(3)).block_until_ready()
        with profiler.StepTraceAnnotation("my_step", step_num=1):
            annotated(np.ones(3))
        with jax.named_scope("my_scope"):
            np.sin(np.ones(3))
    found = events(tmp_path)
    assert {"my_part", "my_step", "my_scope", "annotated"} <= found
    assert annotated.__name__ == "annotated"


def test_one_trace_at_a_time(tmp_path):
    profiler.start_trace(tmp_path)
    with pytest.raises(RuntimeError, match="already been started"):
        profiler.start_trace(tmp_path)
    profiler.stop_trace()
    with pytest.raises(RuntimeError, match="No profile started"):
        profiler.stop_trace()
    with pytest.raises(NotImplementedError, match="create_perfetto_link"):
        profiler.start_trace(tmp_path, create_perfetto_link=True)


def test_memory_profile(tmp_path):
    held = np.ones((100, 100))
    profiler.save_device_memory_profile(tmp_path / "memory.prof")
    assert (tmp_path / "memory.prof").read_bytes()[:2] == b"\x1f\x8b"
    assert held.size == 10000


def test_stages():
    lowered = jax.jit(lambda x: x * 2).lower(np.ones(3))
    assert isinstance(lowered, stages.Lowered) and isinstance(lowered.compile(), stages.Compiled)
    assert isinstance(jax.jit(np.sin), stages.Wrapped)

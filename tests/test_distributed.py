"""Programs of two and four real processes on this machine: pmap, sharded jit, shard_map, a death, and what clusters tell."""
import contextlib
import os
import random
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import xform
from runtime.cluster import Place, detect, first_host

ROOT = Path(__file__).parent.parent
PROGRAM = '''
import os, sys, time
import numpy
import xform
import xform.numpy as np
from xform.sharding import NamedSharding, P

xform.distributed.initialize(heartbeat_timeout_seconds=10)
own, count = xform.process_index(), xform.process_count()
assert xform.distributed.is_initialized() and len(xform.local_devices()) == 2 and len(xform.devices()) == 2 * count
mesh = xform.make_mesh((2 * count,), ("i",))
rows = NamedSharding(mesh, P("i"))
X = numpy.arange(16 * count, dtype=numpy.float32).reshape(4 * count, 4)
'''

UNTIL_TOLD = '''
try:
    while True:
        total(a).block_until_ready()
        time.sleep(0.05)
except RuntimeError as error:
    print("told:", error, flush=True)
time.sleep(60)
'''


def free_port():
    """Return a port that nobody listens at, below those that systems give to connections: these could take it meanwhile."""
    for port in random.Random(os.getpid() + time.monotonic_ns()).sample(range(20_000, 30_000), 100):
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("", port))
            return port
    raise RuntimeError("a hundred ports are all in use")


def start(body, count, *, seconds=200):
    """Run a program in several processes; return (exit status, output) of each."""
    port = free_port()
    running = []
    for number in range(count):
        env = {**os.environ, "PYTHONPATH": str(ROOT), "XFORM_CPU_DEVICES": "2", "XFORM_NUM_PROCESSES": str(count),
               "XFORM_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "XFORM_PROCESS_ID": str(number)}
        env.pop("XLA_FLAGS", None)
        running.append(subprocess.Popen([sys.executable, "-c", PROGRAM + body], env=env, text=True, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT))
    try:
        outputs = [process.communicate(timeout=seconds)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    return [(process.returncode, output) for process, output in zip(running, outputs)]


@pytest.mark.parametrize("count", [2, 4])
def test_programs_over_all_devices(count):
    done = start('''
a = xform.device_put(X, rows)
assert not a.is_fully_addressable and len(a.addressable_shards) == 2 and len(a.global_shards) == 2 * count
local = xform.make_array_from_process_local_data(rows, X[4 * own:4 * own + 4])
numpy.testing.assert_array_equal(local.addressable_shards[1].data, X[4 * own + 2:4 * own + 4])
numpy.testing.assert_allclose(xform.jit(lambda a: (a @ a.T).sum())(local), (X @ X.T).sum(), rtol=1e-6)
gathered = xform.device_put(local, NamedSharding(mesh, P()))
numpy.testing.assert_array_equal(gathered, X)

total = xform.shard_map(lambda v: xform.lax.psum(v.sum(0), "i"), mesh=mesh, in_specs=P("i"), out_specs=P())
numpy.testing.assert_array_equal(total(a), X.sum(0))
slope = xform.grad(lambda a: np.sum(total(a) ** 2))(a)
numpy.testing.assert_allclose(slope.addressable_shards[0].data, numpy.tile(2 * X.sum(0), (2, 1)), rtol=1e-6)

mine = X[2 * own:2 * own + 2]
sums, scaled = xform.pmap(lambda v: (xform.lax.psum(v, "d"), v * xform.lax.axis_index("d")), axis_name="d")(mine)
numpy.testing.assert_array_equal(sums, numpy.tile(X[:2 * count].sum(0), (2, 1)))
numpy.testing.assert_array_equal(scaled, mine * numpy.array([[2 * own], [2 * own + 1]]))
try:
    xform.pmap(lambda v: v)(X[:1])
except ValueError as error:
    assert "as many slices as it has devices, 2" in str(error)
try:
    numpy.asarray(a)
except ValueError as error:
    assert "devices of other processes" in str(error)
print("finished", own)
''', count)
    for number, (status, output) in enumerate(done):
        assert status == 0 and f"finished {number}" in output, output[-3000:]


def test_a_step_of_training_is_that_of_one_process():
    done = start('''
def loss(w, x):
    return np.mean(np.tanh(x @ w) ** 2)
step = xform.jit(lambda w, x: w - 0.1 * xform.grad(loss)(w, x))
W = numpy.linspace(-1, 1, 12, dtype=numpy.float32).reshape(4, 3)
w = xform.device_put(W, NamedSharding(mesh, P()))
x = xform.device_put(X / 10, rows)
for _ in range(3):
    w = step(w, x)
for _ in range(3):
    W = numpy.asarray(step(W, X / 10))
numpy.testing.assert_allclose(w, W, rtol=1e-5)
print("finished", own)
''', 2)
    assert [status for status, _ in done] == [0, 0], done


def test_shard_map_and_callbacks_of_two_processes():
    done = start('''
W = numpy.linspace(-1, 1, 12, dtype=numpy.float32).reshape(4, 3)
x, w, alone = xform.device_put(X / 10, rows), xform.device_put(W, NamedSharding(mesh, P())), W
slope = lambda w, x: xform.grad(lambda w: xform.lax.pmean(np.mean(np.tanh(x @ w) ** 2), "i"))(w)
over = xform.jit(xform.shard_map(slope, mesh=mesh, in_specs=(P(), P("i")), out_specs=P()))
one = xform.jit(xform.grad(lambda w: np.mean(np.tanh((X / 10) @ w) ** 2)))
numpy.testing.assert_allclose(over(w, x), one(W), rtol=1e-5)
seen = []

def each(v):
    xform.debug.callback(lambda i: seen.append(int(i)), xform.lax.axis_index("i"))
    return v
xform.block_until_ready(xform.shard_map(each, mesh=mesh, in_specs=P("i"), out_specs=P("i"))(x))
assert sorted(seen) == [2 * own, 2 * own + 1], seen

def first(v):
    xform.debug.callback(lambda total: seen.append(float(total)), v.sum())
    return xform.pure_callback(lambda total: total * 2, xform.ShapeDtypeStruct((), "float32"), v.sum())
numpy.testing.assert_allclose(xform.jit(first)(x), X.sum() / 5, rtol=1e-5)
assert len(seen) == (3 if own == 0 else 2), seen
square = xform.make_mesh((2, count), ("a", "b"))
inner = lambda b: b - xform.lax.psum(b, ("a", "b"))
outer = lambda a: xform.shard_map(inner, in_specs=P(None, "b"), out_specs=P(None, "b"), axis_names={"b"})(a)
made = xform.jit(xform.shard_map(outer, mesh=square, in_specs=P("a"), out_specs=P("a"), axis_names={"a"}))(X[:4, :4])
parts = X[:4, :4].reshape(2, 2, 2, 2)
expected = (parts - parts.sum((0, 2), keepdims=True)).reshape(4, 4)
for shard in made.addressable_shards:
    numpy.testing.assert_allclose(shard.data, expected[shard.index], rtol=1e-5)
print("finished", own)
''', 2)
    for number, (status, output) in enumerate(done):
        assert status == 0 and f"finished {number}" in output, output[-3000:]


def test_nobody_leaves_while_another_works():
    done = start('''
if own == 1:
    time.sleep(3)
    pair = xform.make_mesh((2,), ("b",), devices=xform.local_devices())    # a new group: its devices meet through the coordinator
    total = xform.shard_map(lambda v: xform.lax.psum(v, "b"), mesh=pair, in_specs=P("b"), out_specs=P())
    numpy.testing.assert_array_equal(total(numpy.arange(4.0)), [2, 4])
print("worked", own, flush=True)
xform.distributed.shutdown()
print("finished", own)
''', 3)
    for number, (status, output) in enumerate(done):
        assert status == 0 and f"finished {number}" in output, output[-3000:]


@pytest.mark.parametrize("victim, ending, status, says", [
    *[(victim, 'raise ValueError("ended here")', 1, "ValueError: ended here") for victim in (0, 1)],
    (0, "sys.exit(3)", 3, ""), (1, "sys.exit('ended here')", 1, "ended here")])
def test_the_end_of_one_is_not_waited_for(victim, ending, status, says):
    """An exception, or an exit with a status that tells of a failure."""
    began = time.monotonic()
    done = start(f'''
total = xform.jit(lambda a: a.sum())
a = xform.device_put(X, rows)
print(float(total(a)), flush=True)
if own == {victim}:
    {ending}
''' + UNTIL_TOLD, 2)
    assert done[victim][0] == status and says in done[victim][1], done[victim]
    found, output = done[1 - victim]
    assert found and "another task died" in output, output[-3000:]
    assert time.monotonic() - began < 90


def test_an_exit_that_is_caught_or_tells_of_success_is_the_end_of_others_too():
    done = start('''
import threading
try:
    sys.exit(3)
except SystemExit as error:
    assert error.code == 3
thread = threading.Thread(target=sys.exit, args=(4,))
thread.start()
thread.join()
if own == 1:
    time.sleep(3)
    numpy.testing.assert_array_equal(xform.jit(lambda x: x + 1)(X), X + 1)
    print("worked", own, flush=True)
sys.exit(0 if own else None)
''', 2)
    assert [status for status, _ in done] == [0, 0] and "worked 1" in done[1][1], done


def test_those_who_do_not_come_to_the_end():
    (status, output), _ = start('''
xform.distributed.global_state.shutdown_timeout = 2
if own == 1:
    time.sleep(12)
    os._exit(0)
try:
    xform.distributed.shutdown()
except RuntimeError as error:
    print(error)
''', 2)
    assert status == 0 and "process 0 left while others were at work still" in output, output[-3000:]


def test_a_process_that_dies_is_reported_to_the_others():
    began = time.monotonic()
    (status, output), (died, _) = start('''
total = xform.jit(lambda a: a.sum())
a = xform.device_put(X, rows)
print(float(total(a)))
if own == 1:
    os._exit(3)
''' + UNTIL_TOLD, 2)
    assert died == 3 and status != 0
    assert re.search(r"tasks are unhealthy.*:\s+1\s", output) and "another task died" in output, output[-3000:]
    assert time.monotonic() - began < 90


@pytest.mark.parametrize("victim, said", [(2, r"unhealthy.*:\s+2\s"), (0, "(Socket closed|Connection reset|failed to connect|Connection refused)")],
                         ids=["one", "the-coordinator"])
def test_one_of_four_is_killed(victim, said):
    began = time.monotonic()
    done = start(f'''
import signal
total = xform.jit(lambda a: a.sum())
a = xform.device_put(X, rows)
print(float(total(a)), flush=True)
if own == {victim}:
    os.kill(os.getpid(), signal.SIGKILL)
''' + UNTIL_TOLD, 4)
    assert [status == -9 for status, _ in done] == [number == victim for number in range(4)] and all(status for status, _ in done)
    for number, (_, output) in enumerate(done):
        assert number == victim or re.search(said, output) and "another task died" in output, output[-3000:]
    assert time.monotonic() - began < 90


def test_joining_too_late_twice_or_without_an_address():
    xform.devices()
    with pytest.raises(RuntimeError, match="before any arrays are made"):
        xform.distributed.initialize("127.0.0.1:1", 1, 0)
    assert not xform.distributed.is_initialized()
    xform.distributed.shutdown()
    code = ("import xform\nfor given in ({}, {'coordinator_address': 'h', 'num_processes': 2}, {'coordinator_address': 'h', "
            "'num_processes': 2, 'process_id': 2}):\n    try:\n        xform.distributed.initialize(**given)\n"
            "    except ValueError as error:\n        print(error)")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "OMPI", "XFORM", "KUBERNETES"))}
    printed = subprocess.run([sys.executable, "-c", code], env={**env, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
                             timeout=100).stdout.splitlines()
    assert "coordinator_address should be defined" in printed[0] and "process_id should be defined" in printed[1]
    assert "process_id=2 must be in 0..1" in printed[2]


def test_nobody_answers():
    code = ("import xform\ntry:\n    xform.distributed.initialize('127.0.0.1:9', 2, 1, initialization_timeout=2)\n"
            "except RuntimeError as error:\n    print(error)")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
                          text=True, timeout=60)
    assert "process 1 of 2 could not join" in done.stdout or "DEADLINE_EXCEEDED" in done.stderr, done


def example(name, **more):
    """Return what an example prints."""
    env = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "XFORM_CPU_DEVICES")}
    done = subprocess.run([sys.executable, str(ROOT / "examples" / name)], capture_output=True, text=True, timeout=300,
                          env={**env, "PYTHONPATH": str(ROOT), **more})
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_example_of_sharding():
    printed = example("06_sharding.py")
    assert "lax.pmean(" in printed and "@rt.shard_map(" in printed and "CPU 0,2" in printed
    assert float(re.search(r"differ by at most ([\d.e+-]+)", printed)[1]) < 1e-6
    assert float(re.search(r"test accuracy ([\d.]+)%", printed)[1]) >= 93


def test_example_of_two_processes():
    printed = example("07_two_processes.py")
    assert "@rt.shard_map(" in printed and printed.count("lax.pmean(") >= 2
    accuracies = [float(text) for text in re.findall(r"process [01]: test accuracy ([\d.]+)%", printed)]
    assert len(accuracies) == 2 and accuracies[0] == accuracies[1] >= 93


@pytest.mark.parametrize("env, place", [
    ({"XFORM_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "3", "XFORM_PROCESS_ID": "2"}, Place("a:1", 3, 2)),
    ({"SLURM_JOB_ID": "4097", "SLURM_STEP_NODELIST": "n[007-9,12],m", "SLURM_NTASKS": "8", "SLURM_PROCID": "5",
      "SLURM_LOCALID": "1"}, Place("n007:61441", 8, 5, 1)),
    ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "0",
      "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911"}, Place(f"10.96.0.1:{61440 + 1531576320 % 4096}",
                                                                                    2, 1, 0)),
    ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "3", "HOSTNAME": "train-3", "XFORM_NUM_PROCESSES": "4",
      "XFORM_KUBERNETES_SERVICE": "svc"}, Place("train-0.svc:8476", 4, 3)),
    ({"SLURM_JOB_ID": "1", "SLURM_NODELIST": "x"}, Place()),
    ({}, Place()),
])
def test_clusters_are_detected(env, place):
    assert detect(env) == place


def test_lists_of_hosts_and_unknown_methods():
    assert [first_host(text) for text in ("a", "a,b", "a[1-3]", "a[07,9]-ib,b", "node-1,node-2")] == [
        "a", "a", "a1", "a07-ib", "node-1"]
    assert detect({"XFORM_PROCESS_ID": "1"}, "deactivate") == Place() == detect({"XFORM_PROCESS_ID": "1"}, "slurm")
    with pytest.raises(ValueError, match="use one of env, slurm, ompi, k8s"):
        detect({}, "pbs")
    with pytest.raises(ValueError, match="XFORM_PROCESS_ID='one'"):
        detect({"XFORM_PROCESS_ID": "one"})

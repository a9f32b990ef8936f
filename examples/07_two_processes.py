"""Train in two processes that each hold half of the images: one command starts both, here on one machine."""
import os
import socket
import subprocess
import sys

os.environ.setdefault("XFORM_CPU_DEVICES", "2")  # of each process; read when the first device is needed

import numpy

import xform as jax
from digits import data, model
from xform.sharding import NamedSharding, P

PROCESSES = 2


def update(params, images, targets):
    """One step of gradient descent on the images of all processes; this device has a part of them."""
    def loss(params):
        return jax.lax.pmean(model.loss(params, images, targets), "data")
    value, gradient = jax.value_and_grad(loss)(params)  # of the whole: the parts that the devices contribute are summed
    return jax.tree.map(lambda p, g: p - 0.5 * g, params, gradient), value


def train():
    """Join the program, contribute this process's images, and train for a hundred steps."""
    jax.distributed.initialize()    # XFORM_COORDINATOR_ADDRESS, ... say where; under Slurm or Open MPI nothing need be set
    own, count = jax.process_index(), jax.process_count()
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    training, test = data.load()
    rows = len(training.images) // jax.device_count() * jax.device_count() // count
    mine = slice(own * rows, (own + 1) * rows)
    step = jax.jit(jax.shard_map(update, mesh=mesh, in_specs=(P(), P("data"), P("data")), out_specs=P()))
    cut = NamedSharding(mesh, P("data"))
    images = jax.make_array_from_process_local_data(cut, training.images[mine])
    targets = jax.make_array_from_process_local_data(cut, data.one_hot(training.labels)[mine])
    generator = numpy.random.default_rng(0)
    start = [(generator.normal(0, 0.12, shape).astype(numpy.float32), numpy.zeros(shape[1], numpy.float32))
             for shape in ((64, 64), (64, 10))]
    params = jax.device_put(start, NamedSharding(mesh, P()))
    print(f"process {own} of {count}: {len(jax.local_devices())} of {jax.device_count()} devices, {rows} of {images.shape[0]} images")
    if own == 0:
        print(jax.source(step))
    for turn in range(101):
        params, loss = step(params, images, targets)
        if turn % 25 == 0 and own == 0:
            print(f"step {turn:3d}  loss {float(loss):.4f}")
    whole = [tuple(numpy.asarray(p) for p in layer) for layer in params]
    right = numpy.argmax(numpy.asarray(model.predict(whole, test.images)), axis=1) == test.labels
    print(f"process {own}: test accuracy {right.mean():.1%}")


def main():
    """Start the processes and wait for them; ends with the first exit status that is not zero."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = [subprocess.Popen([sys.executable, __file__], env={
        **os.environ, "XFORM_COORDINATOR_ADDRESS": address, "XFORM_NUM_PROCESSES": str(PROCESSES), "XFORM_PROCESS_ID": str(i)})
        for i in range(PROCESSES)]
    sys.exit(next((status for status in [process.wait() for process in started] if status), 0))


if __name__ == "__main__":
    train() if "XFORM_PROCESS_ID" in os.environ else main()

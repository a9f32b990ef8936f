"""The rows of the benchmark: each function returns seconds, measured inside a process of its own, or None where it has no
meaning for a side; its docstring says what it measures."""
import statistics
import time

import bench_programs as programs


def library(side):
    """Return (library, its numpy) of a side."""
    if side == "xform":
        import xform
        import xform.numpy as np
        return xform, np
    import jax
    import jax.numpy as np
    return jax, np


def median_time(call, repetitions, inner=1):
    """Return the median seconds of one call; the first calls (compilation) are not counted."""
    call()
    call()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        for _ in range(inner):
            call()
        times.append((time.perf_counter() - start) / inner)
    return statistics.median(times)


def import_time(side, repetitions):
    """import of the library and its numpy"""
    start = time.perf_counter()
    library(side)
    return time.perf_counter() - start


def first_gradient(side, repetitions):
    """process start to a first gradient (the parent measures)"""
    lib, np = library(side)
    loss, params, inputs, targets = programs.network(np, batch=8)
    lib.block_until_ready(lib.grad(loss)(params, inputs, targets))


def eager_unary(side, repetitions):
    """np.tanh of 4 elements"""
    lib, np = library(side)
    x = np.ones(4)
    return median_time(lambda: np.tanh(x), repetitions, 1000)


def eager_binary(side, repetitions):
    """x + y of 4 elements"""
    lib, np = library(side)
    x, y = np.ones(4), np.ones(4)
    return median_time(lambda: x + y, repetitions, 1000)


def eager_gradient(side, repetitions):
    """gradient of a 4-layer network, no jit"""
    lib, np = library(side)
    loss, *arguments = programs.network(np)
    gradient = lib.grad(loss)
    return median_time(lambda: lib.block_until_ready(gradient(*arguments)), repetitions, 5)


def scalar_gradients(side, repetitions):
    """1000 gradients of x * x + x, no jit"""
    lib, np = library(side)

    def f(x):
        return x * x + x
    gradient = lib.grad(f)
    return median_time(lambda: [gradient(float(i)) for i in range(1000)], max(1, repetitions // 4))


def jit_call(side, repetitions):
    """call of a compiled x + 1 on 4 elements"""
    lib, np = library(side)

    @lib.jit
    def f(x):
        return x + 1
    x = np.ones(4)
    return median_time(lambda: f(x), repetitions, 1000)


def jit_call_containers(side, repetitions):
    """call of a compiled function of a dict and a list, 6 arrays"""
    lib, np = library(side)

    @lib.jit
    def f(params, rates):
        return {name: value * rates[0] + rates[1] for name, value in params.items()}
    params, rates = {name: np.ones(4) for name in "abcd"}, [np.ones(4), np.ones(4)]
    return median_time(lambda: f(params, rates), repetitions, 1000)


def _staging(side, repetitions, program):
    """Return the seconds to trace and lower a compiled gradient for a size of batch not seen before."""
    lib, np = library(side)
    loss, params, inputs, targets = program(lib, np)
    gradient = lib.jit(lib.value_and_grad(loss))
    gradient.lower(params, inputs, targets).as_text()
    times = []
    for size in range(2, 2 + repetitions):
        arguments = params, inputs[:size], targets[:size] if targets.ndim > 1 else targets
        start = time.perf_counter()
        gradient.lower(*arguments).as_text()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def stage_mlp(side, repetitions):
    """staging (trace and lower) of the 4-layer network's gradient for a new batch size"""
    return _staging(side, repetitions, lambda lib, np: programs.network(np))


def stage_transformer(side, repetitions):
    """the same of a transformer block"""
    return _staging(side, repetitions, lambda lib, np: programs.transformer_block(lib, np, batch=32))


def stage_rnn(side, repetitions):
    """the same of a recurrent network, a Python loop for xform and lax.scan for jax"""
    return _staging(side, repetitions, lambda lib, np: programs.recurrent(lib, np, plain=side == "xform"))


def stage_first(side, repetitions):
    """the same for a function never seen before: for xform, transforming its source is a part"""
    lib, np = library(side)
    _, *arguments = programs.network(np)

    def stage():
        loss = programs.network(np)[0]
        gradient = lib.jit(lib.value_and_grad(loss))
        start = time.perf_counter()
        gradient.lower(*arguments).as_text()
        return time.perf_counter() - start
    stage()
    return statistics.median(stage() for _ in range(repetitions))


def transform(side, repetitions):
    """the source of the 4-layer network's gradient, from a function never seen before (goal: 15 ms)"""
    if side != "xform":
        return None
    import xform
    import xform.numpy as np
    xform.source(xform.grad(programs.network(np)[0]))

    def once():
        gradient = xform.grad(programs.network(np)[0])
        start = time.perf_counter()
        xform.source(gradient)
        return time.perf_counter() - start
    return statistics.median(once() for _ in range(repetitions))


def jit_compile(side, repetitions):
    """staging and compiling the gradient, no cache on disk"""
    lib, np = library(side)
    _, *arguments = programs.network(np)

    def build():
        loss = programs.network(np)[0]
        gradient = lib.jit(lib.value_and_grad(loss))
        start = time.perf_counter()
        gradient.lower(*arguments).compile()
        return time.perf_counter() - start
    build()
    return statistics.median(build() for _ in range(max(1, repetitions // 4)))


def vmap_gradients(side, repetitions):
    """compiled per-example gradients, batch of 64"""
    lib, np = library(side)
    loss, params, inputs, targets = programs.network(np)
    gradient = lib.jit(lib.vmap(lib.grad(loss), in_axes=(None, 0, 0)))
    return median_time(lambda: lib.block_until_ready(gradient(params, inputs, targets)), repetitions, 3)


def vmap_attention(side, repetitions):
    """compiled attention, batched by vmap: 64 examples of 64 x 32"""
    lib, np = library(side)
    attend, *arguments = programs.attention(lib, np)
    f = lib.jit(lib.vmap(attend))
    return median_time(lambda: lib.block_until_ready(f(*arguments)), repetitions, 3)


def vmap_newton(side, repetitions):
    """cube roots of 10 000 numbers: a vmapped Python while loop, against a vmapped lax.while_loop"""
    lib, np = library(side)
    f = lib.jit(lib.vmap(programs.newton if side == "xform" else programs.newton_lax(lib, np)))
    x = np.linspace(1.0, 1000.0, 10_000)
    return median_time(lambda: lib.block_until_ready(f(x)), repetitions, 3)


def _compiled(side, repetitions, program, gradient, inner=5):
    """Return the seconds of one call of a compiled model, or of its gradient."""
    lib, np = library(side)
    loss, *arguments = program(lib, np)
    function = lib.jit(lib.value_and_grad(loss) if gradient else loss)
    return median_time(lambda: lib.block_until_ready(function(*arguments)), repetitions, inner)


def _first_call(side, program):
    """Return the seconds of the first call of a compiled gradient, after another program has warmed XLA up."""
    lib, np = library(side)
    loss, *arguments = program(lib, np)
    lib.block_until_ready(lib.jit(lambda x: x + 1)(np.ones(3)))
    gradient = lib.jit(lib.grad(loss))
    start = time.perf_counter()
    lib.block_until_ready(gradient(*arguments))
    return time.perf_counter() - start


def rnn_first_call(side, repetitions):
    """first call of jit(grad) of a recurrent network, 200 steps: a Python loop, against lax.scan (goal: 0.5 s)"""
    return _first_call(side, lambda lib, np: programs.recurrent(lib, np, plain=side == "xform"))


def rnn_first_call_long(side, repetitions):
    """the same, 800 steps"""
    return _first_call(side, lambda lib, np: programs.recurrent(lib, np, steps=800, plain=side == "xform"))


def transformer_first_call(side, repetitions):
    """first call of jit(grad) of a transformer block"""
    return _first_call(side, programs.transformer_block)


def language_model_step(side, repetitions):
    """a training step of a 4-layer transformer language model (Adam), compiled"""
    lib, np = library(side)
    step, *arguments = programs.language_model(lib, np)
    step = lib.jit(step)
    return median_time(lambda: lib.block_until_ready(step(*arguments)), max(2, repetitions // 2))


def language_model_compile(side, repetitions):
    """transforming, staging and compiling that step, no cache on disk"""
    lib, np = library(side)
    step, *arguments = programs.language_model(lib, np)
    lib.block_until_ready(lib.jit(lambda x: x + 1)(np.ones(3)))
    start = time.perf_counter()
    lib.jit(step).lower(*arguments).compile()
    return time.perf_counter() - start


def recurrence(side, repetitions):
    """100 000 steps of a scalar recurrence in one program: a Python loop, against lax.fori_loop"""
    lib, np = library(side)
    f = lib.jit(programs.recurrence if side == "xform" else programs.recurrence_lax(lib, np))
    return median_time(lambda: lib.block_until_ready(f(0.3, 100_000)), repetitions)


def gauss_seidel(side, repetitions):
    """a Gauss-Seidel sweep over 200 x 200 points: nested Python loops, against nested lax.fori_loops"""
    lib, np = library(side)
    f = lib.jit(programs.gauss_seidel if side == "xform" else programs.gauss_seidel_lax(lib, np))
    u = programs.random_arrays(np)(200, 200)
    return median_time(lambda: lib.block_until_ready(f(u, u)), repetitions)


def mandelbrot(side, repetitions):
    """the Mandelbrot set: a vmapped Python while loop, against a vmapped lax.while_loop"""
    lib, np = library(side)
    count = programs.mandelbrot if side == "xform" else programs.mandelbrot_lax(lib, np)
    f, points = lib.jit(lib.vmap(count, in_axes=(0, None))), programs.grid(np)
    return median_time(lambda: lib.block_until_ready(f(points, 200)), repetitions)


def _operation(name):
    def row(side, repetitions):
        lib, np = library(side)
        function, arguments = programs.operations(lib, np)[name]
        function = lib.jit(function)
        return median_time(lambda: lib.block_until_ready(function(*arguments)), repetitions)
    row.__name__, row.__doc__ = f"op_{name}", f"compiled {name}"
    return row


def _saved(name, what, program):
    def row(side, repetitions):
        lib, np = library(side)
        loss, params, *rest = program(lib, np, side)
        if side == "xform":
            from xform.ad_checkpoint import saved_residuals
            kept = [array for array, _ in saved_residuals(lambda p: loss(p, *rest), params)]
        else:
            kept = lib.tree.leaves(lib.vjp(lambda p: loss(p, *rest), params)[1])

        def own(array):
            return array.unsafe_buffer_pointer()
        given = {own(a) for a in lib.tree.leaves((params, *rest))}
        return sum({own(a): a.nbytes for a in kept if own(a) not in given}.values())
    row.__name__, row.unit = f"saved_{name}", "B"
    row.__doc__ = f"bytes that the forward half keeps, arguments not counted: {what}"
    return row


def _model(name, what, program, gradient):
    def row(side, repetitions):
        return _compiled(side, repetitions, lambda lib, np: program(lib, np, side), gradient)
    row.__name__ = f"{name}_{'gradient' if gradient else 'primal'}"
    row.__doc__ = f"compiled {'gradient' if gradient else 'loss'} of {what}"
    return row


_MODELS = {"mlp": ("the 4-layer network", lambda lib, np, side: programs.network(np)),
           "rnn": ("a recurrent network, a Python loop against lax.scan",
                   lambda lib, np, side: programs.recurrent(lib, np, plain=side == "xform")),
           "cnn": ("two convolutions and a dense layer", lambda lib, np, side: programs.convolutional(lib, np)),
           "transformer": ("a transformer block", lambda lib, np, side: programs.transformer_block(lib, np))}
MODEL_ROWS = [_model(name, what, program, gradient) for name, (what, program) in _MODELS.items() for gradient in (True, False)]
SAVED_ROWS = [_saved(name, what, program) for name, (what, program) in _MODELS.items()]
OPERATION_ROWS = [_operation(name) for name in ("matmul", "convolution", "softmax", "sort", "scatter", "fft", "svd")]


ROWS = {row.__name__: row for row in (
    import_time, eager_unary, eager_binary, eager_gradient, scalar_gradients, jit_call, jit_call_containers, transform, stage_first,
    stage_mlp, stage_transformer, stage_rnn, jit_compile, rnn_first_call, rnn_first_call_long, transformer_first_call, language_model_step,
    language_model_compile, *MODEL_ROWS, *SAVED_ROWS,
    vmap_gradients, vmap_attention, vmap_newton, *OPERATION_ROWS, recurrence, gauss_seidel, mandelbrot)}

"""The programs that the benchmark times: networks, single operations and scalar loops, for either library.

Each takes the side's numpy (and library) as an argument. Where jax cannot stage plain Python control flow, the jax side has
the version in ``lax`` that its documentation recommends. NumPy is imported where it is used: its import is a part of what
the benchmark times.
"""


def language_model(lib, np, batch=16, length=64):
    """Return (step, params, moments, count, tokens) of the examples' 4-layer language model."""
    import sys
    from pathlib import Path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
    import numpy
    from language import model, text
    corpus = text.load()
    params = lib.tree.map(np.asarray, model.parameters(len(corpus.alphabet), length=length))
    moments = (lib.tree.map(np.zeros_like, params), lib.tree.map(np.zeros_like, params))
    tokens = next(text.batches(corpus.tokens, batch, length, numpy.random.default_rng(0)))
    return model.build(lib, np).step, params, moments, np.asarray(1.0), np.asarray(tokens)


def random_arrays(np):
    """Return ``array(*shape)``: float32 numbers of about 1/8, the same for either side."""
    import numpy
    generator = numpy.random.default_rng(0)
    return lambda *shape: np.asarray((generator.normal(size=shape) / 8).astype(numpy.float32))


def network(np, sizes=(64, 128, 128, 128, 10), batch=64):
    """Return (loss, params, inputs, targets) of a multilayer perceptron."""
    array = random_arrays(np)

    def loss(params, inputs, targets):
        for W, b in params:
            outputs = np.dot(inputs, W) + b
            inputs = np.tanh(outputs)
        return np.mean((outputs - targets) ** 2)
    params = [(array(m, n), array(n)) for m, n in zip(sizes, sizes[1:])]
    return loss, params, array(batch, sizes[0]), array(batch, sizes[-1])


def transformer_block(lib, np, batch=8, length=64, width=128, heads=4):
    """Return (loss, params, inputs, targets) of one block: attention and a two-layer network, each behind a layer norm."""
    array = random_arrays(np)

    def norm(x, scale):
        centred = x - np.mean(x, axis=-1, keepdims=True)
        return scale * centred / np.sqrt(np.mean(centred ** 2, axis=-1, keepdims=True) + 1e-5)

    def loss(params, inputs, targets):
        size, steps = inputs.shape[0], inputs.shape[1]
        x = norm(inputs, params["norm1"])
        q, k, v = [np.reshape(np.dot(x, params[name]), (size, steps, heads, width // heads)) for name in ("q", "k", "v")]
        scores = np.einsum("bqhd,bkhd->bhqk", q, k) / (width // heads) ** 0.5
        mask = np.tril(np.ones((steps, steps))) == 0
        weights = lib.nn.softmax(np.where(mask, -1e9, scores), axis=-1)
        mixed = np.einsum("bhqk,bkhd->bqhd", weights, v)
        x = inputs + np.dot(np.reshape(mixed, (size, steps, width)), params["out"])
        hidden = lib.nn.gelu(np.dot(norm(x, params["norm2"]), params["up"]))
        x = x + np.dot(hidden, params["down"])
        return np.mean((x - targets) ** 2)
    params = {"norm1": array(width), "norm2": array(width), "q": array(width, width), "k": array(width, width),
              "v": array(width, width), "out": array(width, width), "up": array(width, 4 * width), "down": array(4 * width, width)}
    return loss, params, array(batch, length, width), array(batch, length, width)


def convolutional(lib, np, batch=16):
    """Return (loss, params, inputs, targets) of two convolutions, pooling by strides, and a dense layer."""
    array = random_arrays(np)

    def loss(params, inputs, targets):
        x = inputs
        for kernel in params["kernels"]:
            x = lib.nn.relu(lib.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))
        outputs = np.dot(np.reshape(x, (x.shape[0], -1)), params["dense"])
        return -np.mean(np.sum(targets * lib.nn.log_softmax(outputs), axis=-1))
    params = {"kernels": [array(3, 3, 1, 16), array(3, 3, 16, 32)], "dense": array(7 * 7 * 32, 10)}
    return loss, params, array(batch, 28, 28, 1), np.abs(array(batch, 10))


def recurrent(lib, np, steps=200, width=64, plain=True, inputs=8):
    """Return (loss, params, inputs, targets) of a recurrent network: a Python loop, or (plain=False) lax.scan."""
    array = random_arrays(np)

    def loss(params, inputs, targets):
        state = np.zeros(width)
        for x in inputs:
            state = np.tanh(np.dot(params["w"], state) + np.dot(params["u"], x) + params["b"])
        return np.mean((np.dot(params["v"], state) - targets) ** 2)

    def scanned(params, inputs, targets):
        def step(state, x):
            return np.tanh(np.dot(params["w"], state) + np.dot(params["u"], x) + params["b"]), None
        state, _ = lib.lax.scan(step, np.zeros(width), inputs)
        return np.mean((np.dot(params["v"], state) - targets) ** 2)
    params = {"w": array(width, width), "u": array(width, inputs), "b": array(width), "v": array(4, width)}
    return loss if plain else scanned, params, array(steps, inputs), array(4)


def attention(lib, np):
    """Return (function, queries, keys, values) of attention for one example; the caller batches it."""
    array = random_arrays(np)

    def attend(q, k, v):
        scores = np.dot(q, k.T) / np.sqrt(q.shape[-1])
        return np.dot(lib.nn.softmax(scores, axis=-1), v)
    return attend, array(64, 64, 32), array(64, 64, 32), array(64, 64, 32)


def newton(x):
    """The cube root of x by Newton's method, to convergence."""
    y, error = x, 1.0
    while error > 1e-6:
        following = y - (y * y * y - x) / (3.0 * y * y)
        error = abs(following - y) / abs(y)
        y = following
    return y


def newton_lax(lib, np):
    """The same by lax.while_loop."""
    def root(x):
        def turn(state):
            y, _ = state
            following = y - (y * y * y - x) / (3.0 * y * y)
            return following, abs(following - y) / abs(y)
        return lib.lax.while_loop(lambda state: state[1] > 1e-6, turn, (x, np.ones_like(x)))[0]
    return root


# ---- single operations: (function, arguments) ----

def operations(lib, np):
    """Return name -> (function, arguments) of operations that XLA or its libraries do in one piece."""
    import numpy
    array = random_arrays(np)
    indices = np.asarray(numpy.random.default_rng(1).integers(0, 1000, 20000))

    def convolution(x, k):
        return lib.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def scatter(x, i, v):
        return x.at[i].add(v)
    return {
        "matmul": (lambda a, b: np.matmul(a, b), (array(512, 512), array(512, 512))),
        "convolution": (convolution, (array(8, 32, 32, 16), array(3, 3, 16, 32))),
        "softmax": (lambda x: lib.nn.softmax(x, axis=-1), (array(512, 1000),)),
        "sort": (lambda x: np.sort(x, axis=-1), (array(100, 2000),)),
        "scatter": (scatter, (array(1000, 16), indices, array(20000, 16))),
        "fft": (lambda x: np.fft.fft(x), (array(200, 1024),)),
        "svd": (lambda x: np.linalg.svd(x, full_matrices=False), (array(100, 80),)),
    }


# ---- scalar loops: plain Python, and jax's versions ----

def recurrence(x, n):
    """100 000 steps of a logistic map."""
    for _ in range(n):
        x = 3.7 * x * (1.0 - x)
    return x


def recurrence_lax(lib, np):
    """The same by lax.fori_loop."""
    return lambda x, n: lib.lax.fori_loop(0, n, lambda i, x: 3.7 * x * (1.0 - x), x)


def gauss_seidel(u, f):
    """One sweep over the inner points of a grid, each using what was computed before it."""
    rows, columns = u.shape
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - f[i, j])
    return u


def gauss_seidel_lax(lib, np):
    """The same by two nested lax.fori_loops."""
    def sweep(u, f):
        def row(i, u):
            def column(j, u):
                return u.at[i, j].set(0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - f[i, j]))
            return lib.lax.fori_loop(1, u.shape[1] - 1, column, u)
        return lib.lax.fori_loop(1, u.shape[0] - 1, row, u)
    return sweep


def mandelbrot(c, limit):
    """Turns until the orbit of one point leaves the disc."""
    z = 0.0 * c
    turns = 0
    while turns < limit and z.real * z.real + z.imag * z.imag < 4.0:
        z = z * z + c
        turns += 1
    return turns


def mandelbrot_lax(lib, np):
    """The same by lax.while_loop."""
    def count(c, limit):
        def going(state):
            z, turns = state
            return (turns < limit) & (z.real * z.real + z.imag * z.imag < 4.0)
        return lib.lax.while_loop(going, lambda state: (state[0] * state[0] + c, state[1] + 1), (0.0 * c, 0))[1]
    return count


def grid(np, points=120):
    """Return complex numbers over the usual window."""
    import numpy
    x, y = numpy.meshgrid(numpy.linspace(-2, 0.6, points), numpy.linspace(-1.2, 1.2, points))
    return np.asarray((x + 1j * y).ravel().astype(numpy.complex64))

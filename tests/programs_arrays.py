"""A zoo of small programs on arrays: broadcasting, indexing, updates, reductions, products, structured control flow.

The tests run this file's text twice: as it is, and against an oracle (JAX, or plain NumPy where JAX cannot run it).
"""
import numpy as onp
import xform as jax
import xform.numpy as np
from xform import lax

PROGRAMS = {}


def program(*inputs, oracle="jax", order=2, batch=True, jit=True):
    """Register a program with its sample inputs, its oracle and what of it to test."""
    def register(function):
        PROGRAMS[function.__name__] = function, inputs, dict(oracle=oracle, order=order, batch=batch, jit=jit)
        return function
    return register


def vec(n, seed=0):
    return onp.random.default_rng(seed).uniform(0.3, 1.7, n).astype(onp.float32)


def mat(*shape, seed=1):
    return onp.random.default_rng(seed).uniform(-1.2, 1.2, shape).astype(onp.float32)


# -- broadcasting ---------------------------------------------------------------------------------------------------------

@program(0.7, vec(3))
def scalar_with_vector(s, v):
    return s * v + v / s - s


@program(mat(3, 1), mat(1, 4, seed=2))
def column_with_row(a, b):
    return np.sin(a * b) + a - b


@program(mat(3, 4), vec(4))
def bias_vector(m, b):
    return np.tanh(m + b) * b


@program(mat(2, 3, 4), mat(3, 1, seed=3))
def three_axes_with_two(a, b):
    return a * b + b


@program(vec(3))
def vector_with_itself_outer(v):
    return v[:, None] * v[None, :] + v


@program(mat(1, 1), mat(2, 3, seed=2))
def one_by_one(a, b):
    return a * b + a


@program(mat(3, 4))
def broadcast_explicitly(m):
    return np.broadcast_to(m[0], (2, 4)) * np.broadcast_to(m[1, 1], (2, 4))


@program(vec(3), 0.7)
def powers(v, s):
    return v ** s + s ** v + v ** 2 + 2.0 ** v + np.power(v, 3)


# -- indexing and updates -------------------------------------------------------------------------------------------------

@program(vec(6))
def indices(v):
    return v[0] * v[-1] + v[2]


@program(vec(6))
def slices(v):
    return v[1:] * v[:-1] + v[::-1][1:] * 2.0 + v[5:0:-1]


@program(mat(4, 5))
def matrix_indices(m):
    return m[1, 2] * m[0] + m[:, 3][0] * m[2, ::-1] + m[..., 1].sum() + m[-1, -1]


@program(mat(4, 5))
def row_and_column(m):
    return m[1] * np.sum(m[:, 1]) + m[1:3, 2:4].sum()


@program(vec(6))
def index_array(v):
    return v[onp.array([0, 2, 2, 5])] * v[np.array([1, 1, 3, 4])]


@program(mat(4, 5))
def index_arrays(m):
    return m[onp.array([0, 1, 3]), onp.array([4, 4, 0])] + m[onp.array([[0, 1], [2, 2]])][0, 1, 2]


@program(vec(6), batch=False, jit=False)
def mask(v):
    return np.sum(v[v > 0.9] ** 2)


@program(vec(6))
def mask_with_where(v):
    return np.sum(np.where(v > 0.9, v * v, -v)) + np.where(v[0] > 0, v[1], v[2])


@program(vec(5))
def index_by_argmax(v):
    return v[np.argmax(v)] * v[np.argmin(v)]


@program(vec(5))
def index_in_loop(v):
    total = 0.0
    for i in range(len(v)):
        total = total + v[i] * v[i - 1] * i
    return total


@program(vec(4), oracle="numpy")
def assign_item(v):
    v[1] = v[0] * v[2]
    v[3] = 2.0
    return np.sum(v * v)


@program(vec(4), 0.7, oracle="numpy")
def augment_item(v, s):
    v[1] += s
    v[2] *= v[1]
    v[0] -= v[2] / s
    return np.sum(v ** 2)


@program(mat(3, 4), vec(4), oracle="numpy")
def assign_row(m, v):
    m[1] = v * m[0]
    m[:, 2] = 1.0
    m[0, 1:3] *= 3.0
    return np.sum(m ** 2)


@program(vec(4), oracle="numpy")
def assign_in_loop(v):
    out = np.zeros(4)
    for i in range(4):
        out[i] = v[i] * (out[i - 1] + 1.0)
    return np.sum(out * v)


@program(vec(3), oracle="numpy")
def assign_in_a_branch_not_taken(v):
    """Which side the inner branch takes is known when the outer one is staged; its index on the other side is not."""
    w = np.stack([v, v * v])
    if v[0] > 5.0:
        y = v * 2.0
    else:
        y = v
        if 1.25 > 1.5:
            w[:1] += 0.5
        else:
            y = w[0] * v
    return np.sum(y * w[1])


@program(vec(4), oracle="numpy")
def assign_by_mask(v):
    v[v > 0.9] = 0.0
    return np.sum(v ** 2)


@program(0.7, oracle="numpy")
def recurrence(x):
    state = np.ones(5) * x
    for i in range(1, 5):
        if i % 2:
            state[i] = state[i - 1] * x
        else:
            state[i] += state[i - 1]
    return state[4] * state[2]


@program(vec(4), oracle="numpy")
def aliases_are_values(v):
    w = v * 1.0
    w[0] = v[1] * 2.0
    return np.sum(w * v)


@program(vec(4), 0.7)
def functional_updates(v, s):
    w = v.at[1].set(s).at[2].add(s * v[0]).at[0].multiply(3.0)
    return np.sum(w ** 2)


@program(vec(5))
def update_slice_functionally(v):
    return np.sum(v.at[1:3].set(v[3:]) ** 2) + v.at[onp.array([0, 0])].add(1.0)[0] ** 2


# -- reductions -----------------------------------------------------------------------------------------------------------

@program(mat(3, 4))
def sums(m):
    return np.sum(m) * np.sum(m, axis=0) + np.sum(m, axis=(0, 1)) + m.sum(axis=-1).mean()


@program(mat(3, 4))
def means_and_variances(m):
    return np.mean(m, axis=1) + np.var(m) + np.std(m, axis=1) + (m - np.mean(m, axis=1, keepdims=True))[:, 0]


@program(mat(3, 4))
def extremes(m):
    return np.max(m, axis=0) * np.min(m) + m.max() + np.maximum(m[0], m[1]) - np.minimum(m[0], 0.1)


@program(vec(5))
def products(v):
    return np.prod(v) + np.cumsum(v) * np.cumprod(v)


@program(vec(5))
def norms(v):
    return np.sqrt(np.sum(v * v)) + np.linalg.norm(v) * v


@program(vec(5))
def sorting(v):
    return np.sort(v) * np.arange(5.0) + v[np.argsort(v)]


@program(vec(5))
def logsumexp(v):
    largest = np.max(v)
    return largest + np.log(np.sum(np.exp(v - largest)))


@program(mat(3, 4))
def softmax(m):
    e = np.exp(m - m.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@program(vec(4))
def stable_normalise(v):
    return (v - v.mean()) / np.sqrt(v.var() + 1e-5)


# -- products -------------------------------------------------------------------------------------------------------------

@program(mat(3, 4), mat(4, 2, seed=3))
def matrix_product(a, b):
    return a @ b + np.dot(a, b) + np.matmul(a, b)


@program(mat(3, 4), vec(4), vec(3, 4))
def matrix_vector(m, v, u):
    return np.dot(u, m @ v) + np.dot(u @ m, v) + np.vdot(v, v) + np.inner(u, u)


@program(mat(2, 3, 4), mat(2, 4, 3, seed=5))
def batched_product(a, b):
    return np.sum((a @ b) ** 2)


@program(mat(3, 4), mat(4, 3, seed=5))
def einsums(a, b):
    return np.einsum("ij,jk->ik", a, b) + np.einsum("ij,ji->", a, b) + np.einsum("ij->j", a)[0]


@program(mat(2, 3, 4), mat(4, 3, 5, seed=5))
def tensor_dot(a, b):
    return np.tensordot(a, b, axes=((1, 2), (1, 0)))


@program(vec(3), vec(4, 2))
def outer_product(u, v):
    return np.outer(u, v) * np.sum(u)


@program(mat(3, 3))
def matrix_powers(m):
    out = np.eye(3)
    for _ in range(3):
        out = out @ m
    return np.trace(out) + np.sum(np.diag(m) * out[0])


# -- shapes ---------------------------------------------------------------------------------------------------------------

@program(mat(3, 4))
def reshapes(m):
    return m.reshape(2, 6)[1] * np.reshape(m, (-1, 6))[0] + m.ravel()[:6] + np.reshape(m, 12)[6:]


@program(mat(3, 4))
def transposes(m):
    return m.T @ m + np.transpose(m) @ m + np.swapaxes(m, 0, 1)[0, 0]


@program(mat(2, 3, 4))
def axes(t):
    return np.transpose(t, (2, 0, 1))[0] * np.moveaxis(t, 0, -1)[:, 0].T + np.squeeze(t[:, :1], axis=1)[:, :3]


@program(vec(3), vec(3, 2))
def joining(u, v):
    return np.concatenate([u, v * 2.0]) * np.concatenate((v, u)) + np.sum(np.stack([u, v]) ** 2) + np.hstack([u, v])


@program(vec(3), 0.7)
def array_from_items(v, s):
    return np.array([v[0], s, v[1] * s, 1.0]) * np.stack([s, s, v[2], v[0]])


@program(vec(6))
def splitting(v):
    a, b, c = np.split(v, 3)
    return a * b + c


@program(vec(4))
def flips_and_rolls(v):
    return np.flip(v) * np.roll(v, 1) + np.tile(v, 2)[2:6] + np.repeat(v, 2)[:4]


@program(mat(3, 3))
def triangles(m):
    return np.tril(m) @ np.triu(m) + np.pad(m, 1)[1:4, 1:4]


@program(mat(3, 4))
def shape_driven(m):
    rows, columns = m.shape
    total = 0.0
    for i in range(rows):
        if i < columns - 2:
            total = total + m[i, i] * m.ndim
    return total / m.size * len(m)


@program(vec(4))
def padded_difference(v):
    padded = np.concatenate([np.zeros(1), v, np.zeros(1)])
    return padded[2:] - 2.0 * padded[1:-1] + padded[:-2]


# -- elementwise ----------------------------------------------------------------------------------------------------------

@program(vec(4))
def transcendental(v):
    return np.sin(v) + np.cos(v) * np.tan(v) + np.exp(-v) * np.log(v) + np.sqrt(v) + np.tanh(v) + np.arctan(v)


@program(vec(4))
def more_transcendental(v):
    return np.sinh(v) - np.cosh(v) + np.log1p(v) * np.expm1(v) + np.square(v) + np.arctan2(v, v + 1.0) + np.reciprocal(v)


@program(vec(4))
def comparisons(v):
    return v * (v > 0.9) + np.abs(v - 1.0) + np.sign(v - 1.0) * v + np.clip(v, 0.5, 1.2)


@program(vec(4), 0.7)
def wheres(v, s):
    return np.where(v > s, v * s, s) + np.where(s > 0, v, 0.0)


@program(vec(4))
def casts(v):
    return v.astype(np.float32) * np.asarray(v) * np.float32(2.0) + np.array(v) * np.ones_like(v) + np.zeros_like(v)


@program(vec(4))
def integers_inside(v):
    index = np.arange(4)
    return v * index + (index > 1) * v + v ** index.astype(np.float32)


# -- lax ------------------------------------------------------------------------------------------------------------------

@program(vec(4), 0.7)
def scan(v, s):
    def step(carry, e):
        carry = np.sin(carry) * e + s
        return carry, carry * e
    last, trace = lax.scan(step, s, v)
    return last * trace


@program(0.7)
def fori_loop(x):
    return lax.fori_loop(0, 4, lambda i, y: np.sin(y) * x + y, x)


@program(0.7)
def structured_cond(x):
    return lax.cond(x > 0.5, lambda y: y * y, lambda y: np.sin(y), x) * x


@program(vec(3))
def lax_map(v):
    return lax.map(lambda e: e * e + np.sum(v), v)


@program(0.7)
def switch(x):
    return lax.switch(1, [lambda y: y, lambda y: y * y, np.sin], x) * x


@program(vec(4))
def stop_gradient(v):
    return np.sum(v * lax.stop_gradient(v * v))


@program(mat(1, 2, 5, 5), mat(3, 2, 3, 3, seed=2))
def convolution(image, filters):
    return lax.conv(image, filters, (1, 1), "SAME")


@program(vec(6))
def dynamic_slices(v):
    piece = lax.dynamic_slice(v, (1,), (3,))
    return lax.dynamic_update_slice(v, piece * 2.0, (2,)) * v


# -- longer programs ------------------------------------------------------------------------------------------------------

@program(mat(4, 3), vec(3), vec(4, 3))
def logistic_regression(features, weights, targets):
    predictions = 1.0 / (1.0 + np.exp(-(features @ weights)))
    return -np.mean(targets * np.log(predictions) + (1.0 - targets) * np.log(1.0 - predictions))


@program(mat(5, 2), mat(3, 2, seed=4))
def distances(points, centres):
    gaps = points[:, None, :] - centres[None, :, :]
    return np.sum(np.min(np.sum(gaps ** 2, axis=-1), axis=1))


@program(vec(3), mat(4, 3))
def recurrent(h, inputs):
    w = np.eye(3) * 0.5 + 0.1
    for x in inputs:
        h = np.tanh(h @ w + x)
    return h


@program(mat(4, 3), mat(3, 3, seed=7))
def attention(x, w):
    q, k, v = x @ w, x @ w.T, x
    scores = q @ k.T / np.sqrt(q.shape[-1])
    scores = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return (scores / np.sum(scores, axis=-1, keepdims=True)) @ v


@program(vec(2))
def pendulum(state):
    angle, speed = state[0], state[1]
    for _ in range(5):
        speed = speed - 0.1 * np.sin(angle)
        angle = angle + 0.1 * speed
    return np.array([angle, speed])


@program(vec(3), 2.0)
def clip_norm(v, limit):
    norm = np.sqrt(np.sum(v * v))
    if norm > limit:
        return v * (limit / norm)
    return v


@program(mat(3, 3))
def power_iteration(m):
    v = np.ones(3)
    for _ in range(4):
        v = m @ v
        v = v / np.sqrt(np.sum(v * v))
    return v @ m @ v


@program(mat(3, 2), vec(3))
def between_brackets(m, v):
    rows = np.r_["0,2", m, np.c_[v, v * v]]
    ends = np.r_[v, 1:3, v[0] * v[1], -1:1:3j]
    return np.sum(np.sin(rows)) * np.sum(ends ** 2) + np.sum(np.c_[v, onp.arange(3.0)] ** 2)

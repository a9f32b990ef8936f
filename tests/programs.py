"""A zoo of small programs: straight lines, branches and loops around active values.

The tests run this file's text twice: as it is, and against an oracle (JAX, or plain NumPy where JAX cannot run it).
"""
import numpy as onp
import xform.numpy as np

PROGRAMS = {}


def program(*inputs, oracle="jax", order=2, batch=True, jit=True):
    """Register a program with its sample inputs, its oracle and what of it to test."""
    def register(function):
        PROGRAMS[function.__name__] = function, inputs, dict(oracle=oracle, order=order, batch=batch, jit=jit)
        return function
    return register


def vec(n, seed=0):
    return onp.random.default_rng(seed).uniform(0.3, 1.7, n).astype(onp.float32)


def mat(m, n, seed=1):
    return onp.random.default_rng(seed).uniform(-1.2, 1.2, (m, n)).astype(onp.float32)


# -- straight lines -------------------------------------------------------------------------------------------------------

@program(0.7)
def polynomial(x):
    return 3.0 * x ** 3 - x * x / 2 + 4


@program(0.7, 1.3)
def all_arithmetic(x, y):
    return (x + y) * (x - y) / (1.0 + x * x) - -x ** 2 + +y + x ** y + abs(x - 2 * y)


@program(2.3)
def sums_with_a_constant_that_begins_to_vary(x):
    c, total, lead = np.array([1.0, 2.0, 3.0]), 0.0, 0.0
    for i in range(3):      # in the first turn no derivative flows through c, but it has the shape
        lead = lead + c * 0.5
        total = total + np.sum(x + c) + np.sum(c + lead - x) + np.sum(less(lead, x)) + np.sum(np.where(c > 2.0, x, c))
        c = c * x
    return total


def less(a, b):
    return a - b


@program(0.8)
def number_beside_vectors(x):
    row = np.array([1.0, -2.0, 3.0])
    return np.sum(x + row) + np.sum(row - x * x) * np.sum((row + x)[:, None] - row * x)


@program(2.3)
def constant_of_pairs(x):
    pair, total = (x, np.array([1.0, 2.0, 3.0])), 0.0
    while total < 40.0:
        total = total + np.sum(pair[0] + pair[1])
        pair = (pair[0], pair[1] * x)
    return total


@program(0.7)
def augmented(x):
    y = x
    y += 1.5
    y *= x
    y -= 0.25
    y /= 2.0 + x
    y **= 3
    return y


@program(0.7)
def reassigned(x):
    x = np.sin(x)
    x = x * x
    x, y = x + 1.0, x * 2.0
    return x * y


@program(0.7)
def chained_assignment(x):
    a = b = x * 2.0
    a = a + 1.0
    return a * b


@program(0.7, 1.3)
def swap(x, y):
    x, y = y, x
    x, y = x * y, x / y
    return x - 3.0 * y


@program(0.7)
def annotated_and_walrus(x):
    y: float = x * 2.0
    if (z := y * y) > 1.0:
        return z * x
    return y


@program(3.7, 1.3, oracle="jax", order=1)
def modulo(x, y):
    return x % y + x // y + (x * y) % 2.0


@program(0.7)
def unused_and_constant(x):
    y = np.exp(x) * 3.0
    z = 2.0
    del y
    return z * x


@program(0.7)
def constant_result_of_part(x):
    return x * 0.0 + 4.0 * (2.0 + 1.0)


# -- branches -------------------------------------------------------------------------------------------------------------

@program(0.7)
def branch(x):
    if x > 0.5:
        y = x * x
    else:
        y = -x
    return y * 3.0


@program(0.7)
def branch_without_else(x):
    y = x
    if x < 1.0:
        y = y * x
    return np.cos(y)


@program(0.7)
def chain_of_branches(x):
    if x > 2.0:
        return x
    elif x > 0.5:
        y = np.sin(x)
    elif x > 0:
        y = x ** 3
    else:
        return -x
    return y * x


@program(0.7)
def early_returns(x):
    if x < 0:
        return x * x
    y = np.exp(x)
    if y > 10.0:
        return y
    z = y * x
    if z > 100.0:
        return z * z
    return z + y


@program(0.7, 1.3)
def nested_branches(x, y):
    if x > 0:
        if y > 1.0:
            out = x * y
        else:
            out = x / y
        out = out + x
    else:
        out = y
        if x < -1.0:
            out = out * 2.0
    return out


@program(0.7, 1.3)
def ternary(x, y):
    return (x * y if x > y else x - y) * (y if x > 0 else 1.0)


@program(0.7, 1.3)
def boolean_operators(x, y):
    if x > 0 and y > 1.0 and not x > y:
        return x * y * y
    if x < 0 or y < 0:
        return x
    return y


@program(0.7)
def chained_comparison(x):
    if 0.0 < x < 1.0:
        return x ** 2
    return x if 1.0 <= x <= 3.0 else -x


@program(0.7, oracle="numpy", jit=False, batch=False)
def values_of_and_or(x):
    y = x or 3.0
    z = x and x * 2.0
    return y * z


@program(0.7)
def branch_on_static(x):
    y = None
    if y is None:
        y = x * x
    flag = "sine"
    if flag == "sine":
        y = np.sin(y)
    return y


# -- loops ----------------------------------------------------------------------------------------------------------------

@program(0.7)
def loop_range(x):
    total = 0.0
    for i in range(5):
        total = total * x + i
    return total


@program(0.7)
def loop_range_step(x):
    total = x
    for i in range(10, 0, -3):
        total = np.sin(total) * i
    return total


@program(0.7)
def loop_list(x):
    y = x
    for c in [0.5, -1.0, 2.0]:
        y = c * y * y + x
    return y


@program(0.7)
def loop_zip_enumerate(x):
    total = x
    for i, (a, b) in enumerate(zip([1.0, 2.0, 3.0], (x, x * x, 2.0))):
        total = total + a * b * (i + 1) * x
    return total


@program(0.7)
def loop_reversed(x):
    y = x
    for c in reversed([1.0, 2.0, 3.0]):
        y = y * x + c
    return y


@program(vec(4))
def loop_array(v):
    total = 0.0
    product = 1.0
    for e in v:
        product = product * e
        total = total + product
    return total


@program(mat(3, 2))
def loop_rows(m):
    total = np.zeros(2)
    for row in m:
        total = np.tanh(total + row)
    return total


@program(vec(4), mat(4, 3))
def loop_zip_arrays(v, m):
    total = 0.0
    for e, row in zip(v, m):
        total = total + e * np.sum(row * row) * e
    return total


@program(0.7)
def loop_dict_items(x):
    table = {"a": x, "b": x * x, "c": 2.0}
    total = 1.0
    for key, value in table.items():
        total = total * (value + len(key))
    return total


@program(0.7)
def while_loop(x):
    while x < 10.0:
        x = x * 1.7 + 0.3
    return x


@program(0.7)
def while_with_counter(x):
    n, y = 0, x
    while n < 6:
        y = np.sin(y) + x
        n += 1
    return y


@program(0.7)
def while_else(x):
    y = x
    while y < 5.0:
        y = y * 2.0
    else:
        y = y + x * x
    return y


@program(0.7)
def for_else_with_break(x):
    y = x
    for i in range(8):
        y = y * 1.5
        if y > 3.0:
            break
    else:
        y = y * 100.0
    return y * x


@program(0.7)
def for_else_without_break(x):
    y = x
    for i in range(3):
        y = y * 1.1
        if y > 30.0:
            break
    else:
        y = y * y
    return y


@program(0.7)
def loop_continue(x):
    total = x
    for i in range(6):
        if i % 2 == 0:
            continue
        if total > 4.0:
            continue
        total = total * (1.0 + x)
    return total


@program(0.7)
def while_true_break(x):
    y = x
    while True:
        y = y * y + 0.6
        if y > 4.0:
            break
        y = y + 0.1 * x
    return y


@program(0.7)
def return_from_loop(x):
    for i in range(10):
        x = x * 1.4
        if x > 3.0:
            return x * i
    return -x


@program(0.7)
def return_from_nested_loops(x):
    y = x
    for i in range(4):
        for j in range(3):
            y = y * 1.2 + j
            if y > 9.0:
                return y * x
        y = y - i * x
    return y


@program(0.7)
def nested_loops(x):
    total = 0.0
    for i in range(3):
        inner = x
        for j in range(i + 1):
            inner = inner * x + j
        total = total + inner
    return total


@program(0.7)
def nested_while(x):
    y, i = x, 0
    while i < 3:
        z = y
        while z < 4.0:
            z = z * 1.5 + x * 0.1
        y = y + z * 0.1
        i = i + 1
    return y


@program(0.7)
def break_outer_by_flag(x):
    y, done = x, False
    for i in range(5):
        for j in range(5):
            y = y + 0.3 * x
            if y > 2.0:
                done = True
                break
        if done:
            break
    return y * y


@program(0.7)
def loop_variable_after(x):
    for i in range(4):
        y = x * i
    return y * i


@program(0.7)
def loop_not_entered(x):
    y = x
    for i in range(0):
        y = y * 100.0
    while y > 1000.0:
        y = y / 2.0
    return y * 3.0


@program(0.7)
def newton(a):
    x = a
    while abs(x * x - a) > 1e-4:
        x = x - (x * x - a) / (2.0 * x)
    return x


@program(0.7)
def two_carries(x):
    a, b = x, 1.0
    for _ in range(5):
        a, b = b * x, a + b
    return a * b


@program(0.7)
def type_changes_in_loop(x):
    total = 0
    for i in range(3):
        total = total + x
    return total * total

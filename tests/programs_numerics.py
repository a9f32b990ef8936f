"""A zoo of classical numerical methods, written as one writes them in plain NumPy: loops, in-place writes, early ends.

The tests run this file's text twice: as it is, and against NumPy in double precision with finite differences.
"""
import math

import numpy as onp
import xform.numpy as np

PROGRAMS = {}


def program(*inputs, oracle="numpy", order=2, batch=True, jit=True):
    """Register a program with its sample inputs, its oracle and what of it to test."""
    def register(function):
        PROGRAMS[function.__name__] = function, inputs, dict(oracle=oracle, order=order, batch=batch, jit=jit)
        return function
    return register


def vec(n, seed=0, low=0.3, high=1.7):
    return onp.random.default_rng(seed).uniform(low, high, n).astype(onp.float32)


def mat(*shape, seed=1):
    return onp.random.default_rng(seed).uniform(-1.0, 1.0, shape).astype(onp.float32)


def definite(n, seed=2):
    a = onp.random.default_rng(seed).uniform(-1.0, 1.0, (n, n))
    return (a @ a.T + n * onp.eye(n)).astype(onp.float32)


# -- equations in one unknown ---------------------------------------------------------------------------------------------

@program(0.7)
def secant(a):
    x0, x1 = 0.5, 1.0
    for _ in range(6):
        f0, f1 = x0 * x0 * x0 + x0 - a, x1 * x1 * x1 + x1 - a
        if abs(f1 - f0) < 1e-3:
            break
        x0, x1 = x1, x1 - f1 * (x1 - x0) / (f1 - f0)
    return x1


@program(0.6)
def fixed_point(a):
    x = 0.1
    for _ in range(12):
        x = np.cos(a * x)
    return x


@program(1.3)
def halley(a):
    x = 1.0
    for _ in range(4):
        f, slope, bend = x ** 3 - a, 3 * x * x, 6 * x
        x = x - 2 * f * slope / (2 * slope * slope - f * bend)
    return x


@program(0.8)
def steffensen(a):
    x = 0.5
    for _ in range(4):
        f = np.exp(-a * x) - x
        g = (np.exp(-a * (x + f)) - (x + f)) / (f + 1e-3) - 1.0 / (1.0 + f * f)
        x = x - f / (g - 1.0)
    return x


@program(2.3)
def heron(a):
    x = a
    while abs(x * x - a) > 1e-3:
        x = 0.5 * (x + a / x)
    return x


@program(0.4, 1.9)
def agm(a, b):
    while abs(a - b) > 1e-3:
        a, b = (a + b) / 2, np.sqrt(a * b)
    return a


@program(0.3)
def kepler(eccentricity):
    anomaly = 0.8
    e = anomaly
    for _ in range(8):
        e = e - (e - eccentricity * np.sin(e) - anomaly) / (1 - eccentricity * np.cos(e))
    return e


@program(1.7)
def lambert_w(x):
    w = 0.5
    for _ in range(6):
        ew = np.exp(w)
        w = w - (w * ew - x) / (ew * (w + 1) - (w + 2) * (w * ew - x) / (2 * w + 2))
    return w


# -- series, fractions, recurrences ---------------------------------------------------------------------------------------

@program(0.9)
def exponential_series(x):
    term, total, k = 1.0, 1.0, 1
    while k < 12:
        term = term * x / k
        total = total + term
        k += 1
    return total


@program(0.6)
def arctan_series(x):
    total, power = 0.0, x
    for k in range(8):
        total += (-1) ** k * power / (2 * k + 1)
        power = power * x * x
    return total


@program(0.8)
def bessel_series(x):
    total, term = 1.0, 1.0
    for k in range(1, 8):
        term = -term * x * x / (4 * k * k)
        total = total + term
    return total


@program(1.4)
def tangent_fraction(x):
    value = 0.0
    for k in range(9, 0, -2):
        value = x * x / (k - value)
    return value / x


@program(0.7, vec(5))
def horner(x, coefficients):
    total = 0.0
    for c in coefficients:
        total = total * x + c
    return total


@program(0.4, vec(5, seed=3))
def clenshaw(x, c):
    b1, b2 = 0.0, 0.0
    for k in range(4, 0, -1):
        b1, b2 = 2 * x * b1 - b2 + c[k], b1
    return x * b1 - b2 + c[0]


@program(0.3)
def legendre(x):
    p = [1.0, x]
    for n in range(2, 6):
        p.append(((2 * n - 1) * x * p[n - 1] - (n - 1) * p[n - 2]) / n)
    return p[5] + p[3]


@program(0.6)
def fibonacci_polynomial(x):
    table = np.zeros(8)
    table[0] = 1.0
    table[1] = x
    for n in range(2, 8):
        table[n] = x * table[n - 1] * 0.5 + table[n - 2]
    return table[7]


@program(0.9, 1.3)
def binomial_recursion(p, q):
    row = [1.0]
    for _ in range(4):
        row = [a * p + b * q for a, b in zip([0.0] + row, row + [0.0])]
    return row[2] + row[1] * row[3]


@program(2.5)
def log_gamma_stirling(x):
    shift = 0.0
    while x < 6.0:
        shift = shift + np.log(x)
        x = x + 1.0
    return (x - 0.5) * np.log(x) - x + 0.5 * math.log(2 * math.pi) + 1 / (12 * x) - shift


@program(0.7)
def zeta_like(s):
    return sum(1.0 / n ** (1.0 + s) for n in range(1, 9))


# -- integrals ------------------------------------------------------------------------------------------------------------

@program(0.7)
def trapezoid_rule(a):
    n, h = 8, 0.125
    total = 0.5 * (np.sin(0.0 * a) + np.sin(a))
    for i in range(1, n):
        total += np.sin(a * i * h)
    return total * h


@program(1.1)
def simpson(a):
    total = 0.0
    for i in range(9):
        weight = 1 if i in (0, 8) else (4 if i % 2 else 2)
        total = total + weight * np.exp(-a * (i / 8) ** 2)
    return total / 24


@program(0.8)
def gauss_legendre(a):
    nodes = [(-math.sqrt(0.6), 5 / 9), (0.0, 8 / 9), (math.sqrt(0.6), 5 / 9)]
    return sum(w * np.cos(a * (x + 1) / 2) for x, w in nodes) / 2


@program(0.9)
def romberg(a):
    table = []
    for i in range(4):
        n = 2 ** i
        value = sum(np.sqrt(1 + a * k / n) for k in range(n)) / n
        row = [value]
        for j in range(len(table[-1]) if table else 0):
            row.append(row[j] + (row[j] - table[-1][j]) / (4 ** (j + 1) - 1))
        table.append(row)
    return table[-1][-1]


@program(0.5)
def adaptive(a):
    def area(f, left, right, depth):
        middle = (left + right) / 2
        coarse = (right - left) * f(middle)
        if depth == 0:
            return coarse
        return area(f, left, middle, depth - 1) + area(f, middle, right, depth - 1)
    return area(lambda t: np.exp(a * t) * t, 0.0, 1.0, 3)


@program(vec(6))
def cumulative(y):
    total = np.zeros(6)
    for i in range(1, 6):
        total[i] = total[i - 1] + 0.5 * (y[i] + y[i - 1])
    return total


# -- differential equations -----------------------------------------------------------------------------------------------

@program(0.7)
def euler(rate):
    y = 1.0
    for step in range(10):
        y = y + 0.1 * rate * y * (1 - y * 0.3)
    return y


@program(0.8)
def runge_kutta(k):
    def slope(t, y):
        return -k * y + np.sin(t)
    y, t, h = 1.0, 0.0, 0.2
    for _ in range(5):
        k1 = slope(t, y)
        k2 = slope(t + h / 2, y + h / 2 * k1)
        k3 = slope(t + h / 2, y + h / 2 * k2)
        k4 = slope(t + h, y + h * k3)
        y, t = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), t + h
    return y


@program(vec(3, seed=5))
def lorenz(state):
    x, y, z = state
    for _ in range(8):
        x, y, z = x + 0.02 * 10 * (y - x), y + 0.02 * (x * (2.8 - z) - y), z + 0.02 * (x * y - 2.6 * z)
    return x * y + z


@program(0.4, 1.2)
def leapfrog(position, velocity):
    velocity = velocity - 0.05 * np.sin(position)
    for _ in range(6):
        position += 0.1 * velocity
        velocity -= 0.1 * np.sin(position)
    return position * velocity


@program(0.9)
def van_der_pol(mu):
    x, v = 1.0, 0.0
    for _ in range(10):
        x, v = x + 0.05 * v, v + 0.05 * (mu * (1 - x * x) * v - x)
    return x + v


@program(0.6, 0.8)
def lotka_volterra(a, b):
    prey, predators = 1.0, 0.5
    history = []
    for _ in range(6):
        born, eaten = a * prey, b * prey * predators
        prey, predators = prey + 0.1 * (born - eaten), predators + 0.1 * (eaten - 0.4 * predators)
        history.append(prey)
    return sum(history)


@program(vec(8, seed=6), 0.3)
def heat(u, alpha):
    u = u.copy()
    for _ in range(4):
        new = u.copy()
        for i in range(1, 7):
            new[i] = u[i] + alpha * (u[i + 1] - 2 * u[i] + u[i - 1])
        u = new
    return u


@program(vec(8, seed=7), 0.2)
def heat_in_slices(u, alpha):
    for _ in range(5):
        u[1:-1] += alpha * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


@program(vec(6, seed=8), 0.4)
def upwind(u, speed):
    for _ in range(3):
        flux = speed * (u - np.roll(u, 1))
        u = u - flux
    return u


@program(vec(7, seed=9))
def wave(u):
    before, now = u, u * 0.95
    for _ in range(4):
        after = 2 * now - before
        after[1:-1] += 0.25 * (now[2:] - 2 * now[1:-1] + now[:-2])
        before, now = now, after
    return now


@program(0.7)
def implicit_euler(k):
    y = 1.0
    for _ in range(4):
        guess = y
        for _ in range(3):
            guess = guess - (guess - y + 0.1 * k * guess ** 3) / (1 + 0.3 * k * guess ** 2)
        y = guess
    return y


@program(0.5)
def adaptive_steps(k):
    t, y, h = 0.0, 1.0, 0.1
    while t < 0.55:
        half = y + 0.5 * h * (-k * y)
        full = y + h * (-k * half)
        y, t = full, t + h
        h = 0.2 if t > 0.25 else 0.1
    return y


# -- linear algebra by loops ----------------------------------------------------------------------------------------------

@program(definite(3))
def cholesky(a):
    n = 3
    low = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            total = a[i, j]
            for k in range(j):
                total = total - low[i, k] * low[j, k]
            if i == j:
                low[i, j] = np.sqrt(total)
            else:
                low[i, j] = total / low[j, j]
    return low


@program(definite(3, seed=4), vec(3))
def gauss_elimination(a, b):
    a, b = a.copy(), b.copy()
    for k in range(3):
        for i in range(k + 1, 3):
            factor = a[i, k] / a[k, k]
            a[i, k:] -= factor * a[k, k:]
            b[i] -= factor * b[k]
    x = np.zeros(3)
    for i in range(2, -1, -1):
        x[i] = (b[i] - a[i, i + 1:] @ x[i + 1:]) / a[i, i]
    return x


@program(definite(3, seed=5))
def lu_in_place(a):
    for k in range(2):
        for i in range(k + 1, 3):
            a[i, k] /= a[k, k]
            for j in range(k + 1, 3):
                a[i, j] -= a[i, k] * a[k, j]
    return a


@program(definite(3, seed=6), vec(3, seed=1))
def jacobi(a, b):
    x = np.zeros(3)
    for _ in range(5):
        new = np.zeros(3)
        for i in range(3):
            total = 0.0
            for j in range(3):
                if i != j:
                    total += a[i, j] * x[j]
            new[i] = (b[i] - total) / a[i, i]
        x = new
    return x


@program(definite(3, seed=7), vec(3, seed=2))
def gauss_seidel(a, b):
    x = np.zeros(3)
    for _ in range(4):
        for i in range(3):
            x[i] = (b[i] - a[i] @ x + a[i, i] * x[i]) / a[i, i]
    return x


@program(definite(4, seed=8), vec(4, seed=3))
def conjugate_gradients(a, b):
    x = np.zeros(4)
    r = b
    p = r
    for _ in range(3):
        ap = a @ p
        alpha = (r @ r) / (p @ ap)
        x = x + alpha * p
        new = r - alpha * ap
        p = new + (new @ new) / (r @ r) * p
        r = new
    return x


@program(definite(3, seed=9))
def power_method(a):
    v = np.ones(3)
    for _ in range(5):
        v = a @ v
        v = v / np.sqrt(np.sum(v * v))
    return v @ a @ v


@program(mat(3, 3, seed=10))
def gram_schmidt(a):
    basis = []
    for column in (a + 2 * np.eye(3)).T:
        for q in basis:
            column = column - (q @ column) * q
        basis.append(column / np.sqrt(column @ column))
    return np.stack(basis)


@program(mat(3, 3, seed=11))
def determinant(a):
    def minor(m):
        if m.shape[0] == 1:
            return m[0, 0]
        total = 0.0
        for j in range(m.shape[0]):
            rest = np.concatenate([m[1:, :j], m[1:, j + 1:]], axis=1)
            total = total + (-1) ** j * m[0, j] * minor(rest)
        return total
    return minor(a)


@program(mat(2, 3, seed=12), mat(3, 2, seed=13))
def product_by_loops(a, b):
    c = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            for k in range(3):
                c[i, j] += a[i, k] * b[k, j]
    return c


@program(vec(4, seed=4), vec(4, seed=5, low=3.0, high=4.0), vec(4, seed=6))
def thomas(lower, diagonal, upper):
    right = np.ones(4)
    c, d = np.zeros(4), np.zeros(4)
    c[0], d[0] = upper[0] / diagonal[0], right[0] / diagonal[0]
    for i in range(1, 4):
        scale = diagonal[i] - lower[i] * c[i - 1]
        c[i] = upper[i] / scale
        d[i] = (right[i] - lower[i] * d[i - 1]) / scale
    for i in range(2, -1, -1):
        d[i] -= c[i] * d[i + 1]
    return d


@program(mat(2, 2, seed=14))
def matrix_exponential(a):
    total, term = np.eye(2), np.eye(2)
    for k in range(1, 8):
        term = term @ a / k
        total = total + term
    return total


@program(0.6)
def rotation(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]]) @ np.array([1.0, 2.0])


# -- signals, images, transforms ------------------------------------------------------------------------------------------

@program(vec(6, seed=15))
def dft_power(signal):
    n = 6
    power = []
    for k in range(n):
        real = sum(signal[t] * math.cos(2 * math.pi * k * t / n) for t in range(n))
        imag = sum(signal[t] * math.sin(2 * math.pi * k * t / n) for t in range(n))
        power.append(real ** 2 + imag ** 2)
    return np.stack(power)


@program(vec(6, seed=16), vec(3, seed=17))
def convolution_by_loops(signal, kernel):
    out = np.zeros(4)
    for i in range(4):
        for j in range(3):
            out[i] += signal[i + j] * kernel[2 - j]
    return out


@program(mat(4, 4, seed=18))
def box_blur(image):
    out = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            out[i, j] = np.mean(image[i:i + 3, j:j + 3])
    return out


@program(vec(5, seed=19), 0.3)
def exponential_smoothing(x, alpha):
    level = x[0]
    smoothed = [level]
    for value in x[1:]:
        level = alpha * value + (1 - alpha) * level
        smoothed.append(level)
    return np.stack(smoothed)


@program(vec(8, seed=20))
def haar(signal):
    detail = []
    while len(signal) > 1:
        detail.append((signal[::2] - signal[1::2]) / 2)
        signal = (signal[::2] + signal[1::2]) / 2
    return np.concatenate([signal] + detail[::-1])


@program(mat(3, 3, seed=21), 0.4, 1.3)
def bilinear(image, x, y):
    i, j = 0, 1
    dx, dy = x - i, y - j
    top = image[i, j] * (1 - dy) + image[i, j + 1] * dy
    bottom = image[i + 1, j] * (1 - dy) + image[i + 1, j + 1] * dy
    return top * (1 - dx) + bottom * dx


@program(0.35, mat(4, 2, seed=22))
def de_casteljau(t, points):
    points = [p for p in points]
    while len(points) > 1:
        points = [(1 - t) * a + t * b for a, b in zip(points, points[1:])]
    return points[0]


@program(0.45, vec(4, seed=23))
def lagrange(x, y):
    nodes = [0.0, 0.3, 0.7, 1.0]
    total = 0.0
    for i, xi in enumerate(nodes):
        weight = 1.0
        for j, xj in enumerate(nodes):
            if i != j:
                weight *= (x - xj) / (xi - xj)
        total += weight * y[i]
    return total


@program(0.4, vec(5, seed=24))
def neville(x, y):
    table = y.copy()
    for k in range(1, 5):
        for i in range(5 - k):
            table[i] = ((x - i - k) * table[i] - (x - i) * table[i + 1]) / (-k)
    return table[0]


# -- statistics, learning, dynamic programming ----------------------------------------------------------------------------

@program(vec(6, seed=25))
def welford(data):
    mean, spread, count = 0.0, 0.0, 0
    for x in data:
        count += 1
        delta = x - mean
        mean += delta / count
        spread += delta * (x - mean)
    return spread / (count - 1)


@program(vec(5, seed=26), vec(5, seed=27))
def regression_line(x, y):
    n = len(x)
    sx, sy, sxx, sxy = sum(x), sum(y), sum(x * x), sum(x * y)
    slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
    return slope + (sy - slope * sx) / n


@program(vec(3, seed=28))
def softmax_by_hand(logits):
    top = logits[0]
    for value in logits[1:]:
        if value > top:
            top = value
    weights = np.exp(logits - top)
    return weights / np.sum(weights)


@program(vec(4, seed=29), 0.7, 0.4)
def kalman(observed, q, r):
    mean, variance, likelihood = 0.0, 1.0, 0.0
    for z in observed:
        variance = variance + q * q
        gain = variance / (variance + r * r)
        likelihood = likelihood - (z - mean) ** 2 / (variance + r * r) - np.log(variance + r * r)
        mean, variance = mean + gain * (z - mean), (1 - gain) * variance
    return likelihood


@program(mat(2, 2, seed=30), mat(2, 3, seed=31))
def hidden_markov(transition, emission):
    move = np.exp(transition) / np.sum(np.exp(transition), axis=1, keepdims=True)
    emit = np.exp(emission) / np.sum(np.exp(emission), axis=1, keepdims=True)
    alpha = emit[:, 0] / 2
    for symbol in (1, 2, 0):
        alpha = (alpha @ move) * emit[:, symbol]
    return np.log(np.sum(alpha))


@program(mat(3, 3, seed=32))
def soft_alignment(cost):
    table = [[0.0] * 4 for _ in range(4)]
    for i in range(1, 4):
        for j in range(1, 4):
            ways = [table[i - 1][j], table[i][j - 1], table[i - 1][j - 1]]
            table[i][j] = cost[i - 1, j - 1] - np.log(sum(np.exp(-w) for w in ways) / 3)
    return table[3][3]


@program(vec(4, seed=33))
def soft_knapsack(values):
    sizes = [1, 2, 3, 2]
    best = [0.0] * 6
    for value, size in zip(values, sizes):
        for room in range(5, size - 1, -1):
            best[room] = np.log(np.exp(best[room]) + np.exp(best[room - size] + value))
    return best[5]


@program(mat(3, 3, seed=34))
def shortest_paths(weights):
    d = np.exp(weights)
    for k in range(3):
        for i in range(3):
            for j in range(3):
                through = d[i, k] + d[k, j]
                if through < d[i, j]:
                    d[i, j] = through
    return d


@program(vec(3, seed=35), mat(3, 3, seed=36), mat(3, 3, seed=37))
def gru_cell(x, w, u):
    h = np.zeros(3)
    for _ in range(3):
        update = 1 / (1 + np.exp(-(w @ x + u @ h)))
        candidate = np.tanh(w @ x + u @ (update * h))
        h = (1 - update) * h + update * candidate
    return h


@program(vec(4, seed=38))
def layer_norm(x):
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    return (x - mean) / np.sqrt(variance + 1e-3)


@program(vec(3, seed=39), vec(3, seed=40))
def gradient_descent_inside(w, target):
    for step in range(4):
        residual = w * w - target
        w = w - 0.1 / (step + 1) * 2 * w * residual
    return w


@program(mat(5, 2, seed=41))
def soft_k_means(points):
    centres = points[:2]
    for _ in range(2):
        distance = np.sum((points[:, None] - centres[None]) ** 2, axis=-1)
        share = np.exp(-distance) / np.sum(np.exp(-distance), axis=1, keepdims=True)
        centres = (share.T @ points) / np.sum(share, axis=0)[:, None]
    return centres


# -- physics, finance, chemistry ------------------------------------------------------------------------------------------

@program(mat(3, 2, seed=42))
def n_body_energy(positions):
    energy = 0.0
    for i in range(3):
        for j in range(i):
            gap = positions[i] - positions[j]
            energy -= 1 / np.sqrt(gap @ gap + 0.1)
    return energy


@program(mat(3, 2, seed=43))
def n_body_step(positions):
    force = np.zeros((3, 2))
    for i in range(3):
        for j in range(3):
            if i == j:
                continue
            gap = positions[j] - positions[i]
            force[i] += gap / (gap @ gap + 0.2) ** 1.5
    return positions + 0.1 * force


@program(mat(3, 2, seed=44))
def lennard_jones(positions):
    total = 0.0
    for i in range(3):
        for j in range(i + 1, 3):
            r2 = np.sum((positions[i] - positions[j]) ** 2) + 0.8
            total = total + (1 / r2 ** 6 - 1 / r2 ** 3)
    return total


@program(1.1, 0.3)
def binomial_option(price, volatility):
    up = np.exp(volatility * 0.5)
    values = []
    for k in range(5):
        final = price * up ** (2 * k - 4)
        values.append(np.log(1 + np.exp(5 * (final - 1.0))) / 5)
    chance = (1.01 - 1 / up) / (up - 1 / up)
    for step in range(4):
        values = [(chance * values[k + 1] + (1 - chance) * values[k]) / 1.01 for k in range(4 - step)]
    return values[0]


@program(100.0, 0.2)
def black_scholes(price, volatility):
    def normal(x):
        k = 1 / (1 + 0.2316419 * abs(x))
        poly = k * (0.319381530 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))))
        tail = np.exp(-x * x / 2) / math.sqrt(2 * math.pi) * poly
        return 1 - tail if x >= 0 else tail
    d1 = (np.log(price / 95.0) + volatility ** 2 / 2) / volatility
    return (price * normal(d1) - 95.0 * normal(d1 - volatility)) / 10


@program(0.05)
def bond_price(rate):
    price = 0.0
    for year, flow in enumerate([5.0, 5.0, 5.0, 105.0], start=1):
        price += flow / (1 + rate) ** year
    return price / 100


@program(0.4)
def ising_energy(coupling):
    spins = [[1, -1, 1], [1, 1, -1], [-1, 1, 1]]
    energy = 0.0
    for i in range(3):
        for j in range(3):
            energy -= coupling * spins[i][j] * (spins[(i + 1) % 3][j] + spins[i][(j + 1) % 3])
    return np.exp(-energy / 4)


@program(0.7, 0.2)
def reaction(forward, back):
    amounts = {"a": 1.0, "b": 0.0, "c": 0.1}
    for _ in range(5):
        rate = forward * amounts["a"] - back * amounts["b"] * amounts["c"]
        amounts["a"] -= 0.1 * rate
        amounts["b"] += 0.1 * rate
        amounts["c"] += 0.05 * rate
    return amounts["b"] * amounts["c"] + amounts["a"]


@program(vec(4, seed=45))
def quaternion_product(q):
    def times(p, r):
        a, b, c, d = p
        e, f, g, h = r
        return (a * e - b * f - c * g - d * h, a * f + b * e + c * h - d * g, a * g - b * h + c * e + d * f, a * h + b * g - c * f + d * e)
    w, x, y, z = q
    out = times((w, x, y, z), (0.0, 1.0, 2.0, 3.0))
    return np.stack(times(out, (w, -x, -y, -z)))


@program(0.8, 0.3)
def ray_and_sphere(height, tilt):
    direction = np.array([1.0, tilt, 0.0]) / np.sqrt(1 + tilt * tilt)
    origin = np.array([-3.0, height * 0.3, 0.0])
    b = origin @ direction
    inside = b * b - origin @ origin + 1.0
    if inside < 0:
        return 0.0 * height
    return -b - np.sqrt(inside)


@program(0.6)
def projectile(angle):
    x, y, vx, vy = 0.0, 0.0, np.cos(angle) * 3, np.sin(angle) * 3
    while True:
        x, y = x + 0.1 * vx, y + 0.1 * vy
        vx, vy = vx * 0.99, vy - 0.98
        if y < 0:
            break
    return x + y


@program(0.9)
def collatz_like(x):
    steps = 0
    n = 6
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        x = x * 1.1 if n % 2 else x * 0.9 + 0.05
        steps += 1
    return x + steps * x * x * 0.1


# -- test functions of optimisation, filters ------------------------------------------------------------------------------

@program(vec(4, seed=50))
def rosenbrock(x):
    total = 0.0
    for a, b in zip(x[:-1], x[1:]):
        total += 100 * (b - a * a) ** 2 + (1 - a) ** 2
    return total / 100


@program(vec(3, seed=51))
def ackley(x):
    n = len(x)
    square, wave = 0.0, 0.0
    for value in x:
        square, wave = square + value * value, wave + np.cos(2 * math.pi * value)
    return -20 * np.exp(-0.2 * np.sqrt(square / n)) - np.exp(wave / n)


@program(0.4, 1.3)
def himmelblau(x, y):
    return ((x * x + y - 11) ** 2 + (x + y * y - 7) ** 2) / 100


@program(vec(7, seed=52))
def moving_median(x):
    out = []
    for i in range(1, 6):
        out.append(np.sort(x[i - 1:i + 2])[1])
    return np.stack(out)


@program(vec(6, seed=53), 0.2, 0.5)
def second_order_filter(signal, a, b):
    out = np.zeros(6)
    for i in range(6):
        out[i] = signal[i]
        if i >= 1:
            out[i] += a * out[i - 1]
        if i >= 2:
            out[i] -= b * out[i - 2]
    return out


@program(0.5, 0.9)
def double_pendulum(first, second):
    speeds = [0.0, 0.0]
    angles = [first, second]
    for _ in range(5):
        gap = angles[0] - angles[1]
        speeds[0] += 0.1 * (-np.sin(angles[0]) - 0.3 * np.sin(gap) * speeds[1] ** 2)
        speeds[1] += 0.1 * (-np.sin(angles[1]) + 0.3 * np.sin(gap) * speeds[0] ** 2)
        angles = [angle + 0.1 * speed for angle, speed in zip(angles, speeds)]
    return angles[0] * angles[1]


@program(vec(3, seed=54))
def bubble_sort(x):
    x = x.copy()
    for i in range(3):
        for j in range(2 - i):
            if x[j] > x[j + 1]:
                x[j], x[j + 1] = x[j + 1], x[j]
    return x * np.array([1.0, 2.0, 3.0])


@program(mat(3, 4, seed=55))
def argmax_path(scores):
    best = scores[0].copy()
    for row in scores[1:]:
        new = np.zeros(4)
        for j in range(4):
            left = best[j - 1] if j > 0 else best[j] - 1.0
            new[j] = row[j] + (left if left > best[j] else best[j])
        best = new
    return best

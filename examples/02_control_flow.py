"""Differentiate, batch and compile plain if, while, for, break and recursion, and read what the compiler makes of them."""
import xform as jax
import xform.numpy as np


def grow(x, rate):
    """A loop whose length depends on the data."""
    y = x
    while y < 10.0:
        if y > 3.0:
            y = y * rate
        else:
            y = y * x + 1.0
    return y


def newton(a):
    """Square root by Newton's method."""
    x = a
    while abs(x * x - a) > 1e-4 * a:
        x = x - (x * x - a) / (2.0 * x)
    return x


def power(x, n):
    """x ** n by repeated squaring."""
    if n == 0:
        return np.ones_like(x)
    half = power(x, n // 2)
    return half * half * x if n % 2 else half * half


def main():
    """Print each transformed function and a value of it."""
    print(jax.source(jax.grad(grow, argnums=(0, 1))))
    print("grad grow(1.5, 1.2) =", jax.grad(grow, argnums=(0, 1))(1.5, 1.2), "\n")

    print(jax.source(jax.vmap(grow, in_axes=(0, None))))
    starts = np.linspace(1.0, 4.0, 4)
    print("vmap grow(", starts, ", 1.2) =", jax.vmap(grow, in_axes=(0, None))(starts, 1.2), "\n")

    print(jax.source(jax.jit(newton)))
    print("jit newton(2.0) =", jax.jit(newton)(2.0))
    # reverse mode through a compiled loop whose trip count nobody knows
    print("jit grad newton(2.0) =", jax.jit(jax.grad(newton))(2.0), " (1 / (2 sqrt 2) = 0.3535534)\n")

    print("grad power(1.1, 10) =", jax.grad(power)(1.1, 10), " (10 * 1.1 ** 9 = 23.579477)")


if __name__ == "__main__":
    main()

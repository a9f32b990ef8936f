"""d newton / d a.  Made by xform from models.py; edit that, then: xform grad models.py:newton -o newton_grad.py"""
import runtime as rt
import runtime.numpy as np


def newton_grad(a):
    out, residuals = newton_fwd(a)
    return rt.instantiate(newton_bwd(residuals, rt.one_like(out)), like=a)


def newton_fwd(a):
    x = a
    tape = []
    while np.abs(x * x - a) > 1e-06:
        product_2 = 2.0 * x
        ratio = (x * x - a) / product_2
        tape.append((x, product_2, ratio))
        x = x - ratio
    return x, (a, tape)


def newton_bwd(residuals, d_x):
    a, tape = residuals
    d_a = rt.ZERO
    for x, product, ratio in reversed(tape):
        # models.py:30  x = x - (x * x - a) / (2.0 * x)
        d_ratio = -d_x
        d_x = rt.unbroadcast(d_x, like=x)
        d_diff = d_ratio / product
        d_x = rt.add(d_x, rt.unbroadcast(-(d_ratio * (ratio / product) * 2.0), like=x))
        d_a = rt.add(d_a, rt.unbroadcast(-d_diff, like=a))
        d_x = rt.add(d_x, rt.unbroadcast(d_diff * x, like=x))
        d_x = rt.add(d_x, rt.unbroadcast(d_diff * x, like=x))
    # models.py:28  x = a
    d_a = rt.add(d_a, d_x)
    return d_a

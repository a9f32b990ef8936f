"""newton with its control flow staged for XLA.  Made by xform from models.py; edit that, then: xform jit models.py:newton -o newton_jit.py"""
import runtime as rt
import runtime.numpy as np


@rt.jit
def newton_jit(a):
    x = a

    def test(x):
        return np.abs(x * x - a) > 1e-06

    def body(x):
        return x - (x * x - a) / (2.0 * x)

    x = rt.while_loop(test, body, x)
    return x

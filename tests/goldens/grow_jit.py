"""grow with its control flow staged for XLA.  Made by xform from models.py; edit that, then: xform jit models.py:grow -o grow_jit.py"""
import runtime as rt


@rt.jit
def grow_jit(x, rate):
    y = x

    def test(y):
        return y < 10.0

    def body(y):
        above = y > 3.0

        def then():
            return y * rate

        def orelse():
            return y * x + 1.0

        return rt.cond(above, then, orelse)

    y = rt.while_loop(test, body, y)
    return y

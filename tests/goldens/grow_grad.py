"""d grow / d (x, rate).  Made by xform from models.py; edit that, then: xform grad models.py:grow --wrt x,rate -o grow_grad.py"""
import runtime as rt


def grow_grad(x, rate):
    out, residuals = grow_fwd(x, rate)
    d_x, d_rate = grow_bwd(residuals, rt.one_like(out))
    return rt.instantiate(d_x, like=x), rt.instantiate(d_rate, like=rate)


def grow_fwd(x, rate):
    y = x
    tape = []
    while y < 10.0:
        above = y > 3.0
        tape.append((y, above))
        if above:
            y = y * rate
        else:
            y = y * x + 1.0
    return y, (x, rate, tape)


def grow_bwd(residuals, d_y):
    x, rate, tape = residuals
    d_rate = rt.ZERO
    d_x = rt.ZERO
    for y, above in reversed(tape):
        if above:
            # models.py:21  y = y * rate
            d_rate = rt.add(d_rate, rt.unbroadcast(d_y * y, like=rate))
            d_y = rt.unbroadcast(d_y * rate, like=y)
        else:
            # models.py:23  y = y * x + 1.0
            d_x = rt.add(d_x, rt.unbroadcast(d_y * y, like=x))
            d_y = rt.unbroadcast(d_y * x, like=y)
    # models.py:18  y = x
    d_x = rt.add(d_x, d_y)
    return d_x, d_rate

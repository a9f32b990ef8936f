"""Forward derivative of grow.  Made by xform from models.py; edit that, then: xform jvp models.py:grow -o grow_jvp.py"""


def grow_jvp(x, rate, x_dot, rate_dot):
    y_dot = x_dot
    y = x
    while y < 10.0:
        if y > 3.0:
            y_dot = y_dot * rate + y * rate_dot
            y = y * rate
        else:
            y_dot = y_dot * x + y * x_dot
            y = y * x + 1.0
    return y, y_dot

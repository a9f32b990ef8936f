"""grow over a batch: in_axes=0,None.  Made by xform from models.py; edit that, then: xform vmap models.py:grow --in-axes 0,None --ndim x=0,rate=0 -o grow_vmap.py"""
import runtime as rt
import runtime.numpy as np


def grow_vmap(x, rate):
    # batched along axis 0: x; shared: rate
    y = x
    live = y < 10.0
    while np.any(live):
        y_then = y * rate
        y_else = y * x + 1.0
        y = rt.where(live, rt.where(y > 3.0, y_then, y_else), y)
        live = live & (y < 10.0)
    return y

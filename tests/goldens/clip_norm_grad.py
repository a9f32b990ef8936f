"""d clip_norm / d v.  Made by xform from models.py; edit that, then: xform grad models.py:clip_norm -o clip_norm_grad.py"""
import runtime as rt
import runtime.numpy as np


def clip_norm_grad(v, limit):
    out, residuals = clip_norm_fwd(v, limit)
    return rt.instantiate(clip_norm_bwd(residuals, rt.one_like(out)), like=v)


def clip_norm_fwd(v, limit):
    ratio = rt.UNDEFINED
    total = np.sum(v * v)
    norm = np.sqrt(total)
    above = norm > limit
    if above:
        ratio = limit / norm
        out = v * ratio
    else:
        out = v
    return out, (v, rt.like(total), norm, above, ratio)


def clip_norm_bwd(residuals, d_out):
    v, total_like, norm, above, ratio = residuals
    if above:
        # models.py:37  return v * (limit / norm)
        d_v = rt.unbroadcast(d_out * ratio, like=v)
        d_norm = rt.unbroadcast(-(d_out * v * (ratio / norm)), like=total_like)
    else:
        # models.py:38  return v
        d_v = d_out
        d_norm = rt.ZERO
    # models.py:35  norm = np.sqrt(np.sum(v * v))
    d_product = rt.unsum(d_norm * (0.5 / norm), like=v)
    d_v = rt.add(d_v, rt.unbroadcast(d_product * v, like=v))
    d_v = rt.add(d_v, rt.unbroadcast(d_product * v, like=v))
    return d_v

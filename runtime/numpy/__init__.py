"""The array library under NumPy's names: ops, and plain Python over them."""
import importlib as _importlib
import sys as _sys

import numpy as _numpy

from runtime.array import Array as ndarray
from runtime.dlpack import from_dlpack
from runtime.numpy.brackets import *
from runtime.numpy.calculus import *
from runtime.numpy.counting import *
from runtime.numpy.files import *
from runtime.numpy.manipulation import *
from runtime.numpy.math import *
from runtime.numpy.order import *
from runtime.numpy.packing import *
from runtime.numpy.padding import *
from runtime.numpy.pieces import *
from runtime.numpy.sets import *
from runtime.numpy.signal import *
from runtime.numpy.types import *
from runtime.numpy.ufunc import equip_all as _equip_all
from runtime.ops.binary import (add, angle, arctan2, around, bitwise_and, bitwise_left_shift, bitwise_or, bitwise_right_shift,
                                bitwise_xor, clip, copysign, divide, divmod, equal, float_power, floor_divide, fmax, fmin,
                                fmod, greater, greater_equal, heaviside, hypot, left_shift, less, less_equal, logaddexp,
                                logaddexp2, logical_and, logical_or, logical_xor, maximum, minimum, mod, multiply, nextafter,
                                not_equal, pow, power, remainder, right_shift, round, subtract, true_divide, where)
from runtime.ops.create import (arange, array, asarray, astype, empty, empty_like, eye, full, full_like, geomspace, identity,
                                linspace, logspace, ones, ones_like, tri, zeros, zeros_like)
from runtime.ops.cumulative import cumsum
from runtime.ops.dot import dot, inner, matmul, matvec, outer, tensordot, vdot, vecdot, vecmat
from runtime.ops.einsum import einsum, einsum_path
from runtime.ops.elementwise import (abs, absolute, acos, acosh, arccos, arccosh, arcsin, arcsinh, arctan, arctanh, asin,
                                     asinh, atan, atanh, bitwise_count, bitwise_invert, bitwise_not, cbrt, ceil, conj,
                                     conjugate, cos, cosh, deg2rad, degrees, exp, exp2, expm1, fabs, floor, imag, invert,
                                     isfinite, isinf, isnan, isneginf, isposinf, log, log1p, log2, log10, logical_not,
                                     negative, positive, rad2deg, radians, real, reciprocal, rint, sign, signbit, sin, sinh,
                                     sqrt, square, tan, tanh, trunc)
from runtime.ops.joining import concatenate, stack
from runtime.ops.permute import (flip, fliplr, flipud, matrix_transpose, moveaxis, permute_dims, roll, rollaxis, rot90, swapaxes,
                                 transpose)
from runtime.ops.product import cumprod, prod
from runtime.ops.reduce import all_ as all
from runtime.ops.reduce import any_ as any
from runtime.ops.reduce import argmax, argmin, mean, sum
from runtime.ops.reduce import max_ as max
from runtime.ops.reduce import min_ as min
from runtime.ops.search import (argpartition, argsort, argwhere, flatnonzero, lexsort, nonzero, partition, searchsorted, sort)
from runtime.ops.shape import (atleast_1d, atleast_2d, atleast_3d, broadcast_arrays, broadcast_to, expand_dims, ravel,
                               reshape, squeeze)
from runtime.ops.statistics import average, count_nonzero, ptp, std, var
from runtime.ops.take import put_along_axis, take, take_along_axis
from runtime.types import broadcast_shapes, promote_types, result_type

from runtime.numpy import fft, linalg

atan2 = arctan2
pi, e, inf, nan, newaxis, euler_gamma = _numpy.pi, _numpy.e, _numpy.inf, _numpy.nan, None, _numpy.euler_gamma
ComplexWarning = _numpy.exceptions.ComplexWarning
amax, amin, concat = max, min, concatenate

_equip_all(_sys.modules[__name__])

HOMES = {}      # name -> the compiler's module that holds it, which the compiler fills in


def __getattr__(name):
    if name in HOMES:
        return getattr(_importlib.import_module(HOMES[name]), name)
    raise AttributeError(f"module 'runtime.numpy' has no attribute {name!r}")

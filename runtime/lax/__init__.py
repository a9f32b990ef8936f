"""lax: the operations under their XLA names, dynamic slices, convolutions, collectives and structured control flow."""
from runtime.lax import linalg
from runtime.lax.arrays import *
from runtime.lax.control_flow import associative_scan, cond, fori_loop, map, scan, switch, while_loop
from runtime.lax.implicit import custom_linear_solve, custom_root
from runtime.lax.exchange import *
from runtime.lax.ragged import *
from runtime.lax.shapes import *
from runtime.ops.binary import add
from runtime.ops.binary import arctan2 as atan2
from runtime.ops.binary import bitwise_and, bitwise_or, bitwise_xor, clamp, integer_pow
from runtime.ops.binary import equal as eq
from runtime.ops.binary import fmod as rem
from runtime.ops.binary import greater as gt
from runtime.ops.binary import greater_equal as ge
from runtime.ops.binary import lax_div as div
from runtime.ops.binary import left_shift as shift_left
from runtime.ops.binary import less as lt
from runtime.ops.binary import less_equal as le
from runtime.ops.binary import maximum as max
from runtime.ops.binary import minimum as min
from runtime.ops.binary import multiply as mul
from runtime.ops.binary import nextafter
from runtime.ops.binary import not_equal as ne
from runtime.ops.binary import power as pow
from runtime.ops.binary import shift_right_arithmetic, shift_right_logical
from runtime.ops.binary import subtract as sub
from runtime.ops.collective import (all_gather, all_to_all, axis_index, axis_size, pmax, pmean, pmin, ppermute, pshuffle, psum,
                                    psum_scatter)
from runtime.ops.constrain import with_sharding_constraint
from runtime.ops.conv import (conv, conv_general_dilated, conv_general_dilated_patches, conv_transpose,
                              conv_with_general_padding)
from runtime.ops.create import broadcasted_iota, full, full_like, iota
from runtime.ops.dot import dot, dot_general
from runtime.ops.elementwise import abs
from runtime.ops.elementwise import arccos as acos
from runtime.ops.elementwise import arccosh as acosh
from runtime.ops.elementwise import arcsin as asin
from runtime.ops.elementwise import arcsinh as asinh
from runtime.ops.elementwise import arctan as atan
from runtime.ops.elementwise import arctanh as atanh
from runtime.ops.elementwise import (bitwise_not, cbrt, ceil, clz, conj, cos, cosh, digamma, erf, erfc, exp, exp2, expm1,
                                     floor, imag, log, log1p)
from runtime.ops.elementwise import erfinv as erf_inv
from runtime.ops.elementwise import gammaln as lgamma
from runtime.ops.elementwise import isfinite as is_finite
from runtime.ops.elementwise import make_complex as complex
from runtime.ops.elementwise import negative as neg
from runtime.ops.elementwise import population_count, real, reciprocal, rsqrt
from runtime.ops.elementwise import sigmoid as logistic
from runtime.ops.elementwise import sign, sin, sinh, sqrt, square, tan, tanh
from runtime.ops.gamma import random_gamma_grad
from runtime.ops.generator import rng_bit_generator, rng_uniform
from runtime.ops.incomplete import betainc, igamma, igamma_grad_a, igammac
from runtime.ops.permute import transpose
from runtime.ops.scatter import scatter, scatter_add, scatter_max, scatter_min, scatter_mul, scatter_sub
from runtime.ops.search import sort_key_val, top_k
from runtime.ops.shape import expand_dims, reshape, squeeze
from runtime.ops.slices import lax_pad as pad
from runtime.ops.slices import slice, slice_in_dim
from runtime.ops.special import bessel_i0e, bessel_i1e, polygamma, zeta
from runtime.ops.take import dynamic_slice, dynamic_update_slice
from runtime.ops.window import reduce_window
from runtime.ops.windows import GatherDimensionNumbers, ScatterDimensionNumbers, gather
from runtime.types import broadcast_shapes
from runtime.lax.layouts import (AccuracyMode, ConvDimensionNumbers, ConvGeneralDilatedDimensionNumbers, DotAlgorithm,
                                 DotAlgorithmPreset, DotDimensionNumbers, PrecisionLike, RandomAlgorithm, composite,
                                 conv_dimension_numbers, conv_general_permutations, conv_general_shape_tuple, conv_shape_tuple,
                                 conv_transpose_shape_tuple, reduce_window_shape_tuple)

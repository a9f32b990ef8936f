"""lax: the operations under their XLA names, dynamic slices, convolutions, collectives and structured control flow."""
from runtime.lax import linalg
from runtime.lax.arrays import *
from runtime.lax.control_flow import associative_scan, cond, fori_loop, map, scan, switch, while_loop
from runtime.lax.implicit import custom_linear_solve, custom_root
from runtime.lax.exchange import *
from runtime.lax.ragged import *
from runtime.lax.shapes import *
from runtime.lax.strict import *
from runtime.ops.collective import (all_gather, all_to_all, axis_index, axis_size, pmax, pmean, pmin, ppermute, pshuffle, psum,
                                    psum_scatter)
from runtime.ops.constrain import with_sharding_constraint
from runtime.ops.conv import (conv, conv_general_dilated, conv_general_dilated_patches, conv_transpose,
                              conv_with_general_padding)
from runtime.ops.create import broadcasted_iota, iota
from runtime.ops.dot import dot_general
from runtime.ops.generator import rng_bit_generator, rng_uniform
from runtime.ops.scatter import scatter, scatter_add, scatter_max, scatter_min, scatter_mul, scatter_sub
from runtime.ops.search import sort_key_val, top_k
from runtime.ops.slices import lax_pad as pad
from runtime.ops.slices import slice, slice_in_dim
from runtime.ops.take import dynamic_slice, dynamic_update_slice
from runtime.ops.uniform import (abs, acos, acosh, add, asin, asinh, atan, atan2, atanh, bessel_i0e, bessel_i1e, betainc, bitwise_and,
                                 bitwise_not, bitwise_or, bitwise_xor, cbrt, ceil, clz, complex, cos, cosh, digamma, div, eq, erf,
                                 erf_inv, erfc, exp, exp2, expm1, floor, ge, gt, igamma, igamma_grad_a, igammac, imag, is_finite, le,
                                 lgamma, log, log1p, logistic, lt, max, min, ne, neg, nextafter, polygamma, population_count, pow,
                                 random_gamma_grad, real, reciprocal, rem, rsqrt, shift_left, shift_right_arithmetic,
                                 shift_right_logical, sign, sin, sinh, sqrt, square, sub, tan, tanh, zeta)
from runtime.ops.window import reduce_window
from runtime.ops.windows import GatherDimensionNumbers, ScatterDimensionNumbers, gather
from runtime.types import broadcast_shapes
from runtime.lax.layouts import (AccuracyMode, ConvDimensionNumbers, ConvGeneralDilatedDimensionNumbers, DotAlgorithm,
                                 DotAlgorithmPreset, DotDimensionNumbers, PrecisionLike, RandomAlgorithm, composite,
                                 conv_dimension_numbers, conv_general_permutations, conv_general_shape_tuple, conv_shape_tuple,
                                 conv_transpose_shape_tuple, reduce_window_shape_tuple)

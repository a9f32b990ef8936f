"""The families of ops; the names listed here are the helpers that derivative code calls as ``rt.name``."""
from runtime.ops.barrier import barrier, checkpoint, fenced, fenced_leaf
from runtime.ops.binary import (above, clamp, flat_in_exponent, larger, larger_number, shift_right_arithmetic, shift_right_logical, signs, smaller_number,
                                within)
from runtime.ops.chosen import (chosen, chosen_again, chosen_axes, chosen_dot, chosen_mean, chosen_norm, chosen_ratio, chosen_std, chosen_var, clear_chosen, count_chosen,
                                keeps_shape, kept, no_rows_beside, places_of, put_chosen, put_chosen_dot, unchosen)
from runtime.ops.combine import at_apply, at_divide, at_max, at_min, at_multiply, at_power, given_factor, given_share, kept_share
from runtime.ops.constrain import constrained, placed
from runtime.ops.conv import convolve, unconvolve_left, unconvolve_right
from runtime.ops.create import array_again, array_dot, array_examples, array_examples_dot, astype_dot, astype_like, unarray, unastype
from runtime.ops.cumulative import recumsum, uncumsum
from runtime.ops.dot import contract, turned_left, turned_right, undot_left, undot_right, unmatmul_left, unmatmul_right
from runtime.ops.einsum import rearranged, rearranged_again, unrearranged
from runtime.ops.elementwise import (absolute_dot, clz, digamma, direction, direction_dot, erf, erfc, erfinv, gammaln, make_complex,
                                     population_count, rsqrt, unimag, unreal)
from runtime.ops.gamma import gamma_slope
from runtime.ops.hypergeometric import hyp1f1, hyp1f1_slope, hyp2f1, hyp2f1_slope
from runtime.ops.implicit import custom_vmap, example_of, implicit, negated, spread_where
from runtime.ops.incomplete import (beta_density, betainc, betainc_slope_a, betainc_slope_b, gamma_density, igamma, igamma_grad_a,
                                    igammac)
from runtime.ops.integrals import expn, spence_slope
from runtime.ops.joining import concatenate_again, stack_again, unconcatenate, unstack_like
from runtime.ops.naming import checkpoint_name, has_batch, if_kept, if_policy_keeps, policy_keeps, unless_batched
from runtime.ops.permute import unroll, untranspose
from runtime.ops.places import placed_index
from runtime.ops.product import delayed, delayed_zeros, hastened, other_factors
from runtime.ops.records import stack_records, unstack_records, whole_records
from runtime.ops.reduce import averaged, led, share, unmean, unsum
from runtime.ops.scatter import (extremal_share, factors, regathered, scattered, single, unscattered, unwinners, winners)
from runtime.ops.schur import sylvester
from runtime.ops.search import unsort
from runtime.ops.segment import segment_max, segment_min, segment_prod, segment_sum
from runtime.ops.shape import reshape_again, reshape_like
from runtime.ops.slices import pad_dot, repad, slice_again, unpad, unslice
from runtime.ops.spaced import share_of_high, share_of_low, spaced
from runtime.ops.special import bessel_i0e, bessel_i1e, bessel_i1e_slope, polygamma, zeta, zeta_slope
from runtime.ops.take import (clear_window, quiet, starts_from_front, take_along_axis_again, undynamic_slice, untake, untake_along_axis)
from runtime.ops.typeof import typeof
from runtime.ops.update import (at_add, at_get, at_set, at_subtract, clear_examples, index_examples, picked, unindex_examples, unpicked,
                                update_examples, update_examples_dot, updated_examples, won)
from runtime.ops.views import no_array, no_common_items, no_items, no_rows, no_view, not_shared, not_shared_items, only_keys, unshared
from runtime.ops.window import (pick_places, unpick_places, unwindow_sum, window_extremum, window_places, window_sum)
from runtime.ops.windows import ungather

__all__ = (
    "above", "absolute_dot", "array_again", "array_dot", "array_examples", "array_examples_dot", "astype_dot", "astype_like", "at_add", "at_apply", "at_divide",
    "at_get", "at_max", "at_min", "at_multiply", "at_power", "at_set", "at_subtract", "averaged", "barrier", "bessel_i1e_slope",
    "checkpoint", "checkpoint_name", "fenced", "fenced_leaf", "flat_in_exponent", "has_batch", "if_kept", "if_policy_keeps", "policy_keeps", "unless_batched",
    "beta_density", "betainc_slope_a", "betainc_slope_b", "gamma_density",
    "expn", "spence_slope", "sylvester", "hyp1f1", "hyp1f1_slope", "hyp2f1", "hyp2f1_slope", "zeta_slope",
    "bessel_i0e", "bessel_i1e", "betainc", "clamp", "clz", "digamma", "erf", "erfc", "erfinv", "gammaln", "igamma", "igamma_grad_a", "igammac",
    "polygamma", "population_count", "rsqrt", "shift_right_arithmetic", "shift_right_logical", "zeta",
    "chosen", "chosen_again", "chosen_axes", "chosen_dot", "chosen_mean", "chosen_norm", "chosen_ratio", "chosen_std", "chosen_var", "clear_chosen", "count_chosen", "keeps_shape", "kept",
    "no_rows_beside", "places_of", "put_chosen", "put_chosen_dot", "unchosen", "clear_window", "clear_examples", "given_factor", "given_share", "kept_share", "concatenate_again", "contract", "convolve", "delayed", "delayed_zeros",
    "direction", "direction_dot", "extremal_share", "factors", "gamma_slope", "hastened", "index_examples", "larger", "larger_number", "led",
    "custom_vmap", "example_of", "implicit", "negated", "spread_where", "make_complex", "no_array", "no_common_items", "no_items", "no_rows", "no_view", "not_shared", "not_shared_items", "only_keys", "unshared", "other_factors", "pick_places", "picked", "placed", "constrained", "placed_index", "quiet", "won", "rearranged", "rearranged_again", "recumsum", "regathered",
    "reshape_again", "reshape_like", "scattered", "share", "share_of_high", "share_of_low", "spaced", "signs", "single", "slice_again", "smaller_number", "stack_again",
    "stack_records", "starts_from_front", "take_along_axis_again", "turned_left", "turned_right", "typeof", "unarray", "unastype", "unconcatenate",
    "ungather", "unscattered", "unwinners", "winners", "unconvolve_left", "unconvolve_right", "uncumsum", "undot_left", "undot_right", "undynamic_slice", "unimag",
    "unindex_examples", "unmatmul_left", "unmatmul_right", "unmean", "unpad", "pad_dot", "repad", "unpick_places", "unpicked", "unreal",
    "unrearranged", "unroll", "unslice", "unsort", "unstack_like", "unstack_records", "unsum", "untake",
    "untake_along_axis", "untranspose", "unwindow_sum", "update_examples", "update_examples_dot",
    "updated_examples", "whole_records", "window_extremum", "window_places", "window_sum", "within")

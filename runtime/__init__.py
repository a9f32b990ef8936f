"""xform runtime: arrays and operations on XLA, and the helpers that generated code calls."""
from runtime.config import config, disable_jit, enable_x64
from runtime.zero import ZERO, Like
from runtime.op import batched
from runtime.device import (default_backend, device_count, devices, local_device_count, local_devices, process_count,
                            process_index)
from runtime.array import Array, ConcretizationError, LeakError
from runtime.transfer import block_until_ready, device_get, device_put
from runtime.join import UNDEFINED, JoinError
from runtime.sequence import Chain, Stacked, enumerate, reversed, zip
from runtime.spans import SymbolicRange, range
from runtime.control import cond, for_loop, while_loop
from runtime.stage import ShapeDtypeStruct, eval_shape
from runtime.jit import clear_caches, jit
from runtime.cotangent import add, broadcast_like, filled, instantiate, joined, like, one_like, one_like_complex, shared, unbroadcast
from runtime.attempt import attempt, attempted, trial
from runtime.attributes import attribute, bound, build, data, field, rebuilt, spread_data, taken_apart, unattribute, unbound, unspread_data
from runtime.containers import (append, checked_index, checked_key, clear, cleared, construct, contains, joinable, lasts,
                                count_of, entries, extend, fields_of, first_items, followed, getitem, insert, instantiate_shell,
                                is_dict, last_items, only_fields, place_of, popped, popped_at, popped_or, preceded, reindex, remove, repeated, reverse,
                                set_default, replace_fields, setitem, setitem_dot, unindex, unrepeated, with_members, update, without,
                                without_fields, without_key, without_members, zero_to_number)
from runtime.turns import (as_arrays, lane_pairs, lanes_again, lanes_filled, listed, listed_lead, pack, pack_lead, pairs, parts, parts_lead,
                           reiter, reiter_lead, repair, repair_lead, restore, seal, unseal, uniter, uniter_lead, unpairs, unpairs_lead)
from runtime.prefixes import fitting
from runtime.result_types import lowered, result_types
from runtime.rulechecks import parts_given, rule_pair, rule_part, rule_parts, rule_tangent, wrong_pair, wrong_parts
from functools import partial

from runtime import builtins, iteration, numpy_only, operators
from runtime.operators import defaulted
from runtime.ops import *
from runtime.batch import (align, align_back, align_like, batch_size, check_sizes, length, like_parts, logical_not, map_entries, mapped_size, max_batch, mean_batch, min_batch, move_axes, move_axis, pad_axes, permute_batch, rows, spread, sum_batch, turns_of, unalign, unspread, where)
from runtime.tiles import exchange_batch, scatter_batch
from runtime.nested import found_size, merge_axes, unmerge_axes
from runtime.lanes import guard, guarded, in_all_lanes, lane_count, lane_item, lanes_of, put_lanes, take_lanes
from runtime.cotangent import shape_of
from runtime.jacobian import basis, columns, rows_of, uncolumns, unrows
from runtime.ops.collective import inverse_permutation, pairs_of, sum_devices
from runtime.parallel import pmap
from runtime.abstract_mesh import AbstractMesh
from runtime.sharding import NamedSharding, P, SingleDeviceSharding, devices_by_id, make_mesh
from runtime.shardmap import PerShard, join_cotangents, shard_map, split_cotangents
from runtime.structures import leaves_and_structure, leaves_up_to, leaves_where, map_leaves, structure_of, tree_map_where, tree_of_leaves
from runtime.trees import leaves_along, leaves_of, tree_build, tree_map_1, tree_map_2, tree_map_3, tree_map_4, tree_map_all
from runtime.taylor import first_terms, lists_like, more_terms, order_of, times_number
from runtime.vectorized import check_results, flattened, loop_shape, unflattened
from runtime import scalars
from runtime.debug import shown

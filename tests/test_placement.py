"""Where arrays lie that are made of others: rows, copies, arrays filled like another, what is given away; compared with jax."""
import jax
import jax.experimental.mesh_utils
import jax.numpy as jnp
import numpy
import pytest

import xform
import xform.numpy as np
from xform.experimental import mesh_utils

LIBRARIES = [(xform, np), (jax, jnp)]


def sharding(lib, *axes):
    mesh = lib.sharding.Mesh(numpy.array(lib.devices()).reshape(4, 2), ("x", "y"))
    return lib.sharding.NamedSharding(mesh, lib.sharding.PartitionSpec(*axes))


def numbers(x):
    return sorted(device.id for device in x.devices())


@pytest.mark.parametrize("fill", ["zeros_like", "ones_like", "full_like", "empty_like"])
def test_what_is_filled_like_another_lies_beside_it(fill):
    found = []
    for lib, numpy_of in LIBRARIES:
        make = getattr(numpy_of, fill)
        more = (2.0,) if fill == "full_like" else ()
        free, put = numpy_of.ones((8, 2)), lib.device_put(numpy_of.ones((8, 2)), lib.devices()[3])
        spread = lib.device_put(numpy_of.ones((8, 2)), sharding(lib, "x", "y"))
        made = [make(x, *more) for x in (free, put, spread)] + [make(spread, *more, device=lib.devices()[5])]
        found.append([(numbers(x), x.committed, x.sharding.shard_shape(x.shape)) for x in made])
        numpy.testing.assert_array_equal(make(free, *more), made[2])
    assert found[0] == found[1]


def test_full_with_a_sharding():
    for lib, _ in LIBRARIES:
        made = lib.lax.full((8, 2), 1.5, "float32", sharding=sharding(lib, "x"))
        assert made.sharding == sharding(lib, "x")
        numpy.testing.assert_array_equal(made, numpy.full((8, 2), 1.5))
    numpy.testing.assert_array_equal(xform.jit(xform.grad(lambda v: xform.lax.full((3,), v).sum()))(2.0), 3)


def test_rows_stay_where_their_array_is():
    for lib, numpy_of in LIBRARIES:
        put = lib.device_put(numpy_of.arange(6.0).reshape(3, 2), lib.devices()[1])
        assert [numbers(row) for row in put] == [[1]] * 3
        whole = lib.device_put(numpy_of.arange(6.0).reshape(3, 2), sharding(lib))
        rows = list(whole)
        assert all(len(row.sharding.device_set) == 8 for row in rows)
        numpy.testing.assert_array_equal(numpy_of.stack(rows), numpy.arange(6.0).reshape(3, 2))


def test_a_copy_outlives_what_it_was_made_of():
    for lib, numpy_of in LIBRARIES:
        for x in (numpy_of.arange(4.0), lib.device_put(numpy_of.arange(8.0), sharding(lib, "x"))):
            copy, same = numpy_of.array(x), numpy_of.asarray(x)
            assert same is x and copy.sharding == x.sharding and copy.committed == x.committed
            lib.jit(lambda x: x + 1, donate_argnums=0)(x)
            assert x.is_deleted() and not copy.is_deleted()
            assert float(copy.sum()) == sum(range(x.shape[0]))


def test_what_has_to_move_is_given_away_too():
    for lib, numpy_of in LIBRARIES:
        x = numpy_of.arange(16)
        made = lib.jit(lambda x: x * 2, in_shardings=sharding(lib), donate_argnums=0)(x)
        assert made.is_fully_replicated and x.is_deleted()
        numpy.testing.assert_array_equal(made, 2 * numpy.arange(16))


def test_arrangements_of_devices():
    for shape in ((4, 2), (8,), (2, 2, 2)):
        ours, theirs = mesh_utils.create_device_mesh(shape), jax.experimental.mesh_utils.create_device_mesh(shape)
        assert [d.id for d in ours.flat] == [d.id for d in theirs.flat] and ours.shape == theirs.shape
    made = mesh_utils.create_device_mesh((2, 2), xform.devices()[4:])
    assert [d.id for d in made.flat] == [4, 5, 6, 7]
    for lib in (mesh_utils, jax.experimental.mesh_utils):
        with pytest.raises(ValueError, match="must equal the product of mesh_shape"):
            lib.create_device_mesh((3, 2))

    class Device:
        def __init__(self, number, process):
            self.id, self.process_index, self.platform, self.device_kind = number, process, "gpu", "gpu"
    several = [Device(n, n // 4) for n in (4, 5, 6, 7, 0, 1, 2, 3)]
    given = {"mesh_shape": (2, 2), "dcn_mesh_shape": (2, 1), "devices": several, "process_is_granule": True}
    ours, theirs = mesh_utils.create_hybrid_device_mesh(**given), jax.experimental.mesh_utils.create_hybrid_device_mesh(**given)
    assert [[d.id for d in row] for row in ours] == [[d.id for d in row] for row in theirs] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    with pytest.raises(ValueError, match="must equal the product of dcn_mesh_shape"):
        mesh_utils.create_hybrid_device_mesh((2, 2), (3, 1), several, process_is_granule=True)
    with pytest.raises(ValueError, match="process_is_granule=True"):
        mesh_utils.create_hybrid_device_mesh((2, 2), (2, 1), several)


def test_what_a_sharding_or_device_put_refuses():
    for lib, numpy_of in LIBRARIES:
        deep = sharding(lib, None, "y", None)
        deep.check_compatible_aval((2, 2, 2))
        with pytest.raises(ValueError, match="only valid for values of rank at least 3"):
            deep.check_compatible_aval((8, 2))
        with pytest.raises(ValueError, match="mesh"):
            lib.device_put(numpy_of.ones(8), lib.sharding.PartitionSpec("x"))

"""Where the arrays inside a staged program lie: constraints for XLA's partitioner, linear in their operand."""
from __future__ import annotations


from runtime import xla
from runtime.array import Array
from runtime.hlo import Module, tracing
from runtime.mesh import bound
from runtime.op import op, with_option
from runtime.primitive import Primitive, as_operand
from runtime.sharding import AbstractSharding, PartitionSpec, current_mesh, sharding_of
from runtime.tiling import check_shape
from runtime.tree import tree_map


def use_devices(module: Module, devices: tuple, mesh, what: str) -> None:
    """Have a program run as one partition on each of some devices; ValueError when it runs elsewhere already."""
    before = module.facts.setdefault("devices", devices)
    if before != devices:
        raise ValueError(f"{what}: one program uses meshes of different devices or device orders, {[d.id for d in before]} and "
                         f"{[d.id for d in devices]}; use one mesh")
    module.facts.setdefault("device mesh", mesh)
    if module.facts.get("mesh") is not None and module.facts["mesh"].axes:
        raise ValueError(f"{what} inside a program that pmap replicates is not supported; use shard_map in place of pmap")
    from runtime.partition import of_staged
    module.facts.setdefault("runner", of_staged)


def _same(x, *, sharding, free):
    return x


def _emit(block, operands, out_avals, *, sharding, free):
    if len(sharding._device_assignment) == 1:
        return operands[0]
    attributes = {"call_target_name": '"Sharding"',
                  "mhlo.sharding": f'"{sharding._to_xla_hlo_sharding(out_avals[0].ndim)}"'}
    if free:
        attributes["backend_config"] = f'"unspecified_dims=[{",".join(map(str, free))}]"'
    return block.op("custom_call", operands, out_avals[0], attributes)


_constraint = Primitive("sharding_constraint", _same, _emit)


def _each(one, x, shardings):
    from runtime.partition import along
    given = iter(along("with_sharding_constraint", shardings, x))
    return tree_map(lambda leaf: one(leaf, next(given)), x)


def _constrain(leaf, sharding, batch: int):
    """Constrain one array, of which the first ``batch`` dimensions are left to the compiler."""
    leaf = as_operand(leaf, "with_sharding_constraint")
    if sharding is None:
        return leaf
    spec = getattr(sharding, "spec", PartitionSpec())
    free = tuple(i + batch for i, part in enumerate(spec) if part is PartitionSpec.UNCONSTRAINED) + tuple(range(batch))
    if batch and len(sharding._device_assignment) > 1:
        if not hasattr(sharding, "spec"):
            raise TypeError(f"with_sharding_constraint under vmap takes a NamedSharding, got {sharding}")
        sharding = type(sharding)(sharding.mesh, PartitionSpec(*[None] * batch, *spec))
    if tracing.block is None:   # a compiled program pads what does not divide
        check_shape(sharding, leaf.shape)
    if type(leaf._v) is xla.ArrayImpl and tracing.block is None:
        from runtime.shards import place
        return Array(place(leaf._v, sharding))
    if len(sharding._device_assignment) == 1:
        return leaf
    if bound.manual:
        named = [n for n in (spec.names() if hasattr(sharding, "spec") else bound.manual) if n in bound.manual]
        if named:
            raise ValueError(f"with_sharding_constraint inside shard_map: {spec if hasattr(sharding, 'spec') else sharding} names "
                             f"{', '.join(map(repr, named))}, along which each device has its own part already")
        return leaf     # along the other axes every device has all of it
    use_devices(tracing.block.module, sharding._device_assignment, getattr(sharding, "mesh", None),
                "with_sharding_constraint")
    return _constraint._stage([leaf._v], {"sharding": sharding, "free": tuple(sorted(free))})


@op(linear="x", vjp={"x": "rt.constrained(d_out, shardings, lead)"},
    batch=lambda x, shardings, lead, over=(): constrained(x, shardings, lead + 1))
def constrained(x, shardings, lead):
    """Return arrays that lie, inside jit, as the shardings say; the first ``lead`` axes are batch axes, which these do not have."""
    return _each(lambda leaf, sharding: _constrain(leaf, sharding, lead), x, shardings)


@op(linear="x", vjp={"x": "lax.with_sharding_constraint(d_out, shardings)"},
    batch=lambda x, shardings, over=(): constrained(x, shardings, 1))
def with_sharding_constraint(x, shardings):
    """Return a pytree of arrays that lie, inside jit, as the shardings say (a prefix tree, or specs of the mesh in context).

    Outside jit the arrays are moved. In the derivative, cotangents lie as their arrays do. ValueError where a dimension
    does not divide.
    """
    return _each(lambda leaf, sharding: _constrain(leaf, sharding, 0), x, shardings)


def placed(x, out_sharding, lead=0):
    """Return an array that lies as an ``out_sharding`` says; None leaves it as it is.

    A spec is one of the mesh in context, else of the mesh over which the array or the program is spread. The first
    ``lead`` axes are batch axes, which the sharding does not have. The sharding of a type that says nothing (no axis is Explicit)
    leaves the array as it is where no mesh is in context.
    """
    if out_sharding is None or isinstance(out_sharding, AbstractSharding) and current_mesh() is None and out_sharding.says_nothing:
        return x
    x = as_operand(x, "out_sharding")
    mesh = current_mesh() or getattr(getattr(x._v, "_sharding", None), "mesh", None)
    if mesh is None and tracing.block is not None:
        mesh = tracing.block.module.facts.get("device mesh")
    return _constrain(x, sharding_of("out_sharding", out_sharding, mesh), lead)


placed = op(linear="x", vjp={"x": "rt.placed(d_out, out_sharding, lead)"},
            batch=lambda x, out_sharding, lead=0, over=(): placed(x, out_sharding, lead + 1))(placed)

def out_sharded(function):
    """Give a public function the option ``out_sharding``, which its result is ``placed`` by.

    The compiler reads the function itself: a call with the option is two calls to it.
    """
    def call(*args, out_sharding=None, **kwargs):
        made = function(*args, **kwargs)
        return made if out_sharding is None else placed(made, out_sharding)
    return with_option(function, call, "out_sharding", None)


__all__ = ["constrained", "out_sharded", "placed", "with_sharding_constraint"]

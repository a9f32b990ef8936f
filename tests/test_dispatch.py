"""The direct path from a jitted function to its program gives what the general path gives, and knows when it must not run."""
import jax  # noqa: F401 (host arrays take another way where it is loaded)
import numpy as onp
import pytest

import xform
import xform.transformed
import xform.numpy as np
from runtime import dispatch

X = np.arange(4.0)


@pytest.fixture
def general_calls(monkeypatch):
    """Count the calls that the direct path hands to the general one."""
    calls = []
    original = xform.transformed.Transformed._call

    def counted(self, *args, **kwargs):
        calls.append(args)
        return original(self, *args, **kwargs)
    monkeypatch.setattr(xform.transformed.Transformed, "_call", counted)
    return calls


def affine(x, y):
    return x * y + 1


def test_known_signatures_take_the_direct_path(general_calls):
    f = xform.jit(affine)
    for y in (X, 2.0, 3, True, X, 4.0):
        onp.testing.assert_allclose(f(X, y), onp.arange(4.0) * onp.asarray(y) + 1)
    assert len(general_calls) == 5 - 1  # arrays, weak float, weak int, bool: once each
    before = len(general_calls)
    for _ in range(3):      # jax is loaded here, so that jaxlib's dispatcher is not asked
        onp.testing.assert_allclose(f(onp.arange(4.0, dtype="float32"), 2.0), onp.arange(4.0) * 2 + 1)
        onp.testing.assert_allclose(f(onp.arange(4.0), onp.float32(2.0)), onp.arange(4.0) * 2 + 1)
    assert len(general_calls) == before + 1     # a float32 of NumPy's is no weak float


def test_containers_are_known_by_their_structure(general_calls):
    @xform.jit
    def f(tree, x):
        return {k: v + x for k, v in tree.items()}
    for _ in range(3):
        onp.testing.assert_array_equal(f({"a": X, "b": X[:2].sum()}, X)["b"], onp.arange(4.0) + 1)
    assert len(general_calls) == 1
    assert set(f({"a": X, "c": X}, X)) == {"a", "c"}
    assert f({"a": X.astype(int), "b": X.sum()}, X)["a"].dtype == np.float32
    assert f({"a": X, "b": X[:2].sum()}, 2.0)["a"].shape == (4,)


def test_structures_with_the_same_leaves_are_told_apart(general_calls):
    @xform.jit
    def f(tree):
        return tree[0] - tree[1] if isinstance(tree, list) else tree["a"] + tree["b"] if isinstance(tree, dict) else tree[0] * tree[1]
    for _ in range(3):
        assert float(f([X[3], X[1]])) == 2
        assert float(f((X[3], X[1]))) == 3
        assert float(f({"b": X[3], "a": X[1]})) == 4
    before = len(general_calls)
    g = xform.jit(lambda a, b: a[0] + b[0] if b is not None else a[0] + a[1])
    for _ in range(3):
        assert float(g([X[1], X[2]], None)) == 3 and float(g([X[1]], (X[3], None))) == 4
    assert len(general_calls) > before
    with pytest.raises((TypeError, KeyError, ValueError)):
        f({"a": X[1]})


def test_leaves_keep_their_order():
    @xform.jit
    def f(tree, k, pair):
        return tree["z"] + 10 * tree["a"][0] + 100 * tree["a"][1] + 1000 * pair[0] + 10000 * pair[1]["q"] + k
    tree, pair = {"z": X[1], "a": (X[2], X[3])}, [X[0], {"q": X[1]}]
    for _ in range(3):
        assert float(f(tree, 0.5, pair)) == 10321.5
    assert float(f({"a": (X[2], X[3]), "z": X[1]}, 0.5, pair)) == 10321.5


def test_many_leaves_take_the_direct_path_too(general_calls):
    f = xform.jit(lambda leaves, x: [leaf + x for leaf in leaves])
    leaves = [X[i % 4] for i in range(100)]
    for _ in range(3):
        assert [float(v) for v in f(leaves, X[1])[:5]] == [1, 2, 3, 4, 1]
    assert len(general_calls) == 1


def test_static_values_are_told_apart_by_type():
    def scaled(x, n):
        return x * n if n is True else x - n
    f = xform.jit(scaled, static_argnums=1)
    for _ in range(2):
        assert float(f(X[3], True)) == 3 and float(f(X[3], 1)) == 2 and float(f(X[3], 2)) == 1
    with pytest.raises(ValueError, match="[Nn]on-hashable"):
        f(X, [1])
    g = xform.jit(scaled, static_argnames="n")
    for _ in range(2):
        assert float(g(X[3], n=True)) == 3 and float(g(X[3], n=1)) == 2 and float(g(X[3], 2)) == 1


def test_keywords_and_defaults():
    def f(x, y=2.0, z=1.0):
        return x * y + z
    g, d = xform.jit(f), xform.grad(f)
    for _ in range(3):
        assert float(g(3.0)) == 7 and float(g(3.0, z=0.0)) == 6 and float(g(3.0, z=0.0, y=1.0)) == 3
        assert float(g(3.0, 5.0, z=2.0)) == 17 and float(g(y=1.0, x=2.0)) == 3
        assert float(d(3.0)) == 2 and float(d(3.0, y=4.0)) == 4 and float(d(3.0, z=9.0)) == 2
    with pytest.raises(TypeError, match="w"):
        g(3.0, w=1)


def test_keywords_take_the_direct_path(general_calls):
    f = xform.jit(lambda x, rate, scale: x * rate + scale[0])
    for _ in range(4):
        assert float(f(X[3], scale=[X[1]], rate=2.0)) == 7
        assert float(f(X[3], rate=2.0, scale=[X[2]])) == 8
    assert len(general_calls) == 1      # whatever their order
    assert float(f(X[3], 2.0, scale=[X[1]])) == 7 and float(f(X[3], 2.0, [X[1]])) == 7
    assert float(f(rate=2.0, x=X[3], scale=[X[1]])) == 7
    with pytest.raises(TypeError):
        f(X[3], rate=2.0, wrong=[X[1]])
    many = xform.jit(lambda leaves, x: leaves[99] + x)
    for _ in range(3):
        assert float(many([X[i % 4] for i in range(100)], x=X[1])) == 4


def helper(x):
    return x + 1


def test_a_helper_defined_anew_is_seen(monkeypatch):
    f = xform.jit(calls_helper)
    assert float(f(X[0])) == 1 and float(f(X[0])) == 1
    monkeypatch.setitem(globals(), "helper", doubled)
    assert float(f(X[1])) == 2 and float(f(X[0])) == 0


def doubled(x):
    return x * 2


def calls_helper(x):
    return helper(x)


STEPS = [helper]


def all_steps(x):
    for step in STEPS:
        x = step(x)
    return x


def test_a_list_of_functions_that_changes_is_seen():
    f = xform.jit(all_steps)
    assert float(f(X[2])) == 3 and float(f(X[2])) == 3
    STEPS.append(doubled)
    try:
        assert float(f(X[2])) == 6 and float(f(X[3])) == 8
        STEPS[0] = doubled
        assert float(f(X[2])) == 8
    finally:
        STEPS[:] = [helper]
    assert float(f(X[2])) == 3


def test_a_deleted_argument_is_named():
    f = xform.jit(affine, donate_argnums=0)
    x = np.ones(1000)
    f(np.ones(1000), 2.0)
    f(x, 2.0)
    with pytest.raises(RuntimeError, match="deleted"):
        f(x, 2.0)


def test_settings_are_looked_at_again():
    f = xform.jit(affine)
    f(X, 2.0), f(X, 2.0)
    with xform.enable_x64():
        assert f(X, np.ones(4)).dtype == np.float64 and f(2.0, 3.0).dtype == np.float64
    assert f(2.0, 3.0).dtype == np.float32
    with xform.disable_jit():
        assert float(f(2.0, 3.0)) == 7
    xform.config.update("debug_nans", True)
    try:
        with pytest.raises(FloatingPointError):
            f(X, float("nan"))
    finally:
        xform.config.update("debug_nans", False)
    assert onp.isnan(f(X, float("nan"))).all()


def test_other_devices_and_traces_take_the_general_path(general_calls):
    f = xform.jit(affine)
    f(X, X), f(X, X)
    there = xform.device_put(X, xform.devices()[-1])
    assert f(there, there).devices() == {xform.devices()[-1]}
    assert f(X, X).devices() == {xform.devices()[0]}

    @xform.jit
    def outer(x):
        return f(x, x) + f(X, X)
    onp.testing.assert_array_equal(outer(X), 2 * (onp.arange(4.0) ** 2 + 1))


def test_clear_cache_forgets_the_direct_programs():
    f = xform.jit(affine)
    f(X, X)
    f.clear_cache()
    onp.testing.assert_array_equal(f(X, X), onp.arange(4.0) ** 2 + 1)


def test_the_written_code_is_shared_between_functions():
    xform.jit(affine)(X, X)
    before = len(dispatch._codes)
    xform.jit(lambda a, b: a - b)(X, X)
    assert len(dispatch._codes) == before


def test_staged_operations_name_the_users_lines():
    def wave(x):
        y = x * 2
        return np.sin(y)
    first = wave.__code__.co_firstlineno
    text = xform.jit(xform.grad(lambda x: wave(x))).lower(1.0).as_text()
    assert f'"{__file__}":{first + 1}:' in text and f'"{__file__}":{first + 2}:' in text

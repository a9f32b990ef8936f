"""Arrays and PyTorch's tensors are exchanged by DLPack, in both directions."""
import gc

import numpy
import pytest

import xform
import xform.numpy as np
from runtime.dlpack import from_dlpack

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

NAMES = ["bool", "int8", "uint8", "int16", "int32", "float16", "bfloat16", "float32", "complex64"]
T = torch.arange(12).reshape(3, 4)


def numbers(x):
    """The elements of an array or tensor, as complex numbers of NumPy's."""
    return x.to(torch.complex128).numpy() if isinstance(x, torch.Tensor) else numpy.asarray(x).astype("complex128")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", [
    lambda t: t, lambda t: t.T, lambda t: t[1:], lambda t: t[:, ::2], lambda t: t[1, 2], lambda t: t[:0], lambda t: t[:1].expand(3, 4)],
    ids=["whole", "transposed", "later rows", "every other column", "one element", "no rows", "repeated row"])
def test_tensors_become_arrays(name, part):
    tensor = part(T.to(getattr(torch, name)))
    for copy in (None, True):
        made = from_dlpack(tensor, copy=copy)
        assert (made.dtype.name, made.shape) == (name, tuple(tensor.shape))
        numpy.testing.assert_array_equal(numbers(made), numbers(tensor))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (12,), (3, 4), (0, 3)])
def test_arrays_become_tensors(name, shape):
    x = np.ones(shape, name)
    tensor = torch.from_dlpack(x)
    assert tensor.dtype == getattr(torch, name) and tuple(tensor.shape) == shape
    numpy.testing.assert_array_equal(numbers(tensor), numbers(x))
    again = from_dlpack(tensor)
    assert again.dtype == x.dtype and again.shape == shape


@pytest.mark.parametrize("name", ["int64", "float64"])
def test_wide_tensors_are_narrowed(name):
    made = from_dlpack(T.to(getattr(torch, name)))
    assert made.dtype.name == name.replace("64", "32")
    numpy.testing.assert_array_equal(made, T.numpy())
    with pytest.raises(ValueError, match="copy=False"):
        from_dlpack(T.to(getattr(torch, name)), copy=False)


def test_memory_is_shared_where_it_can_be_and_kept_alive():
    tensor = torch.arange(64.0)
    shared, copied = from_dlpack(tensor), from_dlpack(tensor, copy=True)
    assert (shared.unsafe_buffer_pointer() == tensor.data_ptr()) == (tensor.data_ptr() % 64 == 0)
    assert copied.unsafe_buffer_pointer() != tensor.data_ptr()
    del tensor
    gc.collect()
    torch.zeros(64)
    numpy.testing.assert_array_equal(shared, numpy.arange(64.0))
    x = np.arange(4.0)
    tensor = torch.from_dlpack(x)
    del x
    gc.collect()
    assert tensor.tolist() == [0, 1, 2, 3]


def test_what_cannot_be_shared_is_refused():
    gaps = torch.ones(4, 6, dtype=torch.bfloat16)[:, ::2]
    with pytest.raises(ValueError, match="copy=False"):
        from_dlpack(gaps, copy=False)
    with pytest.raises(BufferError, match="gradient"):
        from_dlpack(torch.ones(2, requires_grad=True))


def test_tensors_in_transformed_functions():
    tensor = torch.tensor([1.0, 2.0])
    numpy.testing.assert_allclose(xform.jit(xform.grad(lambda x: (x ** 3).sum()))(from_dlpack(tensor)), [3.0, 12.0])
    assert np.asarray(tensor).dtype == np.float32

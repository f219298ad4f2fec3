import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.errors import BackendMismatch, ClassIndexError, DtypeError, ShapeError
from minicap.layers.embedding import embedding_backward, embedding_forward

TABLE = np.arange(8.0).reshape(4, 2)


def test_every_word_gets_its_row():
    out, _ = embedding_forward(np.array([[3, 0, 3]]), TABLE)
    np.testing.assert_array_equal(out, [[[6, 7], [0, 1], [6, 7]]])


def test_a_repeated_word_collects_all_its_gradients():
    _, cache = embedding_forward(np.array([[3, 0, 3]]), TABLE)
    dtable = embedding_backward(np.array([[[1.0, 10], [2, 20], [4, 40]]]), cache)
    np.testing.assert_array_equal(dtable, [[2, 20], [0, 0], [0, 0], [5, 50]])


def test_the_padding_word_is_looked_up_but_never_trained():
    out, cache = embedding_forward(np.array([[0, 2, 0]]), TABLE, padding_index=0)
    np.testing.assert_array_equal(out[0, 0], TABLE[0])
    dtable = embedding_backward(np.ones((1, 3, 2)), cache)
    np.testing.assert_array_equal(dtable, [[0, 0], [0, 0], [1, 1], [0, 0]])


@settings(max_examples=40)
@given(data=st.data())
def test_embedding_equals_pytorch(data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    V, D = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 4))
    padding_index = data.draw(st.none() | st.integers(0, V - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    ids, table = rng.integers(0, V, size=shape), rng.normal(size=(V, D))
    dout = rng.normal(size=(*shape, D))

    out, cache = embedding_forward(ids, table, padding_index)
    table_torch = torch.tensor(table, requires_grad=True)
    expected = torch.nn.functional.embedding(torch.tensor(ids), table_torch, padding_idx=padding_index)
    expected.backward(torch.tensor(dout))

    np.testing.assert_array_equal(out, expected.detach())
    np.testing.assert_allclose(embedding_backward(dout, cache), table_torch.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_table_is_kept(dtype):
    out, cache = embedding_forward(np.array([1, 1], dtype=np.int32), TABLE.astype(dtype))
    assert out.dtype == embedding_backward(out, cache).dtype == dtype


def test_strides_do_not_change_the_result(rng):
    ids, dout = rng.integers(0, 4, size=(3, 5)).T, rng.normal(size=(3, 5, 2)).swapaxes(0, 1)
    out, cache = embedding_forward(ids, np.asfortranarray(TABLE))
    packed, packed_cache = embedding_forward(ids.copy(), TABLE)
    np.testing.assert_array_equal(out, packed)
    np.testing.assert_array_equal(
        embedding_backward(dout, cache), embedding_backward(dout.copy(), packed_cache)
    )


@pytest.mark.parametrize(
    ("ids", "table", "options", "error", "message"),
    [
        (np.array([[0, 4]]), TABLE, {}, ClassIndexError, r"ids\[0, 1\] is 4 but a word index must be 0\.\.3"),
        (np.array([[-1]]), TABLE, {}, ClassIndexError, r"ids\[0, 0\] is -1"),
        (np.array([[0.0]]), TABLE, {}, DtypeError, "ids is float64 but must hold integer word indices"),
        (np.zeros((0, 3), dtype=int), TABLE, {}, ShapeError, r"ids is empty.*\(ids \(0, 3\)\)"),
        (np.array([0]), TABLE[0], {}, ShapeError, r"table has 1 axes \(2,\) but must be \(V D\)"),
        (np.array([0]), TABLE.astype(int), {}, DtypeError, "table is int64"),
        (np.array([0]), TABLE, {"padding_index": 4}, ClassIndexError, r"padding_index is 4 .* 0\.\.3"),
        ([[0]], TABLE, {}, BackendMismatch, "ids is a list"),
    ],
)
def test_ids_and_tables_that_do_not_fit_are_refused(ids, table, options, error, message):
    with pytest.raises(error, match=message):
        embedding_forward(ids, table, **options)


def test_an_upstream_gradient_of_another_shape_is_refused():
    _, cache = embedding_forward(np.array([[0, 1]]), TABLE)
    with pytest.raises(ShapeError, match=r"embedding_backward: dout is \(1, 2\) but .* \(1, 2, 2\)"):
        embedding_backward(np.ones((1, 2)), cache)

import numpy as np
import pytest
from captioning.models.small import CAPTIONS, batch_for, small

from minicap.captioning.models.cnn_cnn import Block


def test_a_word_sees_as_far_back_as_the_windows_reach_and_no_further():
    """Two convolutions of three words: four words back."""
    model = small("cnn-cnn")
    batch = {"features": batch_for(model)["features"], "words": np.tile(np.arange(4, 14), (5, 1))}
    scores, _ = model.forward(batch, train=False)
    batch["words"] = batch["words"].copy()
    batch["words"][:, 2] = 4
    others, _ = model.forward(batch, train=False)
    changed = np.abs(scores - others).max(axis=(0, 2)) > 1e-9
    assert changed.tolist() == [False] * 2 + [True] * 5 + [False] * 3


def test_attention_is_a_share_of_every_place():
    model = small("cnn-cnn")
    _, _, extras = model.step(model.start(batch_for(model)["features"]), np.ones(5, np.int64))
    assert extras["attention"].shape == (len(CAPTIONS), 4)
    np.testing.assert_allclose(extras["attention"].sum(axis=1), 1, rtol=1e-12)


def test_a_block_equals_its_equations_in_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    from torch.nn import functional as F

    block = Block(4, 3, 0.0).initialize(seed=1, dtype=np.float64)
    rng = np.random.default_rng(0)
    for parameter in block.params.values():
        parameter += 0.1 * rng.normal(size=parameter.shape)
    z, places, dout = rng.normal(size=(3, 5, 4)), rng.normal(size=(3, 7, 4)), rng.normal(size=(3, 5, 4))

    theirs = [torch.tensor(a, requires_grad=True) for a in (z, places)]
    p = {name: torch.tensor(array) for name, array in block.params.items()}
    past = F.pad(theirs[0].transpose(1, 2), (2, 0))
    y = F.conv1d(past, p["conv.w"].permute(2, 1, 0), p["conv.b"]).transpose(1, 2)
    y = F.glu(y, dim=2)
    query = y @ p["query.w"] + p["query.b"]
    context = F.scaled_dot_product_attention(query, theirs[1], theirs[1])
    expected = theirs[0] + y + context @ p["context.w"] + p["context.b"]
    expected.backward(torch.tensor(dout))

    out, cache = block.forward((z, places), train=True)
    np.testing.assert_allclose(out, expected.detach(), rtol=0, atol=1e-10)
    for ours, of_torch in zip(block.backward(dout, cache)[0], theirs, strict=True):
        np.testing.assert_allclose(ours, of_torch.grad, rtol=0, atol=1e-10)

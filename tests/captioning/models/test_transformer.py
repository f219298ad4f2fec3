import numpy as np
import pytest
from captioning.models.small import CAPTIONS, batch_for, small

from minicap.captioning.models import TransformerConfig
from minicap.captioning.models.transformer import Block, positions
from minicap.errors import InputError


def test_positions_by_hand():
    """Of four numbers the rates are 1 and 1/100."""
    angles = np.array([[2, 0.02], [3, 0.03]])
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(positions(2, 2, like=np.zeros((1, 4))), expected, rtol=1e-14)
    assert positions(0, 3, like=np.zeros((1, 5), np.float32)).shape == (3, 5)
    assert positions(0, 3, like=np.zeros((1, 5), np.float32)).dtype == np.float32


def test_a_step_keeps_one_key_and_value_more_and_looks_at_every_place():
    model = small("transformer")
    state = model.start(batch_for(model)["features"])
    for said in range(3):
        assert [array.shape for array in state] == 2 * (2 * [(5, said, 4)] + 2 * [(5, 4, 4)])
        _, state, extras = model.step(state, np.ones(5, np.int64))
        assert extras["attention"].shape == (len(CAPTIONS), 4)
        np.testing.assert_allclose(extras["attention"].sum(axis=1), 1, rtol=1e-12)


def test_words_that_come_later_change_no_score():
    model = small("transformer")
    batch = batch_for(model)
    other = batch | {"words": batch["words"].copy()}
    other["words"][:, 4:] = 5
    scores, others = (model.forward(some, train=False)[0] for some in (batch, other))
    np.testing.assert_array_equal(scores[:, :4], others[:, :4])
    assert np.abs(scores[:, 4:] - others[:, 4:]).max() > 1e-3


def test_the_order_of_the_words_matters():
    model = small("transformer")
    batch = batch_for(model)
    words = np.tile([1, 4, 5, 6], (5, 1))
    ours, turned = (
        model.forward({"features": batch["features"], "words": some}, train=False)[0][:, -1]
        for some in (words, words[:, [0, 2, 1, 3]])
    )
    assert np.abs(ours - turned).max() > 1e-3


def test_sizes_that_do_not_fit_are_input_errors():
    with pytest.raises(InputError, match="embed_size is 10 but must be divisible by heads, 4"):
        TransformerConfig(embed_size=10)
    with pytest.raises(InputError, match="blocks and heads and inner_size must be at least 1"):
        TransformerConfig(blocks=0)


def test_a_block_is_a_decoder_layer_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    block = Block(4, 2, 6, 0.0).initialize(seed=1, dtype=np.float64)
    rng = np.random.default_rng(0)
    for parameter in block.params.values():
        parameter += 0.1 * rng.normal(size=parameter.shape)
    x, places, dout = rng.normal(size=(3, 5, 4)), rng.normal(size=(3, 7, 4)), rng.normal(size=(3, 5, 4))

    layer = torch.nn.TransformerDecoderLayer(4, 2, 6, dropout=0.0, batch_first=True, norm_first=True)
    found = {name: array.T for name, array in block.params.items()}  # torch keeps the transposes
    state = {}
    for our, their in (("inner.body.wide", "linear1"), ("inner.body.narrow", "linear2")):
        state |= {f"{their}.weight": found[f"{our}.w"], f"{their}.bias": found[f"{our}.b"]}
    for our, their in (("words_norm", "norm1"), ("places_norm", "norm2"), ("inner.body.norm", "norm3")):
        state |= {f"{their}.weight": found[f"{our}.gamma"], f"{their}.bias": found[f"{our}.beta"]}
    for our, their in (("words", "self_attn"), ("places", "multihead_attn")):
        state[f"{their}.in_proj_weight"] = np.concatenate([found[f"{our}.{w}"] for w in ("Wq", "Wk", "Wv")])
        state[f"{their}.out_proj.weight"] = found[f"{our}.Wo"]
        state |= {f"{their}.in_proj_bias": np.zeros(12), f"{their}.out_proj.bias": np.zeros(4)}
    layer = layer.double()
    layer.load_state_dict({name: torch.tensor(np.ascontiguousarray(a)) for name, a in state.items()})
    inputs = [torch.tensor(a, requires_grad=True) for a in (x, places)]
    expected = layer(*inputs, tgt_mask=torch.nn.Transformer.generate_square_subsequent_mask(5).double())
    expected.backward(torch.tensor(dout))

    out, cache = block.forward((x, places), train=True)
    np.testing.assert_allclose(out, expected.detach(), rtol=0, atol=1e-10)
    for ours, of_torch in zip(block.backward(dout, cache)[0], inputs, strict=True):
        np.testing.assert_allclose(ours, of_torch.grad, rtol=0, atol=1e-10)

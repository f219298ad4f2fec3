import numpy as np
import pytest
from models.peers import parameter_count

from minicap.data import ArrayDataset
from minicap.gradcheck import check_model
from minicap.models import fast_cifar
from minicap.nn import PatchWhitening, Supervised
from minicap.nn.multiply_adds import multiply_adds
from minicap.optim import Group
from minicap.training import RunFolder, Trainer, TrainingConfig

NARROW = (6, 8, 8)


def test_it_has_the_size_and_the_work_that_the_paper_states():
    assert parameter_count(fast_cifar()) == 1_971_352  # "1.97 million"
    # 3.6e14 for forward and backward of 10 epochs of 50,000 images, two for a multiply-add.
    assert multiply_adds(fast_cifar(), (3, 32, 32)) * 2 * 3 * 9.9 * 5e4 == pytest.approx(3.6e14, rel=0.05)


def test_at_first_the_convolutions_pass_their_input_on():
    weights = fast_cifar().initialize(0).params
    for name in ("conv1.w", "conv2.w", "conv6.w"):
        channels = weights[name].shape[1]
        np.testing.assert_array_equal(weights[name][:channels, :, 1, 1], np.eye(channels))
    assert weights["conv1.w"][24:].std() > 0
    plain = fast_cifar(start_as_identity=False).initialize(0).params
    assert (plain["conv2.w"][:, :, 1, 1] != np.eye(64)).all()


def test_without_whitening_the_first_filters_are_learned():
    net = fast_cifar(whitening=False)
    assert net.shapes["conv1.w"] == (24, 3, 2, 2)
    assert not any(isinstance(module, PatchWhitening) for module in net.modules())


def test_gradients_of_a_narrow_one(rng):
    net = fast_cifar(3, (3, 4, 4)).initialize(1, np.float64)
    for name, w in net.params.items():
        w += 0.3 * rng.normal(size=w.shape) if name.endswith("w") else 0.1
    model = Supervised(net, label_smoothing=0.2)
    batch = {"x": rng.normal(size=(2, 3, 31, 31)), "y": np.array([0, 2])}
    report = check_model(lambda: model.loss(batch), model.params, entries=3, step=1e-6)
    assert report.passed, str(report)


def torch_net(torch, weights, whitening, statistics, x, train):
    """The recipe's network in PyTorch's functions."""
    f = torch.nn.functional

    def norm(x, number):
        mean, var = statistics[number]
        beta = weights[f"net.bn{number}.beta"]
        return f.batch_norm(x, mean, var, None, beta, training=train, momentum=0.4, eps=1e-12)

    x = f.gelu(f.conv2d(x, whitening, weights["net.whitening1.b"]))
    for block in range(3):
        first, second = 2 * block + 1, 2 * block + 2
        x = f.max_pool2d(f.conv2d(x, weights[f"net.conv{first}.w"], padding=1), 2)
        x = f.gelu(norm(x, first))
        x = f.gelu(norm(f.conv2d(x, weights[f"net.conv{second}.w"], padding=1), second))
    x = f.max_pool2d(x, 3).flatten(1)
    return x @ weights["net.conv7.w"].flatten(1).T / 9


def torch_training(torch, params, whitening, batches, config):
    """The recipe's training in PyTorch: SGD in two groups, and lookahead over everything the model holds."""
    total = len(batches)
    weights = {name: torch.tensor(w, requires_grad=True) for name, w in params.items()}
    statistics = {n: (torch.zeros(w), torch.ones(w)) for n, w in enumerate(np.repeat(NARROW, 2), 1)}
    statistics = {n: tuple(s.double() for s in pair) for n, pair in statistics.items()}
    live = (*weights.values(), *(s for pair in statistics.values() for s in pair))
    betas = [w for name, w in weights.items() if name.endswith("beta")]
    others = [w for name, w in weights.items() if not name.endswith("beta")]
    rate, decay = config.learning_rate, config.weight_decay
    optimizer = torch.optim.SGD(
        [
            {"params": betas, "lr": 64 * rate, "weight_decay": decay / 64},
            {"params": others, "lr": rate, "weight_decay": decay},
        ],
        momentum=0.85,
        nesterov=True,
    )
    for step, batch in enumerate(batches, 1):
        weights["net.whitening1.b"].requires_grad = step <= 4
        scores = torch_net(
            torch, weights, torch.tensor(whitening), statistics, torch.tensor(batch["x"]), True
        )
        loss = torch.nn.functional.cross_entropy(scores, torch.tensor(batch["y"]), label_smoothing=0.2)
        optimizer.zero_grad()
        loss.backward()
        if step == 1:  # the statistics have seen a batch by then
            slow = [tensor.detach().clone() for tensor in live]
        optimizer.step()
        if step % 3 == 0:
            keep = 0.95**5 * (step / total) ** 3
            with torch.no_grad():
                for old, new in zip(slow, live, strict=True):
                    old.lerp_(new, 1 - keep)
                    new.copy_(old)
    return weights, statistics


def test_training_by_the_recipe_equals_pytorchs(rng, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    steps = 6
    images = rng.normal(size=(11, 3, 31, 31))
    data = ArrayDataset(images, rng.integers(10, size=11), alternate=True)
    config = TrainingConfig(
        epochs=3,
        batch_size=4,
        steps=steps,
        optimizer="nesterov",
        optimizer_options={"momentum": 0.85},
        learning_rate=0.02,
        weight_decay=0.05,
        lookahead=3,
        lookahead_alpha=1 - 0.95**5,
        lookahead_power=3.0,
        clip_norm=0.0,
        groups=(
            Group("*.beta", rate_factor=64.0, weight_decay=0.05 / 64),
            Group("*.whitening1.b", frozen_after=4),
        ),
        shards=1,
    )
    model = Supervised(fast_cifar(10, NARROW), label_smoothing=0.2).initialize(3, np.float64)
    model.net.whitening1.fit(images)
    trainer = Trainer(model, data, config, RunFolder(tmp_path / "run"))
    seen, params = [], {name: w.copy() for name, w in model.params.items()}
    trainer.step = lambda trainer, batch, rng: seen.append(batch) or trainer.loss(batch, rng)
    trainer.fit()
    assert len(seen) == steps
    theirs, statistics = torch_training(torch, params, model.state["net.whitening1.w"], seen, config)
    for name, w in model.params.items():
        np.testing.assert_allclose(w, theirs[name].detach().numpy(), rtol=0, atol=1e-8, err_msg=name)
        assert abs(w - params[name]).max() > 1e-6, name
    for number, (mean, _) in statistics.items():
        np.testing.assert_allclose(
            model.state[f"net.bn{number}.running_mean"], mean.numpy(), rtol=0, atol=1e-8
        )

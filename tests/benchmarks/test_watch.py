import pytest

from benchmarks.cases.networks import Network
from benchmarks.watch import TrainingStep, layers_of, network_case, watched
from minicap.errors import InputError
from minicap.nn import Affine, Conv2d, MaxPool2d, ReLU, Sequential


def small(image, classes):
    return Sequential(Conv2d(3, 4, pad="same"), ReLU(), MaxPool2d(), Affine(4 * 4 * 4, classes))


WORK = Network(small, 6, (3, 8, 8), 5)
NAMES = ["conv1", "relu1", "pool1", "affine1"]


def test_layers_have_flat_names_in_their_order():
    net = Sequential(Sequential(Affine(2, 3), ReLU()), Affine(3, 1))
    assert [name for name, _ in layers_of(net)] == ["sequential1.affine1", "sequential1.relu1", "affine1"]


def test_every_layer_is_watched_once_in_each_direction():
    step, seen = TrainingStep(WORK, shards=1), []

    def wrap(name, layer, phase, method):
        def told(*args, **kwargs):
            seen.append((name, phase))
            return method(*args, **kwargs)

        return told

    with watched(step.net, wrap):
        step.run()
    assert seen == [(name, "forward") for name in NAMES] + [(name, "backward") for name in reversed(NAMES)]
    step.run()
    assert len(seen) == 2 * len(NAMES)


def test_a_watched_step_moves_the_parameters_alike():
    plain, other = TrainingStep(WORK, shards=1), TrainingStep(WORK, shards=1)
    plain.run()
    with watched(other.net, lambda name, layer, phase, method: method):
        other.run()
    for name, w in plain.model.params.items():
        assert (w == other.model.params[name]).all(), name


@pytest.mark.parametrize("name", ["step/cnn9-cifar", "lstm/128", "vgg16/infer"])
def test_only_training_steps_of_networks_can_be_watched(name):
    with pytest.raises(InputError, match="step/cnn2-cifar") as caught:
        network_case(name)
    assert "vgg16/infer" not in str(caught.value).partition(";")[2]

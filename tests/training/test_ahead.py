import threading
import time

import pytest
from training import toy
from training.runs import augmented_classifier
from training.toy import Points, make_model

from minicap.arrays import current_backend, use_backend
from minicap.errors import InputError
from minicap.training import RunFolder, Trainer, TrainingConfig
from minicap.training.ahead import made_ahead


def helpers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("minicap-ahead")]


@pytest.mark.parametrize("threads", [0, 1, 3, 20])
def test_things_come_in_their_order(threads):
    def slow_for_even(number):
        time.sleep(0.002 * (number % 2 == 0))
        return number**2

    with made_ahead(slow_for_even, range(10), threads) as made:
        assert list(made) == [number**2 for number in range(10)]
    assert not helpers()


@pytest.mark.parametrize("threads", [1, 2])
def test_as_many_are_made_ahead_as_there_are_threads(threads):
    begun = []
    with made_ahead(begun.append, range(10), threads) as made:
        assert begun == []
        for number in range(3):
            next(made)
            deadline = time.monotonic() + 10
            while len(begun) < number + 1 + threads and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(0.01)
            assert sorted(begun) == list(range(number + 1 + threads))


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_is_raised_when_its_turn_comes_and_ends_the_threads(threads):
    def fail_at_3(number):
        if number == 3:
            raise ZeroDivisionError
        return number

    seen = []
    with pytest.raises(ZeroDivisionError), made_ahead(fail_at_3, range(10), threads) as made:
        seen.extend(made)
    assert seen == [0, 1, 2]
    assert not helpers()


def test_an_interrupt_ends_the_threads_and_begins_nothing_more():
    begun = []

    def interrupted():
        with made_ahead(begun.append, range(100), 2) as made:
            next(made)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not helpers()
    assert len(begun) <= 4


def test_what_is_made_ahead_is_made_on_the_same_backend(strict_cupy):
    with use_backend("strict-cupy"), made_ahead(lambda _: current_backend().name, range(3), 1) as made:
        assert list(made) == ["strict-cupy"] * 3


class Interrupt(Exception):
    pass


def test_a_run_is_the_same_to_the_bit_with_any_number_of_loaders_also_when_resumed(tmp_path):
    whole = augmented_classifier(tmp_path / "whole", loaders=0)
    whole.fit()
    first = augmented_classifier(tmp_path / "ahead", loaders=3)

    def stop_in_the_second_epoch(step: int) -> float:
        if step == 13:
            raise Interrupt
        return 1.0

    first.schedule = stop_in_the_second_epoch
    with pytest.raises(Interrupt):
        first.fit()
    assert not helpers()
    rest = augmented_classifier(tmp_path / "ahead", loaders=1)
    rest.resume()
    assert rest.position.step == 13
    rest.fit()
    toy.assert_same_run(RunFolder(tmp_path / "ahead"), whole.run)


def test_an_error_in_a_batch_ends_the_run_as_it_does_without_loaders(tmp_path):
    class Broken(Points):
        def batch(self, indices, rng=None):
            if 7 in indices:
                raise InputError("photo 7 cannot be read")
            return super().batch(indices, rng)

    for loaders in (0, 2):
        config = TrainingConfig(epochs=1, batch_size=10, loaders=loaders)
        trainer = Trainer(make_model(), Broken(100), config, RunFolder(tmp_path / str(loaders)))
        with pytest.raises(InputError, match="photo 7 cannot be read"):
            trainer.fit()
        assert not helpers()
    assert len({len(RunFolder(tmp_path / str(loaders)).metrics()) for loaders in (0, 2)}) == 1


def test_more_loaders_than_a_machine_can_have_are_refused():
    with pytest.raises(InputError, match="loaders is 5000 but must be at most 1024"):
        TrainingConfig(loaders=5000)

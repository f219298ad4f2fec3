"""Photos as bytes, a run of two epochs, and the server that knows it."""

from io import BytesIO
from pathlib import Path

import pytest
from cli.photos import picture
from training.tiny import make_dataset

from minicap.captioning.models import AttendAndTellConfig
from minicap.captioning.run import (
    CaptionDataConfig,
    CaptionRunConfig,
    CaptionTrainingConfig,
    load_splits,
    make_trainer,
)
from minicap.captioning.samples import SampleCaptions
from minicap.models.encoders import SqueezeNetEncoderConfig
from minicap.training import RunFolder
from minicap.web import Runs, make_app


def encoded(size: tuple[int, int] = (64, 48), kind: str = "JPEG") -> bytes:
    """A picture as the bytes of a file."""
    file = BytesIO()
    picture(size).save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    return encoded((320, 200))


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run in it, "mine": a captioner with attention after two epochs."""
    folder = tmp_path_factory.mktemp("runs")
    data = make_dataset(tmp_path_factory.mktemp("tiny") / "data")
    config = CaptionRunConfig(
        data=CaptionDataConfig(path=str(data), min_count=1, max_words=6),
        encoder=SqueezeNetEncoderConfig(),
        model=AttendAndTellConfig(embed_size=6, hidden_size=8, attention_size=4),
        training=CaptionTrainingConfig(epochs=2, batch_size=4),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINICAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        train, validation = load_splits(config)
        run = RunFolder(folder / "mine")
        run.write_config(config.to_toml())
        captioner, trainer = make_trainer(config, run, train, validation)
        assert validation is not None
        trainer.callbacks = [SampleCaptions(captioner, validation, run)]
        trainer.fit()
    return folder


@pytest.fixture(scope="session")
def app(runs_folder: Path):
    """The server with the shipped models and the run "mine"."""
    pytest.importorskip("starlette", reason='the server needs Starlette: pip install "minicap[web]"')
    pytest.importorskip("python_multipart", reason="the server needs python-multipart")
    return make_app(Runs(folder=runs_folder))

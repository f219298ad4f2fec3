"""Training a tagger from a data set to a run folder, in one call."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minicap.arrays import to_device
from minicap.data import SAMPLE, default_cache_folder, extract_features
from minicap.data.tagged import TaggedDataset, open_tagged
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.models.encoders import ENCODER_SETTINGS, EfficientNetLite0EncoderConfig, Encoder, make_encoder
from minicap.multilabel.evaluation import evaluate
from minicap.multilabel.examples import LabelExamples
from minicap.multilabel.models import MODEL_SETTINGS, LinearConfig
from minicap.multilabel.tagger import READS, Tagger
from minicap.progress import Progress
from minicap.training import RunConfig, RunFolder, Trainer, TrainingConfig, digest, settings_fingerprint


@dataclass(frozen=True)
class TagDataConfig:
    """What to train on.

    path: a folder of labelled photos, a JSON or CSV file, or "sample" for the photos in the package.
    outside: whether photos may lie outside the data set's folder.
    """

    path: str = SAMPLE
    outside: bool = False

    def __post_init__(self) -> None:
        require_types(self)


@dataclass(frozen=True)
class TagTrainingConfig(TrainingConfig):
    __doc__ = TrainingConfig.__doc__

    batch_size: int = 32
    monitor: str = "f1"


@dataclass(frozen=True)
class TagRunConfig(RunConfig):
    """All settings of a tagger's run, as in its config.toml: one table each.

    encoder, model: the settings of one that the registries know; their `name` says which.
    """

    application: ClassVar[str] = "tagger"
    registries: ClassVar[Mapping[str, Mapping[str, type[Any]]]] = {
        "encoder": ENCODER_SETTINGS,
        "model": MODEL_SETTINGS,
    }
    data: TagDataConfig = field(default_factory=TagDataConfig)
    encoder: Any = field(default_factory=EfficientNetLite0EncoderConfig)
    model: Any = field(default_factory=LinearConfig)
    training: TagTrainingConfig = field(default_factory=TagTrainingConfig)


@dataclass
class TagSplit:
    """One split of a data set, ready for a tagger: its photos, their features and labels."""

    paths: list[Path]
    features: np.ndarray
    labels: list[tuple[str, ...]]
    name: str = ""


def load_split(dataset: TaggedDataset, split: str, encoder: Encoder) -> TagSplit:
    """Photos of a split with their features, from the cache or extracted now, with a progress bar."""
    photos = dataset.split(split)
    paths = [photo.path for photo in photos]
    with Progress(len(paths), f"{READS} features of {dataset.name} {split}", "photo") as progress:
        features = extract_features(
            paths,
            partial(encoder.encode, kind=READS),
            encoder.preprocess,
            key=encoder.key(READS),
            folder=default_cache_folder(),
            progress=progress.reach,
        )
    return TagSplit(paths, features, [photo.labels for photo in photos], split)


def make_trainer(
    config: TagRunConfig,
    run: RunFolder,
    train: TagSplit,
    validation: TagSplit | None = None,
    callbacks: tuple[Callable[[Trainer, dict[str, Any]], None], ...] = (),
) -> tuple[Tagger, Trainer]:
    """An initialised tagger and the trainer that will train it.

    It knows the labels of the training photos.  Without validation photos the training loss decides which
    epoch is the best.  Raises InputError for fewer than two labels.
    """
    seen = Counter(label for labels in train.labels for label in labels)
    names = sorted(seen, key=lambda label: (-seen[label], label))
    tagger = Tagger.create(make_encoder(config.encoder), names, config.model)
    tagger.model.initialize(config.training.seed)
    tagger.model.standardize(train.features)
    index = {name: k for k, name in enumerate(names)}

    def examples(split: TagSplit) -> LabelExamples:
        known = [[index[label] for label in labels if label in index] for labels in split.labels]
        order = getattr(config.model, "order", "frequent")
        return LabelExamples(to_device(split.features), known, len(names), order)

    def scores_of_validation(trainer: Trainer) -> dict[str, float]:
        assert validation
        return evaluate(tagger, validation.features, validation.labels, beam=1).scores()

    trainer = Trainer(
        tagger.model,
        examples(train),
        config.training,
        run,
        examples(validation) if validation else None,
        tagger.about(),
        callbacks,
        measure=scores_of_validation if validation else None,
        fingerprint=fingerprint(config, names, train, validation),
    )
    trainer.about["chosen_by"] = trainer.monitor.in_words("validation photos")
    return tagger, trainer


def load_splits(config: TagRunConfig) -> tuple[TagSplit, TagSplit | None]:
    """The training photos that a run's settings name, and the validation photos, if there are any."""
    dataset, encoder = open_tagged(config.data.path, config.data.outside), make_encoder(config.encoder)
    require_learnable(dataset)
    validation = load_split(dataset, "val", encoder) if dataset.counts()["val"] else None
    return load_split(dataset, "train", encoder), validation


def open_trainer(config: TagRunConfig, run: RunFolder) -> Trainer:
    """The trainer of a run's settings, its data set read from the disk; what a sweep calls for every run."""
    return make_trainer(config, run, *load_splits(config))[1]


def require_learnable(dataset: TaggedDataset) -> None:
    """Raise InputError for a set that no tagger can be trained on."""
    if not dataset.counts()["train"]:
        raise InputError(f"{dataset.name}: there are no training photos")


def fingerprint(
    config: TagRunConfig, names: list[str], train: TagSplit, validation: TagSplit | None
) -> dict[str, str]:
    """What makes a run this run: labels, photos, their order, and the settings."""
    found = {"the labels": digest(names)}
    for name, split in {"training": train, "validation": validation}.items():
        if split:
            found[f"the photos for {name}"] = digest([path.name for path in split.paths])
            found[f"the labels for {name}"] = digest([list(labels) for labels in split.labels])
    data = settings_fingerprint("data", config.data, leave_out=["path"])  # a data set may move
    chosen = {name: settings_fingerprint(name, getattr(config, name)) for name in ("encoder", "model")}
    return found | data | chosen["encoder"] | chosen["model"]

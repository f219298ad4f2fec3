"""Training a tagger from a data set to a run folder, in one call."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minicap.arrays import to_device
from minicap.data import SAMPLE, Preprocess, default_cache_folder, extract_features
from minicap.data.crops import RandomCrop
from minicap.data.tagged import TaggedDataset, open_tagged
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.formats.word_vectors import read_word_vectors
from minicap.models.encoders import ENCODER_SETTINGS, EfficientNetLite0EncoderConfig, Encoder, make_encoder
from minicap.multilabel.evaluation import evaluate
from minicap.multilabel.examples import LabelExamples
from minicap.multilabel.models import MODEL_SETTINGS, LinearConfig
from minicap.multilabel.tagger import Tagger, reads
from minicap.nn import prefixed
from minicap.progress import Progress
from minicap.training import RunConfig, RunFolder, Trainer, TrainingConfig, digest, settings_fingerprint


@dataclass(frozen=True)
class TagDataConfig:
    """What to train on.

    path: a folder of labelled photos, a JSON or CSV file, or "sample" for the photos in the package.
    outside: whether photos may lie outside the data set's folder.
    crops: random crops of every training photo, mirrored every second time, of which each epoch reads one; 0
    for the centre of the photo alone.
    word_vectors: a text file of GloVe or word2vec, or a zip of some, that the embedded labels start from; a
    name of several words starts from their mean.
    """

    path: str = SAMPLE
    outside: bool = False
    crops: int = 0
    word_vectors: str = ""

    def __post_init__(self) -> None:
        require_types(self)
        if self.crops < 0:
            raise InputError(f"crops is {self.crops} but must not be negative")


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
    """One split of a data set, ready for a tagger: its photos, their features and labels.

    crops: features of other crops of the same photos.
    """

    paths: list[Path]
    features: np.ndarray
    labels: list[tuple[str, ...]]
    name: str = ""
    crops: Sequence[np.ndarray] = ()


def load_split(
    dataset: TaggedDataset, split: str, encoder: Encoder, kind: str = "stages", crops: int = 0
) -> TagSplit:
    """Photos of a split with their features, from the cache or extracted now, with a progress bar.

    kind: of features; see `Tagger.reads`.
    crops: how many random crops of each photo to read in place of its centre; 0 for the centre.
    """
    photos = dataset.split(split)
    paths = [photo.path for photo in photos]

    def extracted(preprocess: Preprocess | RandomCrop, of_what: str) -> np.ndarray:
        with Progress(len(paths), f"{kind} features of {of_what}", "photo") as progress:
            return extract_features(
                paths,
                partial(encoder.encode, kind=kind),
                preprocess,
                key=encoder.key(kind),
                folder=default_cache_folder(),
                progress=progress.reach,
            )

    title = f"{dataset.name} {split}"
    found = [
        extracted(RandomCrop(encoder.preprocess, number), f"{title}, crop {number + 1} of {crops}")
        for number in range(crops)
    ] or [extracted(encoder.preprocess, title)]
    return TagSplit(paths, found[0], [photo.labels for photo in photos], split, found[1:])


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
    if config.model.fine_tune:
        start_from_encoder(tagger)
    tagger.model.standardize(train.features)
    photos = np.array([seen[name] for name in names])
    tagger.model.start_from((photos + 1) / (len(train.labels) + 2))  # never 0 or 1
    about = tagger.about()
    if config.data.word_vectors and not run.last.exists():
        about["labels_with_vectors"] = use_word_vectors(tagger, config.data.word_vectors)
    index = {name: k for k, name in enumerate(names)}

    def examples(split: TagSplit) -> LabelExamples:
        known = [[index[label] for label in labels if label in index] for labels in split.labels]
        order = getattr(config.model, "order", "frequent")
        crops = [to_device(features) for features in split.crops]
        return LabelExamples(to_device(split.features), known, len(names), order, crops)

    def scores_of_validation(trainer: Trainer) -> dict[str, float]:
        assert validation
        found = evaluate(tagger, validation.features, validation.labels, beam=1)
        return found.scores() | {"mean_average_precision": found.mean_average_precision}

    trainer = Trainer(
        tagger.model,
        examples(train),
        config.training,
        run,
        examples(validation) if validation else None,
        about,
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
    kind = reads(config.model)
    validation = load_split(dataset, "val", encoder, kind) if dataset.counts()["val"] else None
    return load_split(dataset, "train", encoder, kind, config.data.crops), validation


def open_trainer(config: TagRunConfig, run: RunFolder) -> Trainer:
    """The trainer of a run's settings, its data set read from the disk; what a sweep calls for every run."""
    return make_trainer(config, run, *load_splits(config))[1]


def start_from_encoder(tagger: Tagger) -> None:
    """Let the last stage that is trained too start from the encoder's weights."""
    for name, array in prefixed("standardized.last", tagger.encoder.last_stage().params).items():
        tagger.model.params[name][...] = to_device(array)


def use_word_vectors(tagger: Tagger, path: str) -> int:
    """Let labels start from pretrained vectors: the mean of those of a name's words (Ren 2017, section 5.1).

    Returns how many labels the file knows a word of; the others stay as they are.
    Raises InputError for a model that embeds no labels, and as read_word_vectors.
    """
    table = tagger.model.params.get("labels.table")
    if table is None:
        raise InputError(
            f"word_vectors are for models that embed labels, which {tagger.model.config.name} does not"
        )
    names = [label.lower().split() for label in tagger.labels]
    vectors = read_word_vectors(path, {word for words in names for word in words}, table.shape[1])
    known = {k: [vectors[word] for word in words if word in vectors] for k, words in enumerate(names)}
    for k, found in known.items():
        if found:
            table[k] = to_device(np.mean(found, axis=0))
    return sum(map(bool, known.values()))


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
    data = settings_fingerprint("data", config.data, leave_out=["path", "word_vectors"])  # files may move
    chosen = {name: settings_fingerprint(name, getattr(config, name)) for name in ("encoder", "model")}
    return found | data | chosen["encoder"] | chosen["model"]

"""Training a ranking model from a data set to a run folder, in one call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from minicap.arrays import to_device
from minicap.captioning.captioner import MOST_WORDS
from minicap.captioning.examples import CaptionExamples
from minicap.captioning.retrieval.matcher import Matcher
from minicap.captioning.retrieval.model import RankingModelConfig
from minicap.captioning.splits import Split, load_split
from minicap.data import SAMPLE, CaptionDataset, open_dataset
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.metrics.retrieval import retrieval_scores
from minicap.models.encoders import ENCODER_SETTINGS, EfficientNetLite0EncoderConfig, make_encoder
from minicap.training import RunConfig, RunFolder, Trainer, TrainingConfig, digest, settings_fingerprint
from minicap.vocabulary import SPECIAL, Vocabulary


@dataclass(frozen=True)
class RetrievalDataConfig:
    """What to train on.

    path: a folder of captioned photos, a JSON or CSV file, or "sample" for the photos in the package.
    outside: whether photos may lie outside the data set's folder.
    min_count: a word must occur this often in training.  max_words: captions are cut after this many words.
    """

    path: str = SAMPLE
    outside: bool = False
    min_count: int = 3
    max_words: int = 20

    def __post_init__(self) -> None:
        require_types(self)
        if self.min_count < 1 or not 1 <= self.max_words <= MOST_WORDS:
            raise InputError(f"min_count must be at least 1, max_words in 1..{MOST_WORDS}")


@dataclass(frozen=True)
class RetrievalTrainingConfig(TrainingConfig):
    __doc__ = TrainingConfig.__doc__

    monitor: str = "mean_recall"


@dataclass(frozen=True)
class RetrievalRunConfig(RunConfig):
    """All settings of a run, as in its config.toml: one table each."""

    application: ClassVar[str] = "retrieval"
    registries: ClassVar[Mapping[str, Mapping[str, type[Any]]]] = {"encoder": ENCODER_SETTINGS}
    data: RetrievalDataConfig = field(default_factory=RetrievalDataConfig)
    encoder: Any = field(default_factory=EfficientNetLite0EncoderConfig)
    model: RankingModelConfig = field(default_factory=RankingModelConfig)
    training: RetrievalTrainingConfig = field(default_factory=RetrievalTrainingConfig)


def load_splits(config: RetrievalRunConfig, dataset: CaptionDataset) -> tuple[Split, Split | None]:
    """The training photos and the validation photos, if there are any, with their pooled features."""
    encoder = make_encoder(config.encoder)
    validation = load_split(dataset, "val", encoder, "pooled") if dataset.counts()["val"] else None
    return load_split(dataset, "train", encoder, "pooled"), validation


def make_trainer(
    config: RetrievalRunConfig,
    run: RunFolder,
    train: Split,
    validation: Split | None = None,
    callbacks: tuple[Callable[[Trainer, dict[str, Any]], None], ...] = (),
) -> tuple[Matcher, Trainer]:
    """An initialised model and the trainer that will train it.

    Raises InputError when no word of the captions is seen min_count times.
    """
    vocabulary = Vocabulary.build((t for of_image in train.tokens for t in of_image), config.data.min_count)
    if vocabulary.words == SPECIAL:
        raise InputError(
            f"min_count is {config.data.min_count} but no word occurs that often in the captions"
        )
    matcher = Matcher.create(make_encoder(config.encoder), vocabulary, config.model, config.data.max_words)
    matcher.model.initialize(config.training.seed)
    matcher.model.standardize(train.features)

    def examples(split: Split) -> CaptionExamples:
        return CaptionExamples(to_device(split.features), split.tokens, vocabulary, config.data.max_words)

    def measured(trainer: Trainer) -> dict[str, float]:
        assert validation
        scores = evaluate(matcher, validation)
        # Ranks reach the hundreds and would flatten the recall curves beside them.
        return {name: score for name, score in scores.items() if not name.endswith("median_rank")}

    trainer = Trainer(
        matcher.model,
        examples(train),
        config.training,
        run,
        examples(validation) if validation else None,
        matcher.about(),
        callbacks,
        measure=measured if validation else None,
        fingerprint=fingerprint(config, vocabulary, train, validation),
    )
    trainer.about["chosen_by"] = trainer.monitor.in_words(validation.name if validation else "")
    return matcher, trainer


def open_trainer(config: RetrievalRunConfig, run: RunFolder) -> Trainer:
    """The trainer of a run's settings, its data set read from the disk; what a sweep calls for every run."""
    dataset = open_dataset(config.data.path, config.data.outside)
    return make_trainer(config, run, *load_splits(config, dataset))[1]


def fingerprint(
    config: RetrievalRunConfig, vocabulary: Vocabulary, train: Split, validation: Split | None
) -> dict[str, str]:
    """What makes a run this run: vocabulary, photos, captions, their order, and the settings."""
    found = {"the vocabulary": digest(vocabulary.to_json())}
    for name, split in {"training": train, "validation": validation}.items():
        if split:
            found[f"the photos for {name}"] = digest([path.name for path in split.paths])
            found[f"the captions for {name}"] = digest(split.tokens)
    found |= settings_fingerprint("data", config.data, leave_out=["path"])  # a data set may move
    found |= settings_fingerprint("encoder", config.encoder)
    return found | settings_fingerprint("model", config.model)


def evaluate(matcher: Matcher, split: Split) -> dict[str, float]:
    """Recall and median rank both ways over all photos and captions of a split (see retrieval_scores)."""
    owner = np.repeat(np.arange(len(split.tokens)), [len(captions) for captions in split.tokens])
    sentences = matcher.sentences([tokens for captions in split.tokens for tokens in captions])
    return retrieval_scores(matcher.images(split.features) @ sentences.T, owner)


def transferred(matcher: Matcher, train: Split, split: Split) -> list[str]:
    """The nearest training caption for every photo: captioning by retrieval."""
    known = [tokens for captions in train.tokens for tokens in captions]
    nearest = (matcher.images(split.features) @ matcher.sentences(known).T).argmax(axis=1)
    return [" ".join(known[i]) for i in nearest]

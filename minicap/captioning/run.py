"""Training a captioner from a data set to a run folder, in one call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from minicap.arrays import Array, to_device
from minicap.captioning.captioner import MOST_WORDS, Captioner
from minicap.captioning.examples import CaptionExamples
from minicap.captioning.models import MODEL_SETTINGS, MODELS, ShowAndTellConfig
from minicap.captioning.reinforce import PhotoExamples, ReinforceConfig, SelfCritical, mean_of_epoch
from minicap.captioning.scheduled_sampling import ScheduledSampling
from minicap.captioning.splits import Split, load_split
from minicap.data import SAMPLE, CaptionDataset, open_dataset
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.formats.word_vectors import read_word_vectors
from minicap.metrics.captions import Scores, score
from minicap.models.encoders import ENCODER_SETTINGS, EfficientNetLite0EncoderConfig, make_encoder
from minicap.training import (
    RunConfig,
    RunFolder,
    Step,
    Trainer,
    TrainingConfig,
    digest,
    loss_step,
    settings_fingerprint,
)
from minicap.vocabulary import SPECIAL, Vocabulary

SHIPPED = "shipped"
_MANY_CAPTIONS = 5000  # the size that the usual settings are made for
_STEPS = 500  # that a small data set is trained for


@dataclass(frozen=True)
class CaptionDataConfig:
    """What to train on.

    path: a folder of captioned photos, a JSON or CSV file, or "sample" for the photos in the package.
    start: a run folder, a checkpoint, or "shipped", that training starts from; empty to start afresh.
    outside: whether photos may lie outside the data set's folder.
    min_count: a word must occur this often in training.  max_words: captions are cut after this many words.
    word_vectors: a text file of GloVe or word2vec, or a zip of some, that the embedded words start from.
    subset: how many of the training photos to use, drawn with subset_seed; 0 for all.
    subset_seed: of the choice of these photos.
    """

    path: str = SAMPLE
    outside: bool = False
    start: str = ""
    min_count: int = 3
    max_words: int = 20
    word_vectors: str = ""
    subset: int = 0
    subset_seed: int = 0

    def __post_init__(self) -> None:
        require_types(self)
        if min(self.min_count, self.max_words) < 1:
            raise InputError("min_count and max_words must be at least 1")
        if min(self.subset, self.subset_seed) < 0:
            raise InputError("subset and subset_seed must not be negative")
        if self.max_words > MOST_WORDS:
            raise InputError(f"max_words is {self.max_words} but must be at most {MOST_WORDS}")
        if self.start and self.word_vectors:
            raise InputError("word_vectors are for a captioner that starts afresh; leave out start (--from)")


@dataclass(frozen=True)
class CaptionTrainingConfig(TrainingConfig):
    __doc__ = f"""{TrainingConfig.__doc__}
    label_smoothing: share of every target that is spread over all words.
    scheduled_sampling: share of the words that the model reads as it says them itself in the last epoch; in
    the epochs before, it rises to that from 0.
    """

    label_smoothing: float = 0.0
    scheduled_sampling: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("label_smoothing", "scheduled_sampling"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)} but must be from 0 to 1")


@dataclass(frozen=True)
class CaptionRunConfig(RunConfig):
    """All settings of a captioner's run, as in its config.toml: one table each.

    encoder, model: the settings of one that the registries know; their `name` says which.
    """

    application: ClassVar[str] = "captioner"
    registries: ClassVar[Mapping[str, Mapping[str, type[Any]]]] = {
        "encoder": ENCODER_SETTINGS,
        "model": MODEL_SETTINGS,
    }
    data: CaptionDataConfig = field(default_factory=CaptionDataConfig)
    encoder: Any = field(default_factory=EfficientNetLite0EncoderConfig)
    model: Any = field(default_factory=ShowAndTellConfig)
    training: CaptionTrainingConfig = field(default_factory=CaptionTrainingConfig)
    reinforcement: ReinforceConfig = field(default_factory=ReinforceConfig)

    def __post_init__(self) -> None:
        if self.reinforcement.on and not self.data.start:
            raise InputError("only a trained captioner can learn from scores: name one with --from RUN")
        for name in ("label_smoothing", "scheduled_sampling"):
            if self.reinforcement.on and getattr(self.training, name):
                raise InputError(f"{name} is for learning captions, not scores; leave it at 0")

    @property
    def reads(self) -> str:
        """The kind of features that the model reads."""
        kind: str = MODELS[self.model.name].model.reads
        return kind


def settings_for(dataset: CaptionDataset, start: bool) -> dict[str, dict[str, Any]]:
    """Settings that suit a small data set, table by table; none for one of 5000 captions or more.

    With few captions, training keeps every word and takes enough steps only by small batches and many epochs.
    A captioner that goes on from another (`start`) needs a fifth of the steps, and smaller ones.
    """
    captions = sum(len(image.captions) for image in dataset.images if image.split == "train")
    if captions >= _MANY_CAPTIONS:
        return {}
    batch_size = 64 if captions >= 2000 else 32 if captions >= 400 else 8
    steps = _STEPS // 5 if start else _STEPS
    epochs = min(max(round(steps * batch_size / max(captions, 1)), 5), 40)
    rate = {"learning_rate": 3e-4} if start else {}
    return {
        "data": {"min_count": 1 if captions < 1000 else 2},
        "training": {"batch_size": batch_size, "epochs": epochs} | rate,
    }


def settings_for_rewards() -> dict[str, dict[str, Any]]:
    """Settings for learning from scores: the small steps of Rennie et al. 2017, with CIDEr as monitor."""
    return {"training": {"learning_rate": 5e-5, "monitor": "cider"}}


def load_splits(
    config: CaptionRunConfig, dataset: CaptionDataset | None = None
) -> tuple[Split, Split | None]:
    """The training photos of a data set, or as many of them as config.data.subset says; and its validation
    photos, if there are any.

    Raises InputError for a subset of more photos than there are.
    """
    if dataset is None:
        dataset = open_dataset(config.data.path, config.data.outside)
    encoder = make_encoder(config.encoder)
    train = load_split(dataset, "train", encoder, config.reads)
    validation = load_split(dataset, "val", encoder, config.reads) if dataset.counts()["val"] else None
    return train.drawn(config.data.subset, config.data.subset_seed), validation


def load_start(path: str) -> Captioner:
    """The captioner that training goes on from: "shipped", or that of a run folder or checkpoint."""
    return Captioner.shipped() if path == SHIPPED else Captioner.load(path)


def make_trainer(
    config: CaptionRunConfig,
    run: RunFolder,
    train: Split,
    validation: Split | None = None,
    callbacks: tuple[Callable[[Trainer, dict[str, Any]], None], ...] = (),
) -> tuple[Captioner, Trainer]:
    """An initialised captioner and the trainer that will train it.

    Raises InputError when no word of the captions is seen min_count times.
    """
    vocabulary = Vocabulary.build(
        (tokens for of_image in train.tokens for tokens in of_image), config.data.min_count
    )
    if vocabulary.words == SPECIAL:
        raise InputError(
            f"min_count is {config.data.min_count} but no word occurs that often in the captions"
        )
    if config.data.start:
        if run.last.exists():  # it holds all that a resumed run needs of the start
            captioner = Captioner.load(run.last)
        else:
            captioner = load_start(config.data.start).with_words_of(vocabulary, config.training.seed)
        vocabulary = captioner.vocabulary
    else:
        encoder = make_encoder(config.encoder)
        captioner = Captioner.create(encoder, vocabulary, config.model, config.data.max_words)
        captioner.model.initialize(config.training.seed)
        captioner.model.standardize(train.features)
    about = captioner.about()
    if config.data.word_vectors and not run.last.exists():
        about["words_with_vectors"] = use_word_vectors(captioner, config.data.word_vectors)
    captioner.model.label_smoothing = config.training.label_smoothing

    def examples(split: Split) -> CaptionExamples:
        return CaptionExamples(features_of(split), split.tokens, vocabulary, config.data.max_words)

    def features_of(split: Split) -> Array:
        # Pooled features stay on the model's device for all steps; grid features stay in their file.
        return to_device(split.features) if config.reads == "pooled" else split.features

    def measured(trainer: Trainer) -> dict[str, float]:
        rewards = ("reward", "baseline") if config.reinforcement.on else ()
        scores = flat_scores(evaluate(captioner, validation, beam=1)[0]) if validation else {}
        return scores | {name: mean_of_epoch(trainer, name) for name in rewards}

    step: Step = loss_step
    if config.reinforcement.on:
        step = SelfCritical(config.reinforcement, vocabulary, train.tokens, config.data.max_words)
    elif config.training.scheduled_sampling:
        step = ScheduledSampling(config.training.scheduled_sampling)
    by_score = validation and not config.training.monitor.endswith("_loss")
    trainer = Trainer(
        captioner.model,
        PhotoExamples(features_of(train)) if config.reinforcement.on else examples(train),
        config.training,
        run,
        examples(validation) if validation else None,
        about,
        callbacks,
        measure=measured if by_score or config.reinforcement.on else None,  # decoding is slow
        step=step,
        fingerprint=fingerprint(config, vocabulary, train, validation),
    )
    trainer.about["chosen_by"] = trainer.monitor.in_words(validation.name if validation else "")
    return captioner, trainer


def open_trainer(config: CaptionRunConfig, run: RunFolder) -> Trainer:
    """The trainer of a run's settings, its data set read from the disk; what a sweep calls for every run."""
    return make_trainer(config, run, *load_splits(config))[1]


def use_word_vectors(captioner: Captioner, path: str) -> int:
    """Let the words start from pretrained vectors; returns how many of them the file knows.

    The other words stay as they are.  Raises as read_word_vectors.
    """
    table, words = captioner.model.params["words.table"], captioner.vocabulary
    vectors = read_word_vectors(path, words.words, table.shape[1])
    for word, vector in vectors.items():
        table[words.index[word]] = to_device(vector)
    return len(vectors)


def fingerprint(
    config: CaptionRunConfig, vocabulary: Vocabulary, train: Split, validation: Split | None
) -> dict[str, str]:
    """What makes a run this run: vocabulary, photos, captions, their order, and the settings."""
    found = {"the vocabulary": digest(vocabulary.to_json())}
    for name, split in {"training": train, "validation": validation}.items():
        if split:
            found[f"the photos for {name}"] = digest([path.name for path in split.paths])
            found[f"the captions for {name}"] = digest(split.tokens)
    data = settings_fingerprint("data", config.data, leave_out=["path", "word_vectors"])  # files may move
    tables = ("encoder", "model", "reinforcement") if config.reinforcement.on else ("encoder", "model")
    for name in tables:
        found |= settings_fingerprint(name, getattr(config, name))
    return found | data


def flat_scores(scores: Scores) -> dict[str, float]:
    """The scores of a set under names of their own: bleu_1 to bleu_4, rouge_l, cider."""
    bleu = {f"bleu_{n}": value for n, value in enumerate(scores["bleu"], start=1)}
    return bleu | {"rouge_l": scores["rouge_l"], "cider": scores["cider"]}


def evaluate(captioner: Captioner, split: Split, **decoding: Any) -> tuple[Scores, list[str]]:
    """Metrics (see minicap.metrics.captions.score) and captions of a split; options as Captioner.decode."""
    captions = captioner.captions(split.features, **decoding)
    return score(captions, split.raw), captions

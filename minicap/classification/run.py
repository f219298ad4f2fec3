"""Training a classifier from a data set to a run folder, in one call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, ClassVar

import numpy as np

from minicap.classification.classifier import Classifier
from minicap.classification.evaluation import evaluate
from minicap.data import ArrayDataset, Preprocess, load_labelled
from minicap.data.catalogue import require_known
from minicap.data.transforms import make_augmentation
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.models import CLASSIFIER_SETTINGS, OnFeatures
from minicap.models.registry import SmallNetworkConfig
from minicap.nn import PatchWhitening
from minicap.training import RunConfig, RunFolder, Trainer, TrainingConfig, digest, settings_fingerprint

_FOR_WHITENING, _FOR_FEATURES = 5000, 500  # photos

Splits = dict[str, ArrayDataset]


@dataclass(frozen=True)
class LabelledDataConfig:
    """What to train on.

    name: mnist, fashion-mnist, cifar10, tiny-imagenet, or folder for photos of your own.
    path: the folder it lies in.
    size: side in pixels that photos of a "folder" are brought to.
    classes: how many to take, the first ones in the set's own order; 0 for all.
    validation: share of the training set that is held out, where there is no validation set; 0 for none.
    split_seed: of the choice of what is held out.
    subset: how many of the other training photos to use, drawn with split_seed; 0 for all.
    alternate_flip: whether half of the training photos are mirrored, the other half in the next epoch.
    augment: how training photos are changed at random, such as flip = 0.5, shift = 4, cutout = 8.
    """

    name: str = "folder"
    path: str = ""
    size: int = 64
    classes: int = 0
    validation: float = 0.1
    split_seed: int = 0
    subset: int = 0
    alternate_flip: bool = False
    augment: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_types(self)
        require_known(self.name)
        if self.size < 1:
            raise InputError(f"size is {self.size} but must be at least 1")
        if not 0 <= self.validation < 1:
            raise InputError(f"validation is {self.validation} but must be at least 0 and below 1")
        for name in ("classes", "split_seed", "subset"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)} but must not be negative")
        make_augmentation(self.augment)  # unknown names are said before any work is done


@dataclass(frozen=True)
class ClassifierTrainingConfig(TrainingConfig):
    __doc__ = f"""{TrainingConfig.__doc__}
    label_smoothing: share of every target that is spread over all classes.
    watch_test: whether the accuracy on the test set is recorded after every epoch; it chooses nothing.
    """

    monitor: str = "accuracy"
    label_smoothing: float = 0.0
    watch_test: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.label_smoothing <= 1:
            raise InputError(f"label_smoothing is {self.label_smoothing} but must be from 0 to 1")


@dataclass(frozen=True)
class ClassifierRunConfig(RunConfig):
    """All settings of a classifier's run, as in its config.toml: one table each.

    model: the settings of a network that the registry knows; its `name` says which.
    """

    application: ClassVar[str] = "classifier"
    registries: ClassVar[Mapping[str, Mapping[str, type[Any]]]] = {"model": CLASSIFIER_SETTINGS}
    data: LabelledDataConfig = field(default_factory=LabelledDataConfig)
    model: Any = field(default_factory=SmallNetworkConfig)
    training: ClassifierTrainingConfig = field(default_factory=ClassifierTrainingConfig)

    @property
    def photos(self) -> Preprocess | None:
        """How the network's photos must be prepared; None where the training photos say that."""
        return getattr(self.model, "photos", None)


def load_splits(config: LabelledDataConfig, photos: Preprocess | None = None) -> Splits:
    """The data set: "train", and "val" and "test" where there are any.

    photos: how they are prepared; by the mean and deviation of the training photos where None.
    Where the set has no "val" of its own, a share of the training set is drawn for it.
    Raises InputError for missing files, FormatError for damaged ones.
    """
    if not config.path:
        what = "your photos lie" if config.name == "folder" else f"the data set {config.name} lies"
        raise InputError(f"say in which folder {what}: PATH on the command line, path under [data] in a file")
    splits = load_labelled(config.name, config.path, config.size, config.classes)
    if "val" not in splits and config.validation:
        splits |= _held_out(splits["train"], config)
    if config.subset:
        splits["train"] = _drawn(splits["train"], config)
    train = _prepared_as(splits["train"], photos) if photos else splits["train"].standardized()
    augment = make_augmentation(config.augment, fill=train.mean or 0.0)
    prepared = {name: replace(split, mean=train.mean, std=train.std) for name, split in splits.items()}
    return prepared | {"train": replace(train, augment=augment, alternate=config.alternate_flip)}


def _prepared_as(train: ArrayDataset, photos: Preprocess) -> ArrayDataset:
    """The images with this mean and std, which a Preprocess has in its own order and on its own scale."""
    order = slice(None, None, -1 if photos.channels == "BGR" else 1)
    mean, std = (np.array(values)[order] / (255 * photos.scale) for values in (photos.mean, photos.std))
    return replace(train, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def _held_out(photos: ArrayDataset, config: LabelledDataConfig) -> Splits:
    """The training set in two: what is left to train on, and a share drawn for validation."""
    try:
        train, validation = photos.split(1 - config.validation, config.split_seed)
    except InputError:
        raise InputError(
            f"{len(photos)} photos cannot be divided into {1 - config.validation:.0%} to train on and "
            f"{config.validation:.0%} for validation; --validation 0 trains on all of them"
        ) from None
    return {"train": train, "val": validation}


def _drawn(photos: ArrayDataset, config: LabelledDataConfig) -> ArrayDataset:
    """So many of the photos, chosen at random."""
    if config.subset > len(photos):
        raise InputError(f"subset is {config.subset} but there are {len(photos)} photos to train on")
    order = np.random.default_rng(config.split_seed).permutation(len(photos))
    return photos.subset(np.sort(order[: config.subset]))


def make_trainer(
    config: ClassifierRunConfig,
    run: RunFolder,
    splits: Splits,
    callbacks: tuple[Callable[[Trainer, dict[str, Any]], None], ...] = (),
) -> tuple[Classifier, Trainer]:
    """An initialised classifier and the trainer that will train it.  splits: as from `load_splits`.

    Without validation photos the training loss decides which epoch is the best.
    Raises InputError for photos that the network cannot read, or a single class.
    """
    train, validation = splits["train"], splits.get("val")
    smoothing = config.training.label_smoothing
    classifier = Classifier.create(
        config.model, train.classes, preprocess_of(train), train.x.shape[1], smoothing
    )
    classifier.model.initialize(config.training.seed)
    for module in classifier.model.modules():
        if isinstance(module, PatchWhitening):
            module.fit(train.prepared(train.x[:_FOR_WHITENING]))
        elif isinstance(module, OnFeatures):
            module.fit(train.prepared(train.x[:: -(-len(train) // _FOR_FEATURES)]))
    training = config.training if validation else replace(config.training, monitor="train_loss")
    trainer = Trainer(
        classifier.model,
        train,
        training,
        run,
        validation,
        classifier.about(),
        callbacks,
        measure=_watch(classifier, splits) if config.training.watch_test else None,
        fingerprint=fingerprint(config, splits),
    )
    trainer.about["chosen_by"] = trainer.monitor.in_words("validation photos")
    return classifier, trainer


def open_trainer(config: ClassifierRunConfig, run: RunFolder) -> Trainer:
    """The trainer of a run's settings, its data set read from the disk; what a sweep calls for every run."""
    return make_trainer(config, run, load_splits(config.data, config.photos))[1]


def _watch(classifier: Classifier, splits: Splits) -> Callable[[Trainer], dict[str, float]]:
    """What records the accuracy on the test set.  Raises InputError where there is none."""
    if "test" not in splits:
        raise InputError("watch_test: this data set has no test photos with labels")
    return lambda trainer: {"test_accuracy": evaluate(classifier, splits["test"]).accuracy}


def preprocess_of(dataset: ArrayDataset) -> Preprocess:
    """What makes of a photo of any size what a batch of the data set holds.

    Raises InputError when its images are not square.
    """
    height, width = dataset.x.shape[2:]
    if height != width:
        raise InputError(f"a classifier reads square photos, but these have {height} x {width} pixels")
    mean, std = (tuple(np.broadcast_to(v or d, 3).tolist()) for v, d in ((dataset.mean, 0), (dataset.std, 1)))
    return Preprocess("labelled", height, height, "crop", scale=1 / 255, mean=mean, std=std)


def fingerprint(config: ClassifierRunConfig, splits: Splits) -> dict[str, str]:
    """What makes a run this run: photos, labels, classes, their order, and the settings."""
    found = {"the classes": digest(splits["train"].classes)}
    for name, split in {"training": splits["train"], "validation": splits.get("val")}.items():
        if split:
            pixels = np.ascontiguousarray(split.x).reshape(-1)
            found[f"the photos for {name}"] = digest(sha256(pixels.data).hexdigest())
            found[f"the labels for {name}"] = digest(split.y.tolist())
    data = settings_fingerprint("data", config.data, leave_out=["path"])  # a data set may move
    return found | data | settings_fingerprint("model", config.model)

"""Photos with labels as batches for training."""

from collections.abc import Sequence

import numpy as np

from minicap.arrays import Array, backend_of, to_device
from minicap.arrays.random import RandomStream, random_uint16
from minicap.errors import ClassIndexError, InputError, ShapeError

ORDERS = ("frequent", "rare", "random", "own")


class LabelExamples:
    """Every photo is one example.

    features: (photos, F), on any backend; they stay there.
    labels: the indices of each photo's labels, each in 0..K-1, the most frequent of all being 0.
    order: that of a photo's labels (see minicap.multilabel.models.settings).
    crops: features of other crops of the same photos; in training, a photo is read from one of them or from
    `features`, drawn anew each time.
    """

    def __init__(
        self,
        features: Array,
        labels: Sequence[Sequence[int]],
        num_labels: int,
        order: str = "frequent",
        crops: Sequence[Array] = (),
    ) -> None:
        for other in crops:
            if other.shape != features.shape:
                raise ShapeError(f"LabelExamples: features are {features.shape} but a crop's {other.shape}")
        if len(features) != len(labels):
            raise ShapeError(f"LabelExamples: {len(features)} rows of features but {len(labels)} photos")
        if order not in ORDERS:
            raise InputError(f"LabelExamples: order is {order!r} but must be one of {', '.join(ORDERS)}")
        for photo, found in enumerate(labels):
            if not all(0 <= k < num_labels for k in found):
                raise ClassIndexError(
                    f"LabelExamples: photo {photo} has the labels {list(found)}, but there are {num_labels}"
                )
        self.features, self.num_labels, self.order, self.crops = features, num_labels, order, tuple(crops)
        self.labels = [sorted(set(found), reverse=order == "rare") for found in labels]
        self.lengths = np.array([len(found) + 1 for found in self.labels])

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: np.ndarray, rng: RandomStream | None = None) -> dict[str, Array]:
        """The batch of the photos with these indices, as long as the longest list of labels and <end>.

        rng: for the random order and the crops; without it, the labels keep their order, and the features are
        the first.
        """
        begin, end = self.num_labels + 1, self.num_labels
        found = [self.labels[i] for i in indices]
        if self.order == "random" and rng is not None:
            keys = random_uint16(rng, (len(found), self.num_labels))
            found = [sorted(labels, key=row.__getitem__) for labels, row in zip(found, keys, strict=True)]
        shape = len(found), 1 + max(len(labels) for labels in found)
        labels, next_labels = np.full(shape, begin), np.full(shape, end)
        mask, y = np.zeros(shape), np.zeros((len(found), self.num_labels))
        for row, said in enumerate(found):
            labels[row, 1 : 1 + len(said)] = next_labels[row, : len(said)] = said
            mask[row, : len(said) + 1] = 1
            y[row, said] = 1
        features = self._features(indices, rng)
        return {
            "features": features,
            "y": y.astype(features.dtype),
            "labels": labels,
            "next_labels": next_labels,
            "mask": mask.astype(features.dtype),
        }

    def _features(self, indices: np.ndarray, rng: RandomStream | None) -> Array:
        own = backend_of(features=self.features)
        rows = to_device(np.asarray(indices), own)
        if not self.crops or rng is None:
            return self.features[rows]
        every = own.xp.stack([crop[rows] for crop in (self.features, *self.crops)])
        drawn = random_uint16(rng.child(0), (len(indices), 1))[:, 0].astype(np.int64) * len(every) >> 16
        return every[to_device(drawn, own), to_device(np.arange(len(indices)), own)]

"""Photos with the labels of a tagger, drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minicap.multilabel.model import Tag
from minicap.multilabel.tagger import Tagger
from minicap.plots import tag_sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tags_of_photos(
    tagger: Tagger,
    photos: Sequence[Path],
    tags: Sequence[Sequence[Tag]],
    there: Sequence[Sequence[str]] = (),
    title: str = "",
) -> "Figure":
    """What the tagger sees of each photo, with the labels it gives and how much it looked at every stage.

    tags: of each photo.  there: its true labels, or () where they are unknown.
    Raises InputError naming a file that is not a photo, MissingExtra without matplotlib.
    """
    preprocess = tagger.encoder.preprocess
    seen = [preprocess.seen(preprocess.load(photo)) for photo in photos]
    given = [[(tagger.labels[tag.label], tag.probability) for tag in of_photo] for of_photo in tags]
    looked = any(tag.attention for of_photo in tags for tag in of_photo)
    attention = [np.array([tag.attention for tag in of_photo]) for of_photo in tags] if looked else []
    return tag_sheet(seen, given, there, attention, title=title)

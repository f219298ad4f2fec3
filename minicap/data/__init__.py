"""Data sets of captioned photos, the embedded sample, preprocessing, and features kept on disk."""

from minicap.data.features import extract_features
from minicap.data.images import SQUEEZENET, Preprocess, load_image
from minicap.data.karpathy import CaptionDataset, CaptionedImage, load_karpathy
from minicap.data.sample import load_sample, sample_attribution
from minicap.formats.folders import default_cache_folder
from minicap.progress import Progress

__all__ = [
    "SQUEEZENET",
    "CaptionDataset",
    "CaptionedImage",
    "Preprocess",
    "Progress",
    "default_cache_folder",
    "extract_features",
    "load_image",
    "load_karpathy",
    "load_sample",
    "sample_attribution",
]

"""Data sets of captioned photos, the embedded sample, preprocessing, and features kept on disk."""

from minicap.data.captioned import SPLITS, CaptionDataset, CaptionedImage
from minicap.data.features import extract_features
from minicap.data.folder import load_folder
from minicap.data.images import SQUEEZENET, Preprocess, load_image
from minicap.data.karpathy import load_karpathy
from minicap.data.opening import SAMPLE, open_dataset
from minicap.data.photos import find_photos
from minicap.data.sample import load_sample, sample_attribution
from minicap.formats.folders import default_cache_folder
from minicap.progress import Progress

__all__ = [
    "SAMPLE",
    "SPLITS",
    "SQUEEZENET",
    "CaptionDataset",
    "CaptionedImage",
    "Preprocess",
    "Progress",
    "default_cache_folder",
    "extract_features",
    "find_photos",
    "load_folder",
    "load_image",
    "load_karpathy",
    "load_sample",
    "open_dataset",
    "sample_attribution",
]

"""Data sets of captioned and of labelled photos, the embedded sample, preprocessing, features on disk."""

from minicap.data.captioned import SPLITS, CaptionDataset, CaptionedImage
from minicap.data.catalogue import LABELLED, load_labelled
from minicap.data.cifar import load_cifar10
from minicap.data.coco import load_coco
from minicap.data.features import extract_features
from minicap.data.flickr import load_flickr
from minicap.data.folder import load_folder
from minicap.data.image_folder import load_image_folder, load_tiny_imagenet
from minicap.data.images import SQUEEZENET, Preprocess, load_image
from minicap.data.karpathy import load_karpathy
from minicap.data.labelled import ArrayDataset
from minicap.data.mnist import load_fashion_mnist, load_mnist
from minicap.data.opening import SAMPLE, open_dataset
from minicap.data.photos import find_photos
from minicap.data.sample import load_sample, sample_attribution
from minicap.data.tagged import TaggedDataset, TaggedPhoto, load_coco_instances, open_tagged
from minicap.formats.folders import default_cache_folder
from minicap.progress import Progress

__all__ = [
    "LABELLED",
    "SAMPLE",
    "SPLITS",
    "SQUEEZENET",
    "ArrayDataset",
    "CaptionDataset",
    "CaptionedImage",
    "Preprocess",
    "Progress",
    "TaggedDataset",
    "TaggedPhoto",
    "default_cache_folder",
    "extract_features",
    "find_photos",
    "load_cifar10",
    "load_coco",
    "load_coco_instances",
    "load_fashion_mnist",
    "load_flickr",
    "load_folder",
    "load_image",
    "load_image_folder",
    "load_karpathy",
    "load_labelled",
    "load_mnist",
    "load_sample",
    "load_tiny_imagenet",
    "open_dataset",
    "open_tagged",
    "sample_attribution",
]

"""Image captioning: models, decoding, metrics, and the captioner that puts them together."""

from minicap.captioning.captioner import Captioner
from minicap.captioning.examples import CaptionExamples
from minicap.captioning.model import CaptioningModel
from minicap.captioning.models import (
    MODELS,
    AttendAndTell,
    AttendAndTellConfig,
    ShowAndTell,
    ShowAndTellConfig,
    make_model,
)
from minicap.decoding import Hypothesis, beam_search, greedy, sample
from minicap.models.encoders import (
    ENCODERS,
    EfficientNetLite0EncoderConfig,
    Encoder,
    SqueezeNetEncoder,
    SqueezeNetEncoderConfig,
    make_encoder,
)
from minicap.vocabulary import Vocabulary

__all__ = [
    "ENCODERS",
    "MODELS",
    "AttendAndTell",
    "AttendAndTellConfig",
    "CaptionExamples",
    "Captioner",
    "CaptioningModel",
    "EfficientNetLite0EncoderConfig",
    "Encoder",
    "Hypothesis",
    "ShowAndTell",
    "ShowAndTellConfig",
    "SqueezeNetEncoder",
    "SqueezeNetEncoderConfig",
    "Vocabulary",
    "beam_search",
    "greedy",
    "make_encoder",
    "make_model",
    "sample",
]

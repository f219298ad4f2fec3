"""Image captioning: vocabulary, model, decoding, metrics, and the captioner that puts them together."""

from minicap.captioning.captioner import Captioner
from minicap.captioning.examples import CaptionExamples
from minicap.captioning.model import CaptionModel, CaptionModelConfig
from minicap.decoding import Hypothesis, beam_search, greedy, sample
from minicap.models.encoders import Encoder, SqueezeNetEncoder, make_encoder
from minicap.vocabulary import Vocabulary

__all__ = [
    "CaptionExamples",
    "CaptionModel",
    "CaptionModelConfig",
    "Captioner",
    "Encoder",
    "Hypothesis",
    "SqueezeNetEncoder",
    "Vocabulary",
    "beam_search",
    "greedy",
    "make_encoder",
    "sample",
]

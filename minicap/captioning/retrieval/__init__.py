"""Images and sentences in one space, to search for either by the other."""

from minicap.captioning.retrieval.matcher import Matcher
from minicap.captioning.retrieval.model import RankingModel, RankingModelConfig

__all__ = ["Matcher", "RankingModel", "RankingModelConfig"]

"""Multi-label classification: the tagger, its models, and the run that trains one."""

from minicap.multilabel.evaluation import TagEvaluation, evaluate
from minicap.multilabel.examples import LabelExamples
from minicap.multilabel.model import MultiLabelModel, Tag
from minicap.multilabel.models import MODELS, make_model
from minicap.multilabel.tagger import Tagger

__all__ = [
    "MODELS",
    "LabelExamples",
    "MultiLabelModel",
    "Tag",
    "TagEvaluation",
    "Tagger",
    "evaluate",
    "make_model",
]

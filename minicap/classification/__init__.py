"""Image classification: the classifier, and the run that trains one."""

from minicap.classification.classifier import Classifier
from minicap.classification.evaluation import Evaluation, evaluate

__all__ = ["Classifier", "Evaluation", "evaluate"]

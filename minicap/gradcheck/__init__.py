"""Numeric gradient checks: of every layer and loss of minicap, of your own functions, and of whole models."""

from minicap.gradcheck.case import CASES, Case, away_from_zero, case, distinct, distinct_in_windows
from minicap.gradcheck.check import check_loss, check_pair
from minicap.gradcheck.library import add_layer, load_cases, load_file, run_checks
from minicap.gradcheck.model import check_model
from minicap.gradcheck.report import Report, Row

__all__ = [
    "CASES",
    "Case",
    "Report",
    "Row",
    "add_layer",
    "away_from_zero",
    "case",
    "check_loss",
    "check_model",
    "check_pair",
    "distinct",
    "distinct_in_windows",
    "load_cases",
    "load_file",
    "run_checks",
]

"""Numeric gradient checks: of every layer and loss of minicap, of your own functions, and of whole models."""

from minicap.gradcheck.case import CASES, Case, away_from_zero, case, distinct
from minicap.gradcheck.check import check_loss, check_pair
from minicap.gradcheck.library import load_cases, run_checks
from minicap.gradcheck.model import check_model
from minicap.gradcheck.report import Report, Row

__all__ = [
    "CASES",
    "Case",
    "Report",
    "Row",
    "away_from_zero",
    "case",
    "check_loss",
    "check_model",
    "check_pair",
    "distinct",
    "load_cases",
    "run_checks",
]

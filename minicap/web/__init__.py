"""`minicap serve`: a page that describes photos and follows trainings, and the JSON API beneath it."""

from minicap.web.app import make_app
from minicap.web.limits import Limits
from minicap.web.runs import Runs

__all__ = ["Limits", "Runs", "make_app"]

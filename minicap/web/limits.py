"""How much one server takes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the server refuses, and with which status.

    most_bytes: of an uploaded photo (413).  most_pixels: of a photo (422).
    places: requests that are uploading, waiting or being answered; those past it are sent away (503).
    upload_seconds: for a whole upload (408).  answer_seconds: from the upload to the answer (504).
    most_runs: that are listed.  most_loaded: models kept in memory.  steps: points of a curve of steps.
    """

    most_bytes: int = 20 * 2**20
    most_pixels: int = 50_000_000
    places: int = 32
    upload_seconds: float = 30.0
    answer_seconds: float = 60.0
    most_runs: int = 500
    most_loaded: int = 4
    steps: int = 400

"""A request that is not answered, and why."""

from typing import Any

from minicap.errors import MinicapError


class Refusal(MinicapError):
    """An HTTP status, a word for programs and a sentence for people.

    retry_after: seconds after which it makes sense to ask again.
    """

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_after = status, code, retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    def body(self) -> dict[str, Any]:
        """What the client gets, as a JSON value."""
        error: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.retry_after is not None:
            error["retry_after"] = self.retry_after
        return {"error": error}

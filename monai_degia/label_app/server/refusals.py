"""The one error that a client is told about."""

from __future__ import annotations

from monai_degia.errors import UserError

__all__ = ["RefusedRequest"]


class RefusedRequest(UserError):
    """A request cannot be done, and the request is to blame.

    Args:
        reason: what was wrong and what to do; goes to the client.
        status: HTTP status, 400 to 499.

    """

    def __init__(self, reason: str, status: int = 422) -> None:
        super().__init__(reason)
        self.status = status

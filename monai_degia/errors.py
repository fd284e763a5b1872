"""What a user can put right, told apart from what is a fault of this package."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["MissingExtraError", "UserError", "WriteError", "did_you_mean"]


class UserError(ValueError, TypeError):
    """Data, an argument or an option cannot be used; the message says which and what to do.

    Command lines show it as one message without a traceback (:func:`monai_degia.show_short_errors`). Any other error
    that comes out of this package is a fault of it. It is both of Python's errors for wrong values, so code that
    catches either keeps working.
    """


class MissingExtraError(UserError, ImportError):
    """A package that only some users need is not installed; the message names the extra."""


class WriteError(UserError, OSError):
    """A file or folder cannot be written; the message names it and the cause, such as a full disk."""


def did_you_mean(name: object, choices: Iterable[str]) -> str:
    """`` Did you mean 'resnet'?`` for a name that is close to one of the choices, else nothing."""
    return "".join(f" Did you mean {match!r}?" for match in get_close_matches(str(name), list(choices), n=1))

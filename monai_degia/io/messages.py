"""What to tell a user about an error: the message of the check that knows most, out of a chain of errors."""

from __future__ import annotations

from collections.abc import Iterator

from monai_degia.errors import UserError

__all__ = ["root_cause", "short_message"]


def short_message(error: BaseException) -> str | None:
    """The message for an error of the user's data or arguments, ``None`` for any other error.

    Loaders, transforms and config parsers wrap an error in errors of their own. The message is that of the outermost
    :class:`monai_degia.errors.UserError`, which knows most of where it happened; failing that, of a file that cannot be
    opened, or of weights that belong to another network.
    """
    chain = list(_chain(error))
    ours = [e for e in chain if isinstance(e, UserError)]
    if ours:
        return str(ours[0])
    explained = [message for message in map(_explain, chain) if message is not None]
    return explained[0] if explained else None


def root_cause(error: BaseException) -> BaseException:
    """The error that all others in its chain wrap."""
    *_, innermost = _chain(error)
    return innermost


def _explain(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{error.strerror}: {error.filename}"
    if isinstance(error, RuntimeError) and str(error).startswith("Error(s) in loading state_dict"):
        first = " ".join(str(error).split())[:160]
        return (
            "The weights belong to another network. Name the backbone, landmarks and image_size that they were trained "
            f"with. ({first} ...)"
        )
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)

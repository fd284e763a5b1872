"""What a dotted name such as ``my_module.MyClass`` stands for: how a config names code of the user's."""

from __future__ import annotations

from pydoc import ErrorDuringImport, locate
from typing import Any

from monai_degia.errors import UserError

__all__ = ["from_dotted_name"]


def from_dotted_name(name: str, what: str) -> Any:
    """Import what a dotted name stands for.

    Args:
        name: module and name within it, such as ``my_module.MyClass``.
        what: what it is to be, for the error.

    Raises:
        ValueError: if there is no such module or no such name in it, or the module cannot be imported.

    """
    try:
        found = locate(name)
    except ErrorDuringImport as error:
        why = f"{type(error.value).__name__}: {error.value}"
        raise UserError(f"The module of {what} {name!r} cannot be imported ({why}).") from error
    if found is None:
        raise UserError(
            f"There is no {what} {name!r}: write module.Name, and put the folder of the file into PYTHONPATH "
            "(PYTHONPATH=. for the one where you are)."
        )
    return found

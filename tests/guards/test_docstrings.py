"""What is public says what it is."""

import inspect
from typing import Any

import pytest

import monai_degia

OBJECTS = {
    name: value
    for name in monai_degia.__all__
    if inspect.isclass(value := getattr(monai_degia, name)) or inspect.isfunction(value)
}
METHODS = {
    f"{name}.{attribute}": value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    for name, cls in OBJECTS.items()
    if inspect.isclass(cls)
    for attribute, value in vars(cls).items()
    if not attribute.startswith("_")
    and (inspect.isfunction(value) or isinstance(value, (property, classmethod, staticmethod)))
}


@pytest.mark.parametrize("name", sorted({**OBJECTS, **METHODS}))
def test_docstring_is_there(name: str) -> None:
    value: Any = {**OBJECTS, **METHODS}[name]
    # Taken from the object itself: inspect.getdoc would find that of a parent.
    text = (value.__doc__ or "").strip()
    assert len(text) > 10, f"{name} has no docstring"
    assert text.split("\n\n")[0].rstrip().endswith((".", ")", ":", "`")), f"the first paragraph of {name} is cut off"


def test_objects_and_methods_are_seen() -> None:
    assert {"GrowingDataset", "gradient_ascent"} <= set(OBJECTS)
    assert {"GrowingDataset.append", "GrowingDataset.room", "AppearanceParametrization.draw"} <= set(METHODS)


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_arguments_are_described(name: str) -> None:
    """Each argument of a public class or function stands in its docstring, unless that says where it is described."""
    value = OBJECTS[name]
    doc = value.__doc__ or ""
    if inspect.isclass(value) and ("__init__" not in vars(value)):
        pytest.skip("no arguments of its own")
    if "Args:" not in doc and ("version of" in doc or "see " in doc.lower()):
        pytest.skip("described where the docstring says")
    parameters = inspect.signature(value.__init__ if inspect.isclass(value) else value).parameters
    names = [n for n, p in parameters.items() if n != "self" and p.kind is not p.VAR_POSITIONAL]
    missing = [n for n in names if n not in doc]
    assert not missing, f"the docstring of {name} does not mention {missing}"

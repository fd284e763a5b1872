"""The directive ``registry``: a table of names, or a constant, as the package holds it when the page is built.

``{registry} BACKBONES`` documents the public constant of that name, with its values; with ``:table:`` the table alone
stands there, for a page that speaks of it in passing.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import monai_degia

Row = list[str]


def _meaning(name: str, value: Callable[..., Any]) -> Row:
    return [f"`{name}`", _first_paragraph(inspect.getdoc(value) or "")]


def _format(name: str, value: Any) -> Row:
    written = "yes" if value.write else "no"
    return [f"`{name}`", value.title, value.sign, written, "yes" if value.volumes else "no"]


def _landmark_set(name: str, value: monai_degia.LandmarkSet) -> Row:
    return [f"`{name}`", str(len(value.names)), value.object]


def _joints(name: str, value: Mapping[str, Any]) -> Row:
    missing = [joint for joint in monai_degia.HAND21 if joint not in value]
    return [f"`{name}`", str(len(value)), ", ".join(missing) or "none"]


#: Constant to the module that documents it, the head of its table, and what makes a row of an entry.
REGISTRIES: dict[str, tuple[str, Row, Callable[[str, Any], Row]]] = {
    "ANNOTATION_FORMATS": (
        "data.formats.registry",
        ["`format`", "what it is", "recognised by", "written", "volumes"],
        _format,
    ),
    "PREDICTION_FORMATS": ("data.formats.predictions", ["`format`", "what is written"], _meaning),
    "LANDMARK_SETS": ("data.lists.landmark_sets", ["name", "landmarks", "object"], _landmark_set),
    "JOINT_MAPPING": ("data.published.joints", ["data set", "joints of `hand21`", "missing"], _joints),
    "BACKBONES": ("networks.backbones", ["name", "network"], _meaning),
    "PARAMETRIZATIONS": ("ascent.starts", ["name", "what the ascent moves"], _meaning),
    "STEP_RULES": ("ascent.gradient_ascent", ["name", "direction of a step"], _meaning),
    "TONE_CURVES": ("inferers.tone_curves", ["name", "curve"], _meaning),
}
#: Constants without a table: name to the module that documents them.
VALUES = {"HAND21": "data.lists.landmark_sets", "HAND17": "data.lists.landmark_sets"}


def markdown(name: str) -> str:
    """The entries of a registry as a table, or the names of a set of landmarks.

    Raises:
        ValueError: if an entry says nothing of itself.

    """
    entries = getattr(monai_degia, name)
    if name in VALUES:
        return ", ".join(f"{place} `{entry}`" for place, entry in enumerate(entries)) + "."
    _, head, row = REGISTRIES[name]
    rows = [row(key, value) for key, value in entries.items()]
    for cells in rows:
        if not all(cells):
            raise ValueError(f"{name} has an entry that says nothing of itself: {cells}. Give it a docstring.")
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)


def description(name: str) -> str:
    """What the source says of a constant."""
    module = VALUES[name] if name in VALUES else REGISTRIES[name][0]
    lines = ModuleAnalyzer.for_module(f"monai_degia.{module}").find_attr_docs()["", name]
    return _first_paragraph("\n".join(lines))


def _first_paragraph(text: str) -> str:
    """One line of Markdown of a docstring's first paragraph."""
    line = " ".join(text.strip().split("\n\n")[0].split())
    return re.sub(r":\w+:`~?(?:monai_degia\.)?([^`]+)`", r"`\1`", line).replace("``", "`")


class Registry(SphinxDirective):
    """See the module."""

    required_arguments = 1
    option_spec = {"table": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Nodes of the table, in the page's own Markdown."""
        name = self.arguments[0]
        self.env.note_dependency(inspect.getsourcefile(monai_degia) or "")
        if "table" in self.options:
            return self.parse_text_to_nodes(markdown(name))
        return self.parse_text_to_nodes(
            f"```{{py:data}} monai_degia.{name}\n{description(name)}\n\n{markdown(name)}\n```"
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("registry", Registry)
    return {"parallel_read_safe": True}

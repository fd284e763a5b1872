"""Pictures that the build makes: of transforms beside their API, and wherever the directive ``picture`` stands.

``{picture} RandConvd`` shows before and after with the lines that made it; ``{picture} appearance`` an ascent over that
parametrisation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import parametrizations
import transforms
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

#: Beside the generated pages of the API, which are made anew with them.
FOLDER = "api/pictures"


def write_pictures(app: Sphinx) -> None:
    """Make all of them, before pages are read."""
    transforms.write_all(Path(app.srcdir) / FOLDER)
    parametrizations.write_all(Path(app.srcdir) / FOLDER)


def add_picture(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put the picture of a class or function below the first paragraph of its docstring."""
    short = name.removeprefix("monai_degia.")
    shown = short if short in transforms.EXAMPLES else parametrizations.CLASSES.get(short)
    if what in ("class", "function") and shown:
        end = lines.index("") if "" in lines else len(lines)
        alternative = f"   :alt: Source and results of {short}"
        lines[end:end] = ["", f".. image:: /{FOLDER}/{shown}.png", alternative, ""]


class Picture(SphinxDirective):
    """See the module."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The image, and the lines that made it where they say something."""
        name = self.arguments[0]
        if name not in {*transforms.EXAMPLES, *parametrizations.OPTIONS}:
            raise self.error(f"There is no picture of {name!r}: see docs/pictures.")
        text = f"![Source and results of {name}](/{FOLDER}/{name}.png)"
        if name in transforms.EXAMPLES:
            text = f"```python\n{transforms.code(name)}\n```\n\n{text}"
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Make pictures before pages are read, and add the directive."""
    app.connect("builder-inited", write_pictures, priority=1)
    app.connect("autodoc-process-docstring", add_picture)
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": True}

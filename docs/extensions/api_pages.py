"""Keep the generated pages of the API out of the sidebar: two hundred entries on every page help nobody.

They also were half of the build's time. Each page leads back to the table that lists it (docs/_templates/autosummary).
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext.autosummary import autosummary_toc


def leave_out(app: Sphinx, doctree: nodes.document) -> None:
    """Drop the tables of contents that autosummary adds, before Sphinx collects them."""
    for node in list(doctree.findall(autosummary_toc)):
        node.parent.remove(node)


def setup(app: Sphinx) -> dict[str, Any]:
    """Come before Sphinx's own collectors."""
    app.connect("doctree-read", leave_out, priority=100)
    return {"parallel_read_safe": True}

"""Generated pages of the API: out of the sidebar, and with the arguments that a class has.

Two hundred entries in the sidebar of every page help nobody, and were half of the build's time. Each page leads back
to the table that lists it (docs/_templates/autosummary).
"""

from __future__ import annotations

import inspect
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext.autosummary import autosummary_toc
from sphinx.util.inspect import stringify_signature


def leave_out(app: Sphinx, doctree: nodes.document) -> None:
    """Drop the tables of contents that autosummary adds, before Sphinx collects them."""
    for node in list(doctree.findall(autosummary_toc)):
        node.parent.remove(node)


def arguments(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Show the arguments of ``__init__`` where a base class of MONAI has a ``__new__`` that hides them."""
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    own = inspect.signature(obj.__init__)
    own = own.replace(parameters=list(own.parameters.values())[1:])
    return stringify_signature(own, show_annotation=False, show_return_annotation=False), returns


def setup(app: Sphinx) -> dict[str, Any]:
    """Come before Sphinx's own collectors."""
    app.connect("doctree-read", leave_out, priority=100)
    app.connect("autodoc-process-signature", arguments)
    return {"parallel_read_safe": True}

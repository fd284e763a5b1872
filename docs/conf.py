"""Sphinx configuration of the documentation; `make docs` builds it, with warnings as errors."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The package of this checkout, whatever else is installed, and what makes tables and pictures of it.
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "extensions"), str(ROOT / "docs" / "pictures")]

project = "monai_degia"
author = "The authors of monai_degia"
project_copyright = "the authors of monai_degia, Apache-2.0"
release = re.search(r'__version__ = "(.+?)"', (ROOT / "monai_degia" / "__init__.py").read_text())[1]  # type: ignore[index]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "api_pages",
    "made_pictures",
    "registries",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "benchmarks", "results/runtimes.md", "examples/segmentation"]
html_theme = "furo"
html_title = f"monai_degia {release}"
html_static_path: list[str] = []

# The tutorial is run by the build; what it prints and draws is never older than the code.
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # decoders that are not installed announce themselves there
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True

# Notebooks import the package of this checkout, whatever else is installed.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
os.environ.setdefault("PYTHONWARNINGS", "ignore")

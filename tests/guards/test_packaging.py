"""What is said about the package in several places is the same, and true of what it was tested with."""

import ast
import importlib.metadata
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import setuptools
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import monai_degia

REPO = Path(__file__).resolve().parents[2]
METADATA = json.loads((REPO / "bundle" / "configs" / "metadata.json").read_text(encoding="utf-8"))
#: Name of a package -> the version that the bundle's metadata say.
NAMED = {
    **{name.lower(): version for name, version in METADATA["required_packages_version"].items()},
    **{"monai": METADATA["monai_version"], "torch": METADATA["pytorch_version"], "numpy": METADATA["numpy_version"]},
}
del NAMED["monai_degia"]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What setup.py gives to setuptools."""
    kept: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", kept.update)
        runpy.run_path(str(REPO / "setup.py"))
    return kept


def test_the_metadata_name_versions_that_can_be_installed(told: dict[str, Any]) -> None:
    required = {entry.name.lower(): entry.specifier for entry in map(Requirement, told["install_requires"])}
    assert set(required) == set(NAMED)
    assert [name for name, version in NAMED.items() if version not in required[name]] == []


@pytest.mark.parametrize("name", NAMED)
def test_the_metadata_name_the_major_version_that_is_tested_here(name: str) -> None:
    """Minor versions come out every week; a new major one is tried, and then the metadata say so."""
    installed = Version(importlib.metadata.version(name))
    assert Version(NAMED[name]).major == installed.major, f"{name} {installed} is installed"


def test_the_version_is_one(told: dict[str, Any]) -> None:
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))
    weights = json.loads((REPO / "bundle" / "models" / "model.json").read_text(encoding="utf-8"))
    versions = {told["version"], citation["version"], METADATA["version"], weights["version"]}
    assert versions == {monai_degia.__version__}
    assert citation["license"] == told["license"] and told["author"] == citation["authors"][0]["name"]
    assert told["author"] == METADATA["authors"]


def test_the_page_of_the_package_has_no_link_into_a_checkout(told: dict[str, Any]) -> None:
    targets = re.findall(r"\]\(([^)]*)\)|<img [^>]*src=\"([^\"]*)", told["long_description"])
    assert all(link.startswith(("http://", "https://")) for pair in targets for link in pair if link)
    assert "monai_degia predict" in told["long_description"]
    assert all((REPO / name).is_file() for name in told["license_files"])


def test_an_image_is_built_from_all_that_the_wheel_holds() -> None:
    rules = (REPO / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    table = re.search(r"^FOLDERS = (.*)$", (REPO / "setup.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert table is not None
    wanted = {"setup.py", "pyproject.toml", "README.md", "LICENSE", "monai_degia"}
    for folder, parts in ast.literal_eval(table.group(1)).items():
        wanted |= {folder if part == "." else f"{folder}/{part}" for part in parts}
    assert wanted <= allowed

"""No name of ours stands for something in MONAI too.

MONAI finds a bare ``_target_`` by the names of all classes and functions in all modules whose name starts with "monai",
and ours does. A name that both have would be refused in every config of a user who has this package installed.
"""

import importlib
import inspect
import pkgutil
import sys
from types import ModuleType

import pytest
from monai.bundle import ComponentLocator

import monai_degia

HOSTS = [
    *("transforms", "networks.nets", "networks.blocks", "networks.layers", "losses", "metrics"),
    *("handlers", "engines", "data", "inferers", "bundle", "utils", "apps"),
]


#: Modules that only a server of MONAI Label imports, which needs an environment of its own.
SERVED = {"main", "infer_task", "train_task", "strategies", "datastores", "request_guard"}


def own_modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(monai_degia.__path__, "monai_degia.")
    names = [info.name for info in found if info.name != "monai_degia.experiments.__main__"]
    served = [name for name in names if name.startswith("monai_degia.label_app.") and name.rpartition(".")[2] in SERVED]
    assert len(served) == len(SERVED)
    return [importlib.import_module(name) for name in names if name not in served]


def own_names() -> dict[str, str]:
    """Classes and functions defined here that have no leading underscore, and their modules."""
    return {
        name: module.__name__
        for module in own_modules()
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }


@pytest.mark.parametrize("host", HOSTS)
def test_public_names_are_not_those_of_monai(host: str) -> None:
    module = importlib.import_module(f"monai.{host}")
    theirs = {name for name in vars(module) if not name.startswith("_")}
    assert len(theirs) > 3, "vacuous: MONAI has moved its names"
    clashes = set(monai_degia.__all__) & theirs
    assert not clashes, f"monai.{host} has {sorted(clashes)} too"


def test_monai_finds_every_name_in_one_place() -> None:
    names = own_names()
    assert {"GrowingDataset", "gradient_ascent", "RoundSampler"} <= set(names), "vacuous: names are not seen"
    locator = ComponentLocator()
    # Modules of MONAI are indexed once they are loaded.
    assert "monai.transforms" in sys.modules and "monai.engines" in sys.modules
    several = {name: places for name in names if isinstance(places := locator.get_component_module_name(name), list)}
    assert not several
    assert locator.get_component_module_name("GrowingDataset") == "monai_degia.data.pool.growing"

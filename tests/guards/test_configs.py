"""Configs against the package they name, and overlays against the pipeline they change."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver
from PIL import Image

import monai_degia
from monai_degia.flows.flow_prior import KINDS, FlowPrior
from monai_degia.model.trained_model import TrainedModel

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / "bundle" / "configs" / "train.json"
BUNDLE = sorted(path for path in TRAIN.parent.glob("*.json") if path.name != "metadata.json")
OVERLAYS = sorted((ROOT / "configs").rglob("*.yaml"))
#: Overlays that go behind inference.json; all others go behind train.json.
FOR_INFERENCE = [ROOT / "configs" / "run" / f"{name}.yaml" for name in ("onnx", "torchscript")]
EVALUATE = TRAIN.with_name("evaluate.json")
#: Overlays that go behind evaluate.json.
FOR_EVALUATION = [
    ROOT / "configs" / "run" / f"{name}.yaml"
    for name in ("as_inference", "as_inference_part", "calibrate", "either_side", "scores", "self_consistent")
]
HANDS = ROOT / "configs" / "data" / "hands.yaml"
#: Overlays that go behind data/hands.
FOR_HANDS = [HANDS.with_name("hands_one_side.yaml")]
METHODS = [path for path in OVERLAYS if path.parent == ROOT / "configs" / "method"]
TASK = ROOT / "configs" / "digits" / "task.yaml"
DIGIT_METHODS = [path for path in OVERLAYS if path.parent == TASK.parent / "method"]
SHIPPED = [path for folder in ("bundle", "configs") for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
# Inference stands alone: it is all that MONAI Label and Deploy read.
STACKS = {"train": [TRAIN], "inference": [path for path in BUNDLE if path.name == "inference.json"]}
STACKS |= {path.stem: [TRAIN, path] for path in BUNDLE if path.name not in ("train.json", "inference.json")}
STACKS |= {
    f"{path.relative_to(ROOT / 'configs')} with {method.stem}": (
        [TRAIN, method, EVALUATE, path]
        if path in FOR_EVALUATION
        else [TRAIN, HANDS, path, method]
        if path in FOR_HANDS
        else [TRAIN, path, method]
    )
    for path in OVERLAYS
    for method in METHODS
    if TASK.parent not in path.parents and path not in FOR_INFERENCE
}
STACKS |= {f"inference with {path.stem}": [TRAIN.with_name("inference.json"), path] for path in FOR_INFERENCE}
STACKS |= {
    f"{path.stem} with {method.stem}": [TRAIN, TASK, path, method]
    for path in OVERLAYS
    for method in DIGIT_METHODS
    if path.parent == TASK.parent and path != TASK
}
STACKS["data/hands.yaml with run/large.yaml"] = [TRAIN, HANDS, ROOT / "configs" / "run" / "large.yaml"]
STACKS = {name: stack for name, stack in STACKS.items() if stack}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def walk(config: Any) -> Iterator[Any]:
    yield config
    for value in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        yield from walk(value)


def target_of(config: dict[str, Any]) -> Any:
    """The callable of ours that a dict stands for, or None."""
    package, *names = str(config.get("_target_", "")).split(".")
    found: Any = monai_degia if package == "monai_degia" else None
    for name in names:
        found = getattr(found, name, None)
    return found


def accepts(target: Any, argument: str) -> bool:
    """Whether an argument of this name may be given; through ``**kwargs`` it goes to the parents, or to a flow."""
    if target == TrainedModel.load:
        return argument in {
            *inspect.signature(TrainedModel.load).parameters,
            *inspect.signature(TrainedModel).parameters,
        }
    if target is FlowPrior and any(argument in inspect.signature(kind).parameters for kind in KINDS.values()):
        return True
    for owner in inspect.getmro(target) if inspect.isclass(target) else (target,):
        if inspect.isclass(owner) and "__init__" not in vars(owner):
            continue
        parameters = inspect.signature(owner.__init__ if inspect.isclass(owner) else owner).parameters
        if argument in parameters:
            return True
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return False
    return False


def path_exists(config: Any, key: str) -> bool:
    """Whether an overlay key names something in ``config``, or an argument that a callable of ours takes."""
    parts = re.split("::|#", key.removeprefix("+"))
    for i, part in enumerate(parts):
        if isinstance(config, list) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        elif isinstance(config, dict) and part in config:
            config = config[part]
        else:
            if i < len(parts) - 1 or not isinstance(config, dict):
                return False
            if part == "_disabled_":
                return "_target_" in config
            return target_of(config) is not None and accepts(target_of(config), part)
    return True


def test_there_is_something_to_guard() -> None:
    assert len(OVERLAYS) > 5 and {"erm", "degia"} <= {path.stem for path in METHODS}
    assert {"erm", "ada", "degia_pixel"} <= {path.stem for path in DIGIT_METHODS}


@pytest.mark.parametrize("path", [*BUNDLE, *OVERLAYS], ids=relative)
def test_names_of_ours_are_public(path: Path) -> None:
    """In ``_target_`` and in expressions alike."""
    used = set(re.findall(r"monai_degia\.(\w+)", path.read_text(encoding="utf-8")))
    hidden = used - set(monai_degia.__all__) - {"__version__"}
    assert not hidden, f"not importable from monai_degia: {hidden}"


@pytest.mark.parametrize("path", OVERLAYS, ids=relative)
def test_overlay_keys_exist(path: Path) -> None:
    """A key with a typo would be added without a word, and change nothing."""
    below = [TRAIN, TASK] if TASK.parent in path.parents and path != TASK else [TRAIN]
    below = [TRAIN.with_name("inference.json")] if path in FOR_INFERENCE else below
    below = [TRAIN, EVALUATE] if path in FOR_EVALUATION else below
    below = [TRAIN, HANDS] if path in FOR_HANDS else below
    train = ConfigParser.load_config_files([str(file) for file in below])
    overlay = ConfigParser.load_config_file(path)
    assert overlay
    unknown = [key for key in overlay if not path_exists(train, key)]
    assert not unknown, f"not in {relative(TRAIN)}: {unknown}"


@pytest.mark.parametrize(
    ("key", "exists"),
    [
        ("max_epochs", True),
        ("max_epoch", False),
        ("source_list::where", True),
        ("source_list::were", False),
        ("train#trainer#max_epochs", True),
        ("train::trainer::flow_interval", True),
        ("train::trainer::amp", True),
        ("train::trainer::apm", False),
        ("train::handlers::0::seed", True),
        ("train::handlers::99::seed", False),
        ("+unseen_lists", True),
        ("maximizer::handler::0", False),
        ("inferer::x", False),
    ],
)
def test_the_guard_knows_a_typo(key: str, exists: bool) -> None:
    assert path_exists(ConfigParser.load_config_file(TRAIN), key) is exists


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS.keys())
def test_stacks_merge_and_hold_together(stack: list[Path]) -> None:
    config = ConfigParser.load_config_files([str(path) for path in stack])
    for path in [layer for layer in stack[1:-1] if layer != EVALUATE] or stack[1:]:
        later = [ConfigParser.load_config_file(other) for other in stack[stack.index(path) + 1 :]]
        for key, value in ConfigParser.load_config_file(path).items():
            changed = any(name == key or name.startswith(f"{key}::") for other in later for name in other)
            if not key.startswith("+") and not changed:
                assert ConfigParser(config)[key] == value, f"{key} of {relative(path)} was not merged"
    parser = ConfigParser(config)
    parser.parse(True)
    items = parser.ref_resolver.items
    assert len(items) > 20
    for name, item in items.items():
        references = ReferenceResolver.find_refs_in_config(item.get_config(), name)
        lost = [reference for reference in references if reference not in items]
        assert not lost, f"{name} refers to {lost}, which is nowhere"


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS.keys())
def test_arguments_are_those_of_the_callables(stack: list[Path]) -> None:
    config = ConfigParser.load_config_files([str(path) for path in stack])
    seen = 0
    for node in walk(config):
        target = target_of(node) if isinstance(node, dict) else None
        if target is not None:
            unknown = [key for key in node if not re.fullmatch("_.*_", key) and not accepts(target, key)]
            assert not unknown, f"{node['_target_']} takes no {unknown}"
            seen += 1
    assert seen > 3


@pytest.mark.parametrize("path", SHIPPED, ids=relative)
def test_no_absolute_path(path: Path) -> None:
    if path.suffix not in (".json", ".yaml", ".conf", ".md", ".txt"):
        pytest.skip("not a text of ours")
    text = path.read_text(encoding="utf-8")
    machine = re.findall(
        r"(?:^|[^\w.:/@])(/(?:home|root|work|tmp|mnt|media|opt|srv|Users)/\S*|[A-Z]:\\\S*|~/\S*)", text
    )
    assert not machine
    if path.suffix in (".json", ".yaml"):
        config = json.loads(text) if path.suffix == ".json" else ConfigParser.load_config_file(path)
        values = [value for value in walk(config) if isinstance(value, str)]
        plain = [value for value in values if value.startswith(("/", "~"))]
        # In an expression a literal may begin with a slash only where it goes on from something.
        literal = [value for value in values if value.startswith("$") and re.search(r"(?<!\+ )['\"]/", value)]
        assert not plain and not literal


@pytest.mark.parametrize("overlays", [[], FOR_HANDS])
def test_only_photographs_are_trained_on(overlays: list[Path]) -> None:
    """No other modality and no hand that is shaded by its thickness is in what the ascent starts from."""
    config = ConfigParser.load_config_files([str(path) for path in (TRAIN, HANDS, *overlays)])
    sets = {name: node for name, node in config["source_sets"].items() if isinstance(node, dict)}
    trained = set(re.findall(r"@source_sets#(\w+)", config["splits"][0]))
    for name in list(trained):
        trained |= set(re.findall(r"@source_sets#(\w+)", str(sets.get(name, ""))))
    assert {"signdigits", "more_train", "rendered"} <= trained and "faded" not in trained
    for name in trained & set(sets):
        text = str(sets[name])
        assert "faded=True" not in text and not re.search("'(?:depth|xray)'", text), name
    assert "'photo'" in sets["rendered"]["path"] and "@splits[0]" in config["train"]["dataset"]["data"]


@pytest.mark.parametrize("size", [64, 96, 256])
def test_rendered_hands_are_no_coarser_than_the_network_sees(size: int) -> None:
    parser = ConfigParser(ConfigParser.load_config_files([str(TRAIN), str(HANDS)]))
    parser.update({"image_size": [size, size]})
    assert parser.get_parsed_content("source_sets#rendered_size") == max(128, size)


def test_rendered_hands_of_other_sizes_and_backgrounds_have_folders_of_their_own(tmp_path: Path) -> None:
    """One cache_dir serves them all, and the photographs that are named lie behind the hands."""
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 40), (0, 255, 0)).save(tmp_path / "photos" / "green.png")
    folders = {}
    for size, photos in ((96, None), (256, None), (96, str(tmp_path / "photos"))):
        parser = ConfigParser(ConfigParser.load_config_files([str(TRAIN), str(HANDS)]))
        parser.update({"image_size": [size, size], "cache_dir": str(tmp_path / "cache"), "bundle_root": str(tmp_path)})
        parser.update({"source_sets::rendered_count": 2, "source_sets::background_dir": photos})
        first = Path(parser.get_parsed_content("source_sets#rendered")[0]["image"])
        folders[size, photos] = first.parents[1]
        record = json.loads((folders[size, photos] / "synthetic.json").read_text())
        assert (record["image_size"], record["background_dir"]) == (max(128, size), photos)
    assert len(set(folders.values())) == 3


@pytest.mark.parametrize("name", ["as_inference", "as_inference_part"])
def test_evaluation_as_inference_takes_as_many_views(name: str) -> None:
    """The config of an old run may name others."""
    (overlay,) = [path for path in FOR_EVALUATION if path.stem == name]
    wanted = ConfigParser.load_config_file(TRAIN.with_name("inference.json"))["num_views"]
    assert ConfigParser.load_config_file(overlay)["num_views"] == wanted


@pytest.mark.parametrize("native", [True, False])
def test_every_overlay_in_bfloat16_asks_the_device_first(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    """Emulated bfloat16 makes a run many times slower."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": native}, raising=False)
    rounded = [path for path in OVERLAYS if "autocast_dtype" in ConfigParser.load_config_file(path)]
    assert rounded
    for path in rounded:
        parser = ConfigParser(ConfigParser.load_config_files([str(TRAIN), str(path)]))
        parser.update({"device": "cpu"})
        dtype = parser.get_parsed_content("autocast_dtype")
        assert dtype == (torch.bfloat16 if native else None), relative(path)

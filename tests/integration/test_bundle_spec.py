"""The bundle against the specification: metadata, layout, properties, network, export."""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out

import monai_degia
from monai_degia.data.lists.landmark_sets import landmark_set

REPO = Path(__file__).parents[2]
BUNDLE = REPO / "bundle"
CONFIGS = BUNDLE / "configs"
METADATA = str(CONFIGS / "metadata.json")
DATA = Path(os.environ.get("MONAI_DEGIA_DATA", REPO.parent / "shared" / "data"))
SCHEMA = DATA / "meta_schema_20240725.json"
needs_schema = pytest.mark.skipif(not SCHEMA.is_file(), reason="the schema of bundle metadata is not there")


@pytest.fixture
def metadata() -> dict[str, Any]:
    return json.loads(Path(METADATA).read_text(encoding="utf-8"))


@needs_schema
def test_metadata_follow_the_schema(metadata: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.validate(metadata, schema)
    for key in ("required_packages_version", "network_data_format"):
        with pytest.raises(jsonschema.ValidationError, match=key):
            jsonschema.validate({k: v for k, v in metadata.items() if k != key}, schema)


@needs_schema
def test_monai_verifies_the_metadata_offline(metadata: dict[str, Any], tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    shutil.copyfile(SCHEMA, schema)
    verify_metadata(meta_file=METADATA, filepath=str(schema))
    broken = tmp_path / "metadata.json"
    broken.write_text(json.dumps({**metadata, "references": "one string"}), encoding="utf-8")
    with pytest.raises(ValueError, match="is not of type 'array'"):
        verify_metadata(meta_file=str(broken), filepath=str(schema))


def test_metadata_agree_with_the_package(metadata: dict[str, Any]) -> None:
    assert metadata["schema"] == "https://project-monai.github.io/schema/meta_schema_20240725.json"
    assert metadata["version"] == monai_degia.__version__ and metadata["version"] in metadata["changelog"]
    assert metadata["required_packages_version"]["monai_degia"] == monai_degia.__version__
    assert metadata["intended_use"].startswith("Research only")
    formats = metadata["network_data_format"]
    image, pred = formats["inputs"]["image"], formats["outputs"]["pred"]
    assert [pred["channel_def"][str(k)] for k in range(pred["num_channels"])] == list(monai_degia.HAND21)
    train = ConfigParser.load_config_file(str(CONFIGS / "train.json"))
    model = monai_degia.TrainedModel.load(BUNDLE / "models")
    for channels, size, landmarks in (
        (train["in_channels"], train["image_size"], train["landmarks"]),
        (model.in_channels, model.image_size, model.landmarks),
    ):
        assert (channels, size) == (image["num_channels"], image["spatial_shape"]) and landmark_set(
            landmarks
        ) == landmark_set("hand21")
    assert model.model_version == f"hand_landmark_degia {metadata['version']}"


def test_metadata_name_every_package_that_the_installation_requires(metadata: dict[str, Any]) -> None:
    block = re.search(r"install_requires=\[(.*?)\]", (REPO / "setup.py").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    required = {name.lower() for name in re.findall(r'^\s+"([A-Za-z0-9-]+)', block.group(1), re.MULTILINE)}
    assert {"pytorch-ignite", "matplotlib"} <= required
    named = {name.lower() for name in metadata["required_packages_version"]} | {"monai", "torch", "numpy"}
    assert required <= named


def test_layout_is_that_of_the_specification() -> None:
    for name in ("LICENSE", "configs/logging.conf", "docs/README.md", "docs/data_license.txt"):
        assert (BUNDLE / name).stat().st_size > 100, name
    readme = (BUNDLE / "docs" / "README.md").read_text(encoding="utf-8")
    titles = ["Model Overview", "Data", "Training configuration", "Input", "Output", "Performance"]
    places = [readme.index(f"# {title}\n") for title in [*titles, "MONAI Bundle Commands", "References", "License"]]
    assert places == sorted(places)
    for config in re.findall(r"configs/\w+\.(?:json|yaml)", readme):
        assert (BUNDLE / config).is_file() or (REPO / config).is_file(), config


@pytest.mark.parametrize(
    ("names", "kind"),
    [(["train"], "train"), (["train", "evaluate"], "train"), (["inference"], "infer")],
    ids=["train", "evaluate", "inference"],
)
def test_configs_have_all_properties(
    names: list[str], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monai_degia.write_synthetic_dataset(tmp_path / "data", "photo", 8, image_size=64)
    overrides = {"ckpt_dir": str(BUNDLE / "models")} if names != ["train"] else {}
    workflow = ConfigWorkflow(
        config_file=[str(CONFIGS / f"{name}.json") for name in names],
        workflow_type=kind,
        logging_file=False,
        bundle_root=str(tmp_path),
        **overrides,
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    assert workflow.version == monai_degia.__version__ and workflow.spatial_shape == [96, 96]


@pytest.mark.parametrize("name", ["train", "inference"])
def test_network_takes_and_gives_what_the_metadata_say(name: str) -> None:
    config = str(CONFIGS / f"{name}.json")
    verify_net_in_out(net_id="network_def", meta_file=METADATA, config_file=config, device="cpu")


def test_a_network_of_other_landmarks_is_told_from_the_metadata() -> None:
    with pytest.raises(ValueError, match=r"output channel number `17` doesn't match: `21`"):
        verify_net_in_out(
            net_id="network_def",
            meta_file=METADATA,
            config_file=str(CONFIGS / "train.json"),
            device="cpu",
            landmarks="hand17",
        )


def test_weights_that_come_along_are_whole() -> None:
    models = BUNDLE / "models"
    assert (models / "model.pt").stat().st_size < 25e6
    model = monai_degia.TrainedModel.load(models)
    assert model.flow is not None and model.calibration is not None, "the calibration holds for these weights"
    for module in (model.network, model.flow):
        assert all(torch.isfinite(values).all() for values in module.state_dict().values())
    ((low,), (high,)) = model.calibration.confidence(torch.tensor([[0.5], [0.005]]), torch.zeros(2))
    assert low < 0.5 < high and (model.calibration.bits_std or 0) > 0


def test_exported_network_predicts_what_the_trained_one_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = monai_degia.LandmarkRegressor(
        "resnet", image_size=(96, 96), head="heatmap", temperature=0.25, normalize_input=True
    ).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(tmp_path / "model.pt"),
        meta_file=METADATA,
        config_file=str(CONFIGS / "inference.json"),
    )
    files = {"metadata.json": "", "inference.json": ""}
    exported = torch.jit.load(str(tmp_path / "model.ts"), _extra_files=files).eval()
    image = torch.rand(3, 3, 96, 96)
    with torch.no_grad():
        eager, scripted = network(image), exported(image)
    assert eager.std() > 1e-3 and torch.allclose(eager, scripted, atol=1e-6)
    assert json.loads(files["metadata.json"])["version"] == monai_degia.__version__
    assert json.loads(files["inference.json"])["modality"] == "auto"

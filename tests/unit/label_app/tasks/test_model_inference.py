"""One image at a time gives what the bundle's command gives for its folder."""

import ast
import json
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow

from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.store.sample_images import write_sample_images
from monai_degia.label_app.tasks import model_inference
from monai_degia.label_app.tasks.model_inference import ModelInference

APP = Path(model_inference.__file__).parent
SERVER_ONLY = {"main", "infer_task", "train_task", "strategies", "datastores", "request_guard"}


def test_results_equal_those_of_the_whole_config(tmp_path: Path, bundle: Path) -> None:
    files = write_sample_images(tmp_path / "images", count=3, image_size=80)
    workflow = ConfigWorkflow(
        config_file=str(bundle / "configs" / "inference.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(bundle),
        dataset_dir=str(tmp_path / "images"),
        output_dir=str(tmp_path / "out"),
        formats=["markups"],
        batch_size=1,
    )
    workflow.parser.get_parsed_content("evaluator").run()
    expected = json.loads((tmp_path / "out" / "landmarks.json").read_text())
    inference = ModelInference(bundle / "models", bundle / "models" / "model.pt", version="+label.7")
    for file, entry in zip(files, expected, strict=True):
        text, found = inference(file)
        assert found.pop("model_version") == entry.pop("model_version") + "+label.7"
        assert found == entry and found["confidence"] > 0
        assert text == (tmp_path / "out" / f"{file.stem}.mrk.json").read_text()
    assert expected[0]["landmarks"] != expected[1]["landmarks"]


def test_a_file_that_cannot_be_read_is_refused_and_the_next_one_is_not(tmp_path: Path, bundle: Path) -> None:
    inference = ModelInference(bundle / "models", bundle / "models" / "model.pt")
    (good,) = write_sample_images(tmp_path, count=1, image_size=64)
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:200])
    for _ in range(2):
        with pytest.raises(RefusedRequest, match=r"Cannot read image bad\.png") as error:
            inference(bad)
        assert str(tmp_path) not in str(error.value)
        assert inference(good)[1]["image"] == good.name


def test_only_the_modules_of_the_server_need_monai_label() -> None:
    """All others import in the main environment, which cannot hold MONAI Label."""
    for path in APP.glob("*.py"):
        imports = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
        tops = {name.split(".")[0] for name in names}
        own = {name.split(".")[-1] for name in names if name.startswith("monai_degia.label_app.")}
        needs = bool(tops & {"monailabel", "fastapi", "starlette", "dicomweb_client"} or own & SERVER_ONLY)
        assert needs == (path.stem in SERVER_ONLY), path.name

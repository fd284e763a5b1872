"""Inference with the weights that come along: what options cost, and that a file is opened once."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.bundle import ConfigWorkflow
from PIL import Image

from monai_degia import LandmarkRegressor, hand_inferer, render_hand
from monai_degia.reading.images import LoadAnyImaged

BUNDLE = Path(__file__).parents[2] / "bundle"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for seed in range(3):
        picture = Image.fromarray(render_hand("photo", seed, 96).image)
        picture.save(tmp_path / "images" / f"{seed}.{('png', 'jpg', 'bmp')[seed]}")
    return tmp_path / "images"


def infer(images: Path, output: Path, **options: Any) -> list[dict[str, Any]]:
    workflow = ConfigWorkflow(
        str(BUNDLE / "configs" / "inference.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(BUNDLE),
        dataset_dir=str(images),
        output_dir=str(output),
        **options,
    )
    workflow.initialize()
    workflow.run()
    return json.loads((output / "landmarks.json").read_text())


def points(entries: list[dict[str, Any]]) -> np.ndarray:
    return np.array([list(entry["landmarks"].values()) for entry in entries])


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of images that the network gets."""
    seen: list[int] = []
    forward = LandmarkRegressor.forward

    def counted(self: LandmarkRegressor, image: Any) -> Any:
        seen.append(len(image))
        return forward(self, image)

    monkeypatch.setattr(LandmarkRegressor, "forward", counted)
    # The faster copy of the network is another module: here the network itself is asked for all copies.
    monkeypatch.setattr("monai_degia.networks.inference_copy.InferenceCopies.__call__", lambda self, network: network)
    return seen


def test_without_refinement_the_network_runs_once(
    images: Path, tmp_path: Path, passes: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "monai_degia"):
        one = infer(images, tmp_path / "one", refine=False)
    assert sum(passes) == 3 and all(entry.get("confidence") is None for entry in one)
    assert sum("scores=True adds both" in message for message in caplog.messages) == 1
    passes.clear()
    asked = infer(images, tmp_path / "asked", refine=False, scores=True)
    copies = hand_inferer((96, 96))
    assert sum(passes) == 3 * (1 + copies.num_passes), "a network of both sides is not asked for the mirrored picture"
    assert all(entry["confidence"] is not None or entry["withheld"] for entry in asked)
    # Scores need a larger picture, which the network's is then cut from.
    assert np.abs(points(asked) - points(one)).mean() < 0.25  # pixels
    refined = infer(images, tmp_path / "refined")
    assert np.abs(points(refined) - points(one)).max() > 0.1, "vacuous: the copies change nothing"


def test_threads_and_batches_do_not_change_a_result(images: Path, tmp_path: Path) -> None:
    found = [
        infer(images, tmp_path / f"{threads}_{size}", num_workers=threads, batch_size=size)
        for threads, size in ((0, 1), (3, 2), (2, 8))
    ]
    for other in found[1:]:
        assert other == found[0], "to the last digit"


def test_overlay_and_report_show_what_was_read_for_the_network(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load = LoadAnyImaged._load

    def counted(self: LoadAnyImaged, path: Any, loader: Any) -> Any:
        read.append(Path(path).name)
        return load(self, path, loader)

    monkeypatch.setattr(LoadAnyImaged, "_load", counted)
    infer(images, tmp_path / "out", formats=["overlay"], write_report=True)
    assert sorted(read) == ["0.png", "1.jpg", "2.bmp"]
    assert len(list((tmp_path / "out").glob("*.overlay.png"))) == 3 and (tmp_path / "out" / "report.html").is_file()

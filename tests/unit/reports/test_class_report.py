"""The report of an evaluation of classes: figures by hand, files read back, several domains, several batches."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from torch import nn

from monai_degia.engines.batches import PrepareClassBatch
from monai_degia.reports.class_report import ClassificationReport

# Images are logits of three classes; the network hands them through.
SAMPLES = [
    ("a", "mnist", 0, [2.0, 0.0, 0.0]),
    ("b", "usps, \u00e9", 2, [0.0, 1.0, 0.0]),
    ("c", "mnist", 1, [0.0, 3.0, 3.5]),
    ("d", "mnist", 2, [0.0, 0.0, 1.0]),
    ("e", "mnist", 1, [0.0, 9.0, 1.0]),
]


def items(*left_out: str) -> list[dict[str, Any]]:
    keys = ("name", "domain", "target", "image")
    samples = [dict(zip(keys, sample, strict=True)) for sample in SAMPLES]
    return [{k: v for k, v in {**s, "image": torch.tensor(s["image"])}.items() if k not in left_out} for s in samples]


def evaluate(folder: Path, samples: list[dict[str, Any]], **options: Any) -> Engine:
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(samples), batch_size=2),
        network=nn.Identity(),
        prepare_batch=PrepareClassBatch(),
        val_handlers=[ClassificationReport(folder, **options)],
        decollate=False,
    )
    evaluator.logger.disabled = True
    evaluator.run()
    return evaluator


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_accuracy_of_each_domain(tmp_path: Path) -> None:
    evaluate(tmp_path / "new", items())
    summary = json.loads((tmp_path / "new" / "metrics.json").read_text(encoding="utf-8"))
    assert summary == {"mnist": {"accuracy": 0.75, "count": 4}, "usps, \u00e9": {"accuracy": 0.0, "count": 1}}


def test_every_prediction(tmp_path: Path) -> None:
    evaluate(tmp_path, items())
    found = rows(tmp_path)
    assert [(r["name"], r["domain"], int(r["target"])) for r in found] == [sample[:3] for sample in SAMPLES]
    assert [int(r["predicted"]) for r in found] == [0, 1, 2, 2, 1]
    first, third = math.exp(2) / (math.exp(2) + 2), 1 / (1 + math.exp(-0.5) + math.exp(-3.5))
    assert abs(float(found[0]["probability"]) - first) < 1e-5 and abs(float(found[2]["probability"]) - third) < 1e-5


def test_images_without_names_are_numbered(tmp_path: Path) -> None:
    evaluate(tmp_path, items("name"))
    assert [r["name"] for r in rows(tmp_path)] == ["0", "1", "2", "3", "4"]


def test_another_run_starts_anew(tmp_path: Path) -> None:
    evaluate(tmp_path, items()).run()
    assert len(rows(tmp_path)) == 5
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_own_keys(tmp_path: Path) -> None:
    renamed = [{"file": s.pop("name"), "site": s.pop("domain"), **s} for s in items()]
    evaluate(tmp_path, renamed, domain_key="site", name_key="file")
    assert [(r["name"], r["domain"]) for r in rows(tmp_path)] == [sample[:2] for sample in SAMPLES]


@pytest.mark.parametrize("left_out", ["domain", "target"])
def test_batches_without_domain_or_label(tmp_path: Path, left_out: str) -> None:
    with pytest.raises(ValueError, match=r"needs labels and a domain for each image, the batch has \["):
        evaluate(tmp_path, items(left_out))

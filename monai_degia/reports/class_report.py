"""The report of an evaluation of classes: accuracy per domain, and every prediction."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import torch
from ignite.engine import Engine
from monai.utils import CommonKeys

from monai_degia.errors import UserError
from monai_degia.io.files import whole_file
from monai_degia.io.spreadsheets import plain_row
from monai_degia.reports.collecting import CollectingWriter

__all__ = ["ClassificationReport"]

_logger = logging.getLogger(__name__)

COLUMNS = ("name", "domain", "target", "predicted", "probability")


class ClassificationReport(CollectingWriter):
    """Collect predictions of an evaluator and write how many are right, per domain.

    Files in ``output_dir``: ``metrics.json`` (for each domain ``accuracy`` in [0, 1] and ``count``) and
    ``predictions.csv`` (one row an image: name, domain, target, predicted class and its probability). The network's
    output is logits (B, K), and the evaluator must not decollate.

    Args:
        output_dir: folder of the report.
        domain_key: entry of the batch with the domain of each image.
        name_key: entry of the batch with the name of each image; images are numbered where the batch has none.

    Raises:
        ValueError: during the run, if a batch has no domains, or no labels.

    """

    def __init__(self, output_dir: str | Path, domain_key: str = "domain", name_key: str = "name") -> None:
        super().__init__(output_dir)
        self.domain_key, self.name_key = domain_key, name_key

    def _collect(self, engine: Engine) -> None:
        output, batch = engine.state.output, engine.state.batch
        if self.domain_key not in batch or output.get(CommonKeys.LABEL) is None:
            raise UserError(
                f"ClassificationReport needs labels and a domain for each image, the batch has {sorted(batch)}: keep "
                f"{self.domain_key!r} and the label in the pipeline of the evaluation."
            )
        probability, predicted = torch.softmax(output[CommonKeys.PRED].detach().float(), dim=1).max(dim=1)
        first = len(self._rows)
        names = batch.get(self.name_key, range(first, first + len(predicted)))
        targets = output[CommonKeys.LABEL].tolist()
        columns = (names, batch[self.domain_key], targets, predicted.tolist(), probability.tolist())
        self._rows += [dict(zip(COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)]

    def _write(self, engine: Engine) -> None:
        summary = {domain: self._summarize(domain) for domain in dict.fromkeys(row["domain"] for row in self._rows)}
        with whole_file(self.output_dir / "metrics.json") as partial:
            partial.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        with (
            whole_file(self.output_dir / "predictions.csv") as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            shown = ({**row, "probability": f"{row['probability']:.5f}"} for row in self._rows)
            writer.writerows(plain_row([str(row[column]) for column in COLUMNS]) for row in shown)
        for domain, values in summary.items():
            _logger.info(f"{domain}: {values['count']} images, accuracy {100 * values['accuracy']:.2f} %")
        _logger.info(f"Evaluation written to {self.output_dir}")

    def _summarize(self, domain: str) -> dict[str, float]:
        right = [row["predicted"] == row["target"] for row in self._rows if row["domain"] == domain]
        return {"accuracy": sum(right) / len(right), "count": len(right)}

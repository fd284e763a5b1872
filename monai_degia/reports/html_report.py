"""A page about a run: every image with its landmarks, sorted by how doubtful they are, in one file."""

from __future__ import annotations

import base64
import logging
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from ignite.engine import Engine
from monai.data import MetaTensor, decollate_batch
from monai.utils import CommonKeys
from numpy.typing import NDArray
from torch import Tensor

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_set
from monai_degia.errors import UserError
from monai_degia.metrics.errors import landmark_size, radial_error
from monai_degia.reading.landmarks import denormalize_landmarks
from monai_degia.reading.picture import picture_of
from monai_degia.reports.collecting import CollectingWriter
from monai_degia.reports.html_page import image_entry, write_page
from monai_degia.reports.report_thumbnails import ThumbnailEncoder
from monai_degia.results.prediction import Point, original_points, relative_name
from monai_degia.results.upright_image import UprightImage

__all__ = ["HtmlReport"]

_logger = logging.getLogger(__name__)

_PICTURES = ("file", "network")


class HtmlReport(CollectingWriter):
    """Write ``report.html``: a page to look at all images of a run, which needs neither a server nor a network.

    Each image is a small picture with its landmarks, named when pointed at; where the batches have labels, those are
    rings. The page sorts by confidence, domain shift and error, doubtful images first, filters by domain, and plots
    each of the three over landmarks and domains. Of the files it holds their names and small pictures, and no more of
    their headers than ``landmarks.csv``. Pictures wait on disk until the run is done, so memory grows by some
    hundred bytes an image. An error ends the run without a page, and an older one stays.

    The evaluator's output holds normalised landmarks (B, K, 2) and, optionally, labels alike, ``confidence`` (B, K) in
    [0, 1], ``radius`` (B, K) as a fraction of the hand size, both NaN where they are withheld, and ``domain_shift``
    (B,), which :class:`monai_degia.ScoresHandler` adds if it is attached before. Batches
    may hold a ``domain``, or else a ``modality``, to filter by, and an ``error`` for images that could not be read
    (:class:`monai_degia.GuardedCompose`), which are counted only. The evaluator must not decollate.

    Args:
        output_dir: folder of the page.
        landmarks: the K landmarks, see :func:`monai_degia.landmark_set`.
        image_dir: folder that image names are relative to; None takes the last part of each name.
        model_version: name and version of the model, for the head of the page.
        pictures: ``file`` shows the whole file, upright, and needs the meta data of
            :class:`monai_degia.FileGeometryd`; ``network`` shows what the network saw.
        thumbnail_side: longer side of the pictures in pixels, at most. It decides the size of the page.
        doubtful_below: confidence in [0, 1] under which a landmark is drawn hollow.

    Raises:
        ValueError: if an option is out of range; while the evaluator runs, if landmarks are not finite or have another
            number.

    """

    def __init__(
        self,
        output_dir: str | Path,
        landmarks: Landmarks,
        image_dir: str | Path | None = None,
        model_version: str = "",
        pictures: str = "file",
        thumbnail_side: int = 256,
        doubtful_below: float = 0.5,
    ) -> None:
        super().__init__(output_dir)
        if pictures not in _PICTURES or not 0 <= doubtful_below <= 1:
            raise UserError(
                f"Need pictures 'file' or 'network' and doubtful_below in [0, 1], got {pictures!r} and "
                f"{doubtful_below}."
            )
        self.landmarks = landmark_set(landmarks)
        self.names = self.landmarks.names
        self.image_dir, self.model_version, self.pictures = image_dir, model_version, pictures
        self.doubtful_below = doubtful_below
        self._encoder, self._upright = ThumbnailEncoder(thumbnail_side), UprightImage()
        self._spool: IO[bytes] | None = None
        self._unread = 0

    def _start(self, engine: Engine) -> None:
        super()._start(engine)
        self._unread = 0
        self.output_dir.mkdir(parents=True, exist_ok=True)
        # Without a name on disk: nothing is left behind, however the run ends.
        self._spool = tempfile.TemporaryFile(dir=self.output_dir)  # noqa: SIM115 (closed by _write)

    def _collect(self, engine: Engine) -> None:
        batch, output = engine.state.batch, engine.state.output
        columns = {key: batch.get(key) for key in ("domain", "modality", "error", "picture", "picture_affine")}
        found = (CommonKeys.PRED, CommonKeys.LABEL, "confidence", "radius", "domain_shift")
        columns |= {key: output.get(key) for key in found}
        for index, image in enumerate(decollate_batch(batch[CommonKeys.IMAGE])):
            row = {key: None if values is None else values[index] for key, values in columns.items()}
            if row["error"]:
                self._unread += 1
                continue
            try:
                self._add(engine, image, row)
            except Exception as error:  # whatever is odd about this image: the others are shown
                if row["error"] is None:  # nobody asked to go on
                    raise
                self._unread += 1
                _logger.warning(f"{Path(image.meta['filename_or_obj']).name} is not in the report: {error}")

    def _add(self, engine: Engine, image: Tensor, row: dict[Any, Any]) -> None:
        file = getattr(image, "meta", {}).get("filename_or_obj")
        name = relative_name(file, self.image_dir) if file else f"image {len(self._rows) + self._unread + 1}"
        points, label, error = [self._points(row[CommonKeys.PRED], image, name)], row[CommonKeys.LABEL], None
        if label is not None:
            error = _relative_error(row[CommonKeys.PRED], label, image.shape[1:], self.landmarks.size_ends)
            points.append(self._labels(label, image, name))
        shift = None if row["domain_shift"] is None else float(row["domain_shift"])
        measured = {
            "domain": str(row["domain"] or row["modality"] or "all"),
            "confidence": None if row["confidence"] is None else np.asarray(row["confidence"].cpu(), np.float32),
            "radius": None if row["radius"] is None else np.asarray(row["radius"].cpu(), np.float32),
            "withheld": row["confidence"] is not None and bool(row["confidence"].isnan().all()),
            "error": error,
            "shift": None if shift is None else np.array([shift], np.float32),
        }
        picture, size, (prediction, *labels) = self._picture(engine, image, name, row, points)
        entry = image_entry(name, size, prediction, labels[0] if labels else None, measured)
        self._rows.append(measured)
        if self._spool is not None:
            self._spool.write(f"{entry}\n{base64.b64encode(picture).decode()}\n".encode("ascii"))

    def _size(self, image: Any) -> tuple[int, int]:
        """Of the picture, in pixels."""
        if self.pictures == "network":
            return image.shape[1], image.shape[2]
        if not isinstance(image, MetaTensor) or "spatial_shape" not in image.meta:
            raise UserError(
                "HtmlReport needs the meta data of the image files to show them. Put FileGeometryd behind the "
                "transforms, or pass pictures='network'."
            )
        return int(image.meta["spatial_shape"][0]), int(image.meta["spatial_shape"][1])

    def _points(self, points: Tensor, image: Any, name: str) -> Sequence[Point]:
        """Normalised landmarks in pixels of the picture."""
        points, size = points.detach().cpu(), self._size(image)
        if self.pictures == "file":
            return original_points(points, image, self.landmarks, name)
        if points.shape != (len(self.names), 2) or not torch.isfinite(points).all():
            raise UserError(
                f"{name}: expected {len(self.names)} finite landmarks, got shape {tuple(points.shape)} and "
                f"{int((~torch.isfinite(points)).sum())} numbers that are not finite. Use the landmarks that the "
                "network was trained on, and weights that are of use."
            )
        return denormalize_landmarks(points.double(), size).tolist()

    def _labels(self, labels: Tensor, image: Any, name: str) -> Sequence[Point]:
        """The same of references, NaN where one is missing."""
        missing = labels.isnan().any(1)
        found = self._points(labels.nan_to_num(0.5), image, name)
        return [(math.nan, math.nan) if gone else point for point, gone in zip(found, missing, strict=True)]

    def _picture(
        self, engine: Engine, image: Any, name: str, row: dict[Any, Any], points: list[Sequence[Point]]
    ) -> tuple[bytes, tuple[int, int], list[Sequence[Point]]]:
        """The picture as a file, its size before it was made smaller, and the points in pixels of that."""
        size = self._size(image)
        if self.pictures == "network":
            return self._encoder.from_tensor(image), size, points
        stored = torch.tensor(points, dtype=torch.float64)
        if (kept := picture_of(row)) is not None:
            size, turned = kept.upright(size, stored)
            return self._encoder.from_tensor(kept.image), size, turned.tolist()
        try:
            file, modality = image.meta["filename_or_obj"], str(row["modality"] or "auto")
            shown, turned = self._upright(file, stored.flatten(0, 1), modality)
        except ValueError as error:
            _logger.warning(f"{name} has no picture in the report: {error}")
            return b"", size, points
        return self._encoder.from_tensor(shown), (shown.shape[1], shown.shape[2]), turned.view_as(stored).tolist()

    def _write(self, engine: Engine) -> None:
        path = self.output_dir / "report.html"
        about = {
            "model_version": self.model_version,
            "unread": self._unread,
            "from_network": self.pictures == "network",
            "doubtful_below": self.doubtful_below,
        }
        write_page(path, self.landmarks, self._rows, self._spooled(), about)
        _logger.info(f"Report of {len(self._rows)} images written to {path}")

    def _spooled(self) -> Iterator[tuple[str, str]]:
        """Each image's entry and picture, one after another from disk."""
        if self._spool is not None:
            self._spool.seek(0)
            for line in self._spool:
                yield line.decode("ascii").rstrip(), next(self._spool).decode("ascii").rstrip()
            self._spool.close()
            self._spool = None


def _relative_error(
    prediction: Tensor, label: Tensor, size: Sequence[int], ends: tuple[int, int] | None
) -> NDArray[np.float32]:
    """Shape (K,), fraction of the size; infinite or NaN where the labels coincide, NaN where one is missing."""
    found, target = (
        denormalize_landmarks(points.detach().cpu().double(), size)[None] for points in (prediction, label)
    )
    return (radial_error(found, target)[0] / landmark_size(target, ends)).numpy().astype(np.float32)

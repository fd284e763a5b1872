"""Landmarks of an inference as files: a table of all images, and on request files about each image."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import torch
from ignite.engine import Engine, Events
from monai.data import decollate_batch
from monai.utils import CommonKeys

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_set
from monai_degia.errors import UserError, did_you_mean
from monai_degia.io.files import printable
from monai_degia.io.suffixes import IMAGE_SUFFIXES
from monai_degia.reports.collecting import CollectingWriter
from monai_degia.results.landmark_tables import landmark_entry, write_csv, write_failures, write_json
from monai_degia.results.markups import MarkupsWriter
from monai_degia.results.overlay_files import OverlayWriter
from monai_degia.results.prediction import LandmarkPrediction, landmark_prediction, relative_name
from monai_degia.results.structured_report import StructuredReportWriter

__all__ = ["RECORD_WRITERS", "LandmarkFileWriter", "RecordWriter"]

_logger = logging.getLogger(__name__)


class RecordWriter(Protocol):
    """Writes a file about one image."""

    ending: str
    """Of the file, behind the record's ``output_name``."""

    def write(self, record: LandmarkPrediction) -> Path | None:
        """Write the file, whole or not at all; None if there is nothing to write for such an image."""


RECORD_WRITERS: dict[str, Callable[[str | Path], RecordWriter]] = {
    "markups": MarkupsWriter,
    "sr": StructuredReportWriter,
    "overlay": OverlayWriter,
}


class LandmarkFileWriter(CollectingWriter):
    """Write the landmarks that an evaluator finds, in pixels of each file and, where known, in millimetres.

    ``landmarks.csv`` has a row an image: ``image``, ``<joint>_x`` and ``<joint>_y`` in pixels (pixel centres at
    integers), ``outside`` (1 if any landmark lies beyond the image's edge), ``spacing_mm`` (mm a pixel, or x and y
    where they differ), ``spacing_source``, ``confidence`` (mean of the landmarks, in [0, 1]), ``radius_px`` and
    ``radius_mm`` (means of the landmarks), ``domain_shift``, ``withheld`` (1 if the image is unlike all that confidence
    and radius were fitted on), ``modality``, ``mirrored``, ``thumb_side``, ``thumb_side_source``,
    ``sop_instance_uid``, ``model_version`` and, for each joint, ``<joint>_radius`` in pixels; what is unknown is empty.
    ``load_datalist`` reads it, modality, sides and spacing included, so corrected predictions can be trained on.
    ``landmarks.json`` adds millimetres, and confidence and radius of each landmark.
    Both come at the end of the run, or with what there is if an error ends it; in a long run also now and then, so that
    one that is killed leaves them too. Images whose ``error`` in the batch says that they could not be read
    (:class:`monai_degia.GuardedCompose`), and images one of whose files could not be written, are listed with the
    reason in ``failures.csv``, which is there only if there are any; files that an earlier run wrote in their place go.
    Files about one image are written at once, in the sub-folder of the image. Nothing of a file's header is written but
    its pixel size and UID; the structured report alone repeats patient and study.

    The evaluator's batches hold images from :class:`FileGeometryd` and, optionally, their ``spacing`` in mm,
    ``spacing_source``, ``sop_instance_uid`` and ``modality``, of which the middle two may also be in the image's meta
    data. Its output holds normalised landmarks (B, K, 2) and, optionally, ``confidence`` (B, K) in [0, 1], ``radius``
    (B, K) as a fraction of the size of the hand found, both NaN where withheld, ``domain_shift`` (B,) and ``mirrored``
    (B,), for images that were mirrored inside the network. It must not decollate.

    Args:
        output_dir: folder of the files.
        landmarks: see :func:`monai_degia.landmark_set`.
        image_dir: folder that image names are relative to; None takes the last part of each name.
        model_version: name and version of the model, ``"<name> <version>"``.
        formats: files about each image: any of ``markups`` (3D Slicer), ``sr`` (DICOM structured report, for DICOM
            files) and ``overlay`` (a picture).
        modality: ``photo``, ``depth`` or ``xray``, for images whose batch does not say; the overlay needs it.
        save_interval: seconds after which the tables are written with what there is, while the run goes on.

    Raises:
        ValueError: if a format is unknown; while the evaluator runs, if a prediction is not finite, or has another
            number of landmarks.
        ImportError: if ``sr`` is asked for and highdicom is not installed.

    """

    def __init__(
        self,
        output_dir: str | Path,
        landmarks: Landmarks,
        image_dir: str | Path | None = None,
        model_version: str = "",
        formats: str | Sequence[str] = (),
        modality: str = "photo",
        save_interval: float = 60.0,
    ) -> None:
        super().__init__(output_dir)
        self.landmarks = landmark_set(landmarks)
        self.names = self.landmarks.names
        self.image_dir, self.model_version, self.modality = image_dir, model_version, modality
        self.save_interval = save_interval
        wanted = (formats,) if isinstance(formats, str) else tuple(formats)
        self.writers = {name: _record_writer(name, self.output_dir) for name in wanted}
        self.failures: list[tuple[str, str]] = []
        """Name of an image and the reason why it has no result, or lacks one of its own files."""
        self._taken: set[str] = set()
        self._seen = 0
        self._saved_at = 0.0

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        super().attach(engine)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._rescue)

    def _start(self, engine: Engine) -> None:
        super()._start(engine)
        self._taken, self.failures, self._seen = set(), [], 0
        self._saved_at = time.monotonic()

    def _collect(self, engine: Engine) -> None:
        batch, output = engine.state.batch, engine.state.output
        images = decollate_batch(batch[CommonKeys.IMAGE])
        self._seen += len(images)
        for index, image in enumerate(images):
            given = _row(batch, index)
            if given.get("error"):
                name = relative_name(image.meta["filename_or_obj"], self.image_dir)
                self._fail(engine, name, str(given["error"]))
                self._remove(self._output_name(name), self.writers.values())
                continue
            name = relative_name(image.meta["filename_or_obj"], self.image_dir)
            output_name = self._output_name(name)
            try:
                record = landmark_prediction(
                    image,
                    given,
                    _row(output, index),
                    self.landmarks,
                    image_dir=self.image_dir,
                    output_name=output_name,
                    model_version=self.model_version,
                    modality=self.modality,
                )
                entry = landmark_entry(record)
            except Exception as error:  # whatever is odd about this image: the others have their results
                if "error" not in given:  # nobody asked for a list of failures
                    raise
                self._fail(engine, name, _reason(error))
                self._remove(output_name, self.writers.values())
                continue
            self._rows.append(entry)
            for writer in self.writers.values():
                self._write_one(engine, writer, record)
        if time.monotonic() - self._saved_at >= self.save_interval:
            self._save()

    def _output_name(self, image: str) -> str:
        """Path without ending, new for each image: ``a.png`` and ``a.dcm`` must not share their files."""
        full = "/".join(part for part in Path(image).parts if part not in ("..", "/"))
        ending = next((s for s in sorted(IMAGE_SUFFIXES, key=len)[::-1] if full.lower().endswith(s)), "")
        candidates = [full.removesuffix(full[len(full) - len(ending) :]) if ending else full, full]
        candidates += [f"{full}_{number}" for number in range(2, len(self._taken) + 3)]
        name = next(candidate for candidate in candidates if candidate.lower() not in self._taken)
        self._taken.add(name.lower())  # a disk may not tell upper from lower case
        return name

    def _write_one(self, engine: Engine, writer: RecordWriter, record: LandmarkPrediction) -> None:
        try:
            writer.write(record)
        except Exception as error:  # whatever a library finds wrong with this image: the others have to be written
            self._fail(engine, record.image, _reason(error))
            self._remove(record.output_name, [writer])

    def _remove(self, output_name: str, writers: Iterable[RecordWriter]) -> None:
        """What an earlier run wrote must not pass for a result of this one."""
        for writer in writers:
            with suppress(OSError):
                (self.output_dir / f"{output_name}{writer.ending}").unlink()

    def _fail(self, engine: Engine, image: str, reason: str) -> None:
        reason = printable(reason)
        self.failures.append((image, reason))
        _logger.warning(f"{image}: {reason}")

    def check(self) -> None:
        """Let a command end with an error status if something is missing; everything else has been written by then.

        Raises:
            ValueError: if the last run had failures.

        """
        if self.failures:
            images = dict(self.failures)
            first = next(iter(images))
            whole = ", all others were written" if len(images) < self._seen else ""
            raise UserError(
                f"{len(images)} of {self._seen} images have no complete result{whole}. "
                f"{self.output_dir / 'failures.csv'} lists them; the first is {first}: {images[first]}"
            )

    def _rescue(self, engine: Engine, error: Exception) -> None:
        if self._rows or self.failures:
            self._write(engine)
        raise error

    def _write(self, engine: Engine) -> None:
        self._save()
        _logger.info(f"Landmarks of {len(self._rows)} images written to {self.output_dir}")

    def _save(self) -> None:
        write_json(self.output_dir / "landmarks.json", self._rows)
        write_csv(self.output_dir / "landmarks.csv", self.names, self._rows)
        write_failures(self.output_dir / "failures.csv", self.failures)
        self._saved_at = time.monotonic()


def _record_writer(name: str, output_dir: Path) -> RecordWriter:
    if name not in RECORD_WRITERS:
        hint = did_you_mean(name, RECORD_WRITERS)
        raise UserError(f"Unknown format {name!r}.{hint} Available: {', '.join(RECORD_WRITERS)}.")
    return RECORD_WRITERS[name](output_dir)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def _row(columns: dict[Any, Any], index: int) -> dict[Any, Any]:
    """One sample of a collated batch, images aside."""
    values = {key: value for key, value in columns.items() if key != CommonKeys.IMAGE and value is not None}
    return {
        key: value[index].detach().cpu() if isinstance(value, torch.Tensor) else value[index]
        for key, value in values.items()
        if isinstance(value, (torch.Tensor, Sequence))
    }

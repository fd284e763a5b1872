"""The app that ``monailabel start_server --app`` is given the folder of."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask

from monai_degia.errors import UserError, did_you_mean
from monai_degia.io.packaged import packaged_folder
from monai_degia.label_app.server.access import AccessRules, read_tokens
from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.server.request_guard import guard_requests
from monai_degia.label_app.server.request_rules import RequestRules
from monai_degia.label_app.server.uploads import dropped_if_refused, keep_uploads_apart
from monai_degia.label_app.store.datastores import open_datastore
from monai_degia.label_app.store.model_folder import ModelFolder
from monai_degia.label_app.tasks.fine_tuning import TuningOptions
from monai_degia.label_app.tasks.infer_task import LandmarkBatchInferTask, LandmarkInferTask
from monai_degia.label_app.tasks.strategies import MostDoubtfulFirst, RandomUnlabelled
from monai_degia.label_app.tasks.train_task import LandmarkTrainTask
from monai_degia.model.description import DESCRIPTION_FILE, ModelDescription

__all__ = ["MyApp"]

logger = logging.getLogger(__name__)

_BYTES = 8  # a pixel of four channels of 16 bit: no file of an image is larger than its pixels
_CONF = {"allow_hosts", "allow_origins", "bundle", "device", "max_pixels", "model_dir", "token_file", "trained"}


class MyApp(MONAILabelApp):
    """Landmarks by a trained model: inference, the next image to label, training on corrected landmarks.

    Args:
        app_dir: folder of the app.
        studies: folder of images, or address of a DICOMweb server.
        conf: ``bundle``, root of the bundle (that which comes with the package); ``trained``, folder
            of the model (that of the bundle); ``device`` (the first GPU, else the CPU);
            ``max_pixels``, largest image (64 million); ``model_dir``, for fine-tuned weights (``model`` in the app);
            ``allow_hosts`` and ``allow_origins``, names of this server and pages that may use it, with commas between
            them; ``token_file``, tokens of which each request needs one.

    Raises:
        ValueError: if an entry of ``conf`` is unknown or cannot be used.

    """

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str]) -> None:
        for key in sorted(set(conf) - _CONF - {"server_mode"}):
            hint = did_you_mean(key, _CONF)
            raise UserError(f"--conf {key} means nothing to this app.{hint} It takes {', '.join(sorted(_CONF))}.")
        keep_uploads_apart()
        bundle = Path(conf.get("bundle") or packaged_folder("bundle")).expanduser().resolve()
        trained = Path(conf.get("trained") or bundle / "models").expanduser().resolve()
        model = ModelFolder(Path(conf.get("model_dir") or Path(app_dir) / "model").expanduser().resolve(), trained)
        self.access = AccessRules(
            hosts=_names(conf.get("allow_hosts", "")),
            origins=_origins(conf.get("allow_origins", "")),
            tokens=read_tokens(conf["token_file"]) if conf.get("token_file") else (),
        )
        self.max_pixels = _positive("max_pixels", conf.get("max_pixels", "64000000"))
        options = {"device": conf["device"]} if conf.get("device") else {}
        self.landmarks = LandmarkInferTask(model, self.max_pixels, **options)
        self.model_name = ModelDescription.load(trained / DESCRIPTION_FILE).name
        self.training = LandmarkTrainTask(bundle, model, self.landmarks.inference.names, **options)
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=dict(conf),
            name=self.model_name,
            description="Landmarks learnt on one kind of images, found on others too. Research only.",
        )

    def init_datastore(self) -> Datastore:
        """The studies, which take landmarks as labels."""
        return open_datastore(self.studies, self.landmarks.inference.names, self.max_pixels)

    def init_infers(self) -> dict[str, InferTask]:
        """The trained network."""
        return {self.model_name: self.landmarks}

    def init_trainers(self) -> dict[str, TrainTask]:
        """Its fine-tuning."""
        return {self.model_name: self.training}

    def init_strategies(self) -> dict[str, Strategy]:
        """What to label next."""
        return {"random": RandomUnlabelled(), "doubtful": MostDoubtfulFirst(self.landmarks)}

    def init_batch_infer(self) -> LandmarkBatchInferTask:
        """The same network on many images."""
        return LandmarkBatchInferTask()

    def on_init_complete(self) -> None:
        """Called once the server runs, and only there: the guard is of no use to a training process."""
        names = {"infer": self._infers, "batch": self._infers, "train": self._trainers}
        rules = RequestRules(
            names={**names, "activelearning": self._strategies, "scoring": self._scoring_methods},
            has_image=lambda image: image in self.datastore().list_images(),
            has_labels=lambda: bool(self.datastore().datalist()),
            check_training=self._check_training,
            max_body=_BYTES * self.max_pixels,
            has_proxy=self.studies.startswith(("http://", "https://")),
        )
        guard_requests(sys.modules["monailabel.app"].app, rules, self.access)
        super().on_init_complete()

    def infer(self, request: Mapping[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Find landmarks; an image is that of the data store, or a file that the server itself has just received.

        MONAI Label's own would take any path on the disk, and a file of the working folder for an image of that name.
        """
        store, image = datastore or self.datastore(), str(request.get("image") or "")
        known = image in store.list_images()
        if not known and not Path(image).is_absolute():
            raise RefusedRequest(f"There is no image {image!r}.", 404)
        with dropped_if_refused(image):
            path, entry = self.landmarks({**request, "image": store.get_image_uri(image) if known else image})
        entry["image"] = image if known else ""
        asked, label = request.get("label_tag") or DefaultLabelTag.ORIGINAL, path
        tag = asked.value if isinstance(asked, DefaultLabelTag) else str(asked)
        if known and request.get("save_label"):
            info = {"model": self.model_name, "params": entry, "instance": str(request.get("instance") or "")}
            label = store.save_label(image, path, tag, info)
        return {"label": label, "tag": tag, "file": path, "params": entry}

    def _check_training(self, options: Mapping[str, Any]) -> None:
        own = options.get(self.model_name)
        TuningOptions.of_request(own if isinstance(own, Mapping) else options)
        if not self.datastore().get_labeled_images():
            raise RefusedRequest("There is no corrected label yet. Put one with PUT /datastore/label?image=ID.", 409)


def _positive(name: str, text: str) -> int:
    if not str(text).isdecimal() or int(text) < 1:
        raise UserError(f"--conf {name} must be a positive integer, got {text!r}.")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in text.split(",") if name.strip())


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(name.rstrip("/") for name in _names(text))
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise UserError(f"--conf allow_origins takes origins such as http://viewer:3000, got {origin!r}.")
    return origins

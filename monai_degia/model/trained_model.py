"""One object that knows what a trained model is, and predicts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import Dataset
from monai.inferers import Inferer
from monai.networks import eval_mode
from monai.utils import CommonKeys
from torch import Tensor, nn

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_set
from monai_degia.data.pool.prefetch import PrefetchLoader
from monai_degia.errors import UserError
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.inferers.hands import hand_inferer, picture_size
from monai_degia.inferers.self_consistent import SelfConsistentInferer
from monai_degia.inferers.single_pass import SinglePassInferer
from monai_degia.io.files import whole_file
from monai_degia.metrics.calibration import ScoreCalibration
from monai_degia.model.description import DESCRIPTION_FILE, ModelDescription
from monai_degia.model.scoring import add_scores, calibration_in_use
from monai_degia.model.stream import Image, image_items, stream_predictions
from monai_degia.networks.precision import native_bfloat16
from monai_degia.networks.weights import load_weights
from monai_degia.networks.weights_hash import weights_hash
from monai_degia.reading.preprocessing import LandmarkPreprocessing
from monai_degia.results.keys import DeGIAKeys
from monai_degia.results.prediction import LandmarkPrediction

__all__ = ["TrainedModel", "trained_network"]

_logger = logging.getLogger(__name__)

WEIGHTS, FLOW, CALIBRATION = "model.pt", "flow.pt", "calibration.json"


class TrainedModel:
    """A network with all that its predictions depend on: landmarks, preprocessing, copies, flow and calibration.

    Bundle configs, the MONAI Label app and Python code predict through it, with the same numbers.

    Args:
        network: images (B, C, X, Y) to landmarks (B, K, 2), with ``in_channels`` and ``image_size``.
        landmarks: what it finds, see :func:`monai_degia.landmark_set`.
        flow: trained on source images, for the domain shift.
        calibration: fitted to these weights, flow and copies; one that was fitted to others is not used, and a warning
            says why.
        name: of the model, in results.
        version: of the model, in results; default: the first 8 digits of the hash of the weights.
        num_views: views of the crop under each tone curve, see :func:`monai_degia.hand_inferer`.
        refine: landmarks come from copies of the picture; else from one forward pass.
        scores: also tell confidence and domain shift, for which copies are needed in one pass too; default: if the
            landmarks are refined.
        either_side: also ask for the mirrored picture, for objects whose side is not known.
        autocast_dtype: precision of the backbone; ``"auto"`` takes bfloat16 where the device multiplies it faster.
        config: what builds the network again, see :class:`ModelDescription`; needed to save networks of other classes
            than :class:`monai_degia.LandmarkRegressor`.
        in_channels: of the network's images; default: the network's attribute.
        image_size: (X, Y) of the network's images; default: the network's attribute.
        both_sides: the network was trained on left and right ones alike, so that no side is looked for or doubted.

    Raises:
        ValueError: if the network has another number of landmarks, or an option is out of range.

    """

    def __init__(
        self,
        network: nn.Module,
        landmarks: Landmarks,
        flow: FlowPrior | None = None,
        calibration: ScoreCalibration | None = None,
        name: str = "landmarks",
        version: str | None = None,
        num_views: int = 8,
        refine: bool = True,
        scores: bool | None = None,
        either_side: bool = False,
        autocast_dtype: torch.dtype | str | None = "auto",
        config: Mapping[str, Any] | None = None,
        in_channels: int | None = None,
        image_size: Sequence[int] | None = None,
        both_sides: bool = False,
    ) -> None:
        self.landmarks = landmark_set(landmarks)
        self.names = self.landmarks.names
        self.network, self.flow = network.eval(), None if flow is None else flow.eval()
        found = getattr(network, "num_landmarks", len(self.names))
        if found != len(self.names):
            raise UserError(f"The network finds {found} landmarks, but {len(self.names)} are named.")
        self.image_size, self.in_channels = _picture_shape(network, image_size, in_channels)
        self.description = ModelDescription.of(
            network, self.landmarks, flow, name, version, config, self.in_channels, self.image_size, both_sides
        )
        self.name, self.version = name, version or (self.description.version if self.description else "unknown")
        self.refine, self.scores = refine, refine if scores is None else scores
        self.device = next((p.device for p in network.parameters()), torch.device("cpu"))
        dtype = _precision(autocast_dtype, self.device)
        if either_side and not self.landmarks.sided:
            raise UserError("either_side is for landmarks of which there is a left and a right set: sided: true.")
        #: Whether images can show a side that the network was not trained on.
        self.one_sided = self.landmarks.sided and not both_sides
        if either_side and both_sides:
            _logger.info("The network was trained on both sides: it is not asked for the mirrored picture.")
            either_side = False
        self.refining = hand_inferer(self.image_size, num_views, either_side, dtype)
        self.one_look = SinglePassInferer(self.image_size, dtype)
        self.inferer: Inferer = self.refining if refine else self.one_look
        self.calibration, self.confident = calibration_in_use(
            calibration if self.scores else None,
            self.weights_hash,
            self.flow_hash,
            self.calibrated_for,
            self.one_sided,
        )
        if not self.scores:
            _logger.info(
                "One pass an image tells neither confidence nor domain shift: scores=True adds both "
                "(on the command line: --scores True)."
            )

    @classmethod
    def load(
        cls,
        folder: str | Path,
        weights: str | Path | None = None,
        device: torch.device | str | None = None,
        calibrated: bool = True,
        version: str | None = None,
        **options: Any,
    ) -> TrainedModel:
        """Load what training wrote.

        Args:
            folder: with ``model.pt`` and ``model.json``, and optionally ``flow.pt`` and ``calibration.json``.
            weights: of the same network, in place of ``model.pt``, such as fine-tuned ones.
            device: to predict on; default: the first GPU, if there is one.
            calibrated: take ``calibration.json`` where it is; not while a new one is fitted.
            version: of the model in results; default: that of the folder, or, with other weights, their hash.
            **options: further arguments of the class, but for what the folder says.

        Raises:
            ValueError: if a file is missing, or does not fit the others.

        """
        folder = Path(folder)
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}: name that of model.pt and {DESCRIPTION_FILE}.")
        described = ModelDescription.load(folder / DESCRIPTION_FILE)
        where = torch.device(device or ("cuda:0" if torch.cuda.is_available() else "cpu"))
        network = load_weights(described.build(), weights or folder / WEIGHTS).to(where)
        same = weights_hash(network.state_dict()) == described.weights
        if not same and weights is None:
            _logger.warning("%s has not the weights that %s describes.", folder / WEIGHTS, DESCRIPTION_FILE)
        calibration = folder / CALIBRATION
        return cls(
            network.to(memory_format=torch.channels_last),
            described.landmarks,
            flow=described.load_flow(folder / FLOW, where),
            calibration=ScoreCalibration.load(calibration) if calibrated and calibration.is_file() else None,
            name=described.name,
            version=version or (described.version if same else None),
            config=described.network,
            in_channels=described.in_channels,
            image_size=described.image_size,
            both_sides=described.both_sides,
            **options,
        )

    def save(self, folder: str | Path) -> None:
        """Write all files that :meth:`load` reads.

        Args:
            folder: without a model; made if missing.

        Raises:
            ValueError: if it holds a model already, or the network is none that can be described.

        """
        folder = Path(folder)
        if (folder / WEIGHTS).exists():
            raise UserError(f"{folder} holds a model already: name another folder, or move it away.")
        described = self.description
        if described is None:
            raise UserError("Nobody could build this network again: pass config, its class and arguments.")
        states = {WEIGHTS: self.network, **({} if self.flow is None else {FLOW: self.flow})}
        for name, module in states.items():
            with whole_file(folder / name) as partial:
                torch.save(module.state_dict(), partial)
        if self.calibration is not None:
            self.calibration.save(folder / CALIBRATION)
        described.save(folder / DESCRIPTION_FILE)

    @property
    def model_version(self) -> str:
        """Name and version, as results carry them."""
        return f"{self.name} {self.version}"

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the network's weights; empty for a network of one's own."""
        return "" if self.description is None else self.description.weights

    @property
    def flow_hash(self) -> str:
        """SHA-256 of the flow's weights; empty without one."""
        return "" if self.flow is None else weights_hash(self.flow.state_dict())

    @property
    def picture_size(self) -> list[int]:
        """(X, Y) of the pictures that copies are cut from; that of the network's images where nobody cuts any."""
        return picture_size(self.image_size) if self.refine or self.scores else self.image_size

    def preprocessing(self, **options: Any) -> LandmarkPreprocessing:
        """What makes pictures of files.

        Args:
            **options: of :class:`LandmarkPreprocessing`, but for sizes and channels.

        """
        if not self.landmarks.sided and options.get("mirror") == "auto":
            options["mirror"] = False
        return LandmarkPreprocessing(self.picture_size, self.in_channels, network_size=self.image_size, **options)

    @torch.no_grad()
    def predict_batch(
        self,
        pictures: Tensor,
        side_known: Tensor | None = None,
        network: nn.Module | None = None,
        inferer: Inferer | None = None,
        one_look: bool = False,
    ) -> dict[str, Tensor]:
        """Predict for pictures as :meth:`preprocessing` makes them.

        On a processor each picture is predicted by itself, so that a result does not depend on those beside it, not
        even by rounding.

        Args:
            pictures: shape (B, C, X, Y) in [0, 1].
            side_known: pictures that show the trained side for certain, boolean, shape (B,); nothing speaks for the
                other side there.
            network: the same network in another form, such as an export.
            inferer: in place of the model's own.
            one_look: also add ``one_look`` (B, K, 2), the landmarks of one forward pass.

        Returns:
            ``pred`` (B, K, 2), normalised to the picture's sides, and, where the model tells them, ``disagreement``
            (B, K), ``other_side`` (B,), ``mirrored`` (B,), ``bits_per_dim`` (B,), ``confidence`` (B, K), ``radius``
            (B, K), a fraction of the size of the hand that was found, and ``domain_shift`` (B,). Confidence and radius
            are NaN where the picture lies beyond all that the calibration was fitted on.

        """
        chosen, how = network or self.network, inferer or self.inferer
        known = torch.zeros(len(pictures), dtype=torch.bool) if side_known is None else side_known
        step = 1 if pictures.device.type == "cpu" else max(1, len(pictures))
        with eval_mode(chosen):
            rows = zip(pictures.split(step), known.split(step), strict=True)
            parts = [self._predict(*row, chosen, how, one_look) for row in rows]
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}

    def _predict(
        self, pictures: Tensor, side_known: Tensor, network: nn.Module, inferer: Inferer, one_look: bool
    ) -> dict[str, Tensor]:
        output: dict[str, Tensor] = {}
        refined = isinstance(inferer, SelfConsistentInferer)
        copies = inferer if isinstance(inferer, SelfConsistentInferer) else self.refining
        if refined or self.scores:
            judge_side = self.scores and self.one_sided
            found = copies.predict(pictures, network, side_known=side_known, judge_side=judge_side)
            output = {CommonKeys.PRED: found.landmarks, DeGIAKeys.DISAGREEMENT: found.disagreement}
            if found.other_side is not None:
                output[DeGIAKeys.OTHER_SIDE] = found.other_side.masked_fill(side_known.to(pictures.device), 0.0)
            if copies.either_side and refined:
                output[DeGIAKeys.MIRRORED] = found.mirrored
        if not refined:
            output[CommonKeys.PRED] = inferer(pictures, network)
        if one_look:
            output[DeGIAKeys.ONE_LOOK] = self.one_look(pictures, network)
        if self.scores:
            confident = self.confident and copies.options == self.refining.options
            add_scores(output, pictures, self.flow, self.calibration, one_look=not refined, confident=confident)
        return output

    def predict(self, images: Image | Iterable[Image], **options: Any) -> list[LandmarkPrediction]:
        """Find the landmarks of images.

        Args:
            images: files, a folder of them, or arrays as :class:`monai_degia.LoadAnyImaged` takes them.
            **options: of :meth:`stream`.

        Returns:
            A prediction an image, in order.

        Raises:
            ValueError: if an image cannot be used.

        """
        return list(self.stream(images, **options))

    def stream(
        self,
        images: Image | Iterable[Image],
        modality: str = "auto",
        mirror: str | bool = "auto",
        image_dir: str | Path | None = None,
        picture_side: int = 0,
        skip_unreadable: bool = False,
        batch_size: int | None = None,
        num_workers: int = 2,
        progress: bool | None = None,
        **reading: Any,
    ) -> Iterator[LandmarkPrediction]:
        """Find the landmarks of one image after the other; files are read ahead in threads.

        Args:
            images: see :meth:`predict`.
            modality: ``photo``, ``depth``, ``xray``, or ``auto`` to tell it by the file.
            mirror: whether images show the side that was not trained on; ``auto`` goes by a DICOM header.
            image_dir: folder that names in the predictions are relative to; default: the folder given.
            picture_side: keep a picture of that side in each prediction; 0 for none.
            skip_unreadable: leave out images that cannot be used, with a warning each.
            batch_size: images that are read and predicted together; default: 8 on a GPU, and 2 on a processor, which
                predicts one at a time and starts the sooner.
            num_workers: threads that read; 0 reads between predictions.
            progress: show a bar; default: for several images, on a terminal.
            **reading: further options of :meth:`preprocessing`: ``max_pixels``, ``max_inflated_bytes``,
                ``presentation_lut``.

        Returns:
            An iterator over the predictions, one an image, in order.

        Raises:
            ValueError: if an image cannot be used.

        """
        folder = Path(images) if isinstance(images, (str, Path)) and Path(images).is_dir() else None
        chain = self.preprocessing(modality=modality, mirror=mirror, picture_side=picture_side, guarded=True, **reading)
        size = batch_size or (2 if self.device.type == "cpu" else 8)
        loader = PrefetchLoader(Dataset(image_items(images), chain), size, num_workers)
        about = {"landmarks": self.landmarks, "image_dir": image_dir or folder, "model_version": self.model_version}
        return stream_predictions(loader, self.predict_batch, self.device, about, skip_unreadable, progress)

    @property
    def calibrated_for(self) -> dict[str, Any]:
        """What, beside the weights, a calibration of this model holds for."""
        return {**self.refining.options, "image_size": self.image_size, "picture_size": picture_size(self.image_size)}


def _picture_shape(
    network: nn.Module, image_size: Sequence[int] | None, in_channels: int | None
) -> tuple[list[int], int]:
    """Size (X, Y) and channels of the network's images, as told or as its attributes say."""
    size = image_size or getattr(network, "image_size", None)
    channels = in_channels or getattr(network, "in_channels", 0)
    if size is None or not channels:
        raise UserError("The network does not tell its image_size and in_channels: pass them.")
    if len(size) != 2:
        raise UserError(
            f"TrainedModel reads pictures of a size (X, Y), and the network takes {tuple(size)}. Run networks for "
            "volumes by MONAI's SupervisedEvaluator with a LandmarkFileWriter."
        )
    return [int(side) for side in size], int(channels)


def _precision(autocast_dtype: torch.dtype | str | None, device: torch.device) -> torch.dtype | None:
    """That of the backbone, ``"auto"`` decided by the device."""
    if not isinstance(autocast_dtype, str):
        return autocast_dtype
    if autocast_dtype != "auto":
        raise UserError(f'autocast_dtype must be "auto", torch.bfloat16 or None, got {autocast_dtype!r}.')
    return native_bfloat16(device)


def trained_network(model: TrainedModel) -> nn.Module:
    """The network of a model, as an entry of a config that exports and servers ask for by name."""
    return model.network

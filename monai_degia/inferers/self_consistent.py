"""Test-time augmentation of a landmark network, weighted by how well neighbouring views agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_tensor
from torch import Tensor, nn

from monai_degia.inferers.agreement import SMALLEST_SPREAD, Agreement, weigh_by_agreement, weigh_frames
from monai_degia.inferers.frames import Frames
from monai_degia.inferers.motions import Motions
from monai_degia.inferers.option_checks import check_side_factor, check_steps, check_views
from monai_degia.inferers.tone_curves import apply_curves, check_curves
from monai_degia.networks.inference_copy import InferenceCopies

__all__ = ["SelfConsistent", "SelfConsistentInferer"]

_BATCH = 64  # images that the network gets at once, where there are fewer
_CONTEXT = 2.0  # a motion may bring into view what lies beside the frame

Network = Callable[..., Tensor]


class SelfConsistent(NamedTuple):
    """What copies of an image say together.

    Args:
        landmarks: shape (B, K, 2), normalised to the image side.
        disagreement: root mean square distance from their mean of the predictions of neighbouring copies, weighed as
            the landmarks are, as a fraction of the hand size, shape (B, K), positive.
        mirrored: whether the mirrored copies were believed, shape (B,).
        other_side: share of the weight that would go to copies of the picture in a mirror, beside those of the picture
            that was believed, in [0, 1], shape (B,): near 1, the object may be one of the other side, about which
            copies agree on a wrong prediction. ``None`` unless ``judge_side``.

    """

    landmarks: Tensor
    disagreement: Tensor
    mirrored: Tensor
    other_side: Tensor | None = None


class SelfConsistentInferer(Inferer):
    """Landmarks from turned, scaled and moved copies of an image, weighed by how well neighbouring copies agree.

    An unseen domain frames its object otherwise than the source does. Where a copy comes near to the source's framing,
    the network finds the same landmarks in that copy and in those moved a little further; elsewhere it guesses, and the
    guesses differ. So each copy's prediction is the mean over its nearest motions, and its weight is a negative power
    of their spread. No label and no further training is needed.

    An unseen domain also shows its object otherwise: what is bright in a photograph is dim in a radiograph where flesh
    is thin. With several ``curves`` the copies differ in tone as well, and those of the curves that agree best decide.

    With ``closer_looks`` the whole picture tells where the object is and which curves suit; then copies of a frame
    about it, cut from the picture at its own resolution, are predicted as well. Whole picture and frames are weighed by
    the agreement of their copies, so that a frame about a wrong place does little harm.

    A network that learned hands of one side guesses on those of the other. With ``either_side`` every image is
    predicted in both ways on the whole picture, and the side whose copies have the larger sum of weights is believed.

    Args:
        num_views: copies N of each image under each curve in the last step.
        rotation: largest turn in radians.
        scale_range: least and greatest factor of size.
        translation: largest move, as a fraction of the side.
        num_neighbours: copies, nearest in motion, whose predictions are compared, 2 or more.
        sharpness: power of the spread that makes the weights; 0 weighs all copies alike.
        either_side: also predict images mirrored (x reversed), for objects of which only one side was trained on.
        side_factor: how much better mirrored copies must agree to be believed, above 1 where images of the trained side
            are the more likely ones.
        seed: decides the motions, which are the same for every image, so that what an image gets does not depend on
            those beside it.
        autocast_dtype: ``torch.bfloat16`` runs a :class:`LandmarkRegressor` in that precision; ``None`` in its own.
        curves: names of tone curves, keys of ``TONE_CURVES``.
        curve_factor: how much better copies must agree under another curve than the first to be believed as much, above
            1 where images are more likely such as the network was trained on.
        num_curves: curves that are kept after the whole picture; for ``closer_looks``.
        closer_looks: how often the picture is framed anew around the landmarks found; 0 to 3.
        search_views: copies under each curve in all steps but the last.
        margin: side of a frame over that of the landmarks' box.
        image_size: (X, Y) of the network's images; default: that of the pictures.

    Raises:
        ValueError: if an option is out of range.

    Example:
        >>> inferer = SelfConsistentInferer(num_views=8)
        >>> network = lambda images: images.mean((1, 2, 3))[:, None, None].expand(-1, 5, 2)
        >>> inferer(torch.rand(2, 1, 32, 32), network).shape
        torch.Size([2, 5, 2])

    """

    def __init__(
        self,
        num_views: int = 64,
        rotation: float = 0.6,
        scale_range: tuple[float, float] = (0.8, 1.9),
        translation: float = 0.15,
        num_neighbours: int = 4,
        sharpness: float = 8.0,
        either_side: bool = False,
        side_factor: float = 1.16,
        seed: int = 0,
        autocast_dtype: torch.dtype | None = None,
        curves: Sequence[str] = ("as it is",),
        curve_factor: float = 1.0,
        num_curves: int = 2,
        closer_looks: int = 0,
        search_views: int = 16,
        margin: float = 1.6,
        image_size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        counts = {"num_views": num_views, **({"search_views": search_views} if closer_looks else {})}
        check_views(counts, num_neighbours, scale_range)
        if either_side:
            check_side_factor(sharpness, side_factor)
        check_steps(closer_looks, num_curves, margin, curve_factor)
        check_curves(curves)
        #: What decides how far copies disagree, as plain values: a calibration holds for these alone.
        self.options: dict[str, Any] = {
            "num_views": num_views,
            "rotation": float(rotation),
            "scale_range": [float(factor) for factor in scale_range],
            "translation": float(translation),
            "num_neighbours": num_neighbours,
            "sharpness": float(sharpness),
            "seed": seed,
            "curves": list(curves),
            "curve_factor": float(curve_factor),
            "num_curves": min(num_curves, len(curves)),
            "closer_looks": closer_looks,
            "search_views": search_views if closer_looks else None,
            "margin": float(margin) if closer_looks else None,
        }
        self.sharpness, self.either_side, self.side_factor = sharpness, either_side, side_factor
        self.curves, self.num_curves = tuple(curves), min(num_curves, len(curves))
        self.closer_looks, self.margin = closer_looks, margin
        self.log_prior = [0.0, *[-sharpness * math.log(curve_factor)] * (len(self.curves) - 1)]
        self.image_size = None if image_size is None else (int(image_size[0]), int(image_size[1]))
        self.steps = []
        for count in [*[search_views] * closer_looks, num_views]:
            motions = Motions.spread_evenly(count, rotation, scale_range, translation, seed)
            self.steps.append((motions, motions.neighbours(num_neighbours)))
        self._copies = InferenceCopies(autocast_dtype)

    @property
    def num_passes(self) -> int:
        """Images that the network is shown for each picture."""
        whole, *closer = self._counts
        return whole * (1 + self.either_side) + sum(closer)

    @property
    def _counts(self) -> list[int]:
        """Copies of the whole picture, under all curves, and of each frame, under those that are kept."""
        whole, *closer = [len(motions) for motions, _ in self.steps]
        return [whole * len(self.curves), *(count * self.num_curves for count in closer)]

    @property
    def side_passes(self) -> int:
        """As many more with ``judge_side``."""
        return len(self.steps[0][0])

    def __call__(self, inputs: Tensor, network: Network, *args: Any, **kwargs: Any) -> Tensor:
        """Predict landmarks.

        Args:
            inputs: pictures, shape (B, C, X, Y).
            network: images to landmarks (B, K, 2), normalised to the image side; it gets several copies at once.
            *args: further arguments of the network, the same for all copies.
            **kwargs: further arguments of the network.

        Returns:
            Shape (B, K, 2), normalised to the picture's side.

        """
        return self.predict(inputs, network, *args, **kwargs).landmarks

    @torch.no_grad()
    def predict(
        self,
        inputs: Tensor,
        network: Network,
        *args: Any,
        side_known: Tensor | None = None,
        judge_side: bool = False,
        **kwargs: Any,
    ) -> SelfConsistent:
        """Predict landmarks, and tell how far the copies that were believed are apart.

        Args:
            inputs: pictures, shape (B, C, X, Y).
            network: images to landmarks (B, K, 2), normalised to the image side; it gets several copies at once.
            *args: further arguments of the network, the same for all copies.
            side_known: images that show the trained side for certain and are not predicted mirrored, boolean, shape
                (B,); default: none.
            judge_side: also tell ``other_side``, which takes the copies of one whole picture more and changes nothing
                else.
            **kwargs: further arguments of the network.

        Returns:
            Landmarks, how far they disagree, which images were believed mirrored, and, with ``judge_side``, how much
            speaks for the other side.

        """
        pictures = convert_to_tensor(inputs, track_meta=False)
        fast = self._copies(network) if isinstance(network, nn.Module) else network

        def forward(images: Tensor) -> Tensor:
            return fast(images, *args, **kwargs)

        # The mirrored copies go through the network with the others, where it is clear which pictures to mirror.
        found, mirror = self._whole(pictures, forward, judge_side and not self.either_side)
        mirrored = torch.zeros(len(pictures), dtype=torch.bool, device=pictures.device)
        unknown = ~mirrored if side_known is None else ~side_known.to(mirrored)
        if self.either_side and unknown.any():
            other, _ = self._whole(pictures[unknown].flip(2), forward)
            margin = self.sharpness * math.log(self.side_factor)
            better = other.log_weight.logsumexp(1) > found.log_weight[unknown].logsumexp(1) + margin
            mirrored[unknown] = better
            for kept, others in zip(found, other, strict=True):
                kept[mirrored] = others[better]
            # From here on, mirrored pictures stand in the place of those that were believed mirrored.
            pictures = torch.where(mirrored[:, None, None, None], pictures.flip(2), pictures)
        if judge_side and mirror is None:
            mirror = self._first_curve(pictures.flip(2), forward)
        other_side = None if mirror is None else _share(mirror, found)
        chosen = found.log_weight.topk(self.num_curves, 1).indices
        frames_found = [found]
        for step in range(1, len(self.steps)):
            frames = Frames.around(frames_found[-1].landmarks, self.margin)
            toned = self._toned(pictures, chosen, frames)
            (closer,) = self._predict_copies([(toned, chosen)], self._size(pictures), step, forward)
            frames_found.append(closer._replace(landmarks=frames.to_picture(closer.landmarks)))
        found = weigh_frames(frames_found, self._counts)
        landmarks = found.landmarks
        landmarks[mirrored, :, 0] = 1 - landmarks[mirrored, :, 0]
        return SelfConsistent(landmarks, found.variance.sqrt().clamp_min(SMALLEST_SPREAD), mirrored, other_side)

    @torch.no_grad()
    def other_side(self, inputs: Tensor, network: Network) -> Tensor:
        """What :meth:`predict` tells with ``judge_side``, by itself.

        Args:
            inputs: pictures, shape (B, C, X, Y).
            network: images to landmarks (B, K, 2), normalised to the image side.

        """
        pictures = convert_to_tensor(inputs, track_meta=False)
        forward = self._copies(network) if isinstance(network, nn.Module) else network
        return _share(self._first_curve(pictures.flip(2), forward), self._first_curve(pictures, forward))

    def _whole(self, pictures: Tensor, forward: Network, mirror: bool = False) -> tuple[Agreement, Agreement | None]:
        """What copies of the whole pictures say under all curves, and those of their mirror images under the first."""
        every = torch.arange(len(self.curves), device=pictures.device).expand(len(pictures), -1)
        toned = self._toned(pictures, every, Frames.whole(pictures))
        # A curve does not know left from right: what it makes of a mirror image is the mirror image of what it makes.
        shown = [(toned, every), *([(toned[:, :1].flip(3), every[:, :1])] if mirror else [])]
        found = self._predict_copies(shown, self._size(pictures), 0, forward)
        return found[0], found[1] if mirror else None

    def _first_curve(self, pictures: Tensor, forward: Network) -> Agreement:
        """What copies of the whole pictures say under the first curve."""
        first = torch.zeros(len(pictures), 1, dtype=torch.long, device=pictures.device)
        toned = self._toned(pictures, first, Frames.whole(pictures))
        return self._predict_copies([(toned, first)], self._size(pictures), 0, forward)[0]

    def _predict_copies(
        self, shown: list[tuple[Tensor, Tensor]], size: tuple[int, int], step: int, forward: Network
    ) -> list[Agreement]:
        """What copies of each picture's frame say under the chosen curves, in coordinates of the frame.

        Args:
            shown: sets of frames as :meth:`_toned` gives them, each with the indices of its curves (B, curves).
            size: (X, Y) of the network's images.
            step: whose motions make the copies.
            forward: the network.

        """
        motions, groups = self.steps[step]
        context = _CONTEXT if self.closer_looks else 1.0
        toned = torch.cat([frames.flatten(0, 1) for frames, _ in shown])
        views = []
        # One image at a time leaves a processor idle: several motions of it make a batch.
        for part in motions.split(max(1, _BATCH // len(toned))):
            prediction = forward(part.move(toned, context, size).flatten(0, 1))
            views.append(part.carry_back(prediction.unflatten(0, (len(part), len(toned))), size))
        carried = torch.cat(views).transpose(0, 1).split([chosen.numel() for _, chosen in shown])
        prior = torch.tensor(self.log_prior).to(toned)
        return [
            weigh_by_agreement(of_set.unflatten(0, chosen.shape), groups, size, self.sharpness, prior[chosen])
            for of_set, (_, chosen) in zip(carried, shown, strict=True)
        ]

    def _size(self, pictures: Tensor) -> tuple[int, int]:
        return self.image_size or (pictures.shape[2], pictures.shape[3])

    def _toned(self, pictures: Tensor, chosen: Tensor, frames: Frames) -> Tensor:
        """The pictures' frames, with what lies about them, under their curves, shape (B, curves, C, X, Y)."""
        size = self._size(pictures)
        if self.closer_looks:
            wide = (math.ceil(_CONTEXT * size[0]), math.ceil(_CONTEXT * size[1]))
            frames, size = frames.wider(_CONTEXT), wide
        seen = pictures if size == pictures.shape[2:] and not self.closer_looks else frames.cut(pictures, size)
        toned = apply_curves(seen, self.curves[: int(chosen.max()) + 1])
        rows = torch.arange(len(pictures), device=pictures.device)[:, None]
        return toned[rows, chosen]


def _share(mirror: Agreement, found: Agreement) -> Tensor:
    """Share of the mirrored copies in the weight of both, all under the first curve, in [0, 1], shape (B,)."""
    return torch.sigmoid(mirror.log_weight[:, 0] - found.log_weight[:, 0])

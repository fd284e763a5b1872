"""What a state dict says about the shape of the flow that it belongs to."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from monai_degia.errors import UserError

# Names of weights in a state dict of FlowPrior: the first convolution of a coupling, and of a residual block in it.
COUPLING = re.compile(r"flow\.scales\.(\d+)\.bijections\.(\d+)\.net\.0\.weight")
RESIDUAL = re.compile(r"flow\.scales\.0\.bijections\.(\d+)\.net\.\d+\.layers\.1\.weight")
CLASSES, NOISE = "prior.class_mean.weight", "prior.shift_net.0.weight"


def shape_of_state(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of ``FlowPrior`` that a state dict of one gives away: classes, noise, kind, scales, couplings, width.

    Args:
        state: the ``state_dict`` of a ``FlowPrior``.

    Returns:
        Keyword arguments of ``FlowPrior``. Without a shift in the state, ``shift_scale`` is among them, as 0.

    Raises:
        ValueError: if the state has no prior or no couplings.
    """
    couplings = [match for key in state if (match := COUPLING.fullmatch(key))]
    if CLASSES not in state or not couplings:
        keys = ", ".join(list(state)[:3]) or "nothing"
        raise UserError(
            f"The state dict is not one of FlowPrior: it needs {CLASSES} and couplings named flow.scales, got {keys}. "
            "Pass what FlowPrior.state_dict() returned, such as the file flow.pt beside a model."
        )
    finest = [match for match in couplings if match[1] == "0"]
    shape: dict[str, Any] = {
        "num_classes": len(state[CLASSES]),
        "num_scales": 1 + max(int(match[1]) for match in couplings),
        "hidden_channels": len(state[couplings[0][0]]),
        "noise_features": state[NOISE].shape[1] if NOISE in state else 32,
    }
    if NOISE not in state:
        shape["shift_scale"] = 0.0
    if not any(key.endswith(".permutation") for key in state):
        # The last scale has one coupling more, which moves the low-pass image.
        return shape | {"kind": "wavelet", "couplings": len(finest) - (shape["num_scales"] == 1)}
    residual = [match for key in state if (match := RESIDUAL.fullmatch(key))]
    blocks = len(residual) // max(len(finest), 1)
    return shape | {"kind": "real_nvp", "couplings_per_scale": len(finest), "residual_blocks": blocks}


def check_state_fits(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], image_shape: tuple[int, ...]) -> None:
    """Refuse a state dict that differs from that of the flow built for it.

    Args:
        state: the state dict to load.
        expected: that of the new flow.
        image_shape: channels and sides that the flow was built for.

    Raises:
        ValueError: if a name or a shape differs; the message says which is the first.
    """
    sizes, wanted = ({key: tuple(value.shape) for key, value in each.items()} for each in (state, expected))
    for key in {**wanted, **sizes}:
        if sizes.get(key) != wanted.get(key):
            raise UserError(
                f"The state dict holds no flow for images of shape {image_shape} (channels, sides): {key} has shape "
                f"{sizes.get(key, 'missing')}, but the flow needs {wanted.get(key, 'nothing of that name')}, and the "
                f"latents have {sizes[CLASSES][1]} values. Pass the spatial_shape, in_channels and flow_spacing "
                "that it was trained with."
            )

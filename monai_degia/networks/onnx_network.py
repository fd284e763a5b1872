"""An exported network in the place of the trained one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from monai_degia.errors import MissingExtraError, UserError

__all__ = ["OnnxNetwork"]


class OnnxNetwork(nn.Module):
    """A network in an ONNX file, run by ONNX Runtime; takes its place in the bundle's inference, without gradients.

    Args:
        path: the file, with one input and one output, as ``python -m monai.bundle onnx_export`` writes it.
        providers: execution providers of ONNX Runtime in order of preference; ``None`` takes all that are installed.

    Raises:
        ValueError: if there is no such file, or it has more inputs or outputs.
        ImportError: if ONNX Runtime is not installed.

    """

    def __init__(self, path: str | Path, providers: list[str] | None = None) -> None:
        super().__init__()
        if not Path(path).is_file():
            raise UserError(f"There is no ONNX file {path}: write it with `python -m monai.bundle onnx_export`.")
        # Here and not above: it takes long to load, and few use it.
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("ONNX files need ONNX Runtime: pip install monai_degia[onnx].") from error
        self.session = onnxruntime.InferenceSession(
            str(path), providers=providers or onnxruntime.get_available_providers()
        )
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise UserError(
                f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; OnnxNetwork runs networks with one each."
            )
        self.input_name = inputs[0].name

    def forward(self, x: Tensor) -> Tensor:
        """Run the network on images (B, C, X, Y), float32; the prediction is on the same device."""
        (prediction,) = self.session.run(None, {self.input_name: x.detach().float().cpu().numpy()})
        return torch.from_numpy(prediction).to(x.device)

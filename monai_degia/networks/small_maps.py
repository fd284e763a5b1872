"""Convolutions with many weights on maps of a few pixels, as one matrix product."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SmallMapConv2d", "multiply_small_maps", "plain_convolutions"]

_HEAVY = 1 << 20  # weights; lighter ones are not worth it on a map of any size
_FEW, _FEW_IN_BFLOAT16 = 4, 16  # pixels of the map that comes out


class SmallMapConv2d(nn.Conv2d):
    """A convolution that is one matrix product on a processor, where few pixels come out; elsewhere an ordinary one.

    The last stage of a ResNet takes 64 x 64 pixels down to 2 x 2. oneDNN's convolutions spend several times as long on
    such maps as on the product of the weights with the patches, forward and backward (docs/performance.md). Numbers
    differ from the convolution's by rounding. Under tracing, scripting and compilation it is an ordinary convolution,
    so that exports do not depend on the size they were made at.

    Args:
        As ``torch.nn.Conv2d``, without groups and dilation, padded by zeros.

    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, in_channels, X, Y) to (B, out_channels, X', Y')."""
        if torch.jit.is_scripting() or self._is_plain(x):
            return self._conv_forward(x, self.weight, self.bias)
        return self._multiply(x)

    @torch.jit.unused
    def _is_plain(self, x: Tensor) -> bool:
        """Whether this stays a convolution: it is to be exported, or faster so."""
        symbolic = not isinstance(x, Tensor)  # torch.fx has no sizes to decide by
        if symbolic or torch.jit.is_tracing() or torch.compiler.is_compiling() or x.device.type != "cpu" or x.ndim != 4:
            return True
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        rows, columns = self._sides(x)
        few = _FEW_IN_BFLOAT16 if dtype == torch.bfloat16 else _FEW
        return not (min(rows, columns) > 0 and rows * columns <= few)

    @torch.jit.unused
    def _multiply(self, x: Tensor) -> Tensor:
        rows, columns = self._sides(x)
        (down, right), (before, beside) = self.stride, self._borders()
        # With the channels last, a patch is a row of its pixels' channels one after the other.
        framed = functional.pad(x.permute(0, 2, 3, 1), (0, 0, beside, beside, before, before))
        patches = [
            framed[:, i : i + down * (rows - 1) + 1 : down, j : j + right * (columns - 1) + 1 : right]
            for i in range(self.kernel_size[0])
            for j in range(self.kernel_size[1])
        ]
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)
        found = functional.linear(torch.cat(patches, 3).flatten(0, 2), weight, self.bias)
        maps = found.view(len(x), rows, columns, self.out_channels).permute(0, 3, 1, 2)
        return maps.contiguous() if x.is_contiguous() else maps

    @torch.jit.unused
    def _sides(self, x: Tensor) -> tuple[int, int]:
        rows, columns = (
            (side + 2 * border - kernel) // stride + 1
            for side, border, kernel, stride in zip(
                x.shape[2:], self._borders(), self.kernel_size, self.stride, strict=True
            )
        )
        return rows, columns

    @torch.jit.unused
    def _borders(self) -> tuple[int, int]:
        # A string, which torch allows too, makes no such layer: see ``multiply_small_maps``.
        return int(self.padding[0]), int(self.padding[1])


def multiply_small_maps(network: nn.Module) -> nn.Module:
    """Put a :class:`SmallMapConv2d` in the place of each convolution that has many weights.

    Args:
        network: changed in place; its weights stay the same tensors under the same names.

    Returns:
        The network.

    """
    return _replace(network, SmallMapConv2d, lambda layer: type(layer) is nn.Conv2d and _fits(layer))


def plain_convolutions(network: nn.Module) -> nn.Module:
    """Undo :func:`multiply_small_maps`, for tools that know layers by their type; arguments as there."""
    return _replace(network, nn.Conv2d, lambda layer: type(layer) is SmallMapConv2d and _is_bare(layer))


def _replace(network: nn.Module, kind: type[nn.Conv2d], chosen: Callable[[nn.Conv2d], bool]) -> nn.Module:
    made: dict[int, nn.Conv2d] = {}  # a layer may stand in several places
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):
            if isinstance(child, nn.Conv2d) and chosen(child):
                if id(child) not in made:
                    made[id(child)] = _of_kind(kind, child)
                setattr(parent, name, made[id(child)])
    return network


def _is_bare(layer: nn.Conv2d) -> bool:
    """Whether nothing hangs on a layer that a new one would lack, such as a hook or a weight made of others."""
    hooks = (layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks)
    return not any(hooks) and isinstance(layer.weight, nn.Parameter)


def _fits(convolution: nn.Conv2d) -> bool:
    ordinary = convolution.groups == 1 and convolution.dilation == (1, 1) and convolution.padding_mode == "zeros"
    heavy = convolution.weight.numel() >= _HEAVY and max(convolution.kernel_size) > 1
    return ordinary and heavy and not isinstance(convolution.padding, str) and _is_bare(convolution)


def _of_kind(kind: type[nn.Conv2d], old: nn.Conv2d) -> nn.Conv2d:
    new = kind(
        old.in_channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        stride=old.stride,  # type: ignore[arg-type]
        padding=old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
        device="meta",
    )
    new.weight, new.bias = old.weight, old.bias
    return new.train(old.training)

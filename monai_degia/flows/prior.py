"""The class-conditional prior of the latents, DeGIA Eq. (8)."""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal
from torch.nn import functional as F

from monai_degia.errors import UserError

MAX_LOG_STD = 3.0


class ClassConditionalPrior(nn.Module):
    r"""Gaussian prior of a latent z given its class c and a noise vector n, DeGIA Eq. (8).

    .. math::
        z \mid c, n \sim \mathcal{N}\big(\gamma\, G_m(c) + \lambda\, H_m(n),\ \mathrm{diag}\, G_{std}(c)^2\big),
        \qquad n \sim \mathcal{N}(0, I)

    :math:`G_m` and :math:`\log G_{std}` are embeddings that start at 0 (standard normal); the log is bounded by
    ``3 * tanh(.)``. :math:`H_m` is a bias-free network h followed by a rescaling,

    .. math:: H_m(n) = \frac{h(n)}{\mathrm{rms}(h(n))}\, \mathrm{rms}(n),

    with the root mean square taken over the features. Without it, :math:`\lambda` would mean nothing: the shift is
    independent of the data, so maximum likelihood would shrink h until it vanished, or undo any :math:`\lambda` by
    scaling the weights. With it only the *direction* of the shift is learned, :math:`\lambda` is its size in latent
    units (the RMS of a shift is about :math:`\lambda`), and :math:`H_m(0) = 0`, so zero noise means no shift.

    Args:
        num_features: length D of a latent.
        num_classes: number of classes.
        gamma: weight of the class mean.
        shift_scale: the paper's lambda, not negative. At 0 there is no shift and no :math:`H_m`.
        noise_features: length of n.
        hidden_features: width of h.

    Raises:
        ValueError: if a count is below 1, gamma is not finite, or shift_scale is negative or not finite.
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        gamma: float = 1.0,
        shift_scale: float = 0.1,
        noise_features: int = 32,
        hidden_features: int = 64,
    ) -> None:
        super().__init__()
        counts = {"num_features": num_features, "num_classes": num_classes, "noise_features": noise_features}
        for name, value in {**counts, "hidden_features": hidden_features}.items():
            if value < 1:
                raise UserError(f"{name} must be at least 1, got {value}.")
        if not math.isfinite(gamma):
            raise UserError(f"gamma must be a finite number, got {gamma}.")
        if not 0 <= shift_scale < math.inf:
            raise UserError(f"shift_scale must be a finite number >= 0, got {shift_scale}. Use 0 for no shift.")
        self.num_features, self.num_classes, self.noise_features = num_features, num_classes, noise_features
        self.gamma, self.shift_scale = gamma, shift_scale
        self.class_mean = nn.Embedding(num_classes, num_features)
        self.class_log_std = nn.Embedding(num_classes, num_features)
        nn.init.zeros_(self.class_mean.weight)
        nn.init.zeros_(self.class_log_std.weight)
        # Unused parameters would stop DistributedDataParallel, so without a shift there is no network.
        self.shift_net = _shift_net(noise_features, hidden_features, num_features) if shift_scale > 0 else None

    def log_prob(self, z: Tensor, c: Tensor, noise: Tensor | None = None) -> Tensor:
        """Log-density of latents given their class and the noise, Eq. (8).

        Args:
            z: latents, shape (B, num_features).
            c: class of each latent, shape (B,), integers in [0, num_classes).
            noise: n, shape (B, noise_features). None: drawn in training mode; zero, hence no shift and a
                deterministic result, in eval mode.

        Returns:
            Log-density in nats, shape (B,).

        Raises:
            ValueError: if a shape, the type of c or a value of c is wrong.
        """
        if z.ndim != 2 or z.shape[1] != self.num_features:
            raise UserError(f"log_prob expects latents of shape (B, {self.num_features}), got {tuple(z.shape)}.")
        if c.ndim == 1 and len(c) != len(z):
            raise UserError(f"log_prob needs one class for each latent, got {len(c)} classes for {len(z)} latents.")
        return self.distribution(c, noise).log_prob(z)

    def sample(self, c: Tensor, noise: Tensor | None = None) -> Tensor:
        """Draw a latent for each class in c; arguments, treatment of ``noise`` and errors as in ``log_prob``.

        Returns:
            Latents, shape (B, num_features), without gradient.
        """
        return self.distribution(c, noise).sample()

    def draw_noise(self, batch_size: int, generator: torch.Generator | None = None) -> Tensor:
        """Standard normal noise n, shape (batch_size, noise_features), type and device of the parameters.

        Args:
            batch_size: B.
            generator: source of the numbers, on any device; default: torch's global one.
        """
        weight = self.class_mean.weight
        device = weight.device if generator is None else generator.device
        return torch.randn(batch_size, self.noise_features, generator=generator, device=device).to(weight)

    def distribution(self, c: Tensor, noise: Tensor | None = None) -> Independent:
        """The Gaussian of Eq. (8), batch shape (B,), event shape (num_features,); arguments as in ``log_prob``."""
        c = self._check_classes(c).to(self.class_mean.weight.device)
        mean = self.gamma * self.class_mean(c)
        if noise is None and self.training:
            noise = self.draw_noise(len(c))
        if noise is not None:
            mean = mean + self.shift(noise, len(c))
        std = (MAX_LOG_STD * (self.class_log_std(c) / MAX_LOG_STD).tanh()).exp()
        return Independent(Normal(mean, std, validate_args=False), 1, validate_args=False)

    def shift(self, noise: Tensor, batch_size: int | None = None) -> Tensor:
        """Shift of the mean, lambda * H_m(n).

        Args:
            noise: n, shape (B, noise_features).
            batch_size: B, when it is known from elsewhere.

        Returns:
            Shifts, shape (B, num_features); their RMS is lambda times that of the noise.

        Raises:
            ValueError: if noise is not of that shape.
        """
        expected = (len(noise) if batch_size is None else batch_size, self.noise_features)
        if tuple(noise.shape) != expected:
            raise UserError(f"noise must be of shape {expected}, as draw_noise gives it, got {tuple(noise.shape)}.")
        if self.shift_net is None:
            return noise.new_zeros(len(noise), self.num_features)
        direction = F.normalize(self.shift_net(noise).to(noise.dtype), dim=1)  # not in half precision under autocast
        rms_ratio = math.sqrt(self.num_features / self.noise_features)
        return self.shift_scale * rms_ratio * direction * noise.norm(dim=1, keepdim=True)

    def _check_classes(self, c: Tensor) -> Tensor:
        if c.is_floating_point() or c.is_complex() or c.dtype == torch.bool:
            raise UserError(f"Classes must be integers, got dtype {c.dtype}. Pass class indices as int64.")
        if c.ndim != 1:
            raise UserError(f"Classes must be of shape (B,), got {tuple(c.shape)}. Pass indices, not one-hot vectors.")
        wrong = (c < 0) | (c >= self.num_classes)
        if wrong.any():
            raise UserError(
                f"Classes must lie in [0, {self.num_classes}), got {c[wrong][0].item()}. "
                "Set num_classes to the largest class + 1, or correct the class column."
            )
        return c.long()


def _shift_net(noise_features: int, hidden_features: int, num_features: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(noise_features, hidden_features, bias=False),
        nn.SiLU(),
        nn.Linear(hidden_features, num_features, bias=False),
    )

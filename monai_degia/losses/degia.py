"""The terms of Eq. (5) and Eq. (7), one function each: per sample, and normalised by their own dimension."""

from __future__ import annotations

from torch import Tensor

__all__ = ["gaussian_wasserstein", "negative_log_likelihood", "prediction_shift", "transport_cost"]


def negative_log_likelihood(log_prob: Tensor, num_dims: int) -> Tensor:
    """Negative log-likelihood in nats a dimension (Eq. 5 and 7).

    Args:
        log_prob: log-density of each image in nats, shape (B,).
        num_dims: number of dimensions of one image, C * X * Y.

    Returns:
        Shape (B,).

    """
    return -log_prob / num_dims


def transport_cost(z: Tensor, z_source: Tensor) -> Tensor:
    """Cost d of moving each image from its source, in latent space: mean over dimensions of (F(x) - F(x_src))^2.

    In the space of a network's features it is the cost of ADA (arXiv 1805.12018).

    Args:
        z: latents, shape (B, D), or features of any shape (B, ...).
        z_source: those of the source images, same shape.

    Returns:
        Shape (B,).

    """
    return (z - z_source).square().flatten(1).mean(1)


def gaussian_wasserstein(z: Tensor, z_source: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance between the Gaussians fitted to the latents of each pair: an option for d.

    For one-dimensional Gaussians it is (mu_1 - mu_2)^2 + (sigma_1 - sigma_2)^2. Each image's latent dimensions are the
    sample to which its Gaussian is fitted, so that it compares level and spread and lets every single dimension move.

    Args:
        z: latents, shape (B, D).
        z_source: latents of the source images, shape (B, D).

    Returns:
        Shape (B,).

    """
    z, z_source = z.flatten(1), z_source.flatten(1)
    mean = (z.mean(1) - z_source.mean(1)).square()
    return mean + (z.std(1, correction=0) - z_source.std(1, correction=0)).square()


def prediction_shift(prediction: Tensor, prediction_source: Tensor) -> Tensor:
    """How far the prediction has moved from the source image's: mean of (M(x) - M(x_src))^2, last term of Eq. (7).

    Args:
        prediction: output of the task network, shape (B, ...).
        prediction_source: its output for the source images, same shape.

    Returns:
        Shape (B,).

    """
    return (prediction - prediction_source).square().flatten(1).mean(1)

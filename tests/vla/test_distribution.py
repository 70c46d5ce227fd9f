"""The density of correlated chunk noise is that of what is drawn."""

import math

import pytest
import torch

from vla.distribution import ChunkDistribution, mixing_matrix


def reference_log_prob(raw, mean, scale, rho, family):
    """Change of variables by the recursion of AR(1), one number at a time, in float64."""
    raw, mean, scale = raw.double(), mean.double(), scale.double()
    length, dims = raw.shape
    total = 0.0
    for a in range(dims):
        previous = 0.0
        for k in range(length):
            color = (raw[k, a] - mean[k, a]) / scale[k, a]
            gain = 1.0 if k == 0 else math.sqrt(1 - rho**2)
            white = (color - rho * previous * (k > 0)) / gain
            if family == "laplace":
                density = -abs(white) - math.log(2)
            else:
                density = -0.5 * white**2 - 0.5 * math.log(2 * math.pi)
            total += density - math.log(gain) - math.log(scale[k, a])
            previous = color
    return float(total) / (length * dims)


@pytest.mark.parametrize("family", ["laplace", "gaussian"])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.95])
def test_log_prob_is_change_of_variables(family, rho):
    generator = torch.Generator().manual_seed(1)
    mean = torch.randn(3, 4, 2, generator=generator)
    scale = torch.rand(3, 4, 2, generator=generator) + 0.1
    noise = ChunkDistribution(mean, scale, rho, family)
    raw = noise.sample(generator)
    expected = [reference_log_prob(raw[i], mean[i], scale[i], rho, family) for i in range(3)]
    torch.testing.assert_close(noise.log_prob(raw), torch.tensor(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["laplace", "gaussian"])
def test_density_integrates_to_one(family):
    axis = torch.linspace(-14, 14, 1401)
    first, second = torch.meshgrid(axis, axis, indexing="ij")
    raw = torch.stack([first, second], dim=-1).reshape(-1, 2, 1)
    mean = torch.tensor([0.3, -0.2]).reshape(1, 2, 1).expand_as(raw)
    scale = torch.tensor([0.8, 0.6]).reshape(1, 2, 1).expand_as(raw)
    log_density = 2 * ChunkDistribution(mean, scale, 0.7, family).log_prob(raw)
    mass = log_density.double().exp().sum() * float(axis[1] - axis[0]) ** 2
    assert float(mass) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("family", ["laplace", "gaussian"])
def test_samples_have_the_stated_spread_and_correlation(family):
    shape = (40_000, 4, 1)
    noise = ChunkDistribution(torch.zeros(shape), torch.full(shape, 0.5), 0.6, family)
    raw = noise.sample(torch.Generator().manual_seed(0)).squeeze(-1)
    std = 0.5 * (math.sqrt(2) if family == "laplace" else 1.0)
    torch.testing.assert_close(raw.std(dim=0), torch.full((4,), std), rtol=0.03, atol=0.0)
    lags = (torch.arange(4)[:, None] - torch.arange(4)[None, :]).abs()
    torch.testing.assert_close(torch.corrcoef(raw.T), 0.6**lags, rtol=0.0, atol=0.03)


def test_entropy_is_the_mean_of_minus_log_prob():
    shape = (50_000, 3, 2)
    noise = ChunkDistribution(torch.zeros(shape), torch.full(shape, 0.3), 0.5, "laplace")
    raw = noise.sample(torch.Generator().manual_seed(0))
    assert float(-noise.log_prob(raw).mean()) == pytest.approx(float(noise.entropy()[0]), abs=0.01)


def test_mixing_matrix_of_white_noise_is_the_identity():
    torch.testing.assert_close(mixing_matrix(4, 0.0), torch.eye(4))


def test_gradients_reach_mean_and_scale():
    mean = torch.zeros(2, 4, 3, requires_grad=True)
    scale = torch.full((2, 4, 3), 0.2, requires_grad=True)
    noise = ChunkDistribution(mean, scale, 0.5)
    noise.log_prob(torch.full((2, 4, 3), 0.7)).sum().backward()
    assert mean.grad is not None and (mean.grad.sum(dim=1) > 0).all()
    assert scale.grad is not None and (scale.grad[:, 0] > 0).all()

"""The clipped objective against finite differences, closed forms, and its masks."""

import math

import torch

from octoworld.rl.objectives import kl_to_reference, laplace_log_scale, length_weights, ppo_loss


def _batch(seed=0, size=12):
    generator = torch.Generator().manual_seed(seed)
    obs = {"observation.state": torch.randn(size, 4, generator=generator, dtype=torch.float64)}
    raw = torch.randn(size, 2, 2, generator=generator, dtype=torch.float64)
    advantage = torch.randn(size, generator=generator, dtype=torch.float64)
    weight = torch.rand(size, generator=generator, dtype=torch.float64)
    return obs, raw, advantage, weight


def test_gradient_matches_finite_differences(make_policy):
    policy = make_policy().double()
    obs, raw, advantage, weight = _batch()
    old = policy.log_prob(obs, [""] * 12, raw).detach() + 0.3 * torch.linspace(-1, 1, 12).double()

    def loss():
        return ppo_loss(policy.log_prob(obs, [""] * 12, raw), old, advantage, weight)[0]

    loss().backward()
    for parameter in policy.parameters():
        assert parameter.grad is not None
        flat, step = parameter.data.view(-1), 1e-6
        for i in range(0, flat.numel(), 7):
            kept = flat[i].item()
            flat[i] = kept + step
            high = loss().item()
            flat[i] = kept - step
            low = loss().item()
            flat[i] = kept
            assert math.isclose(
                parameter.grad.view(-1)[i].item(),
                (high - low) / (2 * step),
                rel_tol=1e-4,
                abs_tol=1e-8,
            )


def test_at_ratio_one_it_is_the_policy_gradient():
    log_prob = torch.tensor([-1.0, -2.0, -0.5], requires_grad=True)
    advantage, weight = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([1.0, 0.5, 1.5])
    loss, monitors = ppo_loss(log_prob, log_prob.detach(), advantage, weight)
    loss.backward()
    torch.testing.assert_close(log_prob.grad, -advantage * weight / 3)
    assert monitors["ratio_clip_share"] == 0
    assert monitors["approx_kl"] == 0


def test_clip_is_asymmetric_and_one_sided():
    ratio = torch.tensor([1.25, 1.30, 0.75, 1.30, 0.75])
    advantage = torch.tensor([1.0, 1.0, -1.0, -1.0, 1.0])
    log_prob = ratio.log().requires_grad_()
    loss, monitors = ppo_loss(log_prob, torch.zeros(5), advantage, torch.ones(5))
    loss.backward()
    # 1.25 < 1.28 still learns; 1.30 up and 0.75 down are clipped; wrong-way moves are not
    assert (log_prob.grad != 0).tolist() == [True, False, False, True, True]
    assert math.isclose(monitors["ratio_clip_share"].item(), 0.4, rel_tol=1e-6)


def test_ratio_power_scales_the_log_ratio():
    log_prob, old = torch.tensor([0.1]), torch.tensor([0.0])
    loss, _ = ppo_loss(log_prob, old, torch.tensor([-1.0]), torch.ones(1), ratio_power=3.0)
    assert math.isclose(loss.item(), math.exp(0.3), rel_tol=1e-6)


def test_every_episode_weighs_the_same():
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]]).bool()
    weight = length_weights(mask)
    torch.testing.assert_close(weight.sum(0), torch.tensor([2.5, 2.5, 0.0]))
    assert weight[mask].mean() == 1
    assert (weight[~mask] == 0).all()


def test_kl_is_zero_at_equality_and_positive_elsewhere():
    log_prob = torch.tensor([-1.0, -2.0])
    assert kl_to_reference(log_prob, log_prob) == 0
    assert kl_to_reference(log_prob, log_prob + torch.tensor([0.3, -0.2])) > 0


def test_log_scale_of_laplace_samples_is_recovered():
    scale = 0.2
    samples = torch.distributions.Laplace(0.0, scale * 1.5)
    torch.manual_seed(0)
    log_prob = samples.log_prob(samples.sample((20_000,)))
    assert abs(laplace_log_scale(log_prob, 1.5).item() - math.log(scale)) < 0.03

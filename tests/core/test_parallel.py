"""Processes draw apart, and each what it drew before."""

import torch

from octoworld.core.parallel import Share
from octoworld.core.rng import torch_generator


def test_streams_of_processes_are_apart_and_repeat():
    def drawn(rank):
        return torch.rand(4, generator=Share(rank, 2).stream(torch_generator(0, "noise", 3)))

    assert torch.equal(drawn(0), torch.rand(4, generator=torch_generator(0, "noise", 3)))
    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(0), drawn(1))

"""Judge: a learned reward that looks at the home before and after a program, and reads it.

It is the policy's own network put to another use, as reward models are made of the model that they
will teach (RLHF, Ouyang et al. 2022; RLEF, Yang et al. 2024, whose reward model saw no pictures):
what was seen before and what is seen after go through the encoder, the decoder reads the program
and looks at both, and says after every token whether that call was right, and at the end whether
the task has succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from octoworld.core.errors import ConfigError
from vla.checkpoint import read_config, read_weights, write_config, write_weights

from .config import TinyProgrammerConfig
from .model import Seen, TinyProgrammer

KIND = "tiny_judge"
UNKNOWN = -1
"""Label of a call of which nobody knows whether it was right."""


@dataclass(frozen=True)
class JudgeConfig:
    """What it is made of, and what its mistakes cost."""

    programmer: TinyProgrammerConfig
    """Sizes and words, those of the policy that it judges."""
    progress_weight: float = 0.3
    """Of the error in progress, against that in success."""
    step_weight: float = 0.3
    """Of the error in which calls were right."""
    pair_weight: float = 0.5
    """Of the order of two programs of one scene, of which one succeeded."""


@dataclass
class Verdict:
    """What it makes of N programs, as logits."""

    success: torch.Tensor
    """(N,) of the goal holding at the end."""
    progress: torch.Tensor
    """(N,) of the share of the goal that holds."""
    right: torch.Tensor
    """(N, L) of each token: read at the last one of a call, of that call having been right."""


class Judge(nn.Module):
    """Seen before, program, seen after -> probability of success, progress, right calls."""

    slope: torch.Tensor
    """() of the calibrated logit; 1 until `calibrate`."""
    bias: torch.Tensor
    """() added to the calibrated logit."""
    threshold: torch.Tensor
    """() probability from which it says success."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config = config
        width = config.programmer.width
        self.trunk = TinyProgrammer(config.programmer)
        self.later = nn.Parameter(0.02 * torch.randn(width))
        """Tells what is seen after from what was seen before."""
        self.change = nn.Linear(self.trunk.eye.size + width, width)
        """What has changed in a picture: its features, and the words for what it shows."""
        self.left = nn.Linear(width, width)
        """What has become of a place, added where the program goes there."""
        self.heads = nn.Linear(width, 3)
        for name, value in (("slope", 1.0), ("bias", 0.0), ("threshold", 0.5)):
            self.register_buffer(name, torch.tensor(value))

    @classmethod
    def of(cls, programmer: TinyProgrammer, config: JudgeConfig | None = None) -> Judge:
        """A judge that begins with a policy's weights, its eye included.

        Raises:
            ConfigError: the config is for another policy.
        """
        config = JudgeConfig(programmer.config) if config is None else config
        if config.programmer != programmer.config:
            raise ConfigError("the judge's config names other sizes or words than the policy has")
        judge = cls(config)
        judge.trunk.load_state_dict(programmer.state_dict())
        return judge

    def forward(
        self, before: Seen, tokens: torch.Tensor, after: Seen, owner: torch.Tensor | None = None
    ) -> Verdict:
        """Judge programs (N, L), PAD after their ends; `owner` (N,) names the scene of each.

        Args:
            before: B scenes; N of them, in the order of the programs, without `owner`.
            tokens: as the policy writes them.
            after: N scenes, of the same places as before.
            owner: index into `before`.

        Raises:
            ConfigError: the sizes do not fit.
        """
        owner = torch.arange(len(before), device=tokens.device) if owner is None else owner
        _check(before, tokens, after, owner, self.config.programmer.max_tokens)
        trunk, width = self.trunk, self.config.programmer.width
        earlier, mask = trunk.encode(before)
        now, now_mask = trunk.encode(after)
        places = before.pictures.shape[1]
        moved = after.features - before.features[owner]
        said = trunk.eye.recognise(after.features) - trunk.eye.recognise(before.features)[owner]
        named = said @ trunk.of_label @ trunk.words.weight
        now = now + self.later
        # a picture that is as it was adds nothing
        changed = (moved != 0).any(-1, keepdim=True) * self.change(torch.cat([moved, named], -1))
        now = torch.cat([now[:, :places] + changed, now[:, places:]], 1)
        memory = torch.cat([earlier[owner], now], 1)
        mask = torch.cat([mask[owner], now_mask], 1)
        read = trunk.inputs(tokens, earlier, owner)
        spots = (tokens - trunk.grammar.size).clamp_min(0)
        became = self.left(now.gather(1, spots[..., None].expand(-1, -1, width)))
        read = read + (tokens >= trunk.grammar.size)[..., None] * became
        x = torch.cat([trunk.first.expand(len(tokens), 1, width), read], 1)
        last = len(trunk.token_positions) - 1
        x = x + trunk.token_positions[torch.arange(x.shape[1], device=x.device).clamp_max(last)]
        for block in trunk.blocks:
            x = block(x, block.remember(memory, mask))
        found = self.heads(trunk.norm(x))
        # what has been read when the program is over; nothing after it can be seen from there
        rows = torch.arange(len(tokens), device=tokens.device)
        end = found[rows, (tokens >= 0).sum(1)]
        return Verdict(end[:, 0], end[:, 1], found[:, 1:, 2])

    def probability(self, verdict: Verdict) -> torch.Tensor:
        """(N,) calibrated probability of success."""
        return (self.slope * verdict.success + self.bias).sigmoid()

    # -- learning ----------------------------------------------------------------------------------

    def loss(
        self,
        verdict: Verdict,
        success: torch.Tensor,
        progress: torch.Tensor,
        right: torch.Tensor,
        pairs: torch.Tensor,
    ) -> Mapping[str, torch.Tensor]:
        """Errors by name, and `loss`, their weighted sum.

        Args:
            verdict: of N programs.
            success: (N,) bool.
            progress: (N,) in [0, 1].
            right: (N, L) 1, 0 or UNKNOWN, at the last tokens of calls.
            pairs: (K, 2) rows, of programs of one scene, of which the first succeeded and the
                second did not.
        """
        known = right != UNKNOWN
        steps = F.binary_cross_entropy_with_logits(
            verdict.right, right.clamp_min(0).to(verdict.right), reduction="none"
        )
        # Bradley and Terry (1952): the better one wins with a probability given by the difference
        ahead = verdict.success[pairs[:, 0]] - verdict.success[pairs[:, 1]]
        parts = {
            "success": F.binary_cross_entropy_with_logits(
                verdict.success, success.to(verdict.success)
            ),
            "progress": F.binary_cross_entropy_with_logits(
                verdict.progress, progress.to(verdict.progress)
            ),
            "steps": (steps * known).sum() / known.sum().clamp_min(1),
            "pairs": -F.logsigmoid(ahead).sum() / max(len(pairs), 1),
        }
        config = self.config
        total = parts["success"] + config.progress_weight * parts["progress"]
        total = total + config.step_weight * parts["steps"] + config.pair_weight * parts["pairs"]
        return {"loss": total, **parts}

    # -- files -------------------------------------------------------------------------------------

    def save_pretrained(self, folder: Path | str) -> None:
        """Write config and weights."""
        write_config(folder, KIND, self.config)
        write_weights(folder, self)

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> Judge:
        """Read what `save_pretrained` wrote; CheckpointError where that is not possible."""
        judge = cls(read_config(folder, KIND, JudgeConfig))
        read_weights(folder, judge)
        return judge.eval()


def _check(
    before: Seen, tokens: torch.Tensor, after: Seen, owner: torch.Tensor, longest: int
) -> None:
    if not len(tokens) == len(after) == len(owner):
        raise ConfigError(
            f"{len(tokens)} programs, of {len(owner)} scenes before and {len(after)} after: "
            "expected one of each"
        )
    if before.features.shape[1:] != after.features.shape[1:]:
        raise ConfigError(
            f"pictures before are {tuple(before.features.shape[1:])}, after "
            f"{tuple(after.features.shape[1:])}: expected the same places"
        )
    if tokens.shape[1] > longest:
        raise ConfigError(f"programs of {tokens.shape[1]} tokens, expected at most {longest}")

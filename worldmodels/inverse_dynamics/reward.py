"""InverseReward: do imagined clips what they were told? By a network that passed the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from octoworld.core.errors import ActionError, CheckpointError, ConfigError

from .gate import GateReport
from .model import InverseDynamics

GATE_FILE = "gate.json"
"""Where a checkpoint's folder keeps the gate's report."""


@dataclass
class InverseScore:
    """How B clips of K steps obeyed; each in [0, 1]."""

    match: torch.Tensor
    """(B, K) 1 where all dimensions were read as they were asked, else 0."""
    dimensions: torch.Tensor
    """(B, K, D) the same of each dimension."""
    soft: torch.Tensor
    """(B, K) nearness of what the continuous head reads: 1 right, 0 `reach` or further off, and
    where the frames look spoiled."""

    @property
    def clip_match(self) -> torch.Tensor:
        """(B,) mean match: RLIR's reward (arXiv 2509.23958)."""
        return self.match.mean(1)

    @property
    def clip_soft(self) -> torch.Tensor:
        """(B,) mean nearness."""
        return self.soft.mean(1)


class InverseReward:
    """Reads the actions off clips and compares them with those that were asked for.

    A step's score also hangs on the frames around it (`before` and `after` of the config); with a
    `stride` above 1 the steps of one stride share a score.
    """

    def __init__(self, model: InverseDynamics, report: GateReport, *, reach: float = 0.5) -> None:
        """Use `model`, on the device that it is on, frozen.

        Args:
            model: the network.
            report: what `gate` found of these weights.
            reach: error of an action at which the soft score is 0.

        Raises:
            GateError: the gate was not passed.
            CheckpointError: the report is about other weights, or the network is a judge.
            ConfigError: `reach` is not positive.
        """
        if report.fingerprint != model.fingerprint():
            raise CheckpointError(
                f"the gate's report is about weights {report.fingerprint}, these are "
                f"{model.fingerprint()}: run the gate on this network"
            )
        report.require("a reward")
        if model.role == "judge":
            raise CheckpointError(
                "this network was trained to be the judge; what is optimised against judges no "
                "more. Train another with the role `reward`"
            )
        if reach <= 0:
            raise ConfigError(f"reach = {reach}: expected above 0")
        self.model, self.report, self.reach = model.eval().requires_grad_(False), report, reach

    @classmethod
    def from_pretrained(cls, folder: Path | str, *, device: str = "cpu") -> InverseReward:
        """The network saved in `folder`, whose gate's report is beside it (`GateReport.save`).

        Raises:
            CheckpointError: one of both is missing, or the report is about other weights.
            GateError: the gate was not passed.
        """
        folder = Path(folder)
        if not (folder / "config.json").exists():
            raise CheckpointError(f"{folder} holds no inverse-dynamics model (no config.json)")
        model = InverseDynamics.from_pretrained(str(folder))
        model.to(device)  # type: ignore[arg-type]
        return cls(model, GateReport.load(folder / GATE_FILE))

    @torch.no_grad()
    def __call__(self, frames: Mapping[str, torch.Tensor], actions: torch.Tensor) -> InverseScore:
        """Score clips, camera -> (B, 1+K, H, W, 3) uint8, under actions (B, K, A) in [-1, 1].

        Raises:
            ConfigError: a camera is missing, or images are of another size or type.
            ActionError: the actions are of another robot, or of other clips.
        """
        self.model.check_frames(frames)
        clips = frames[self.model.cameras[0]]
        if actions.ndim != 3 or actions.shape[:2] != (clips.shape[0], clips.shape[1] - 1):
            raise ActionError(
                f"{tuple(clips.shape[:2])} frames need actions "
                f"({clips.shape[0]}, {clips.shape[1] - 1}, A), got {tuple(actions.shape)}"
            )
        reading, wanted = self.model.read(frames), self.model.asked(actions)
        right = (reading.bins == self.model.asked_bins(actions)).float()
        near = (1 - (reading.values - wanted).abs() / self.reach).clamp(min=0)
        near = near * ~reading.refused[..., None]
        stride = self.model.settings.stride
        return InverseScore(
            match=right.amin(-1).repeat_interleave(stride, 1),
            dimensions=right.repeat_interleave(stride, 1),
            soft=near.mean(-1).repeat_interleave(stride, 1),
        )

"""Episode: what any rollout leaves, real or imagined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass
class Episode:
    """T steps of one world; row t holds the observation *before* action t, as LeRobot stores it.

    Columns carry LeRobot's names: `observation.images.<camera>` (T, H, W, 3) uint8,
    `observation.state` (T, P) float32 proprioception, `action` (T, A) float32, `next.reward` (T,)
    float32, `next.success` (T,) bool (judged after action t), `next.done` (T,) bool. Ours:
    `sim_state` (T, S) float64, the world's whole state before action t, from which physics resumes
    to the bit.
    """

    columns: dict[str, NDArray]
    """Arrays with first axis T, by column name."""
    instruction: str
    """What the robot was told to do."""
    fps: int
    """Control steps a second [Hz]."""
    info: dict[str, Any] = field(default_factory=dict)
    """Facts of the whole episode, JSON-able: task, robot, control_mode, seed, split, source, ..."""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What the D numbers of a column (T, D) are called, as far as is known: LeRobot's `names`."""

    def __post_init__(self) -> None:
        lengths = {k: len(v) for k, v in self.columns.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"columns of one episode must be of one length, got {lengths}")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> NDArray:
        return self.columns[name]

    @property
    def cameras(self) -> list[str]:
        """Names of the cameras recorded."""
        prefix = "observation.images."
        return [k[len(prefix) :] for k in self.columns if k.startswith(prefix)]

    @property
    def success(self) -> bool:
        """Success in the last step (not 'ever')."""
        return bool(self.columns["next.success"][-1])

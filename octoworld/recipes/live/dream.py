"""Dream: a world model that lives through the actions of a true world, and how far it strays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.rng import torch_generator
from tasks.env import TaskEnv, scene_cameras
from tasks.manipulation.objects import OBJECTS, OBJECTS_DIM, object_state
from tasks.manipulation.tabletop import TabletopTask
from worldmodels.checkpoint import load_latent_model
from worldmodels.latent_model import LatentWorldModel
from worldmodels.model import Clip

STATE, IMAGE = "observation.state", "observation.images."
TOOL = ("tool_x", "tool_y", "tool_z")


def load_dream_model(path: Path) -> LatentWorldModel:
    """The world model in a folder, or in `worldmodel` of a run.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    for folder in (path, path / "worldmodel"):
        if (folder / "config.json").exists():
            return load_latent_model(folder)
    raise CheckpointError(
        f"{path} holds no world model; expected the folder of one, or a run with `worldmodel` in it"
    )


@dataclass(frozen=True)
class Dreamt:
    """What the model believes of one moment."""

    images: dict[str, NDArray[np.uint8]]
    """Camera -> (H, W, 3)."""
    state: NDArray[np.float32]
    """Told proprioception (P,)."""
    objects: NDArray[np.float32] | None
    """Told places of things (O,); None where the model knows none."""


class Dream:
    """One imagined world, which starts at what was truly seen and then has the actions alone."""

    def __init__(self, model: LatentWorldModel, env: TaskEnv) -> None:
        """Dream of the one world of `env`.

        Raises:
            ConfigError: the model was trained for other cameras, actions or proprioception.
        """
        self.model = model
        known = scene_cameras(env.world.scene)
        missing = [camera for camera in model.cameras if camera not in known]
        if missing:
            raise ConfigError(
                f"the world model draws camera {missing[0]!r}, which {env.task.name} lacks; it "
                f"has {', '.join(known)}"
            )
        felt = env.task.observe(env.world)[STATE].shape[1]
        for what, mine, theirs in (
            ("actions", model.config["action_dim"], env.drive.action_dim),
            ("proprioception", model.config["proprio_dim"], felt),
        ):
            if mine != theirs:
                raise ConfigError(
                    f"the world model was trained on {mine} numbers of {what}; {env.task.name} by "
                    f"{env.drive.name} has {theirs}"
                )
        self._knows_things = (
            isinstance(env.task, TabletopTask) and model.config.get("object_dim") == OBJECTS_DIM
        )
        self._tool = [env.task.state_names.index(n) for n in TOOL if n in env.task.state_names]
        self._rows: list[Mapping[str, NDArray]] = []
        self._history: Any = None
        self._generator = torch_generator(0)
        self.now: Dreamt
        """What is believed now."""

    @property
    def curves(self) -> dict[str, tuple[str, ...]]:
        """Plot -> curves of `divergence`."""
        told = ["tool"] if self._tool else ["state"]
        told += ["block", "drawer"] if self._knows_things else []
        unit = "[m]" if self._tool else ""
        return {
            "picture: imagined less true, of 255": tuple(self.model.cameras),
            f"told state less true state {unit}".strip(): tuple(told),
        }

    def begin(self, obs: Mapping[str, NDArray], seed: int) -> None:
        """An episode starts with this observation; so does the dream, in full agreement."""
        self._rows = [self._row(obs)]
        self._generator = torch_generator(seed, "live dream")
        self.wake()

    def step(self, action: NDArray[np.float32], obs: Mapping[str, NDArray]) -> None:
        """Dream one action (1, A); what was truly seen after it is only kept for `wake`."""
        # the anchor, the first frame of the episode, and as many as the model looks back on
        recent = [*self._rows[1:], self._row(obs)][-self.model.context_length :]
        self._rows = [self._rows[0], *recent]
        given = torch.from_numpy(np.asarray(action, np.float32))[None].to(self.model.device)
        with torch.inference_mode():
            self._history, seen = self.model.imagine(self._history, given, self._generator)
        objects = None if seen.objects is None else seen.objects[0, -1].cpu().numpy()
        images = {c: frames[0, -1].cpu().numpy() for c, frames in seen.frames.items()}
        self.now = Dreamt(images, seen.proprio[0, -1].cpu().numpy(), objects)

    def wake(self) -> None:
        """See the truth of now and of the moments before, and dream on from there."""
        rows, device = self._rows, self.model.device
        frames = {
            c: torch.from_numpy(np.stack([r[IMAGE + c] for r in rows]))[None].to(device)
            for c in self.model.cameras
        }
        felt = torch.from_numpy(np.stack([r[STATE] for r in rows]))[None].float().to(device)
        actions = torch.zeros(1, len(rows), self.model.config["action_dim"], device=device)
        with torch.inference_mode():
            self._history = self.model.start(Clip(frames, felt, actions))
        last = rows[-1]
        images = {c: last[IMAGE + c] for c in self.model.cameras}
        self.now = Dreamt(images, last[STATE], None)

    def observation(self, obs: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """What a policy sees that lives in the dream: `obs` with what is dreamt in its place."""
        dreamt = {IMAGE + c: picture[None] for c, picture in self.now.images.items()}
        return {**obs, **dreamt, STATE: self.now.state[None]}

    def columns(self) -> dict[str, NDArray]:
        """What is recorded of the dream's present moment, (1, ...)."""
        images = {f"{IMAGE}imagined.{c}": x[None] for c, x in self.now.images.items()}
        return images | {"imagined.state": self.now.state[None]}

    @property
    def place(self) -> NDArray[np.float64] | None:
        """Where the tool is believed to be, (3,) [m]; None for robots without one."""
        return self.now.state[self._tool].astype(float) if len(self._tool) == 3 else None

    def divergence(self, obs: Mapping[str, NDArray], env: TaskEnv) -> dict[str, dict[str, float]]:
        """Plot -> curve -> how far the dream is from what is observed now."""
        pictures, told = self.curves
        away = {
            c: float(np.abs(x.astype(float) - obs[IMAGE + c][0]).mean())
            for c, x in self.now.images.items()
        }
        true = obs[STATE][0]
        if self._tool:
            gap = self.now.state[self._tool] - true[self._tool]
            states = {"tool": float(np.linalg.norm(gap))}
        else:
            states = {"state": float(np.sqrt(np.mean((self.now.state - true) ** 2)))}
        if self._knows_things and self.now.objects is not None:
            hidden = env.task.observe(env.world)["privileged"]
            gap = self.now.objects - object_state(obs[STATE], hidden)[0]
            states["block"] = float(np.linalg.norm(gap[OBJECTS["block"]]))
            states["drawer"] = float(np.abs(gap[OBJECTS["drawer"]]).max())
        return {pictures: away, told: states}

    def _row(self, obs: Mapping[str, NDArray]) -> dict[str, NDArray]:
        columns = [IMAGE + c for c in self.model.cameras] + [STATE]
        return {name: np.array(obs[name][0]) for name in columns}

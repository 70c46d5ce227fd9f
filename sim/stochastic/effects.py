"""Effects: what a stochastic world does to commands, physics and observations.

Types after STORI (Barsainyan et al. 2025): 1 the agent's action is replaced; 2.1 events that no
action causes; 2.2 the world's rules drift; 3.2 parts of the observation are missing. Every draw is
a function of (seed of the episode, step, effect), so a world does not depend on its neighbours and
replays to the bit. The defaults that STORI has (p = 0.3 for type 1) are kept; the others are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import hashed_normal, hashed_uniform

from ..arrays import as_numpy
from ..scene import Scene

Mask = NDArray[np.bool_]
PROPRIOCEPTION = "observation.state"


@dataclass
class Moment:
    """One step of N worlds, as an effect sees it."""

    env: Any
    """The environment beneath; `env.world` is its physics."""
    seeds: NDArray[np.int64]
    """(N,) of the running episodes."""
    step: NDArray[np.int64]
    """(N,) steps done in them."""
    clock: NDArray[np.float64]
    """(N,) steps done since the world was last seeded from outside, over automatic resets."""
    live: Mask
    """(N,) worlds that step."""
    index: int
    """Place of the effect in the stack: two of a kind draw differently."""

    def uniform(self, size: int = 1, stream: int = 0) -> NDArray[np.float64]:
        """(N, size) even draws of this step."""
        return self._draw(hashed_uniform, size, stream)

    def normal(self, size: int, stream: int = 0) -> NDArray[np.float64]:
        """(N, size) normal draws of this step."""
        return self._draw(hashed_normal, size, stream)

    def _draw(self, draw: Any, size: int, stream: int) -> NDArray[np.float64]:
        # the step is a column, not a path: worlds are at different steps of their episodes
        keys = self.seeds.astype(np.uint64) * np.uint64(2654435761) + self.step.astype(np.uint64)
        return draw(keys, self.index, stream, size=size)


@dataclass
class Effect:
    """Does nothing; a kind of effect overrides what it needs.

    `memory` holds arrays (N, ...) that live between steps; they are saved with the worlds' state.
    """

    kind: ClassVar[str]
    memory: dict[str, NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False)

    def bind(self, env: Any) -> None:
        """Look at the environment once; ConfigError where the effect has no meaning in it."""

    def reset(self, mask: Mask) -> None:
        """New episodes in the masked worlds."""

    def act(self, actions: NDArray[np.float32], moment: Moment) -> NDArray[np.float32]:
        """The commands that arrive, (N, A)."""
        return actions

    def disturb(self, moment: Moment) -> None:
        """Change the worlds before they step."""

    def observe(self, obs: Any, moment: Moment) -> Any:
        """What is left of an observation."""
        return obs

    def facts(self) -> dict[str, NDArray]:
        """Named quantities (N,) of the last step, for `infos`."""
        return {}


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"stochastic {name}: expected within [0, 1], got {value}")


@dataclass
class LostCommand(Effect):
    """Type 1: with probability `p` a command does not arrive, and `instead` is done."""

    kind = "1"
    p: float = 0.3
    instead: ClassVar[Literal["hold", "zero", "random"]] = "random"

    def __post_init__(self) -> None:
        _share("p", self.p)

    def bind(self, env: Any) -> None:
        """See Effect."""
        self.memory = {
            "last": np.zeros((env.num_envs, env.num_acts)), "lost": np.zeros(env.num_envs)
        }  # fmt: skip

    def reset(self, mask: Mask) -> None:
        """See Effect."""
        self.memory["last"][mask] = 0.0
        self.memory["lost"][mask] = 0.0

    def act(self, actions: NDArray[np.float32], moment: Moment) -> NDArray[np.float32]:
        """See Effect."""
        lost = moment.uniform()[:, 0] < self.p
        flat = actions.reshape(len(actions), -1)
        if self.instead == "random":
            other = 2 * moment.uniform(flat.shape[1], stream=1) - 1
        else:
            other = self.memory["last"] if self.instead == "hold" else np.zeros(flat.shape)
        arrived = np.where(lost[:, None], other, flat)
        self.memory["last"], self.memory["lost"] = arrived, lost.astype(float)
        return arrived.astype(np.float32).reshape(actions.shape)

    def facts(self) -> dict[str, NDArray]:
        """See Effect."""
        return {"stochastic/lost": self.memory["lost"] > 0}


@dataclass
class HeldCommand(LostCommand):
    """Type 1, the radio link drops out: the last command that arrived is held."""

    instead = "hold"


@dataclass
class ZeroCommand(LostCommand):
    """Type 1: nothing is commanded."""

    instead = "zero"


def free_bodies(scene: Scene) -> list[str]:
    """Objects of a scene that move freely."""
    return [b.name for b in scene.bodies if b.joint is not None and b.joint.kind == "free"]


def flying_bodies(scene: Scene) -> list[str]:
    """Rotorcraft of a scene."""
    crafts = [(p.prefix, p.spec.rotorcraft) for p in scene.robots]
    return [prefix + craft.body for prefix, craft in crafts if craft is not None]


@dataclass
class Kick(Effect):
    """Type 2.1: with probability `p` a step, a body gets a velocity of deviation `strength`."""

    kind = "2.1"
    p: float = 0.05
    strength: float = 0.3
    """[m/s], each axis."""
    flat: ClassVar[bool] = False
    """Horizontal only."""

    def __post_init__(self) -> None:
        _share("p", self.p)
        if not self.strength >= 0:
            raise ConfigError(f"stochastic strength: expected at least 0, got {self.strength}")

    def bodies(self, scene: Scene) -> list[str]:
        """Which bodies are kicked: all that fly or lie free."""
        return flying_bodies(scene) + free_bodies(scene)

    def bind(self, env: Any) -> None:
        """See Effect."""
        self._bodies = self.bodies(_scene(env, self))
        if not self._bodies:
            raise ConfigError(
                f"stochastic {self.kind}:{type(self).__name__.lower()}: scene "
                f"{env.world.scene.name!r} has no body that it could move"
            )
        self.memory = {"kicked": np.zeros(env.num_envs)}

    def reset(self, mask: Mask) -> None:
        """See Effect."""
        self.memory["kicked"][mask] = 0.0

    def disturb(self, moment: Moment) -> None:
        """See Effect."""
        kicked = (moment.uniform()[:, 0] < self.p) & moment.live
        self.memory["kicked"] = kicked.astype(float)
        if not kicked.any():
            return
        kick = self.strength * moment.normal(3 * len(self._bodies), stream=1)
        world = moment.env.world
        for i, body in enumerate(self._bodies):
            velocity = np.array(as_numpy(world.velocity(body)))[kicked]
            push = kick[kicked, 3 * i : 3 * i + 3]
            if self.flat:
                push[:, 2] = 0.0
            velocity[:, :3] += push
            world.set_velocity(body, velocity, kicked)
        world.refresh(kicked)

    def facts(self) -> dict[str, NDArray]:
        """See Effect."""
        return {f"stochastic/{type(self).__name__.lower()}": self.memory["kicked"] > 0}


@dataclass
class Gust(Kick):
    """Type 2.1: a gust hits the drones."""

    strength: float = 0.5

    def bodies(self, scene: Scene) -> list[str]:
        """Rotorcraft."""
        return flying_bodies(scene)


@dataclass
class Nudge(Kick):
    """Type 2.1: somebody nudges the objects."""

    flat = True

    def bodies(self, scene: Scene) -> list[str]:
        """Free objects."""
        return free_bodies(scene)


@dataclass
class Slip(Effect):
    """Type 2.1: with probability `p` a step, the gripper opens for `length` steps."""

    kind = "2.1"
    p: float = 0.02
    length: int = 3

    def __post_init__(self) -> None:
        _share("p", self.p)
        if self.length < 1:
            raise ConfigError(f"stochastic length: expected at least 1, got {self.length}")

    def bind(self, env: Any) -> None:
        """See Effect."""
        grippers = [p for p in _scene(env, self).robots if p.spec.gripper_joints]
        if not grippers:
            raise ConfigError("stochastic 2.1:slip: the robot has no gripper")
        self.memory = {"left": np.zeros(env.num_envs)}
        self._slipping = np.zeros(env.num_envs, bool)

    def reset(self, mask: Mask) -> None:
        """See Effect."""
        self.memory["left"][mask] = 0.0

    def act(self, actions: NDArray[np.float32], moment: Moment) -> NDArray[np.float32]:
        """See Effect."""
        begins = (moment.uniform()[:, 0] < self.p) & moment.live
        left = np.where(begins, self.length, self.memory["left"])
        actions = actions.copy()
        actions[left > 0, -1] = 1.0  # the last column of every control mode is the gripper
        self.memory["left"] = np.maximum(left - 1, 0)
        self._slipping = left > 0
        return actions

    def facts(self) -> dict[str, NDArray]:
        """See Effect."""
        return {"stochastic/slip": self._slipping}


@dataclass
class Drift(Effect):
    """Type 2.2: after `period` steps another concept holds (`sudden`), or both in turn (`cyclic`).

    Steps are those of a world, over its automatic resets.
    """

    kind = "2.2"
    schedule: str = "sudden"
    period: int = 300
    scale: float = 0.7
    """Of the second concept, over the first one."""

    def __post_init__(self) -> None:
        if self.schedule not in ("sudden", "cyclic"):
            raise ConfigError(
                f"stochastic schedule {self.schedule!r}: expected sudden@STEPS or cyclic@STEPS"
            )
        if not isinstance(self.period, int) or self.period < 1:
            raise ConfigError(f"stochastic {self.schedule}@{self.period}: expected whole steps")
        if not self.scale > 0:
            raise ConfigError(f"stochastic scale: expected above 0, got {self.scale}")

    def bind(self, env: Any) -> None:
        """See Effect."""
        self.memory = {"concept": np.zeros(env.num_envs)}

    def concept(self, clock: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) 0 or 1: which concept holds."""
        if self.schedule == "sudden":
            return (clock >= self.period).astype(float)
        return np.floor(clock / self.period) % 2

    def now(self, moment: Moment) -> NDArray[np.float64]:
        """(N,) scale that holds; the concept is remembered."""
        self.memory["concept"] = self.concept(moment.clock)
        return np.where(self.memory["concept"] > 0, self.scale, 1.0)

    def facts(self) -> dict[str, NDArray]:
        """See Effect."""
        return {"stochastic/concept": self.memory["concept"]}


@dataclass
class Wear(Drift):
    """Type 2.2: worn propellers or gears: commands do `scale` of what they did.

    Rotorcraft lose thrust; elsewhere the action is scaled (a gripper's command is not).
    """

    def bind(self, env: Any) -> None:
        """See Effect."""
        super().bind(env)
        scene = getattr(getattr(env, "world", None), "scene", None)
        self._flies = bool(scene is not None and flying_bodies(scene))
        self._gripper = scene is not None and any(p.spec.gripper_joints for p in scene.robots)
        if self._flies:
            _claim(env, self, "thrust_scale")

    def act(self, actions: NDArray[np.float32], moment: Moment) -> NDArray[np.float32]:
        """See Effect."""
        scale = self.now(moment)
        if self._flies:
            return actions
        scaled = actions * scale.reshape(-1, *[1] * (actions.ndim - 1)).astype(np.float32)
        if self._gripper:
            scaled[..., -1] = actions[..., -1]
        return scaled

    def disturb(self, moment: Moment) -> None:
        """See Effect."""
        if self._flies:
            _apply(self, moment, "thrust_scale", self.now(moment)[:, None, None])


@dataclass
class Payload(Drift):
    """Type 2.2: a load is hung on the drones, or taken off: their mass is `scale` of it."""

    scale: float = 1.25

    def bind(self, env: Any) -> None:
        """See Effect."""
        super().bind(env)
        scene = _scene(env, self)
        flying = [(p.spec, p.spec.rotorcraft) for p in scene.robots]
        flying = [(spec, craft) for spec, craft in flying if craft is not None]
        if not flying:
            raise ConfigError("stochastic 2.2:payload: the scene has no rotorcraft")
        _claim(env, self, "mass_scale")
        masses = [
            next(b.mass for b in spec.bodies if b.name == craft.body) for spec, craft in flying
        ]
        self._masses = np.array(masses)

    def disturb(self, moment: Moment) -> None:
        """See Effect."""
        _apply(self, moment, "mass", self.now(moment)[:, None] * self._masses)


@dataclass
class DroppedSensors(Effect):
    """Type 3.2: each number of the proprioception (or of the state) is 0 with probability `p`."""

    kind = "3.2"
    p: float = 0.2

    def __post_init__(self) -> None:
        _share("p", self.p)

    def observe(self, obs: Any, moment: Moment) -> Any:
        """See Effect."""
        if isinstance(obs, dict):
            return obs | {PROPRIOCEPTION: self._dropped(obs[PROPRIOCEPTION], moment)}
        return self._dropped(obs, moment)

    def _dropped(self, value: Any, moment: Moment) -> Any:
        gone = moment.uniform(int(value[0].size)).reshape(value.shape) < self.p
        return np.where(gone, np.zeros((), value.dtype), value)


@dataclass
class Blackout(Effect):
    """Type 3.2: with probability `p` a step, the cameras are black."""

    kind = "3.2"
    p: float = 0.2

    def __post_init__(self) -> None:
        _share("p", self.p)

    def bind(self, env: Any) -> None:
        """See Effect."""
        if not hasattr(env.single_observation_space, "spaces"):
            raise ConfigError("stochastic 3.2:blackout: observe in `vision` mode, or add 3.1")

    def observe(self, obs: Any, moment: Moment) -> Any:
        """See Effect."""
        black = moment.uniform()[:, 0] < self.p
        return {k: _blackened(v, black) if k != PROPRIOCEPTION else v for k, v in obs.items()}


@dataclass
class Patch(Blackout):
    """Type 3.2: dirt on the lens: a square of `share` of each image is black, per episode."""

    p: float = 1.0
    share: float = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        _share("share", self.share)

    def observe(self, obs: Any, moment: Moment) -> Any:
        """See Effect."""
        still = hashed_uniform(moment.seeds, moment.index, 7, size=3)
        has = still[:, 2] < self.p

        def dirty(image: NDArray) -> NDArray:
            height, width = image.shape[1:3]
            side = round((self.share * height * width) ** 0.5)
            top = (still[:, 0] * max(1, height - side)).astype(int)[:, None]
            left = (still[:, 1] * max(1, width - side)).astype(int)[:, None]
            rows, columns = np.arange(height)[None], np.arange(width)[None]
            down = (rows >= top) & (rows < top + side)
            across = (columns >= left) & (columns < left + side)
            hit = down[:, :, None] & across[:, None, :] & has[:, None, None]
            return np.where(hit[..., None], np.uint8(0), image)

        return {k: dirty(v) if k != PROPRIOCEPTION else v for k, v in obs.items()}


def _blackened(image: NDArray, black: Mask) -> NDArray:
    image = image.copy()
    image[black] = 0
    return image


def _scene(env: Any, effect: Effect) -> Scene:
    world = getattr(env, "world", None)
    if world is None:
        raise ConfigError(f"stochastic {effect.kind}: {type(env).__name__} has no physics to move")
    return world.scene


def _claim(env: Any, effect: Drift, parameter: str) -> None:
    """Take a drone parameter for the effect alone: what a task draws anew would undo it."""
    randomizer = getattr(getattr(env, "task", None), "randomizer", None)
    if randomizer is not None and parameter in randomizer.spreads:
        raise ConfigError(
            f"stochastic {effect.kind}: the task randomises {parameter} already; take one of both"
        )
    effect.memory["applied"] = np.ones(env.num_envs)


def _apply(effect: Drift, moment: Moment, name: str, value: NDArray) -> None:
    """Set a drone parameter to `value` (N, ...) where its scale is not what was set last."""
    scale = np.where(effect.memory["concept"] > 0, effect.scale, 1.0)
    changed = (scale != effect.memory["applied"]) & moment.live
    if changed.any():
        moment.env.world.set_parameters({name: value[changed]}, changed)
        effect.memory["applied"] = np.where(changed, scale, effect.memory["applied"])


EFFECTS: dict[str, dict[str, type[Effect]]] = {
    "1": {"random": LostCommand, "hold": HeldCommand, "zero": ZeroCommand},
    "2.1": {"kick": Kick, "gust": Gust, "nudge": Nudge, "slip": Slip},
    "2.2": {"wear": Wear, "payload": Payload},
    "3.2": {"drop": DroppedSensors, "blackout": Blackout, "patch": Patch},
}
"""Type -> name -> effect. The first of each is what the type alone means."""
